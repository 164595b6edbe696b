"""What a gradient check found, as data and for people: a table for terminals and for notebooks."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

__all__ = ["GradcheckError", "GradcheckReport", "Row"]

# Worst first. The first four make a check fail.
VERDICTS = {
    "nondeterministic": "the function gives different values at the same point",
    "nonfinite": "inf or nan",
    "wrong": "the gradient is not the derivative",
    "noisy": "the function is too rough to tell; another eps or float64 may help",
    "kink": "a corner: any slope between that to the left and that to the right will do",
    "unused": "the function does not depend on this input",
    "ok": "",
}
FAILING = frozenset(list(VERDICTS)[:4])
SHOWN = 12  # rows that a table shows


class GradcheckError(AssertionError):
    """A gradient check failed; the message is the report.

    >>> try:
    ...     gradcheck(lambda x: x * detach(x), 3.0).raise_if_failed()
    ... except GradcheckError as error:
    ...     print(str(error).partition(";")[0])
    gradcheck of <lambda>: FAILED
    """


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    input: the name of the input. index: the element; None where it is about the whole input,
    as with a probe, the derivative along a random direction. analytic, numeric: the two derivatives. estimate: how far
    off the numeric one may be. tolerance: the difference that is let pass. left, right: the
    one-sided derivatives at a kink. order: 2 for a derivative of the gradient.
    """

    input: str
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    estimate: float
    tolerance: float
    verdict: str
    left: float = math.nan
    right: float = math.nan
    order: int = 1
    probe: bool = False

    @property
    def error(self) -> float:
        """|analytic - numeric|; 0 where a kink admits the analytic one."""
        return 0.0 if self.verdict == "kink" else abs(self.analytic - self.numeric)

    @property
    def ratio(self) -> float:
        """The error over the tolerance: up to 1 is let pass."""
        error = self.error
        if math.isnan(error):
            return math.inf
        return error / self.tolerance if self.tolerance else error and math.inf

    @property
    def name(self) -> str:
        """What was compared, as "w[3,2]"; "d²: w[3,2]" for a derivative of the gradient."""
        where = f"[{','.join(map(str, self.index))}]" if self.index else " (probe)" if self.probe else ""
        return ("d²: " if self.order == 2 else "") + self.input + where

    @property
    def comment(self) -> str:
        """What else there is to say: the sides of a kink."""
        return "" if math.isnan(self.left) else f"left {self.left:.6g}, right {self.right:.6g}"


@dataclass
class GradcheckReport:
    """The result of `gradcheck`: true where the gradient holds; printed, a table, worst first.

    >>> report = gradcheck(lambda x: x * detach(x), 3.0)  # detached, so half of the gradient is missing
    >>> isinstance(report, GradcheckReport), bool(report), report.verdict, report.rows[0].analytic
    (True, False, 'wrong', 3.0)

    rows: every comparison, by ratio of error to tolerance, worst first. verdict: the worst of
    all. guess: what a wrong gradient looks like. guilty: with localize, the operations whose
    own vjp is wrong, in the order in which they were recorded.
    """

    rows: list[Row]
    function: str = "f"
    method: str = "auto"
    evaluations: int = 0
    elements: int = 0
    guess: str = ""
    notes: list[str] = field(default_factory=list)
    guilty: list[str] | None = None

    def __post_init__(self) -> None:
        ranks = list(VERDICTS)
        self.rows.sort(key=lambda row: (row.verdict not in FAILING, -row.ratio, ranks.index(row.verdict)))

    @property
    def verdict(self) -> str:
        """The worst verdict among the rows: one of `VERDICTS`."""
        found = {row.verdict for row in self.rows}
        return next((v for v in VERDICTS if v in found), "ok")

    @property
    def max_error(self) -> float:
        """The largest |analytic - numeric|; nan where one is."""
        errors = [row.error for row in self.rows]
        return math.nan if any(map(math.isnan, errors)) else max(errors, default=0.0)

    def __bool__(self) -> bool:
        return self.verdict not in FAILING and not self.guilty

    def raise_if_failed(self) -> None:
        """Raise GradcheckError, with the table as its message, unless the gradient holds."""
        if not self:
            raise GradcheckError(str(self))

    @property
    def title(self) -> str:
        """One line: what was checked, how, and what came of it."""
        counts = Counter(row.verdict for row in self.rows)
        found = ", ".join(f"{counts[v]:,} {v}" for v in VERDICTS if counts[v])
        passed = "passed" if self else "FAILED"
        how = f"elements: {self.elements:,}, method: {self.method}, evaluations: {self.evaluations:,}"
        return f"gradcheck of {self.function}: {passed}; {found} ({how})"

    def cells(self) -> Iterator[list[str]]:
        """The rows of the table, as text."""
        for row in self.rows[:SHOWN]:
            yield [
                row.name,
                f"{row.analytic:.8g}",
                f"{row.numeric:.8g}",
                f"{row.error:.1e}",
                f"{row.estimate:.1e}",
                f"{row.ratio:.2g}",
                row.verdict,
                row.comment,
            ]

    def remarks(self) -> list[str]:
        """What stands below the table."""
        lines = [f"... and {len(self.rows) - SHOWN:,} rows more, none of them worse"] if len(self.rows) > SHOWN else []
        shown = dict.fromkeys(row.verdict for row in self.rows[:SHOWN])
        lines += [f"{v}: {VERDICTS[v]}" for v in shown if VERDICTS[v]]
        if self.guess:
            lines.append(f"guess: {self.guess}")
        if self.guilty:
            lines += [
                "the first operation whose own vjp is wrong: " + self.guilty[0],
                *(f"  and {g}" for g in self.guilty[1:4]),
            ]
            if len(self.guilty) > 4:
                lines.append(f"  and {len(self.guilty) - 4:,} more")
        elif self.guilty is not None:
            lines.append("the vjp of every recorded operation holds by itself")
        return lines + self.notes

    def __str__(self) -> str:
        table = [HEADER, *self.cells()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = []
        for cells in table:
            padded = [
                c.ljust(w) if i in (0, 6, 7) else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
            ]
            lines.append("  " + "  ".join(padded).rstrip())
        return "\n".join([self.title, *lines, *("  " + line for line in self.remarks())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str, style: str = "") -> str:
            return f'<tr style="{style}">' + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        rows = [line(c, "td", "background:#fdd;color:#000" if c[6] in FAILING else "") for c in self.cells()]
        remarks = "".join(f"<div>{html.escape(r)}</div>" for r in self.remarks())
        return f"<div><b>{html.escape(self.title)}</b><table>{line(HEADER, 'th')}{''.join(rows)}</table>{remarks}</div>"


HEADER = ["input", "analytic", "numeric", "error", "estimate", "ratio", "verdict", ""]


def guess(name: str, shape: tuple[int, ...], rows: list[Row]) -> str:
    """What a wrong gradient looks like, where the pattern is plain."""
    rows = [row for row in rows if row.index is not None and row.verdict in ("ok", "wrong")]
    rows = [row for row in rows if math.isfinite(row.numeric)]
    wrong = [row for row in rows if row.verdict == "wrong"]
    if not wrong:
        return ""
    name = ("d²: " if wrong[0].order == 2 else "") + name
    if not any(row.analytic for row in rows):
        return f"{name}: the analytic gradient is all zero; is the graph cut, by detach, .data or no_grad?"
    if len(rows) == math.prod(shape) and len(shape) == 2 and shape[0] == shape[1] > 1:
        turned = np.array([row.analytic for row in rows]).reshape(shape).T.ravel()
        if _same(turned, rows):
            return f"{name}: the analytic gradient is transposed"
    if not any(row.analytic for row in wrong):
        return f"{name}: a few elements have gradient zero and should not; is a term dropped?"
    for where, part in (("", rows), (" where it is wrong", wrong)):
        pattern = _proportion(part)
        if pattern:
            return f"{name}: the analytic gradient{where} {pattern}"
    return ""


def _same(analytic: np.ndarray, rows: list[Row]) -> bool:
    """Whether other gradients would be right."""
    numeric, tolerance = np.array([(row.numeric, row.tolerance) for row in rows]).T
    return bool((np.abs(analytic - numeric) <= 1e-3 * np.abs(numeric).max() + tolerance).all())


def _proportion(rows: list[Row]) -> str:
    """How many times too large all gradients are, if they are."""
    analytic, numeric = np.array([(row.analytic, row.numeric) for row in rows]).T
    big = np.abs(numeric) > 1e-3 * np.abs(numeric).max()
    ratio = float(np.median(analytic[big] / numeric[big])) if big.any() else 0.0
    if not ratio or not _same(analytic / ratio, rows):
        return ""
    if math.isclose(ratio, 2, rel_tol=1e-3):
        return "is twice the numeric one; is a contribution counted twice, or a factor 1/2 missing?"
    if math.isclose(ratio, -1, rel_tol=1e-3):
        return "has the wrong sign"
    times = round(1 / ratio)
    if 2 <= times < 10_000 and math.isclose(ratio * times, 1, rel_tol=1e-3):
        return f"is {times} times too small; is a factor, or a sum over a broadcast axis of length {times}, missing?"
    return f"is {ratio:.6g} times the numeric one"

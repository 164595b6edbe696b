"""Where a run stops: before a node (a breakpoint), or when a number meets a test (a watch)."""

from __future__ import annotations

import fnmatch
import math
import operator
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from autograd.engine.base import Data
from autograd.engine.graph import Node
from autograd.engine.modes import file_name
from autograd.stepping.expressions import Expression, Reader
from autograd.stepping.names import compact

__all__ = ["Stop", "parse"]

Test = Callable[[Node, Data, Data], bool]  # a node, and the number looked at, before and after

NUMBERS: dict[str, tuple[Callable[[float], bool], Callable[[np.ndarray], np.bool_]]] = {  # of floats, and of arrays
    "nan": (math.isnan, lambda x: np.isnan(x).any()),
    "inf": (math.isinf, lambda x: np.isinf(x).any()),
    "zero": (lambda x: x == 0, lambda x: np.all(x == 0)),
}
KINDS = ("b", "break", "tbreak", "watch")


@dataclass(eq=False)
class Stop:
    """A place or a number to stop at, and how often it did.

    text: as it was written, without the condition. of: what is tested: "node", whose rules come next; "v", its
    data; "g", the gradient of an input as a contribution changes it. condition: must hold as well.
    node: where it stopped last: the node to come, or of a "g" the one that made the contribution.
    """

    text: str
    of: Literal["node", "v", "g"]
    test: Test
    condition: Expression | None = None
    number: int = 0
    temporary: bool = False
    enabled: bool = True
    ignore: int = 0
    hits: int = 0
    commands: list[str] = field(default_factory=list)
    node: Node | None = None

    def meets(self, node: Node, before: Data, after: Data) -> bool:
        """Whether to stop: the test and the condition hold, and it is not to be ignored this time."""
        if not self.test(node, before, after):
            return False
        if self.condition is not None and not self._holds(node, after):
            return False
        self.ignore, ignored = max(0, self.ignore - 1), self.ignore > 0
        return not ignored

    def _holds(self, node: Node, after: Data) -> bool:
        assert self.condition is not None
        try:
            return bool(self.condition(node, **({"g": after} if self.of == "g" else {})))
        except Exception as error:
            raise ValueError(f"{self}: the condition cannot be told: {type(error).__name__}: {error}") from None

    def __str__(self) -> str:
        kind = "watch" if self.of != "node" else "tbreak" if self.temporary else "break"
        more = [
            f", if {self.condition}" if self.condition else "",
            "" if self.enabled else ", disabled",
            f", ignored {self.ignore} more times" if self.ignore else "",
            f", hit {self.hits} times" if self.hits else "",
            f", then {'; '.join(self.commands)}" if self.commands else "",
        ]
        return f"{self.number}: {kind} {self.text}{''.join(more)}"


def parse(text: str, reader: Reader, kind: str = "") -> Stop:
    """A stop as the prompt spells it: `watch g:nan`, or what follows `b`; each with `, condition`.

    kind: "b", "tbreak" or "watch", where the text does not begin with it. Raises ValueError for anything else.
    """
    text = text.strip()
    first, _, rest = text.partition(" ")
    if not kind and first in KINDS and rest and text not in reader.names.by_name:
        kind, text = first, rest.strip()
    spec, condition = _split(text, reader)
    stop = _watch(spec, reader) if kind == "watch" else _breakpoint(spec, reader)
    stop.temporary = kind == "tbreak"
    stop.condition = reader.expression(condition, condition=True) if condition else None
    return stop


def _split(text: str, reader: Reader) -> tuple[str, str]:
    """What stands before the first comma outside of brackets, and after it; a name may hold commas."""
    depth = 0
    for k, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth <= 0:
            spec, condition = text[:k].strip(), text[k + 1 :].strip()
            return (text, "") if text in reader.names.by_name else (spec, condition)
    return text, ""


def _breakpoint(spec: str, reader: Reader) -> Stop:
    """NAME, op:NAME, scope:PATTERN or file.py:LINE."""
    if not spec:
        raise ValueError("where? b NAME, b op:relu, b scope:block#1/*, b file.py:12, each with `, condition`")
    if "*" in spec and spec not in reader.names.by_name and not spec.startswith("scope:"):
        pattern, names = compact(spec), reader.names  # names hold brackets, which are no patterns
        regex = re.compile(".*".join(map(re.escape, pattern.split("*"))))
        return Stop(spec, "node", lambda node, *_: regex.fullmatch(names[node]) is not None)
    kind, colon, what = spec.partition(":")
    if spec in reader.names.by_name or not (colon and (kind in ("op", "scope") or what.isdecimal())):
        target = reader.node(spec)
        if target.primitive is None:
            raise ValueError(
                f"{spec} is an input and has no rule to stop at; "
                f"watch g:changed on {spec} stops when its gradient changes"
            )
        return Stop(spec, "node", lambda node, *_: node is target)
    if kind == "op":
        return Stop(spec, "node", lambda node, *_: node.op == what)
    if kind == "scope":
        pattern = what if what.startswith("*") else f"*{what}"
        match = fnmatch.fnmatchcase
        return Stop(spec, "node", lambda node, *_: match(node.scope, pattern) or match(node.scope + "/", pattern))
    file, line = os.path.basename(kind).replace(" ", ""), int(what)

    def at(node: Node, *_: Data) -> bool:
        source = node.source
        return source is not None and source.line == line and file_name(source.file).replace(" ", "") == file

    return Stop(spec, "node", at)


def _watch(text: str, reader: Reader) -> Stop:
    """g:nan, inf, zero, >1e3, <1e-7 or changed, v:..., or an expression of g and v; each with `on NAME`."""
    what, _, name = text.partition(" on ")
    on = reader.node(name) if name else None
    match = re.fullmatch(r"(?:([gv]):)?\s*(nan|inf|zero|changed|[<>]\s*[-+.\deE]+)", what.strip())
    if match is None:
        of, meets = _expression_test(what.strip(), reader)
    else:
        of = "v" if match[1] == "v" else "g"
        meets = _number_test(of, match[2].replace(" ", ""))

    def test(node: Node, before: Data, after: Data) -> bool:
        return (on is None or node is on) and meets(node, before, after)

    return Stop(text, of, test)


def _expression_test(text: str, reader: Reader) -> tuple[Literal["v", "g"], Test]:
    """An expression of g and v: of a gradient as it changes where there is a g in it, otherwise of values."""
    if not text or re.match(r"[gv]:", text):
        raise ValueError(
            "watch what? g:nan, g:inf, g:zero, g:>1e3, g:<1e-7 or g:changed for gradients, v:... for values, "
            "norm(g) > 10 * norm(v); each with `on NAME` and `, condition`"
        )
    expression = reader.expression(text, condition=True)
    if "g" not in expression.here and expression.here:
        return "v", lambda node, before, after: bool(expression(node))
    return "g", lambda node, before, after: bool(expression(node, g=after))


def _number_test(of: str, what: str) -> Test:
    """changed, nan, inf, zero, >1e3 or <1e-7, of the number as it is afterwards."""
    if what == "changed":
        if of == "v":
            raise ValueError("values do not change as gradients flow; watch g:changed is for gradients")
        return lambda node, before, after: before is None or not np.array_equal(before, after)
    if what in NUMBERS:
        of_float, of_array = NUMBERS[what]
    else:
        try:
            limit = float(what[1:])
        except ValueError:
            raise ValueError(f"watch {of}:{what}: {what[1:]!r} is no number") from None
        beyond = operator.gt if what[0] == ">" else operator.lt
        of_float, of_array = lambda x: beyond(abs(x), limit), lambda x: beyond(np.abs(x), limit).any()
    return lambda node, before, after: bool(of_float(after) if type(after) is float else of_array(np.asarray(after)))

"""`Show`: steps as text, and what explains a gradient: why, paths, blame, flow, and two runs side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autograd.engine.base import Data
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.words import many, number, short, summary
from autograd.stepping.arithmetic import digits_for, product_text
from autograd.stepping.causes import Cause, kind_of
from autograd.stepping.compare import Comparison
from autograd.stepping.flow import Row, branch, norm
from autograd.stepping.names import LONG
from autograd.stepping.stepper import Contribution
from autograd.stepping.steps import Steps

__all__ = ["Show", "rows"]

BAR = 30  # characters of the longest bar
ENDS = 6  # nodes shown at either end of a long path


class Show(Steps):
    """Writes what there is to say of one stepper; see `Steps` for the arguments."""

    def blame(self, causes: Sequence[Cause], node: Node, at: str = "") -> list[str]:
        """The way from a gradient to the operation that made it so."""
        *way, last = causes
        name = self.part(node) if node.id in self.names.by_id else node.label or "this"
        g = self.stepper.grad(node)
        lines = [f"{name}{at}.grad" + (f" = {summary(g)}" if self.stepper.at_end and not at else "") + ":"]
        told = [f"  {self._where(cause)}: {cause.reason}" for cause in way]
        if len(told) > 2 * ENDS:
            told[ENDS:-ENDS] = [f"  ... {len(told) - 2 * ENDS:,} operations more ..."]
        return [*lines, *told, f"  {self._where(last)}", self.paint(f"    {last.reason}", "1")]

    def _where(self, cause: Cause) -> str:
        """The operation of a cause, with its line."""
        known = cause.node.id in self.names.by_id
        return self.header(cause.node) if known else cause.node.label or "a node that leads nowhere"

    def cause(self, node: Node) -> list[str]:
        """In a line what made a gradient zero, nan or inf; nothing for other gradients, and before the end."""
        s = self.stepper
        if not s.at_end or kind_of(s.grad(node), s.seed) not in ("zero", "nan", "inf"):
            return []
        last = s.blame(node)[-1]
        return [f"  {self._where(last)}", f"    {last.reason}", f"  (blame {self.names[node]} tells the way there)"]

    def flow(self, rows: Sequence[Row]) -> list[str]:
        """The gradient along a way, as bars in logarithms."""
        sizes = [row.norm for row in rows if 0 < row.norm < math.inf]
        low, high = (math.log10(f(sizes)) for f in (min, max)) if sizes else (0.0, 0.0)
        width = max((len(short(row.name, LONG)) for row in rows), default=0)
        lines = [f"  {'':{width}} {'|gradient|':>10} {'gain':>10}"]
        for row in rows:
            full = (math.log10(row.norm) - low) / (high - low) if high > low and 0 < row.norm < math.inf else 0.0
            bar = "█" * (1 + round(BAR * full)) if row.norm > 0 else ""
            gain = f"{number(row.gain):>10}" if row.gain else " " * 10
            lines.append(f"  {short(row.name, LONG):{width}} {number(row.norm):>10} {gain}  {bar}")
            for b in row.branches if len(row.branches) <= ENDS else ():
                told = f"through {self.header(b.node).partition('   ')[0]}: share {b.share:.1%}, cosine {b.cosine:.2f}"
                lines.append(f"  {'':{width}}   {told}")
        return lines

    def comparison(self, found: Comparison, tolerance: float = 0.0, most: int = 12) -> list[str]:
        """Where two runs first differ, forward and backward, and where that has grown tenfold since."""
        lines: list[str] = []
        if found.parts is not None:
            lines.append(f"  the code itself parts at [{found.parts}/{len(self.stepper.nodes)}]; what lies before:")
        for way, first in (("forward", found.forward(tolerance)), ("backward", found.backward(tolerance))):
            if first is None:
                lines.append(f"  {way}: no difference" + (f" above {number(tolerance)}" if tolerance else ""))
                continue
            rows = found.rows[first.place :] if way == "forward" else found.rows[first.place :: -1]
            told, size = [], 0.0
            for row in rows:
                now = row.data if way == "forward" else row.grad
                if now > 10 * size and now > tolerance:
                    told.append(f"    {number(now):>10}  {self.header(row.here)}")
                    size = now
            last = rows[-1].data if way == "forward" else rows[-1].grad
            rest = [f"    ... {len(told) - most:,} more"] if len(told) > most else []
            lines += [f"  {way}, first by {self.names[first.here]}, relative to the norm:", *told[:most], *rest]
            lines.append(f"    {number(last):>10}  at the {'root' if way == 'forward' else 'first operation'}")
        return lines

    # ---- explaining ----

    def why(self, node: Node, index: tuple[int, ...] | None = None) -> list[str]:
        """A gradient, or that of an element or a row, as the sum of its contributions."""
        parts, total = self.stepper.why(node), self.stepper.grad(node)
        name = self.part(node) + (f"[{','.join(map(str, index))}]" if index is not None else "")
        if index is not None:
            parts = [replace(c, value=np.asarray(c.value)[index], local=None) for c in parts]
            total = None if total is None else np.asarray(total)[index]
        if node is self.stepper.root:
            return [f"{name}.grad = {summary(total)}: it is the root"]
        digits = digits_for([c.value for c in parts], total) if isinstance(node, ScalarNode) and parts else 4
        lines = [f"{name}.grad = {summary(total)}{f', the sum of {len(parts)}:' if len(parts) != 1 else ':'}"]
        lines += [self._part(c, digits, total if len(parts) > 1 else None) for c in parts]
        left = len(self.stepper.consumers(node)) - len(parts)
        if left:
            lines.append(f"  and {left} still to come")
        if len(parts) == 1 and index is None and _as_it_is(parts[0]):
            first, *rest = self.why(parts[0].node)
            lines += [f"  passed on as it is: {first}", *(f"  {line}" for line in rest)]
        return lines

    def _part(self, c: Contribution, digits: int, total: Data) -> str:
        """One contribution of the sum that a gradient is; of arrays with its share of the whole."""
        if c.local is None:
            part = branch(self.names, total, c.node, c.value) if total is not None else None
            share = f"   share {part.share:.1%}, cosine {part.cosine:.2f}" if part is not None else ""
            return f"  through {self.header(c.node)}: {summary(c.value)}{share}"
        out, name = self.part(c.node), self.part(c.parent)
        product, note = product_text(c, c.local)
        factors = product if note else f"dL/d{out} * d{out}/d{name} = {product}"
        return f"  {number(c.value, digits):>10} = {factors}{note}   {self.header(c.node)}"

    def routes(self, node: Node, limit: int = 5) -> list[str]:
        """The gradient of an array as a sum over paths, which are told by scope."""
        found, total = self.stepper.routes(node)
        to = f"dL/d{self.part(node)} is a sum over {many(total, 'path')} to {self.names[self.stepper.root]}"
        if not found:
            return [f"{to}; why, flow and blame take it apart"]
        whole = sum(np.asarray(value) for value, _ in found)
        lines = [f"{to}{', the largest of which are' if len(found) > limit else ''}:"]
        for value, path in found[:limit]:
            cosine = float(np.vdot(value, whole)) / (norm(value) * norm(whole)) if norm(value) and norm(whole) else 0.0
            share = cosine * norm(value) / norm(whole) if norm(whole) else 0.0
            steps = list(dict.fromkeys(n.scope or self.names[n] for n in path))
            steps[ENDS:-ENDS] = ["..."] if len(steps) > 2 * ENDS else steps[ENDS:-ENDS]
            lines.append(f"  norm {number(norm(value)):>9}, share {share:.1%}   {' -> '.join(steps)}")
        return lines

    def paths(self, node: Node, limit: int = 5) -> list[str]:
        """A gradient as a sum over paths to the root."""
        if not isinstance(node, ScalarNode):
            return self.routes(node, limit)
        found, total = self.stepper.paths(node, limit)
        shown = "" if total == len(found) else f", the {len(found)} largest of which are"
        lines = [
            f"dL/d{self.part(node)} is a sum over {many(total, 'path')} to {self.names[self.stepper.root]}{shown}:"
        ]
        products = [product for product, *_ in found]
        digits = digits_for(products, sum(products))
        for product, path, factors in found:
            nodes, numbers = [self.names[n] for n in path], [number(x) for x in factors]
            if len(path) > 2 * ENDS:
                nodes[ENDS:-ENDS] = [f"... ({len(path) - 2 * ENDS:,} more) ..."]
            if len(numbers) > 2 * ENDS:
                numbers[ENDS:-ENDS] = ["..."]
            lines.append(f"  {number(product, digits):>10} = {' * '.join(numbers) or '1'}   {' -> '.join(nodes)}")
        if total > len(found):
            rest, whole = f"{total - len(found):,}", number(sum(products))
            lines.append(f"  {rest} smaller paths left out; these {len(found)} make {whole}")
        else:
            lines.append(f"  sum: {number(sum(products))}")
        return lines

    def element(self, node: Node, index: tuple[int, ...]) -> list[str]:
        """One element of a matrix product, a sum or a mean as the sum that it is, forward and backward."""
        s, at = self.stepper, f"{self.part(node)}[{','.join(map(str, index))}]"
        lines = [f"{at} = {number(np.asarray(s.data(node))[index])}"]
        terms = _terms(node, s.arguments(node), index) if node.primitive is not None else ""
        lines += [f"  = {terms}"] if terms else []
        for c in s.why(node):
            terms = _gradient_terms(c, s.arguments(c.node), np.asarray(s.grad(c.node)), index)
            if terms:
                value = number(np.asarray(c.value)[index])
                lines.append(f"  d{at} += {terms} = {value}   through {self.names[c.node]}")
        g = s.grad(node)
        return [*lines, f"  {at}.grad = {number(None if g is None else np.asarray(g)[index])}"]


def _as_it_is(c: Contribution) -> bool:
    """Whether an operation has passed its gradient on unchanged."""
    return c.local == 1 if c.local is not None else np.array_equal(c.value, c.upstream)


def rows(x: np.ndarray, axis: int | tuple[int, ...] | None) -> tuple[list[int], np.ndarray]:
    """What a reduction joins: the axes it keeps, and x with these first and all that is joined in one last axis."""
    given = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % max(1, x.ndim) for a in given}
    kept = [a for a in range(x.ndim) if a not in gone]
    return kept, x.transpose(*kept, *(a for a in range(x.ndim) if a in gone)).reshape(*(x.shape[a] for a in kept), -1)


def _terms(node: Node, arguments: tuple[Data, ...], index: tuple[int, ...]) -> str:
    """An element of a product, a sum or a mean as what it is the sum of; "" for other operations."""
    if node.op == "matmul":
        a, b = map(np.asarray, arguments)
        return _products(a[index[:-1]], b[:, index[-1]]) if a.ndim >= 2 and b.ndim == 2 else ""
    if node.op in ("sum", "mean"):
        x, axis, keep = arguments[:3]
        kept, table = rows(np.asarray(x), axis)
        terms = table[tuple(index[a] for a in kept) if keep else index]
        return f"({_sum(terms)})" + (f" / {terms.size}" if node.op == "mean" else "")
    return ""


def _gradient_terms(c: Contribution, arguments: tuple[Data, ...], g: np.ndarray, index: tuple[int, ...]) -> str:
    """An element of what a matrix product passes on, as what it is the sum of; "" for other operations."""
    if c.node.op != "matmul" or c.value is None:
        return ""
    a, b = map(np.asarray, arguments)
    if a.ndim < 2 or b.ndim != 2:
        return ""
    if c.argument == 0:
        return _products(g[index[:-1]], b[index[-1]])
    return _products(a.reshape(-1, a.shape[-1])[:, index[0]], g.reshape(-1, g.shape[-1])[:, index[1]])


def _products(a: np.ndarray, b: np.ndarray, most: int = 6) -> str:
    text = " + ".join(f"{number(x)}*{number(y)}" for x, y in zip(a[:most], b[:most]))
    return text + (f" + ... ({a.size - most} more)" if a.size > most else "")


def _sum(x: np.ndarray, most: int = 8) -> str:
    return " + ".join(map(number, x[:most])) + (f" + ... ({x.size - most} more)" if x.size > most else "")

"""Steps of backpropagation as text for people: the chain rule written out, with names and numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from autograd.engine.graph import Node
from autograd.engine.recording import assigned
from autograd.engine.words import number, shape, summary
from autograd.stepping.names import Names
from autograd.stepping.stepper import Contribution, Step, Stepper

ENDS = 6  # nodes shown at either end of a long path


def _times(g: str, local: str) -> str:
    return {"1": g, "-1": f"-{g}"}.get(local, f"{g} * ({local})")


def rows(x: np.ndarray, axis: Any) -> tuple[list[int], np.ndarray]:
    """What a reduction joins: the axes it keeps, and x with these first and all that is joined in one last axis."""
    given = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % max(1, x.ndim) for a in given}
    kept = [a for a in range(x.ndim) if a not in gone]
    return kept, x.transpose(*kept, *(a for a in range(x.ndim) if a in gone)).reshape(*(x.shape[a] for a in kept), -1)


# ---- steps -------------------------------------------------------------------------------


class Show:
    """Writes steps of one stepper. colour: with terminal colours. names: if they are known already."""

    def __init__(self, stepper: Stepper, colour: bool = False, names: Names | None = None) -> None:
        self.stepper, self.names, self.colour = stepper, names or Names(stepper.root, stepper.nodes), colour

    def paint(self, text: str, code: str) -> str:
        """Text in a colour, where there is colour: 1 bold, 2 faint, 31 red, 36 cyan."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def header(self, node: Node, note: str = "") -> str:
        """[place/total] operation -> name   file:line   code."""
        if node.id not in self.stepper.index:
            return f"{self.paint(self.names[node], '1')}, an input" if node.id in self.names.by_id else "an input"
        where = f"[{self.stepper.index[node.id]}/{len(self.stepper.nodes)}]"
        head = f"{where} {node.op} -> {self.paint(self.names[node], '1')}"
        source = f"      {str(node.source).replace('  ', '   ', 1)}".partition("  # ")[0] if node.source else ""
        return head + (f"   {node.scope}" if node.scope else "") + source + (f"   {note}" if note else "")

    def step(self, step: Step, note: str = "") -> list[str]:
        """A stop: the node, its gradient, and what its arguments receive."""
        name = self.names[step.node]
        arrived, total = step.consumers
        consumers = f"({arrived} of {total} consumers in)"
        gradient = f"  dL/d{name} = {summary(step.upstream)}"
        lines = [self.header(step.node, note), f"{gradient:<34} {self.paint(consumers, '2')}"]
        for c in step.contributions:
            lines += self.contribution(c)
        if not step.contributions:
            lines.append("  passes nothing on: all its arguments are constants")
        return lines

    def contribution(self, c: Contribution) -> list[str]:
        """The local derivative and the arithmetic of one contribution."""
        out, name = self.names[c.node], self.names[c.parent]
        data = self.stepper.data(c.node)
        if c.local is not None:
            written = f"d{out}/d{name} = {self._filled(c, self._name_of)}"
            numbers = self._filled(c, self._number_of)
            plain = re.fullmatch(r"-?[\d.]+", c.symbol)  # a constant says it all
            for more in () if plain else (numbers, number(c.local)):
                if not written.endswith(f"= {more}"):
                    written += f" = {more}"
            if c.value is None:
                return [f"  {written}", f"  {name}.grad: waits for dL/d{out}"]
            sum_ = f"{name}.grad: {number(c.before)} + {number(c.upstream)} * {number(c.local)} = {number(c.after)}"
            return [f"  {written}", f"  {self._alarm(sum_, c.after)}"]
        rule = self._filled(c, self._name_of)
        rule = (
            re.sub(r"(?<![\w])g(?![\w])", lambda _: f"d{out}", rule)
            if re.search(r"(?<![\w])g(?![\w])", c.symbol)
            else _times(f"d{out}", rule)
        )
        shapes = ""
        if "@" in c.symbol:
            arguments = self.stepper.arguments(c.node)
            left, right = (
                (shape(np.shape(data)), shape(np.shape(arguments[1])) + "ᵀ")
                if c.argument == 0
                else (shape(np.shape(arguments[0])) + "ᵀ", shape(np.shape(data)))
            )
            shapes = f"   {left} @ {right}"
        if c.value is None:
            return [f"  d{name} += {rule}{shapes}   waits for d{out}"]
        return [f"  d{name} += {rule}{shapes}", f"  {name}.grad: {self._alarm(summary(c.after), c.after)}"]

    def _filled(self, c: Contribution, text_of: Any) -> str:
        """The local derivative with names or numbers in place of a, b and out."""
        return re.sub(r"(?<![A-Za-z_])(a|b|out)(?![A-Za-z_])", lambda m: text_of(c, m[1]), c.symbol)

    def _name_of(self, c: Contribution, letter: str) -> str:
        if letter == "out":
            return self.names[c.node]
        i = "ab".index(letter)
        parent = c.node.parents[i] if i < len(c.node.parents) else None
        return self.names[parent] if parent is not None else summary(self.stepper.arguments(c.node)[i])

    def _number_of(self, c: Contribution, letter: str) -> str:
        x = self.stepper.data(c.node) if letter == "out" else self.stepper.arguments(c.node)["ab".index(letter)]
        text = number(x)
        return f"({text})" if text.startswith("-") and c.symbol != letter else text

    def _alarm(self, text: str, x: Any) -> str:
        return text if x is None or np.isfinite(np.asarray(x)).all() else self.paint(text, "31")

    def changed(self, node: Node) -> list[str]:
        """Inputs of a node whose data is not any more what the operation was recorded with."""
        lines = []
        for p, s in zip(node.parents, node.saved, strict=True):
            if (
                p is not None
                and p.primitive is None
                and p.raw is not s
                and not np.array_equal(p.raw, s, equal_nan=True)
            ):
                lines.append(
                    f"  note: {self.names[p]} was {summary(s)} when this was recorded"
                    + (f" at {node.source}" if node.source else "")
                )
                line = assigned(p)
                lines.append(
                    f"        and is {summary(p.raw)} now{f', by {line}' if line else ''}; the gradient is of what was recorded"
                )
        return lines

    # ---- explaining ----

    def why(self, node: Node) -> list[str]:
        """A gradient as the sum of its contributions."""
        parts = self.stepper.why(node)
        name = self.names[node]
        if node is self.stepper.root:
            return [f"{name}.grad = {summary(self.stepper.grad(node))}: it is the root"]
        lines = [
            f"{name}.grad = {summary(self.stepper.grad(node))}"
            + (f", the sum of {len(parts)}:" if len(parts) != 1 else ":")
        ]
        for c in parts:
            out = self.names[c.node]
            if c.local is None:
                lines.append(f"  through {self.header(c.node)}: {summary(c.value)}")
            else:
                lines.append(
                    f"  {number(c.value):>10} = dL/d{out} * d{out}/d{name} = {number(c.upstream)} * {number(c.local)}   {self.header(c.node)}"
                )
        left = len(self.stepper.consumers(node)) - len(parts)
        if left:
            lines.append(f"  and {left} still to come")
        if len(parts) == 1 and (
            parts[0].local == 1 if parts[0].local is not None else np.array_equal(parts[0].value, parts[0].upstream)
        ):
            lines += [
                f"  passed on as it is: {line}" if k == 0 else f"  {line}"
                for k, line in enumerate(self.why(parts[0].node))
            ]
        return lines

    def paths(self, node: Node, limit: int = 5) -> list[str]:
        """A gradient as a sum over paths to the root."""
        found, total = self.stepper.paths(node, limit)
        shown = "" if total == len(found) else f", the {len(found)} largest of which are"
        lines = [
            f"dL/d{self.names[node]} is a sum over {total:,} path{'s' * (total != 1)} to {self.names[self.stepper.root]}{shown}:"
        ]
        for product, path, factors in found:
            names = [self.names[n] for n in path]
            if len(path) > 2 * ENDS:
                names[ENDS:-ENDS] = [f"... ({len(path) - 2 * ENDS:,} more) ..."]
            texts = [number(x) for x in factors]
            if len(texts) > 2 * ENDS:
                texts[ENDS:-ENDS] = ["..."]
            lines.append(f"  {number(product):>10} = {' * '.join(texts) or '1'}   {' -> '.join(names)}")
        if total > len(found):
            rest = f"{total - len(found):,}"
            lines.append(
                f"  {rest} smaller paths left out; these {len(found)} make {number(sum(x for x, *_ in found))}"
            )
        else:
            lines.append(f"  sum: {number(sum(x for x, *_ in found))}")
        return lines

    def element(self, node: Node, index: tuple[int, ...]) -> list[str]:
        """One element of a matrix product, a sum or a mean as the sum that it is, forward and backward."""
        s, name = self.stepper, self.names[node]
        at = f"{name}[{','.join(map(str, index))}]"
        value = np.asarray(s.data(node))[index]
        lines = [f"{at} = {number(value)}"]
        if node.primitive is not None and node.op == "matmul":
            a, b = (np.asarray(x) for x in s.arguments(node))
            if a.ndim >= 2 and b.ndim == 2:
                lines.append("  = " + _products(a[index[:-1]], b[:, index[-1]]))
        elif node.primitive is not None and node.op in ("sum", "mean"):
            x, axis, keep = s.arguments(node)
            kept, table = rows(np.asarray(x), axis)
            terms = table[tuple(index[a] for a in kept) if keep else index]
            lines.append(f"  = ({_sum(terms)})" + (f" / {terms.size}" if node.op == "mean" else ""))
        for c in s.why(node):
            if c.node.op == "matmul" and c.value is not None:
                a, b = (np.asarray(x) for x in s.arguments(c.node))
                g = np.asarray(s.grad(c.node))
                if a.ndim >= 2 and b.ndim == 2:
                    if c.argument == 1:
                        terms = _products(
                            a.reshape(-1, a.shape[-1])[:, index[0]], g.reshape(-1, g.shape[-1])[:, index[1]]
                        )
                    else:
                        terms = _products(g[index[:-1]], b[index[-1]])
                    lines.append(
                        f"  d{at} += {terms} = {number(np.asarray(c.value)[index])}   through {self.names[c.node]}"
                    )
        g = s.grad(node)
        return [*lines, f"  {at}.grad = {number(None if g is None else np.asarray(g)[index])}"]


def _products(a: np.ndarray, b: np.ndarray, most: int = 6) -> str:
    text = " + ".join(f"{number(x)}*{number(y)}" for x, y in zip(a[:most], b[:most]))
    return text + (f" + ... ({a.size - most} more)" if a.size > most else "")


def _sum(x: np.ndarray, most: int = 8) -> str:
    return " + ".join(map(number, x[:most])) + (f" + ... ({x.size - most} more)" if x.size > most else "")

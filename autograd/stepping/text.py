"""Steps of backpropagation as text for people: the chain rule written out, with names and numbers."""

from __future__ import annotations

import linecache
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from autograd.engine.base import Data
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import raw
from autograd.engine.modes import file_name
from autograd.engine.recording import assigned
from autograd.engine.words import many, number, shape, short, summary
from autograd.stepping.causes import Cause, kind_of
from autograd.stepping.compare import Comparison
from autograd.stepping.flow import Row, branch, norm
from autograd.stepping.names import LONG, Names, compact
from autograd.stepping.stepper import Contribution, Step, Stepper

SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@"}
SIMPLE = re.compile(r"([\w.#% ]|\[[^][]*\])+")  # a name that needs no brackets around it: x, %3, w[0,1], h#2
BAR = 30  # characters of the longest bar
ENDS = 6  # nodes shown at either end of a long path
DIGITS = (4, 6, 8, 10, 12, 17)  # of numbers in a line of arithmetic: as few as it takes


def _times(g: str, local: str) -> str:
    return {"1": g, "-1": f"-{g}"}.get(local, f"{g} * ({local})")


def rows(x: np.ndarray, axis: int | tuple[int, ...] | None) -> tuple[list[int], np.ndarray]:
    """What a reduction joins: the axes it keeps, and x with these first and all that is joined in one last axis."""
    given = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % max(1, x.ndim) for a in given}
    kept = [a for a in range(x.ndim) if a not in gone]
    return kept, x.transpose(*kept, *(a for a in range(x.ndim) if a in gone)).reshape(*(x.shape[a] for a in kept), -1)


# ---- steps -------------------------------------------------------------------------------


class Show:
    """Writes steps of one stepper. colour: with terminal colours. names: if they are known already."""

    def __init__(self, stepper: Stepper, colour: bool = False, names: Names | None = None) -> None:
        self.stepper, self.names, self.colour = stepper, names or stepper.names, colour

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
        name = self.part(step.node)
        arrived, total = step.consumers
        start = "the root: its gradient is 1 by definition" if np.all(step.upstream == 1) else "the root: given"
        came = start if step.node is self.stepper.root else f"{arrived} of {total} consumers in"
        gradient = f"  dL/d{name} = {summary(step.upstream)}"
        lines = [self.header(step.node, note), f"{gradient:<34} {self.paint(f'({came})', '2')}"]
        for c in step.contributions:
            lines += self.contribution(c)
        if not step.contributions:
            lines.append("  passes nothing on: all its arguments are constants")
        return lines

    # ---- the forward pass ----

    def arrival(self, node: Node, note: str = "") -> list[str]:
        """A value as it is computed: n = x1*w1 + b = -6.0 + 6.88 = 0.88; with a ? where it comes next."""
        name, data = self.names[node], self.stepper.data(node)
        written, numbers = self._formula(node, self._operand), self._formula(node, self._operand_number)
        steps = [name, written, numbers, summary(data) if self.stepper.computed(node) else "?"]
        steps = [text for k, text in enumerate(steps) if k == 0 or compact(text) != compact(steps[k - 1])]
        return [self.header(node, note), f"  {' = '.join(steps)}"]

    def turn(self) -> list[str]:
        """At the root, where the forward pass ends."""
        root = self.stepper.root
        value = summary(self.stepper.data(root))
        return [f"{self.names[root]} = {value}: all values are there. From here the gradient flows back."]

    def _formula(self, node: Node, text_of: Callable[[Node, int], str]) -> str:
        """An operation with its operands; sums and products of several that stand in one expression in one line."""
        symbol = SYMBOLS.get(node.op, "")
        if not symbol:
            real = [i for i, x in enumerate(node.saved) if node.parents[i] is not None or isinstance(x, float)]
            return f"{'-' if node.op == 'neg' else node.op}({', '.join(text_of(node, i) for i in real)})"
        left = node.parents[0]
        if node.op in ("add", "mul") and left is not None and left.op == node.op and self._is_part(left):
            return f"{self._formula(left, text_of)} {symbol} {text_of(node, 1)}"
        return f"{text_of(node, 0)} {symbol} {text_of(node, 1)}"

    def _is_part(self, node: Node) -> bool:
        """Whether a node has no name but the expression that made it."""
        return not node.label and compact(self.names.expression(node)) == self.names[node]

    def _operand(self, node: Node, i: int) -> str:
        p = node.parents[i]
        return self._operand_number(node, i) if p is None else self.names[p] if node.op == "add" else self.part(p)

    def _operand_number(self, node: Node, i: int) -> str:
        x = self.stepper.arguments(node)[i]
        return summary(x) if np.ndim(x) == 0 else shape(np.shape(x))

    def part(self, node: Node) -> str:
        """A node's name as part of a larger expression: in brackets where it is an expression itself."""
        name = self.names[node]
        return name if SIMPLE.fullmatch(name) else f"({name})"

    def contribution(self, c: Contribution) -> list[str]:
        """The local derivative and the arithmetic of one contribution."""
        return self._numbers(c, c.local) if c.local is not None else self._rule(c)

    def _numbers(self, c: Contribution, local: float) -> list[str]:
        """Of scalars: the derivative in names, in numbers, and what it makes of the gradient."""
        out, name = self.part(c.node), self.part(c.parent)
        written = f"d{out}/d{name} = {self._filled(c, self._name_of)}"
        plain = re.fullmatch(r"-?[\d.]+", c.symbol)  # a constant says it all
        for more in () if plain else (self._worked_out(c, local), number(local)):
            if not written.endswith(f"= {more}"):
                written += f" = {more}"
        if c.value is None:
            return [f"  {written}", f"  {name}.grad: waits for dL/d{out}"]
        return [f"  {written}", f"  {name}.grad{_tense(c)} {self._alarm(_sum_text(c, local), c.after)}"]

    def _worked_out(self, c: Contribution, local: float) -> str:
        """The local derivative in numbers, with as many digits as it takes to come out right by hand."""
        texts = [self._filled(c, partial(self._number_of, digits=digits)) for digits in DIGITS]
        return next((text for text in texts if _comes_out(text, local)), texts[0])

    def _rule(self, c: Contribution) -> list[str]:
        """Of arrays: the rule in names, with the shapes of a product, and what the gradient is then."""
        out, name = self.part(c.node), self.part(c.parent)
        rule = self._filled(c, self._name_of)
        if re.search(r"(?<!\w)g(?!\w)", c.symbol):
            rule = re.sub(r"(?<!\w)g(?!\w)", lambda _: f"d{out}", rule)
        else:
            rule = _times(f"d{out}", rule)
        rule += f"   {self._shapes(c)}" if "@" in c.symbol else ""
        if c.value is None:
            return [f"  d{name} += {rule}   waits for d{out}"]
        return [f"  d{name} += {rule}", f"  {name}.grad{_tense(c)} {self._alarm(summary(c.after), c.after)}"]

    def _shapes(self, c: Contribution) -> str:
        """The shapes of a product's rule: (2,3) @ (4,3)ᵀ."""
        a, b = (shape(np.shape(x)) for x in self.stepper.arguments(c.node)[:2])
        g = shape(np.shape(self.stepper.data(c.node)))
        return f"{g} @ {b}ᵀ" if c.argument == 0 else f"{a}ᵀ @ {g}"

    def _filled(self, c: Contribution, text_of: Callable[[Contribution, str], str]) -> str:
        """The local derivative with names or numbers in place of a, b and out."""
        return re.sub(r"(?<![A-Za-z_])(a|b|out)(?![A-Za-z_])", lambda m: text_of(c, m[1]), c.symbol)

    def _name_of(self, c: Contribution, letter: str) -> str:
        if letter == "out":
            return self.part(c.node)
        i = "ab".index(letter)
        parent = c.node.parents[i] if i < len(c.node.parents) else None
        return self.part(parent) if parent is not None else summary(self.stepper.arguments(c.node)[i])

    def _number_of(self, c: Contribution, letter: str, digits: int = 4) -> str:
        x = self.stepper.data(c.node) if letter == "out" else self.stepper.arguments(c.node)["ab".index(letter)]
        text = number(x, digits)
        return f"({text})" if text.startswith("-") and c.symbol != letter else text

    def _alarm(self, text: str, x: Data) -> str:
        return text if x is None or np.isfinite(np.asarray(x)).all() else self.paint(text, "31")

    def changed(self, node: Node) -> list[str]:
        """Inputs of a node whose data is not any more what the operation was recorded with."""
        lines = []
        for p, s in zip(node.parents, node.saved, strict=True):
            if p is None or p.primitive is not None or raw(p) is s or np.array_equal(raw(p), s, equal_nan=True):
                continue
            made = f" at {node.source}" if node.source else ""
            line = assigned(p)
            lines += [
                f"  note: {self.names[p]} was {summary(s)} when this was recorded{made}",
                f"        and is {summary(raw(p))} now{f', by {line}' if line else ''}; "
                "the gradient is of what was recorded",
            ]
        return lines

    def unheeded(self, node: Node) -> list[str]:
        """Where a gradient that was set will not be what the walk goes on with: what comes in after it, or is over."""
        s, name = self.stepper, self.names[node]
        users = s.consumers(node)
        to_come = sum(not s.passed(user, i) for user, i in users)
        if node.primitive is not None and s.passed(node):
            return [
                f"  note: {name} has passed its gradient on already; go back to before that for this to have effect"
            ]
        if not to_come:
            return []
        until = f"until {name}" if node.primitive is not None else "end"
        come = f"{many(to_come, 'contribution')} to {name} {'is' if to_come == 1 else 'are'} still to come"
        return [f"  note: {come} and will be added to this; to replace the whole gradient, {until} first"]

    def everything(self, node: Node) -> list[str]:
        """All about a node: its numbers, what it passes on, and where it went."""
        s = self.stepper
        edited = " (set)" if node.id in s.fixed else " (computed from what was set)" if node.id in s.values else ""
        data = f"{summary(s.data(node))}{edited}" if s.computed(node) else "not computed yet"
        lines = [self.header(node), f"  data  {data}", f"  grad  {summary(s.grad(node))}"]
        if node.id in s.index:
            for c in s.step_of(node).contributions:
                lines += self.contribution(c)
            lines += self.changed(node)
        users = s.consumers(node)
        lines += [f"  used as argument {i} of {self.header(user)}" for user, i in users[:10]]
        return lines + ([f"  and {len(users) - 10:,} times more"] if len(users) > 10 else [])

    def place(self, k: int, here: Node | None) -> str:
        """One line of the tape: -> where the walk stands, * what is finished, the operation and its numbers."""
        s = self.stepper
        node = s.nodes[k]
        finished = len(s.nodes) - 1 - k < s.done if s.done >= 0 else s.computed(node)
        mark = "->" if node is here else " *" if finished else "  "
        value = summary(s.data(node)) if s.computed(node) else "?"
        return f"{mark} {self.header(node)}   = {value}   grad {summary(s.grad(node))}"

    def leaves(self, most: int = 20) -> list[str]:
        """The gradients of the inputs."""
        s = self.stepper
        inputs = {p.id: p for n in s.nodes for p in n.inputs if p.primitive is None}
        first = [inputs[i] for i in sorted(inputs)[:most]]
        lines = [f"  {self.part(p)}.grad = {summary(s.grad(p))}" for p in first]
        return lines + ([f"  ... and {many(len(inputs) - most, 'input')} more"] if len(inputs) > most else [])

    def source(self, node: Node) -> list[str]:
        """The source line that made a node, with what stands around it, and the calls that led there."""
        source = node.source
        if source is None:
            return ["no source line was recorded; build the graph inside `with ag.record_source():`"]
        lines = [f"{source.file}:{source.line}" + (f" in {source.scope}" if source.scope else "")]
        for n in range(max(1, source.line - 3), source.line + 4):
            code = linecache.getline(source.file, n).rstrip()
            lines += [f"{'->' if n == source.line else '  '} {n:>4}  {code}"] if code or n == source.line else []
        calls = reversed(source.stack[:-1])
        return lines + [f"   called from {file_name(file)}:{line} in {name}" for file, line, name in calls]

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
        digits = _digits([c.value for c in parts], total) if isinstance(node, ScalarNode) and parts else 4
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
        product, note = _product_text(c, c.local)
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
        digits = _digits(products, sum(products))
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


def _tense(c: Contribution) -> str:
    """What is done, and what is to come."""
    return ":" if c.applied else " will be"


def _as_it_is(c: Contribution) -> bool:
    """Whether an operation has passed its gradient on unchanged."""
    return c.local == 1 if c.local is not None else np.array_equal(c.value, c.upstream)


def _digits(terms: Sequence[float], total: float) -> int:
    """How many digits of each term it takes for their sum to come out right by hand."""
    if not math.isfinite(total):
        return DIGITS[0]
    nothing = 1e-9 * max(map(abs, terms), default=0.0)
    sums = ((d, sum(float(number(x, d)) for x in terms)) for d in DIGITS)
    return next((d for d, shown in sums if math.isclose(shown, total, rel_tol=2e-3, abs_tol=nothing)), DIGITS[0])


def _sum_text(c: Contribution, local: float) -> str:
    """What a contribution makes of a gradient, with as many digits as it takes to come out right by hand."""
    product, note = _product_text(c, local)
    start = (
        "" if c.before is None and c.after == 0 and np.signbit(c.after) else f"{number(c.before)} + "
    )  # 0 + -0.0 is 0.0
    if note or not start:
        return f"{start}{product} = {number(c.after)}{note}"
    texts = [f"{number(c.before, d)} + {number(c.upstream, d)} * {number(local, d)}" for d in DIGITS]
    return (
        f"{next((text for text in texts if _comes_out(text, c.after, c.before or 0.0)), texts[0])} = {number(c.after)}"
    )


def _product_text(c: Contribution, local: float) -> tuple[str, str]:
    """A contribution as a product; or as it is, and a word on why, where a rule selects and does not multiply."""
    with np.errstate(all="ignore"):
        product = np.float64(c.upstream) * local
    factors, value = f"{number(c.upstream)} * {number(local)}", number(c.value)
    same_zero = product != 0 or c.value != 0 or np.signbit(product) == np.signbit(c.value)
    if same_zero and np.isclose(product, c.value, 1e-3, 0, equal_nan=True):
        return factors, ""
    return value, f"   ({c.node.op} passes {value} on here: its rule does not work out {factors})"


def _comes_out(text: str, result: float, part: float = 0.0) -> bool:
    """Whether a line of arithmetic gives what it says, to three digits; True where that is not to be told.

    part: a term of a sum, which may cancel to nothing.
    """
    python = re.sub(r" \(.* (if|at) .*\)$", "", text).replace("²", "**2")
    if not np.isfinite(result) or re.search(r"[^-+*/.\d\s()e]", re.sub(r"\b(if|else|sin|cos|log)\b|[<>]", "", python)):
        return True
    try:
        shown = eval(python, {"sin": math.sin, "cos": math.cos, "log": math.log})
        return math.isclose(shown, result, rel_tol=2e-3, abs_tol=1e-9 * abs(part))
    except (ArithmeticError, ValueError, SyntaxError, TypeError):
        return True


def _products(a: np.ndarray, b: np.ndarray, most: int = 6) -> str:
    text = " + ".join(f"{number(x)}*{number(y)}" for x, y in zip(a[:most], b[:most]))
    return text + (f" + ... ({a.size - most} more)" if a.size > most else "")


def _sum(x: np.ndarray, most: int = 8) -> str:
    return " + ".join(map(number, x[:most])) + (f" + ... ({x.size - most} more)" if x.size > most else "")

"""Steps of backpropagation as text for people: the chain rule written out, with names and numbers."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable
from functools import partial

import numpy as np

from autograd.engine.base import Data
from autograd.engine.graph import Node
from autograd.engine.kinds import raw
from autograd.engine.modes import file_name
from autograd.engine.recording import assigned
from autograd.engine.words import many, number, shape, summary
from autograd.stepping.arithmetic import DIGITS, comes_out, sum_text
from autograd.stepping.names import Names, compact
from autograd.stepping.stepper import Contribution, Step, Stepper

__all__ = ["Steps"]

SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@"}
SIMPLE = re.compile(r"([\w.#% ]|\[[^][]*\])+")  # a name that needs no brackets around it: x, %3, w[0,1], h#2


class Steps:
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
        return [f"  {written}", f"  {name}.grad{_tense(c)} {self._alarm(sum_text(c, local), c.after)}"]

    def _worked_out(self, c: Contribution, local: float) -> str:
        """The local derivative in numbers, with as many digits as it takes to come out right by hand."""
        texts = [self._filled(c, partial(self._number_of, digits=digits)) for digits in DIGITS]
        return next((text for text in texts if comes_out(text, local)), texts[0])

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


def _tense(c: Contribution) -> str:
    """What is done, and what is to come."""
    return ":" if c.applied else " will be"


def _times(g: str, local: str) -> str:
    return {"1": g, "-1": f"-{g}"}.get(local, f"{g} * ({local})")

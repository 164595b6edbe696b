"""The tour: eight stops on one neuron, for whoever knows school calculus and nothing else. Words come before symbols.

Every number is the engine's own: of the graph that `neuron` builds, and of the walk along it.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

from autograd.engine.primitives import square
from autograd.engine.words import number
from autograd.nodes.value import Value
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show

__all__ = ["Tour", "neuron"]

RATE = 0.1
TRIES = 2  # answers to a question before it is told
OPERATIONS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip


def neuron(w: float = 0.5) -> dict[str, Value]:
    """A neuron with one input, and how wrong it is: a = w*x, p = a + b, e = p - t, L = e²."""
    nodes = {name: Value(value, name) for name, value in (("x", 2.0), ("w", w), ("b", 1.0), ("t", 3.0))}
    nodes["a"] = nodes["w"] * nodes["x"]
    nodes["p"] = nodes["a"] + nodes["b"]
    nodes["e"] = nodes["p"] - nodes["t"]
    nodes["L"] = square(nodes["e"])
    for name in ("a", "p", "e", "L"):
        nodes[name].label = name
    return nodes


@dataclass(frozen=True)
class Stop:
    """What is told, what is asked, the number that answers it, a hint, and what is told when the answer is there."""

    text: str
    question: str
    answer: float
    hint: str
    after: str = ""


class Tour:
    """Walks the stops. ask: reads a line, "EOF" at its end; say: writes lines."""

    def __init__(self, ask: Callable[[str], str], say: Callable[..., None]) -> None:
        self.ask, self.say = ask, say

    def run(self) -> None:
        """From the first stop to the last, or to q."""
        stops = _stops()
        self.say(
            "A tour of backpropagation on one neuron: eight stops. Answer with a number, or a sum such as 2 * -3;",
            "an empty line tells the answer, q leaves.",
        )
        for k, stop in enumerate(stops, 1):
            self.say("", f"-- {k} of {len(stops)} --", *stop.text.splitlines())
            if not self._asked(stop):
                self.say("The tour ends here; tour begins it again.")
                return
            self.say(*stop.after.splitlines())
        self.say("", "That was the whole of it: the chain rule, applied backwards, one operation at a time.")

    def _asked(self, stop: Stop) -> bool:
        """Ask until it is right or told; False to leave."""
        for attempt in range(TRIES):
            line = self.ask(f"{stop.question} = ")
            if line in ("q", "quit", "exit", "EOF"):
                return False
            if not line:
                break
            given = _worked_out(line)
            if given is None:
                self.say(f"{line!r} is no number; write one, as in -4, or a sum, as in 2 * -2.")
            elif math.isclose(given, stop.answer, rel_tol=0.01, abs_tol=1e-9):
                self.say(f"Yes: {stop.question} = {number(stop.answer)}.")
                return True
            else:
                self.say("Not quite" + (f": it is {stop.hint}" if attempt + 1 < TRIES else "."))
        self.say(f"It is {stop.question} = {number(stop.answer)}: {stop.hint}")
        return True


def _worked_out(line: str) -> float | None:
    """A number, or arithmetic of numbers; None for anything else."""

    def value(node: ast.AST) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
            return OPERATIONS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATIONS:
            return OPERATIONS[type(node.op)](value(node.operand))
        raise ValueError

    try:
        return value(ast.parse(line.replace(",", ".").replace("²", "**2"), mode="eval").body)
    except (ValueError, SyntaxError, ArithmeticError, TypeError, RecursionError):
        return None


def _stops() -> list[Stop]:
    """The eight stops, with the numbers of a walk."""
    at = neuron()
    walk = Stepper(at["L"])
    show = Show(walk)
    shown = {node.label: "\n".join(show.step(walk.step_of(node))) for node in walk.nodes}
    walk.end()
    w, x, b, t, a, p, e, loss = (at[name].data for name in ("w", "x", "b", "t", "a", "p", "e", "L"))
    grad = {name: float(walk.grad(node)) for name, node in at.items() if walk.grad(node) is not None}
    nudged = neuron(w + 0.001)["L"].data
    moved = w - RATE * grad["w"]
    after = neuron(moved)
    for node in walk.nodes:
        shown[node.label] = "\n".join(show.step(walk.step_of(node)))
    n = number
    return [
        Stop(
            f"A neuron multiplies its input by a weight and adds something. Here the input x is {n(x)}, the weight w\n"
            f"is {n(w)}, and b = {n(b)} is added. One small operation after the other; first the product.",
            "a = w * x", a, f"{n(w)} times {n(x)}.",
            f"And p = a + b = {n(a)} + {n(b)} = {n(p)}: that is what the neuron says.",
        ),
        Stop(
            f"It should have said t = {n(t)}. It is wrong by e = p - t = {n(e)}, and how bad that is we measure\n"
            "by the square of it, which is never negative: the loss, L. To learn is to make L small.",
            "L = e²", loss, f"the square of {n(e)}.",
        ),
        Stop(
            "Now the question of backpropagation: if a number here grew by a little, how many times as much would L\n"
            "grow? That factor is called the gradient of L by that number. The easiest one first: if L itself grows\n"
            "by a little, by what factor of it does L grow?",
            "dL/dL", grad["L"], "L grows by just as much.",
            "This is where every backward pass starts: with a gradient of 1 at the end.",
        ),
        Stop(
            "One operation back: L = e². At school the derivative of e² by e is 2 * e. A negative derivative says\n"
            f"that L falls where e grows. Here e is {n(e)}.",
            "dL/de", grad["e"], f"2 * e, that is 2 * {n(e)}.",
            "What the debugger prints of this step:\n" + shown["L"],
        ),
        Stop(
            "One more: e = p - t. If p grows by a little, e grows by just as much, a factor of 1; and for every bit\n"
            f"of e, L grows {n(grad['e'])} times as much. One after the other, the factors multiply: the chain rule.",
            "dL/dp = dL/de * de/dp", grad["p"], f"{n(grad['e'])} * 1.",
            "t, which the teacher gave, gets a gradient as well: "
            f"dL/dt = {n(grad['e'])} * -1 = {n(grad['t'])}, since e falls where t grows.",
        ),
        Stop(
            "p = a + b: a sum hands its gradient on to both, as it is, since each of them moves p by just as much.\n"
            f"So dL/da is {n(grad['a'])} as well. And b?",
            "dL/db", grad["b"], f"the gradient of p times 1: {n(grad['p'])} * 1.",
            "What the debugger prints of this step:\n" + shown["p"],
        ),
        Stop(
            f"a = w * x: if w grows by a little, a grows x times as much, that is {n(x)} times. The number that is\n"
            "multiplied with is the local derivative. By the chain rule:",
            "dL/dw = dL/da * x", grad["w"], f"{n(grad['a'])} * {n(x)}.",
            f"Tried out: where w grows by 0.001, L becomes {number(nudged, 7)}, and has grown by {n(nudged - loss)}:\n"
            f"{n((nudged - loss) / 0.001)} times as much. And for x it is the other way round:\n"
            f"dL/dx = dL/da * w = {n(grad['a'])} * {n(w)} = {n(grad['x'])}.",
        ),
        Stop(
            "Learning: L falls where w goes against its gradient. We go a part of it, the learning rate of "
            f"{RATE}:\nw - {RATE} * dL/dw.",
            "the new w", moved, f"{n(w)} - {RATE} * {n(grad['w'])}.",
            f"With it the neuron says {n(after['p'].data)} instead of {n(p)}, and L is {n(after['L'].data)} instead of "
            f"{n(loss)}:\nit has learned. A network does the same with millions of weights, in one walk backwards.",
        ),
    ]  # fmt: skip

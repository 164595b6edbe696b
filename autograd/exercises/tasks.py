"""The checks of the exercises: by gradcheck, and by the walk of the stepper, in words about what was written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from autograd.checking.checks import gradcheck
from autograd.engine.graph import Node, Primitive
from autograd.engine.words import number
from autograd.nodes.value import Value
from autograd.stepping.stepper import Stepper

__all__ = ["NotYet", "Written", "adam", "order", "rules", "softmax"]

Written: TypeAlias = dict[str, Callable[..., Any]]  # a learner's functions by name
DEEP = 20_000  # nodes in a row, more than Python lets a function call itself


class NotYet(Exception):
    """What is wrong with a solution, for who wrote it."""


def _near(x: Any, y: Any) -> bool:
    return np.shape(x) == np.shape(y) and bool(
        np.allclose(np.asarray(x, float), np.asarray(y, float), rtol=1e-9, atol=1e-12)
    )


def _mistake(found: Any, known: dict[str, Any]) -> str:
    """What a wrong result looks like: the first of some known mistakes that gives the same."""
    return next((f"\n{text}" for text, result in known.items() if _near(found, result)), "")


def _numbers(found: Any, where: str, shape: tuple[int, ...] = ()) -> None:
    """A result must be a number, or numbers in a shape."""
    try:
        got = np.asarray(found, float).shape
    except (TypeError, ValueError):
        raise NotYet(f"{where} must give numbers, and gave {type(found).__name__}") from None
    if got != shape:
        raise NotYet(
            f"{where} must give {'an array of shape ' + str(shape) if shape else 'a number'}, and gave shape {got}"
        )


# ---- 1: rules ----

A, B, G = 2.0, -3.0, 0.5


def rules(written: Written) -> str:
    """The rules of a product and of the logistic function."""
    by_a, by_b, by_x = (written[name] for name in ("product_rule_a", "product_rule_b", "sigmoid_rule"))
    _rule("product_rule_a", by_a, G * B, (G, A * B, A, B), "a", lambda h: (A + h) * B)
    _rule("product_rule_b", by_b, G * A, (G, A * B, A, B), "b", lambda h: A * (B + h))
    s = 1 / (1 + math.exp(-A))
    _rule("sigmoid_rule", by_x, G * s * (1 - s), (G, s, A), "a", lambda h: 1 / (1 + math.exp(-A - h)))
    product = Primitive("product", lambda a, b: a * b, np.multiply, (by_a, by_b), ("b", "a"))
    sigmoid = Primitive(
        "sigmoid", lambda a: 1 / (1 + math.exp(-a)), lambda a: 1 / (1 + np.exp(-a)), (by_x,), ("out * (1 - out)",)
    )

    def neuron(w: Any, x: Any) -> Any:
        return sigmoid(product(w, x))

    report = gradcheck(neuron, 0.7, -1.3, order=2)
    if not report:
        raise NotYet(
            "Each rule is right at one place, but not everywhere, or not when it is itself differentiated: "
            f"gradcheck of sigmoid(product(w, x)) says\n\n{report}"
        )
    w, x = Value(0.7, label="w"), Value(-1.3, label="x")
    h = product(w, x)
    h.label = "h"
    out = sigmoid(h)
    out.label = "out"
    return f"In sigmoid(w * x) your rules make this backward pass:\n{_walked(out)}\n\n{report}"


def _rule(
    name: str,
    rule: Callable[..., Any],
    right: float,
    args: tuple[float, ...],
    argument: str,
    moved: Callable[[float], float],
) -> None:
    """A rule at one place, against a trial: the argument is raised by a millionth."""
    g, out, *inputs = args
    found = rule(*args)
    _numbers(found, name)
    if _near(found, right):
        return
    h = 1e-6
    slope = (moved(h) - moved(0.0)) / h
    a, *rest = inputs
    known: dict[str, Any] = {
        "That is the slope alone: the rule must multiply it by g, what the result has received.": right / g,
        "The sign is wrong.": -right,
        "That is g alone, as if the slope were 1: what a sum passes on.": g,
        "That is the result times g; it takes the slope times g.": g * out,
    }
    if rest:
        known |= {
            "That is what the *other* argument receives: by a the slope of a * b is b, and by b it is a.": g
            * (a + rest[0])
            - right,
            "That is the slope alone, and that by the other argument.": (a + rest[0]) - right / g,
        }
    else:
        known |= {
            "That is the rule of tanh; the slope of this one is another.": g * (1 - out * out),
            "A factor is missing: the slope is out * (1 - out).": g * (1 - out),
            "This puts the argument where the result belongs: out, not a.": g * a * (1 - a),
        }
    at = ", ".join(f"{n} = {number(x)}" for n, x in zip("ab", inputs, strict=False))
    raise NotYet(
        f"{name}: at {at} the result is {number(out)}, and has received g = {number(g)}.\n"
        f"  your rule gives {argument}:  {number(float(found))}\n"
        f"  a trial: {argument} raised by {h:.6f} moves the result by {slope:.6f} times that, "
        f"so {argument} should receive g * {slope:.4f} = {g * slope:.4f}{_mistake(found, known)}"
    )


def _walked(root: Node) -> str:
    """The backward pass, a contribution a line."""
    stepper, lines = Stepper(root), []
    while (c := stepper.step()) is not None:
        name, giver = stepper.names[c.parent], stepper.names[c.node]
        lines.append(
            f"  {name} receives d{stepper.names[root]}/d{giver} * d{giver}/d{name} "
            f"= {number(c.upstream)} * {number(c.local)} = {number(c.value)}"
        )
    return "\n".join(lines)


# ---- 2: order ----


def _graphs() -> dict[str, Value]:
    """Graphs with what makes an order go wrong: a node used twice, roads of unequal length, depth."""
    x, y = Value(2.0, label="x"), Value(3.0, label="y")
    a = x * y
    a.label = "a"
    b = a + 1.0
    b.label = "b"
    c = b * b
    c.label = "c"
    d = a + c
    d.label = "d"
    e = a * d
    e.label = "e"
    deep = x
    for _ in range(DEEP):
        deep = deep + 1.0
    return {
        "y = x + x": x + x,
        "x * y + x": x * y + x,
        "a = x * y; b = a + 1; c = b * b; d = a + c; e = a * d": e,
        "a leaf": x,
        f"x + 1 + 1 + ..., {DEEP:,} times": deep,
    }


def order(written: Written) -> str:
    """A topological order of the graph, root first."""
    for title, root in _graphs().items():
        found = written["order"](root)
        if not isinstance(found, (list, tuple)) or not all(isinstance(node, Node) for node in found):
            raise NotYet(f"order must give a list of nodes, and gave {type(found).__name__}")
        _an_order(list(found), root, title)
    return (
        "On every graph each node comes after all that were computed from it, so its gradient is complete when "
        "its turn comes.\n(The engine gets this order for nothing: nodes are numbered as they are made.)"
    )


def _an_order(found: list[Node], root: Node, title: str) -> None:
    stepper = Stepper(root)
    every = {node.id: node for n in stepper.nodes for node in (*n.inputs, n)} | {root.id: root}
    where = f"In the graph of {title}"
    place: dict[int, int] = {}
    for i, node in enumerate(found):
        if node.id in place:
            raise NotYet(
                f"{where} {stepper.names[node]} stands in your list twice, as number {place[node.id] + 1} and "
                f"{i + 1}: it would pass its gradient on twice. Remember which nodes have been seen."
            )
        place[node.id] = i
    missing = [node for node in every.values() if node.id not in place]
    if missing:
        raise NotYet(
            f"{where} {len(missing):,} of {len(every):,} nodes are missing from your list, "
            f"among them {stepper.names[missing[0]]}."
        )
    if len(found) > len(every):
        raise NotYet(f"{where} your list has {len(found):,} nodes, and there are {len(every):,}.")
    if found[-1] is root and len(found) > 1:
        raise NotYet(f"{where} your list ends with the root: it is the forward order. Backward is its reverse.")
    for node in found:
        late = [user for user, _ in stepper.consumers(node) if place[user.id] > place[node.id]]
        if late:
            raise NotYet(f"{where} {_too_early(stepper, node, late, place)}")


def _too_early(stepper: Stepper, node: Node, late: Sequence[Node], place: dict[int, int]) -> str:
    """What goes wrong where a node's turn comes before that of one that was computed from it."""
    stepper.end()
    whole = float(stepper.grad(node))
    come = [c.value for c in stepper.why(node) if place[c.node.id] < place[node.id]]
    return (
        f"{stepper.names[node]} is number {place[node.id] + 1} of your list, before {stepper.names[late[0]]}, "
        f"number {place[late[0].id] + 1}, which was computed from it.\n"
        f"When its turn comes, its gradient is {number(math.fsum(come))}; it will be {number(whole)} once "
        f"{stepper.names[late[0]]} has given its part. What it has passed on by then is too little."
    )


# ---- 3: softmax ----


def softmax(written: Written) -> str:
    """The gradient of softmax, by cases and by gradcheck."""
    rule = written["softmax_rule"]
    x = np.array([2.0, 1.0, 0.1])
    p = np.exp(x) / np.exp(x).sum()
    g = np.array([1.0, -0.5, 2.0])
    found = rule(g, p)
    _numbers(found, "softmax_rule", (3,))
    right = p * (g - (g * p).sum())
    if not _near(found, right):
        known = {
            "That is the case i = j alone. Raising x[j] also lowers every other p[i]: those terms are missing.": g
            * p
            * (1 - p),
            "Only one of two terms: what the other probabilities lose is missing.": g * p,
            "The sum must weigh each g[i] by its p[i].": p * (g - g.sum()),
            "The mean in place of a sum.": p * (g - (g * p).mean()),
            "The sign is wrong.": -right,
            "p - onehot is the gradient of the loss -log p; here g is any gradient that p has received.": p
            - (g == g.max()),
            "A factor p is missing in front: that of the case i = j has it, too.": g - (g * p).sum(),
        }
        report = _softmax_check(rule)
        raise NotYet(
            f"x = {x} gives p = {p.round(4)}; p has received g = {g}.\n"
            f"  your rule gives x:  {np.asarray(found, float).round(4)}\n"
            f"  finite differences: {_tried(x, g).round(4)}{_mistake(found, known)}\n\n{report}"
        )
    report = _softmax_check(rule)
    if not report:
        raise NotYet(f"It is right at one place, but gradcheck finds another where it is not:\n\n{report}")
    return (
        f"{report}\n\nWhere g is the same for every p, x receives nothing, as it must: "
        f"{np.asarray(rule(np.ones(3), p), float).round(12) + 0.0}. A softmax only shifts."
    )


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def _softmax_check(rule: Callable[..., Any]) -> Any:
    """gradcheck of a softmax with the learner's rule, on four scores."""
    op = Primitive("softmax", None, _softmax, (lambda g, out, x: rule(g, out),), ("?",))
    weights = np.array([0.3, -1.2, 2.0, 0.5])

    def weighed_softmax(x: Any) -> Any:
        return (op(x) * weights).sum()

    return gradcheck(weighed_softmax, np.array([0.2, -0.4, 1.5, 0.3]))


def _tried(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """What x should receive, by moving each score a little both ways."""
    h = 1e-6 * np.eye(len(x))
    return np.array([(g @ _softmax(x + d) - g @ _softmax(x - d)) / 2e-6 for d in h])


# ---- 4: Adam ----

State: TypeAlias = tuple[Any, Any, Any]
LR, B1, B2, EPS = 0.01, 0.9, 0.999, 1e-8
GRADIENTS = (0.5, 0.4, -0.3, 0.6)
BEGIN: State = (1.0, 0.1, 0.05)  # weight and means after the first update, so that no mistake hides behind a 0


def _adam(state: State, g: Any, step: int, eps: float = EPS) -> State:
    """A weight and its two means after an update: Kingma and Ba 2015, algorithm 1."""
    p, m, v = state
    m = B1 * m + (1 - B1) * g
    v = B2 * v + (1 - B2) * (g * g)
    return p - LR * (m / (1 - B1**step)) / ((v / (1 - B2**step)) ** 0.5 + eps), m, v


def adam(written: Written) -> str:
    """An update of Adam, step by step, and differentiated."""
    update = written["adam"]
    mine = BEGIN
    for step, g in enumerate(GRADIENTS, 2):
        found = update(mine[0], g, *mine[1:], step, LR, B1, B2, EPS)
        if not isinstance(found, (tuple, list)) or len(found) != 3:
            raise NotYet("adam must return three things: p, m, v")
        right = _adam(mine, g, step)
        for at, name in enumerate("pmv"):
            _numbers(found[at], f"{name} of adam")
        for at, name in ((1, "m"), (2, "v"), (0, "p")):
            if not _near(found[at], right[at]):
                raise NotYet(_adam_wrong(name, float(found[at]), float(right[at]), mine, g, step))
        mine = right
    _broadly(update)

    def weight_after(lr: Any, g: Any) -> Any:
        return _many(update, lr, g)

    report = gradcheck(weight_after, LR, np.array(GRADIENTS))
    if not report:
        raise NotYet(
            f"Its numbers are right, but not its own derivatives; is everything in plain operators?\n\n{report}"
        )
    return (
        "Four updates are right, on numbers and on arrays, and what comes of them can be differentiated by lr and by "
        f"every gradient:\n\n{report}"
    )


def _many(update: Callable[..., Any], lr: Any, gradients: Any) -> Any:
    """The weight after all updates."""
    state = BEGIN
    for k in range(len(GRADIENTS)):
        state = update(state[0], gradients[k], *state[1:], k + 2, lr, B1, B2, EPS)
    return state[0]


def _adam_wrong(name: str, found: float, right: float, state: State, g: float, step: int) -> str:
    p, m, v = state
    c1, c2 = 1 - B1**step, 1 - B2**step
    new_m, new_v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g * g
    known: dict[str, dict[str, Any]] = {
        "m": {
            "The mean of before is not kept: b1 * m is missing.": (1 - B1) * g,
            "The weights of old and new are exchanged.": (1 - B1) * m + B1 * g,
            "The new gradient is added in full: (1 - b1) is missing.": B1 * m + g,
            "m is already divided by its correction; the next step needs it as it is.": new_m / c1,
            "That takes b2 where b1 belongs.": B2 * m + (1 - B2) * g,
        },
        "v": {
            "v is the mean of the *squares* of the gradients.": B2 * v + (1 - B2) * g,
            "The mean of before is not kept: b2 * v is missing.": (1 - B2) * g * g,
            "The weights of old and new are exchanged.": (1 - B2) * v + B2 * g * g,
            "v is already divided by its correction; the next step needs it as it is.": new_v / c2,
            "That takes b1 where b2 belongs.": B1 * v + (1 - B1) * g * g,
        },
        "p": {
            "It goes uphill: the step is taken away, not added.": 2 * p - right,
            "The corrections are missing: m and v begin at 0, and are too small at first.": p
            - LR * new_m / (new_v**0.5 + EPS),
            "Only m is corrected; v needs its own correction.": p - LR * (new_m / c1) / (new_v**0.5 + EPS),
            "Only v is corrected; m needs its own correction.": p - LR * new_m / ((new_v / c2) ** 0.5 + EPS),
            "The root of v is missing.": p - LR * (new_m / c1) / (new_v / c2 + EPS),
            "That is plain SGD.": p - LR * g,
            "The gradient itself stands where its mean m belongs.": p - LR * g / ((new_v / c2) ** 0.5 + EPS),
            "The corrections are those of the next step: step is 1 at the first update, not 0.": (
                p - LR * (new_m / (1 - B1 ** (step + 1))) / ((new_v / (1 - B2 ** (step + 1))) ** 0.5 + EPS)
            ),
            "The learning rate is missing.": p - (new_m / c1) / ((new_v / c2) ** 0.5 + EPS),
        },
    }
    return (
        f"Update {step}, with g = {number(g)}, p = {number(p)}, m = {number(m)}, v = {number(v)}, lr = {LR}: "
        f"the new {name} is not right.\n  yours: {found:.10g}\n  Adam:  {right:.10g}{_mistake(found, known[name])}"
    )


def _broadly(update: Callable[..., Any]) -> None:
    """On arrays, each element by itself, and without changing what it was given."""
    p, g, m, v = (np.array(x) for x in ([1.0, -2.0], [0.5, 0.0], [0.1, 0.2], [0.3, 0.4]))
    before = [x.copy() for x in (p, g, m, v)]
    found = update(p, g, m, v, 2, LR, B1, B2, 1e-3)
    if not all(np.array_equal(x, old) for x, old in zip((p, g, m, v), before, strict=True)):
        raise NotYet(
            "adam changes the arrays that it is given (as `m *= b1` does): make new ones, as in m = b1 * m + ..."
        )
    for name, got, want in zip("pmv", found, _adam((p, m, v), g, 2, 1e-3), strict=True):
        _numbers(got, f"{name} of adam on arrays", (2,))
        if not _near(got, want):
            raise NotYet(
                f"On numbers it is right, but not on arrays, with eps = 0.001: {name} is {np.asarray(got)}, "
                f"and should be {want}. Is eps inside the root, where it belongs outside?"
            )

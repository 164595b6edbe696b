"""The cause of a gradient that is zero, nan, infinite, tiny or huge: the first operation that made it so.

A trace goes from a node towards the root, against the way that the gradient came. At every step it knows which
elements it asks about. Rules are linear in the gradient and differentiable, so the elements of the gradient above
that these depend on are where the derivative of the rule is not 0: where that is nowhere, the operation itself lets
nothing through.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import NamedTuple

import numpy as np

from autograd.engine import words
from autograd.engine.base import Data
from autograd.engine.graph import Node, ScalarNode, backpropagate, contribution
from autograd.engine.kinds import raw, received
from autograd.engine.modes import Source
from autograd.nodes.tensor import Tensor
from autograd.stepping.names import Names
from autograd.stepping.syntax import piece_of
from autograd.stepping.walk import Walk

__all__ = ["Cause", "blame", "kind_of"]

CANCELS = 1e-3  # what is left of the largest part of a sum
TINY, HUGE = 1e-6, 1e3  # beyond these times the gradient of the root, a gradient is called so
SATURATING = ("tanh", "sigmoid", "exp", "expm1", "exp2", "arctan")
PICKING = ("maximum", "minimum", "fmax", "fmin")
FLAT = ("sign", "floor", "ceil", "trunc", "rint", "floor_divide", "heaviside")
TWICE = (
    "A where() further up picked the other branch; its gradient is 0 here, and 0 * inf is nan. Use where() twice: give "
    "this operation a harmless input where it is not picked, as in np.where(ok, np.log(np.where(ok, x, 1.0)), 0.0)"
)


class Cause:
    """One step of the way from a gradient to what made it so.

    node: the operation. reason: what it did, as a sentence. value: the gradient there, or for what went wrong in
    the forward pass the data.
    """

    __slots__ = ("_reason", "node", "value")

    def __init__(self, node: Node, reason: str | Callable[[], str], value: Data) -> None:
        self.node, self._reason, self.value = node, reason, value

    @property
    def reason(self) -> str:
        """What the operation did; a long way is put into words only where it is read."""
        if not isinstance(self._reason, str):
            self._reason = self._reason()
        return self._reason

    @property
    def source(self) -> Source | None:
        """The line that made the node, where it was recorded."""
        found: Source | None = self.node.source
        return found

    def __repr__(self) -> str:
        return f"<Cause: {self.reason}>"


class Part(NamedTuple):
    """A contribution: of argument `argument` of an operation, to the input there."""

    node: Node
    argument: int
    parent: Node
    value: Data


def blame(walk: Walk, names: Names, node: Node, index: tuple[int, ...] | None = None) -> list[Cause]:
    """The way from the gradient of a node, or of one element or row of it, to the first operation that made it so.

    The last of the list is the cause. The walk comes back to where it stands. Raises IndexError for an index that
    the node does not have.
    """
    mask = np.full(np.shape(walk.data(node)), index is None)
    if index is not None:
        mask[index] = True
    with walk.at_its_end():
        return _Trace(walk, names).of(node, mask)


def kind_of(g: Data, seed: Data, mask: np.ndarray | None = None) -> str:
    """nan, inf, zero, tiny or huge, against the gradient of the root; "" for a gradient that is none of these."""
    x = np.zeros(1) if g is None else np.atleast_1d(np.abs(np.asarray(g, float)))
    x = x if mask is None or g is None else x[np.atleast_1d(mask)]
    if np.isnan(x).any():
        return "nan"
    if np.isinf(x).any():
        return "inf"
    most, start = x.max(initial=0.0), float(np.abs(np.asarray(seed, float)).max(initial=0.0)) or 1.0
    return "zero" if most == 0 else "tiny" if most < TINY * start else "huge" if most > HUGE * start else ""


class _Trace:
    """A trace along one walk, which stands at its end."""

    def __init__(self, walk: Walk, names: Names) -> None:
        self.walk, self.names = walk, names
        self.found: list[Cause] = []

    def of(self, node: Node, mask: np.ndarray) -> list[Cause]:
        kind = kind_of(self.walk.grad(node), self.walk.seed, mask)
        trace: Callable[[Node, np.ndarray], None] = self._size
        if kind in ("nan", "inf"):
            trace = self._not_finite
        elif kind == "zero":
            trace = self._zero
        trace(node, mask)
        return self.found

    def _say(self, node: Node, reason: str, value: Data = None) -> None:
        self.found.append(Cause(node, reason, self.walk.grad(node) if value is None else value))

    def _parts(self, node: Node) -> list[Part]:
        """The contributions to a gradient."""
        made = ((user, i, self.walk.entry_of(user, i)) for user, i in self.walk.consumers(node))
        return [Part(user, i, node, e.value) for user, i, e in made if e is not None and e.value is not None]

    def _above(self, c: Part, mask: np.ndarray) -> np.ndarray:
        """Which elements of an operation's gradient the masked elements of a contribution depend on."""
        if isinstance(c.node, ScalarNode):
            return np.array(0 < abs(c.value) < np.inf or self.walk.local(c.node, c.argument) != 0)
        # In a context of its own: neither a debugged script nor detect_anomaly() is to look at this backward pass.
        return Context().run(self._weights, c, mask) != 0

    def _weights(self, c: Part, mask: np.ndarray) -> np.ndarray:
        """The derivative of a random sum of the masked elements of a contribution by the gradient above."""
        walk, node = self.walk, c.node
        assert node.primitive is not None
        shape = np.shape(walk.data(node))
        g = Tensor(np.ones(shape))
        with np.errstate(all="ignore"):
            given = contribution(node.primitive.vjps[c.argument], c.parent, g, walk.data(node), walk.arguments(node))
            if not isinstance(given, Node):  # it does not depend on the gradient at all
                return np.zeros(shape)
            seeds = np.where(mask, np.random.default_rng(0).uniform(1.0, 2.0, mask.shape), 0.0)
            scalar = isinstance(given, ScalarNode)
            backpropagate(given, float(seeds) if scalar else np.broadcast_to(seeds, np.shape(raw(given))))
        found = received(g)
        return np.zeros(shape) if found is None else np.asarray(found)

    @staticmethod
    def _symbol(c: Part) -> str:
        """The local derivative as text, in a, b and out."""
        local = c.node.primitive.local if c.node.primitive is not None else ()
        return local[min(c.argument, len(local) - 1)] if local else ""

    def _through(self, c: Part) -> str:
        """The operation of a contribution, as a word in a sentence."""
        return f"{c.node.op} by {self.names[c.parent]}"

    # ---- zero ----

    def _zero(self, node: Node, mask: np.ndarray) -> None:
        """Up to the operation that lets nothing through."""
        while True:
            parts = self._parts(node)
            if not parts:
                self._say(node, self._unused(node))
                return
            at = [np.asarray(c.value)[mask] if np.ndim(c.value) else np.asarray(c.value) for c in parts]
            if any((x != 0).any() for x in at):
                terms = " + ".join(words.summary(c.value) for c in parts[:4])
                self._say(node, f"what reaches {self.names[node]} cancels: {terms}{self._softmax_note(node)}")
                return
            above = [(c, self._above(c, mask)) for c in parts]
            passing = [(c, up) for c, up in above if up.any()]
            if not passing:
                for c, _ in above:
                    self._say(c.node, self._blocked(c, mask), c.value)
                return
            c, up = passing[0]
            g = np.asarray(0.0 if self.walk.grad(c.node) is None else self.walk.grad(c.node))
            if (g[up] != 0).any():
                self._say(c.node, f"{self._through(c)}: what comes from above cancels or underflows to 0 here", c.value)
                return
            self._say(c.node, f"{c.node.op} passes on the 0 that comes from above")
            node, mask = c.node, up

    def _unused(self, node: Node) -> str:
        name, root = self.names.by_id.get(node.id, node.label or "it"), self.names[self.walk.root]
        if node is self.walk.root:
            return f"{root} is the root, and starts from {words.summary(self.walk.seed)}"
        users = self.walk.consumers(node)
        if users:
            ops = ", ".join(dict.fromkeys(user.op for user, _ in users))
            return f"no gradient reaches what {name} went into: {ops}"
        inside = any(p is node for k in self.walk.nodes for p in k.inputs)
        if inside:
            return f"{name} went only into arguments that have no gradient"
        cut = [p for k in self.walk.nodes for p in k.inputs if p.primitive is None and self._is_detached(p)]
        lines = ", ".join(dict.fromkeys(str(p.source) for p in cut if p.source))
        reason = f"nothing on the way to {root} was computed from {name}"
        return f"{reason}; detach() cut the way at {lines}" if lines else f"{reason}, or only past a detach()"

    def _is_detached(self, leaf: Node) -> bool:
        source: Source | None = leaf.source
        return source is not None and piece_of(source.call.code, source.instruction).operation == "detach"

    def _blocked(self, c: Part, mask: np.ndarray) -> str:
        """Why an operation lets nothing through to the masked elements of an argument."""
        op, name, arguments = c.node.op, self.names[c.parent], self.walk.arguments(c.node)
        x = arguments[c.argument]
        here = words.summary(np.asarray(x)[mask] if np.ndim(x) else x)
        scope = c.node.scope.rpartition("/")[2].partition("#")[0]
        if "relu" in (op, scope):
            return f"relu is dead: {name} is {here}, and relu passes nothing on where its input is not above 0"
        if op == "where":
            return f"where() is a mask: its condition picks the other branch, not {name}"
        if op in PICKING:
            return f"{op} picks its other argument, {self._other(c)}, not {name}, which is {here}"
        if op in ("max", "min"):
            return f"{op} passes everything to the {op}imum, which these elements of {name} are not"
        if op == "getitem":
            return self._never_picked(name, arguments[1], mask)
        if op in FLAT:
            return f"{op} is flat: its derivative is 0 everywhere"
        if op in ("mul", "matmul", "einsum", "div", "hypot"):
            return f"{op} multiplies by {self._other(c)}: a mask, or a weight that is 0"
        if op in SATURATING:
            out = words.summary(np.asarray(self.walk.data(c.node))[mask] if np.ndim(x) else self.walk.data(c.node))
            return f"{op} is saturated: {op}({here}) = {out}, and its derivative is 0 there{self._softmax_note(c.node)}"
        symbol = f" {self._symbol(c)}".rstrip()
        return f"the derivative{symbol} of {op} by {name} is 0 where {name} is {here}"

    def _other(self, c: Part) -> str:
        """The other argument of an operation of two."""
        i = 1 - c.argument if c.argument < 2 and len(c.node.parents) == 2 else 0
        other = c.node.parents[i] if c.argument != i else None
        value = words.summary(self.walk.arguments(c.node)[i])
        return f"{self.names[other]} = {value}" if other is not None else value

    def _never_picked(self, name: str, key: Data, mask: np.ndarray) -> str:
        rows = np.unique(np.argwhere(mask)[:, 0]) if mask.ndim else np.array([])
        first = key[0] if isinstance(key, tuple) and key else key
        picked = np.asarray(first) if isinstance(first, (np.ndarray, list)) else None
        if picked is not None and picked.dtype.kind in "iu" and rows.size and not np.isin(rows, picked).any():
            rows_text = ", ".join(map(str, rows[:4])) + (", ..." if rows.size > 4 else "")
            word = "row" if rows.size == 1 else "rows"
            does = "does" if rows.size == 1 else "do"
            return (
                f"the index never picks {word} {rows_text} of {name}: {rows_text} {does} not occur among the "
                f"{words.many(picked.size, 'ind', 'ex', 'ices')} {words.short(str(np.unique(picked).tolist()), 60)}"
            )
        return f"the index [{words.short(str(key), 60)}] picks other elements of {name}"

    def _softmax_note(self, node: Node) -> str:
        """A word on the softmax that an exp belongs to, where that is saturated."""
        weights = self._softmax(node)
        if weights is None:
            return ""
        x = np.asarray(self.walk.data(weights))
        most = x.max(axis=-1).max() if x.ndim else x
        return f"; it is part of a saturated softmax, whose largest weight is {words.number(most, 8)}"

    def _softmax(self, node: Node) -> Node | None:
        """The weights of a softmax, exp(x) / sum(exp(x)), that a node is the exp or the x of."""
        exps = [node] if node.op == "exp" else [user for user, _ in self.walk.consumers(node) if user.op == "exp"]
        for e in exps:
            sums = [user for user, _ in self.walk.consumers(e) if user.op in ("sum", "add")]
            while sums and sums[0].op in ("sum", "add"):  # of Values one after the other
                users = [user for user, i in self.walk.consumers(sums[0]) if user.op in ("sum", "add") or i == 1]
                sums = sorted(users, key=lambda user: user.parents[0] is not e)
            if sums and sums[0].op == "div" and getattr(sums[0].parents[0], "op", "") == "exp":
                return sums[0]
        return None

    # ---- nan and inf ----

    def _not_finite(self, node: Node, mask: np.ndarray) -> None:
        """Up to the operation that made nan or inf of finite numbers, or down to what the forward pass did."""
        while True:
            bad = mask & ~np.isfinite(np.asarray(self.walk.grad(node), float))
            parts = [c for c in self._parts(node) if not np.isfinite(np.asarray(c.value, float)[bad]).all()]
            if not parts:
                start = "starts from" if node is self.walk.root else "was set to, or sums up to,"
                self._say(node, f"{self.names[node]} {start} {words.summary(self.walk.grad(node))}")
                return
            c = parts[0]
            value = np.asarray(c.value, float)
            if np.isnan(np.asarray(self.walk.grad(node), float)[bad]).any() and not any(
                np.isnan(np.asarray(p.value, float)[bad]).any() for p in parts
            ):
                terms = " + ".join(words.summary(p.value) for p in parts[:4])
                self._say(node, f"infinities of both signs meet at {self.names[node]}: {terms} = nan")
            mine = bad & ~np.isfinite(value)
            g = np.asarray(self.walk.grad(c.node), float)
            up = self._above(c, mine) & ~np.isfinite(g)
            if not up.any() or (np.isnan(value[mine]).any() and not np.isnan(g[up]).any()):
                above = self._arises(c, mine)
                if above is None:
                    return
                node, mask = c.node, above
                continue
            self._say(c.node, f"{c.node.op} passes on the {kind_of(g, 1.0)} that comes from above")
            node, mask = c.node, up

    def _arises(self, c: Part, mine: np.ndarray) -> np.ndarray | None:
        """Say how an operation made nan or inf; where the gradient from above is to be followed on, its elements."""
        walk, op = self.walk, c.node.op
        g = np.asarray(walk.grad(c.node), float)
        number = walk.local(c.node, c.argument)
        local = np.asarray(number) if number is not None else walk.local_array(c.node, c.argument)
        aligned = local.shape == g.shape
        nothing = aligned and bool((np.isinf(local) & (g == 0)).any())
        effect = "0 * inf = nan: no gradient comes from above, but the local derivative is infinite" if nothing else ""
        remedy = f". {TWICE}" if nothing and self._under_a_where(c.node) else ""
        origin = self._forward_origin(c.node)
        if origin is not None:
            if effect:
                self._say(c.node, effect, c.value)
            self._say(origin, self._overflow(origin) + remedy, walk.data(origin))
        elif effect:
            self._say(c.node, effect + remedy, c.value)
        elif aligned and (np.isinf(g) & (local == 0)).any():
            self._say(
                c.node, "inf * 0 = nan: the gradient from above is infinite, but the local derivative is 0", c.value
            )
            return np.isinf(g)
        elif not np.isfinite(g).all():
            made = words.summary(c.value)
            self._say(c.node, f"{op} mixes what comes from above, not all of it finite, and makes {made}", c.value)
            return ~np.isfinite(g)
        elif not np.isfinite(local).all():
            x, name = walk.arguments(c.node)[c.argument], self.names[c.parent]
            at = np.asarray(x)[~np.isfinite(local)].flat[0] if local.shape == np.shape(x) else x
            where = f"{self._symbol(c)} of {op} is not finite where {name} is {words.summary(at)}"
            self._say(c.node, f"the local derivative {where}", c.value)
        else:
            factors, held = (
                f"{words.summary(walk.grad(c.node))} times {words.summary(local)}",
                np.asarray(c.value).dtype,
            )
            self._say(c.node, f"{op} overflows: {factors} is more than a number of {held} holds", c.value)
        return None

    def _under_a_where(self, node: Node) -> bool:
        """Whether a where() may have picked something else than what came from a node."""
        seen, todo = {node.id}, [node]
        while todo and len(seen) < 1000:
            for user, _ in self.walk.consumers(todo.pop()):
                if user.op == "where":
                    return True
                if user.id not in seen:
                    seen.add(user.id)
                    todo.append(user)
        return False

    def _forward_origin(self, node: Node) -> Node | None:
        """The first operation, or input, on the way to a node whose data is not finite; None where all of it is."""

        def bad(x: Data) -> bool:
            return (
                isinstance(x, (float, np.ndarray, np.generic))
                and np.asarray(x).dtype.kind == "f"
                and not np.isfinite(x).all()
            )

        found = node if bad(self.walk.data(node)) else None
        while True:
            below = next((p for p in node.inputs if bad(self.walk.data(p))), None)
            if below is None:
                return found
            node = found = below

    def _overflow(self, node: Node) -> str:
        """What an operation did in the forward pass to make inf or nan of finite numbers."""
        data = np.asarray(self.walk.data(node), float)
        name = self.names[node]
        if node.primitive is None:
            return f"the input {name} holds {', '.join(words.odd(data))}"
        at = np.unravel_index(np.argmin(np.isfinite(data)), data.shape)
        numbers = []
        for x in self.walk.arguments(node):
            if isinstance(x, (float, np.ndarray, np.generic)) and np.asarray(x).dtype.kind == "f":
                fits = np.shape(x) == data.shape
                numbers.append(
                    words.number(np.asarray(x)[at] if fits else x) if fits or np.ndim(x) == 0 else words.summary(x)
                )
        result = words.number(data[at])
        did = "overflowed" if "inf" in result and node.op not in ("log", "div", "pow") else "is not finite"
        shift = "; subtract the maximum first, as a softmax does" if node.op == "exp" else ""
        return f"{node.op} {did} in the forward pass: {node.op}({', '.join(numbers)}) = {result}{shift}"

    # ---- tiny and huge ----

    def _size(self, node: Node, mask: np.ndarray) -> None:
        """To the operation on the way to the root that made a gradient small, or large, more than any other."""
        start, name = self._largest(self.walk.seed, np.array(True)), self.names[node]
        small = self._largest(self.walk.grad(node), mask) < start
        way: list[tuple[float, Cause]] = []
        while parts := self._parts(node):
            c = max(parts, key=lambda part: self._largest(part.value, mask))
            most = self._largest(c.value, mask)
            left = self._largest(self.walk.grad(node), mask) / most if most else 1.0
            if left < CANCELS and len(parts) > 1:
                terms = " + ".join(words.summary(part.value) for part in parts[:4])
                reason = f"what reaches {self.names[node]} nearly cancels: {terms}{self._softmax_note(node)}"
                way.append((left, Cause(node, reason, self.walk.grad(node))))
            weights = self._softmax(node) if c.node.op == "exp" else None
            if weights is not None:  # the ways through a softmax cancel by nature: it counts as one operation
                node, mask = weights, np.ones(np.shape(self.walk.data(weights)), bool)
            else:
                node, mask = c.node, self._above(c, mask)
            above = self._largest(self.walk.grad(node), mask)
            gain = most / above if above else np.inf
            words_of = partial(self._scaling, c, gain) if weights is None else partial(self._saturation, weights, gain)
            way.append((gain, Cause(node, words_of, self.walk.grad(node))))
        if not way:
            self._say(node, f"{name} is the root, and starts from {words.summary(self.walk.seed)}")
            return
        worst = (min if small else max)(range(len(way)), key=lambda k: way[k][0])
        self.found += [cause for _, cause in way[: worst + 1]]

    @staticmethod
    def _largest(x: Data, mask: np.ndarray) -> float:
        if x is None or type(x) is float:
            return abs(x or 0.0)
        x = np.abs(np.asarray(x, float))
        return float(x[mask].max(initial=0.0)) if x.shape == mask.shape else float(x.max(initial=0.0))

    def _scaling(self, c: Part, gain: float) -> str:
        op, x = c.node.op, self.walk.arguments(c.node)[c.argument]
        factor = f"a factor of {words.number(gain)}"
        if op in SATURATING and gain < 1e-2:
            out = words.summary(self.walk.data(c.node))
            return f"{op} is saturated: {op}({words.summary(x)}) = {out}, whose derivative makes {factor}"
        if op in ("mul", "matmul", "div", "einsum"):
            return f"{op} by {self._other(c)}: {factor}"
        return f"{op}, at {self.names[c.parent]} = {words.summary(x)}: {factor}"

    def _saturation(self, weights: Node, gain: float) -> str:
        p = np.asarray(self.walk.data(weights), float)
        largest = p.max(axis=-1) if p.ndim else p
        low, high = words.number(np.min(largest), 8), words.number(np.max(largest), 8)
        if np.min(largest) > 0.99:
            what = f"a saturated softmax: its largest weight is {high}, and p * (1 - p) is what passes"
        else:
            what = f"a softmax, whose largest weights go from {low} to {high}"
        return f"{what}: a factor of {words.number(gain)}"

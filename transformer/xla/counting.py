"""What a traced program costs on each device of a mesh: operations, and what is sent, without running anything.

A walk over the program that JAX has traced, with the axes of the mesh that each array is split over. They begin at
the arguments, change where the program says so, and follow each operation otherwise, as XLA's own partitioning does:
what is summed over a split axis must be added up, what is needed whole must be put together. JAX's tracer makes
the program; here it is only read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Cost", "Spread", "cost_of"]

Spec: TypeAlias = tuple[str | None, ...]


class Spread(NamedTuple):
    """How an array lies: per axis the axis of the mesh it is split over; and what axes it must be summed over yet."""

    spec: Spec
    partial: frozenset[str] = frozenset()


@dataclass
class Cost:
    """What one device does, sends and keeps.

    products, other: operations in products of matrices, and elsewhere. sent, bytes: how many messages of what kind go
    over which axis, and their bytes in all: an array counts as it is before it is split, or after it is put together.
    kept: bytes that the scans of the way forth leave for the way back. largest: bytes of the largest array.
    """

    products: int = 0
    other: int = 0
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: int = 0
    largest: int = 0


def cost_of(program: Any, given: Sequence[Spec], sizes: Mapping[str, int]) -> Cost:
    """The cost of a closed jaxpr whose arguments are split so over a mesh of these sizes."""
    from jax.interpreters.partial_eval import dce_jaxpr

    needed, used = dce_jaxpr(program.jaxpr, [True] * len(program.jaxpr.outvars))  # XLA leaves out the rest, too
    walk = _Walk(sizes)
    walk.run(needed, [Spread(spec) for spec, is_used in zip(given, used, strict=True) if is_used], 1)
    return walk.cost


class _Walk:
    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.cost = Cost()
        self.times = 1
        self.known: dict[Any, Spread] = {}  # how the arrays lie of the program that is walked over

    # ---- walking ----

    def run(self, jaxpr: Any, given: Sequence[Spread], times: int) -> list[Spread]:
        """Walk over a program that runs so many times; how its results lie."""
        before = self.times, self.known
        self.times, self.known = times, dict(zip(jaxpr.invars, given, strict=True))
        for eqn in jaxpr.eqns:
            found = self._through(eqn, list(map(self._lies, eqn.invars)))
            self.known.update(zip(eqn.outvars, found, strict=True))
        ends = list(map(self._lies, jaxpr.outvars))
        self.times, self.known = before
        return ends

    def _lies(self, v: Any) -> Spread:
        """How an argument of an operation lies; a constant is whole everywhere."""
        return _whole(v) if hasattr(v, "val") else self.known.get(v, _whole(v))

    def _through(self, eqn: Any, args: list[Spread]) -> list[Spread]:
        name = eqn.primitive.name
        if name == "scan":
            return self._scan(eqn, args)
        inner = next((eqn.params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in eqn.params), None)
        if inner is not None:
            return self.run(getattr(inner, "jaxpr", inner), args, self.times)
        if name == "sharding_constraint":
            return [self._constrained(eqn, args[0])]
        if name not in LINEAR:
            args = [self._summed(v, x) for v, x in zip(eqn.invars, args, strict=True)]
        if name not in RULES:
            raise ValueError(f"plan: there is no rule for {name}, and so it is not known how its result lies")
        out = RULES[name](self, eqn, args)
        n = max(self._local(v, out) for v in eqn.outvars)
        self.cost.other += self.times * n * (name != "dot_general" and name not in FREE)
        if name == "dot_general":  # what is between products XLA may never write down
            self.cost.largest = max(self.cost.largest, n * eqn.outvars[0].aval.dtype.itemsize)
        return [out] * len(eqn.outvars)

    def _scan(self, eqn: Any, args: list[Spread]) -> list[Spread]:
        """A loop: its body so many times. What it carries lies as it comes out; what it collects has one axis more."""
        p = eqn.params
        n, m, length = p["num_consts"], p["num_consts"] + p["num_carry"], p["length"]
        args = [self._summed(v, x) for v, x in zip(eqn.invars, args, strict=True)]
        rows = [Spread(x.spec[1:]) for x in args[m:]]
        body = p["jaxpr"].jaxpr
        ends = self.run(body, [*args[:m], *rows], self.times * length)
        before, self.times = self.times, self.times * length
        ends = [self._summed(v, x) for v, x in zip(body.outvars, ends, strict=True)]
        self.times = before
        carried, collected = ends[: m - n], [Spread((None, *x.spec)) for x in ends[m - n :]]
        if not p["reverse"]:
            made = zip(eqn.outvars[m - n :], collected, strict=True)
            self.cost.kept += self.times * sum(self._local(v, x) * v.aval.dtype.itemsize for v, x in made)
        return [*carried, *collected]

    # ---- what is sent ----

    def _send(self, kind: str, axis: str, v: Any, spread: Spread) -> None:
        if self.sizes.get(axis, 1) == 1:
            return
        self.cost.sent[kind, axis] += self.times
        self.cost.bytes[kind, axis] += self.times * self._local(v, spread) * v.aval.dtype.itemsize

    def _summed(self, v: Any, x: Spread) -> Spread:
        """An array whose parts are added up wherever they lie."""
        for axis in sorted(x.partial):
            self._send("all-reduce", axis, v, x)
        return self._now(v, Spread(x.spec))

    def _now(self, v: Any, x: Spread) -> Spread:
        """How an array lies from now on: what was sent for one operation serves the next."""
        if not hasattr(v, "val") and v in self.known:
            self.known[v] = x
        return x

    def _constrained(self, eqn: Any, x: Spread) -> Spread:
        """Where the program says how an array lies."""
        (v,) = eqn.invars
        asked = tuple(eqn.params["sharding"].spec)
        asked += (None,) * (len(x.spec) - len(asked))
        for axis in sorted(x.partial):
            self._send("reduce-scatter" if axis in asked else "all-reduce", axis, v, Spread(x.spec))
        gone = [axis for axis in x.spec if axis is not None and axis not in asked]
        for axis in gone:
            self._send("all-gather", axis, v, Spread(asked))
        return Spread(asked)

    def _local(self, v: Any, x: Spread) -> int:
        """The elements of an array that one device has."""
        return part(v.aval.shape, x.spec, self.sizes)

    def _put_together(self, v: Any, x: Spread, axes: Sequence[int]) -> Spread:
        """An array that is no more split along some of its axes."""
        spec = list(x.spec)
        for i in axes:
            axis, spec[i] = spec[i], None
            if axis is not None:
                self._send("all-gather", axis, v, Spread(tuple(spec)))
        return self._now(v, Spread(tuple(spec), x.partial)) if tuple(spec) != x.spec else x

    # ---- operations ----

    def _elementwise(self, eqn: Any, args: list[Spread]) -> Spread:
        """Operands of one shape, or numbers: the result is split as they are."""
        shape = eqn.outvars[0].aval.shape
        if len({x.partial for x in args}) > 1:  # sums of parts beside what is whole
            args = [self._summed(v, x) for v, x in zip(eqn.invars, args, strict=True)]
        spec: list[str | None] = [None] * len(shape)
        for v, x in zip(eqn.invars, args, strict=True):
            for i, axis in enumerate(x.spec):
                if v.aval.shape[i] == shape[i] and axis is not None and spec[i] is None and axis not in spec:
                    spec[i] = axis
        for v, x in zip(eqn.invars, args, strict=True):
            self._put_together(v, x, [i for i, axis in enumerate(x.spec) if axis not in (None, spec[i])])
        return Spread(tuple(spec), args[0].partial if args else frozenset())

    def _dot(self, eqn: Any, args: list[Spread]) -> Spread:
        (of_a, of_b), (batch_a, batch_b) = eqn.params["dimension_numbers"]
        (a, b), (va, vb) = args, eqn.invars
        partial = set()
        for i, j in zip(of_a, of_b):
            one, other = a.spec[i], b.spec[j]
            if one is not None and other is not None and one != other:
                b = self._put_together(vb, b, [j])
                other = None
            partial |= {axis for axis in (one or other,) if axis is not None}
        rest_a = [i for i in range(len(a.spec)) if i not in (*of_a, *batch_a)]
        rest_b = [j for j in range(len(b.spec)) if j not in (*of_b, *batch_b)]
        lead = [a.spec[i] or b.spec[j] for i, j in zip(batch_a, batch_b)]
        taken = {*lead, *(a.spec[i] for i in rest_a), *partial} - {None}
        b = self._put_together(vb, b, [j for j in rest_b if b.spec[j] in taken])
        a = self._put_together(va, a, [i for i in rest_a if a.spec[i] in partial])
        spec = (*lead, *(a.spec[i] for i in rest_a), *(b.spec[j] for j in rest_b))
        out = Spread(spec, frozenset(partial))
        length = math.prod(va.aval.shape[i] for i in of_a)
        parts = math.prod(self.sizes.get(axis, 1) for axis in partial)
        self.cost.products += self.times * 2 * self._local(eqn.outvars[0], out) * length // parts
        return out

    def _broadcast(self, eqn: Any, args: list[Spread]) -> Spread:
        spec: list[str | None] = [None] * len(eqn.outvars[0].aval.shape)
        shape = eqn.invars[0].aval.shape
        for i, j in enumerate(eqn.params["broadcast_dimensions"]):
            spec[j] = args[0].spec[i] if shape[i] == eqn.params["shape"][j] else None
        return Spread(tuple(spec), args[0].partial)

    def _reshape(self, eqn: Any, args: list[Spread]) -> Spread:
        """Axes that are joined or split: the first of those that belong together is the one along which it lies."""
        (v, *_), x = eqn.invars, args[0]
        old, new = v.aval.shape, eqn.outvars[0].aval.shape
        spec: list[str | None] = [None] * len(new)
        for ins, outs in _together(old, new):
            axis = next((x.spec[i] for i in ins if x.spec[i] is not None), None)
            first = next((i for i in ins if old[i] > 1), None)
            if axis is None or first is None:  # a single number lies whole
                continue
            target = next((j for j in outs if new[j] > 1), None)
            if x.spec[first] == axis and target is not None and new[target] % self.sizes.get(axis, 1) == 0:
                spec[target] = axis
            else:
                x = self._put_together(v, x, ins)
        return Spread(tuple(spec), x.partial)

    def _stack(self, eqn: Any, args: list[Spread]) -> Spread:
        """Arrays of one shape along a new axis."""
        (*_, spec), at = (x.spec for x in args), eqn.params["axis"]
        return Spread((*spec[:at], None, *spec[at:]), args[-1].partial)

    def _transpose(self, eqn: Any, args: list[Spread]) -> Spread:
        return Spread(tuple(args[0].spec[i] for i in eqn.params["permutation"]), args[0].partial)

    def _squeeze(self, eqn: Any, args: list[Spread]) -> Spread:
        gone = {i % len(args[0].spec) for i in eqn.params["dimensions"]}
        return Spread(tuple(s for i, s in enumerate(args[0].spec) if i not in gone), args[0].partial)

    def _reduce(self, eqn: Any, args: list[Spread]) -> Spread:
        gone = eqn.params["axes"]
        spec = tuple(s for i, s in enumerate(args[0].spec) if i not in gone)
        partial = frozenset(s for i, s in enumerate(args[0].spec) if i in gone and s is not None)
        out = Spread(spec, partial)
        return out if eqn.primitive.name == "reduce_sum" else self._summed(eqn.outvars[0], out)

    def _cut(self, eqn: Any, args: list[Spread]) -> Spread:
        """A slice, or arrays behind each other: whole along the axes whose length changes."""
        shape = eqn.outvars[0].aval.shape
        found = [
            self._put_together(v, x, [i for i, n in enumerate(v.aval.shape) if n != shape[i]])
            for v, x in zip(eqn.invars, args, strict=True)
            if len(v.aval.shape) == len(shape)
        ]
        return found[0]

    def _gather(self, eqn: Any, args: list[Spread]) -> Spread:
        """Rows by their numbers: split as the numbers are; what is picked from is whole along what they count."""
        p, v = eqn.params["dimension_numbers"], eqn.invars[0]
        own = (*p.collapsed_slice_dims, *p.operand_batching_dims)
        x = self._put_together(v, args[0], [i for i in p.start_index_map if args[0].spec[i] is not None])
        rows = iter(args[1].spec[:-1])
        columns = iter([s for i, s in enumerate(x.spec) if i not in own])
        return Spread(tuple(
            next(columns) if i in p.offset_dims else next(rows) for i in range(len(eqn.outvars[0].aval.shape))
        ))  # fmt: skip

    def _scatter(self, eqn: Any, args: list[Spread]) -> Spread:
        """What is added to rows by their numbers: of split numbers a part of the sum."""
        p, updates = eqn.params["dimension_numbers"], args[2]
        window = p.update_window_dims
        columns = iter([updates.spec[i] for i in window])
        own = (*p.inserted_window_dims, *p.operand_batching_dims)
        spec = tuple(None if i in own else next(columns) for i in range(len(eqn.outvars[0].aval.shape)))
        rows = {s for i, s in enumerate(updates.spec) if i not in window and s is not None}
        return Spread(spec, frozenset(rows))

    def _fresh(self, eqn: Any, args: list[Spread]) -> Spread:
        return _whole(eqn.outvars[0])


def part(shape: Sequence[int], spec: Spec, sizes: Mapping[str, int]) -> int:
    """The elements of an array of a shape that one device has."""
    return math.prod(shape) // math.prod(sizes.get(axis, 1) for axis in spec if axis is not None)


def _whole(v: Any) -> Spread:
    return Spread((None,) * len(v.aval.shape))


def _together(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Which axes of two shapes of one size hold the same numbers, in the shortest runs."""
    found, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        ins, outs = list(range(i, min(i + 1, len(old)))), list(range(j, min(j + 1, len(new))))
        a, b = math.prod(old[k] for k in ins), math.prod(new[k] for k in outs)
        while a != b:
            if a < b:
                ins.append(ins[-1] + 1)
                a *= old[ins[-1]]
            else:
                outs.append(outs[-1] + 1)
                b *= new[outs[-1]]
        found.append((ins, outs))
        i, j = i + len(ins), j + len(outs)
    return found


Rule: TypeAlias = Callable[[_Walk, Any, list[Spread]], Spread]
CUT = ("slice", "concatenate", "pad", "scatter", "dynamic_slice")
REDUCED = ("reduce_sum", "reduce_max", "reduce_min", "reduce_or", "reduce_and")
ELEMENTWISE = (
    "abs", "add", "add_any", "and", "ceil", "clamp", "convert_element_type", "copy", "cos", "div", "eq", "erf", "exp",
    "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "log", "log1p", "logistic", "lt", "max",
    "min", "mul", "ne", "neg", "not", "or", "pow", "rem", "round", "rsqrt", "select_n", "sign", "sin", "sqrt",
    "square", "stop_gradient", "sub", "tanh", "xor",
)  # fmt: skip
RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _Walk._elementwise),
    "dot_general": _Walk._dot, "broadcast_in_dim": _Walk._broadcast, "reshape": _Walk._reshape,
    "transpose": _Walk._transpose, "squeeze": _Walk._squeeze, "gather": _Walk._gather, "scatter-add": _Walk._scatter,
    "iota": _Walk._fresh, "stack": _Walk._stack, **dict.fromkeys(CUT, _Walk._cut),
    **dict.fromkeys(REDUCED, _Walk._reduce),
}  # fmt: skip
# What may be done to parts of a sum before they are added up.
LINEAR = {"add", "sub", "neg", "reshape", "transpose", "squeeze", "broadcast_in_dim", "convert_element_type",
          "sharding_constraint", "add_any", "copy"}  # fmt: skip
# What costs no arithmetic.
FREE = {"reshape", "transpose", "squeeze", "broadcast_in_dim", "slice", "concatenate", "iota", "gather",
        "convert_element_type", "copy", "pad", "scatter", "stack", "dynamic_slice"}  # fmt: skip

"""Where results lie: one block of memory for all of a program, in which a place is used again and again.

A view lies where the array lies that it is a view of. An elementwise call writes over an operand
that nobody needs afterwards. What comes from outside, and what a function of NumPy gives of its
own, has no place here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from autograd.compiling.program import Step, inputs_of
from autograd.compiling.simplify import VIEWS

__all__ = ["Memory", "Place"]

ALIGNED = 64  # bytes: a line of the processor's cache, and what its widest instructions ask for
# Calls that fill an array given to them, and so can be given a place.
FILLING = {
    "ufunc",
    "matmul",
    "reduce",
    "where",
    "concatenate",
    "astype",
    "scatter",
    "gather",
    "einsum",
    "copy",
    "added",
}


class Storage:
    """Bytes in use from one step to another."""

    def __init__(self, nbytes: int, start: int) -> None:
        self.nbytes = -(-max(1, nbytes) // ALIGNED) * ALIGNED
        self.start = start
        self.end = start
        self.offset = 0


class Place:
    """Where an array lies: in which storage, from which byte on, and how far its elements are apart."""

    __slots__ = ("offset", "shape", "storage", "strides")

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.strides = strides


def viewed(step: Step, x: np.ndarray) -> np.ndarray:
    """A view of an array, as a step says; a copy where a reshape cannot be had otherwise."""
    if step.op == "reshape":
        return x.reshape(step.options)
    if step.op == "transpose":
        return x.transpose(step.options)
    if step.op == "index":
        return x[step.options]
    return np.broadcast_to(x, step.options)


class Memory:
    """The places of the results of a program.

    outputs: the steps whose results are needed to the end. outside: those that lie elsewhere, by their ids.
    """

    def __init__(self, steps: Sequence[Step], outputs: Sequence[Step], outside: set[int]) -> None:
        self.steps = steps
        self.outputs = outputs
        self.outside = outside
        self.places: dict[int, Place] = {}
        self._root: dict[int, int] = {}
        self._last = self._last_uses()
        self._storages: list[Storage] = []
        self._within: dict[int, Place] = {}
        self.joined: set[int] = set()  # ids of concatenations whose parts are made where they belong
        for step in steps:
            self._gather(step)
        for i, step in enumerate(steps):
            place = self._place(i, step)
            if place is not None:
                self.places[id(step)] = place
        self.nbytes = _packed(self._storages)

    def __contains__(self, step: object) -> bool:
        return id(step) in self.places

    def array(self, step: Step, arena: np.ndarray) -> np.ndarray:
        """The array of a step, in memory of `nbytes` bytes."""
        place = self.places[id(step)]
        offset = place.storage.offset + place.offset
        return np.ndarray(place.shape, step.dtype, arena.data, offset, place.strides)

    def _gather(self, whole: Step) -> None:
        """Let what is put together in one line lie there from the first."""
        if whole.op != "concatenate" or len(whole.shape) != 1 or id(whole) in self.outside:
            return
        parts = [a.args[0] if a.op == "reshape" else a for a in whole.args]
        own = all(s.op in FILLING and s.op != "added" and id(s) not in self.outside for s in parts)
        fresh = len({*map(id, parts)}) == len(parts) and not any(id(s) in self._within for s in (whole, *parts))
        if not own or not fresh or any(s.dtype != whole.dtype or s.number for s in parts):
            return
        storage, offset = Storage(whole.nbytes, len(self.steps)), 0
        storage.end = max(self._end(s) for s in (whole, *parts))
        for s in parts:
            self._within[id(s)] = Place(storage, offset, s.shape, _strides(s, []))
            offset += s.nbytes
        self._within[id(whole)] = Place(storage, 0, whole.shape, _strides(whole, []))
        self._storages.append(storage)
        self.joined.add(id(whole))

    def _last_uses(self) -> dict[int, int]:
        """The last step that needs what lies where a step's result lies, views included."""
        last: dict[int, int] = {}
        for i, step in enumerate(self.steps):
            root = id(step)
            if step.op in VIEWS:  # whether or not it will be one
                root = self._root[id(step.args[0])]
            self._root[id(step)] = root
            last[root] = i
            if step.op in ("call", "item"):  # which may give a view of what it was given
                for s in inputs_of(step):
                    last[self._root[id(s)]] = len(self.steps)
            for s in inputs_of(step):
                last[self._root[id(s)]] = max(i, last[self._root[id(s)]])
        for s in self.outputs:
            last[self._root[id(s)]] = len(self.steps)
        return last

    def _end(self, step: Step) -> int:
        return self._last[self._root[id(step)]]

    def _place(self, i: int, step: Step) -> Place | None:
        if id(step) in self._within:
            place = self._within[id(step)]
            place.storage.start = min(place.storage.start, i)
            return place
        if step.op in VIEWS:
            base = self.places.get(id(step.args[0]))
            if base is None:
                return None
            ghost = as_strided(np.empty(1, step.dtype), base.shape, base.strides, writeable=False)
            try:
                view = ghost.reshape(step.options, copy=False) if step.op == "reshape" else viewed(step, ghost)
            except ValueError:  # not without a copy
                return self._new(i, step, ())
            offset = view.__array_interface__["data"][0] - ghost.__array_interface__["data"][0]
            return Place(base.storage, base.offset + offset, view.shape, view.strides)
        if step.op not in FILLING or step.number or id(step) in self.outside:
            return None
        operands = [s for s in inputs_of(step) if s in self] if step.op in ("ufunc", "added", "where") else []
        if step.op == "where":  # over one of the choices, that is not the other as well
            operands = [s for s in operands if s is not step.args[0] and step.args[1] is not step.args[2]]
        if step.op == "added":  # over what it adds to, unless that is where it reads from too
            first, *rest = (self.places[id(s)].storage if s in self else None for s in inputs_of(step))
            operands = operands[:1] if first is not None and first not in rest else []
        return self._new(i, step, operands)

    def _new(self, i: int, step: Step, operands: Sequence[Step]) -> Place:
        """A place of its own, or that of an operand that is not needed any more."""
        full = [self.places[id(s)] for s in operands if s.shape == step.shape]
        strides = _strides(step, full)
        for s in operands:
            place = self.places[id(s)]
            alike = s.dtype == step.dtype and place.shape == step.shape and place.strides == strides
            if alike and 0 not in strides and place.storage.end == i == self._end(s):
                place.storage.end = self._end(step)
                return place
        storage = Storage(step.nbytes, i)
        storage.end = self._end(step)
        self._storages.append(storage)
        return Place(storage, 0, step.shape, strides)


def _strides(step: Step, operands: Sequence[Place]) -> tuple[int, ...]:
    """C order; or the order of the axes that all operands of the same shape agree on, as NumPy's own results have."""
    order = list(range(len(step.shape)))
    orders = {tuple(sorted(order, key=lambda i: -p.strides[i])) for p in operands}
    if len(orders) == 1:
        order = list(orders.pop())
    strides = [0] * len(order)
    run = step.dtype.itemsize
    for i in reversed(order):
        strides[i] = run
        run *= max(1, step.shape[i])
    return tuple(strides)


def _packed(storages: list[Storage]) -> int:
    """Give every storage its offset, the largest first, each at the lowest place that is free while it is in use."""
    placed: list[Storage] = []
    for new in sorted(storages, key=lambda s: -s.nbytes):
        offset = 0
        for s in placed:  # by offset
            if s.offset + s.nbytes > offset and s.start <= new.end and new.start <= s.end:
                if s.offset - offset >= new.nbytes:
                    break
                offset = max(offset, s.offset + s.nbytes)
        new.offset = offset
        placed.append(new)
        placed.sort(key=lambda s: s.offset)
    return max((s.offset + s.nbytes for s in storages), default=0) + ALIGNED

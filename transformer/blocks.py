"""Adam over plain arrays: block by block, so that what is at hand stays in the processor's cache.

The arithmetic is that of `optim.adam`, to the last bit; here it is written as calls of NumPy that make no new
arrays. Two threads share the work. A tiny model is one block, since a call costs more than its arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from transformer import parallel
from transformer.base import Array, Weights

__all__ = ["BLOCK", "Numbers", "adam_in_blocks", "packed", "squares", "suits", "unpacked"]

BLOCK = 1 << 15  # elements: six arrays of so many float32 fit the second cache of a core
SHARED = 1 << 22  # elements in all, from which on a second thread pays; it wants calls that take
LONG = 1 << 17  # elements, or the two wait for Python's lock: 152 ms for 124 million with BLOCK, 107 with LONG


_FLOATS = ({np.dtype(np.float32)}, {np.dtype(np.float64)})


class Numbers(NamedTuple):
    """The numbers of one update: see `optim.adam`. shrinks: what weight decay multiplies parameters by."""

    b1: float
    b2: float
    size: float
    floor: float
    root_floor: float
    shrinks: dict[str, float]


def suits(trees: list[dict[str, Array]]) -> bool:
    """Whether all are plain arrays of one dtype of floats."""
    arrays = [a for tree in trees for a in tree.values()]
    return {*map(type, arrays)} == {np.ndarray} and {a.dtype for a in arrays} in _FLOATS


def adam_in_blocks(
    params: Weights, grads: Weights, m: Weights, v: Weights, numbers: Numbers, in_place: bool
) -> Sequence[Weights]:
    """The next parameters and moments: new arrays, or the given ones, where they are in one piece, written over."""
    given = params, m, v
    total = sum([p.size for p in params.values()])
    if total <= BLOCK:
        return _as_one(params, grads, m, v, numbers)
    made = [{k: a if in_place and a.flags.c_contiguous else np.empty(a.shape, a.dtype) for k, a in tree.items()}
            for tree in given]  # fmt: skip
    flat = {k: [a.reshape(-1) for a in (grads[k], *(t[k] for t in given), *(t[k] for t in made))] for k in params}
    shared = total >= SHARED
    size = LONG if shared else BLOCK
    blocks = [(k, i) for k, p in params.items() for i in range(0, p.size, size)]
    dtype = next(iter(params.values())).dtype

    def some(part: list[tuple[str, int]]) -> None:
        scratch = np.empty((2, size), dtype)
        for k, i in part:
            arrays = [a[i : i + size] for a in flat[k]]
            _block(arrays, scratch[:, : arrays[0].size], numbers, numbers.shrinks.get(k, 1.0))

    if not shared:
        some(blocks)
    else:
        half = len(blocks) // 2
        parallel.both(partial(some, blocks[:half]), partial(some, blocks[half:]))
    return made


def packed(tree: dict[str, Array], names: Iterable[str]) -> Array:
    """All numbers of a dict of arrays, by name after name, as one vector."""
    return np.concatenate([tree[k].ravel() for k in names])


def unpacked(vectors: Sequence[Array], like: dict[str, Array]) -> list[dict[str, Array]]:
    """Each vector as a dict of arrays of the shapes of another: parts of it."""
    found: list[dict[str, Array]] = [{} for _ in vectors]
    end = 0
    for k, p in like.items():
        start, end, shape = end, end + p.size, p.shape
        for vector, tree in zip(vectors, found):
            tree[k] = vector[start:end].reshape(shape)
    return found


def _as_one(params: Weights, grads: Weights, m: Weights, v: Weights, numbers: Numbers) -> list[Weights]:
    """All in one block, into new arrays."""
    if numbers.shrinks:
        shrinks = numbers.shrinks
        params = {k: p * shrinks[k] if k in shrinks else p for k, p in params.items()}
    g, *new = (packed(tree, params) for tree in (grads, params, m, v))
    _block([g, *new, *new], np.empty((2, g.size), g.dtype), numbers, 1.0)
    return unpacked(new, params)


def _block(arrays: list[np.ndarray], scratch: np.ndarray, numbers: Numbers, shrink: float) -> None:
    """One block: of the gradient, of p, m and v, and of what is made of them, which may be the same arrays."""
    g, p, m, v, new_p, new_m, new_v = arrays
    t, u = scratch
    b1, b2, size, floor, root_floor, _ = numbers
    np.multiply(m, b1, new_m)
    np.multiply(g, 1 - b1, t)
    np.add(new_m, t, new_m)
    np.multiply(g, g, t)
    np.multiply(t, 1 - b2, t)
    np.multiply(v, b2, new_v)
    np.add(new_v, t, new_v)
    np.sqrt(np.add(new_v, root_floor, t) if root_floor else new_v, t)
    np.add(t, floor, t)
    np.multiply(new_m, size, u)
    np.divide(u, t, u)
    np.subtract(p if shrink == 1 else np.multiply(p, shrink, t), u, new_p)


def squares(x: np.ndarray) -> float:
    """The sum of all squares of a large array, without an array of them."""
    flat = x.reshape(-1)
    return float(sum(float(np.dot(part, part)) for part in (flat[i : i + BLOCK] for i in range(0, flat.size, BLOCK))))

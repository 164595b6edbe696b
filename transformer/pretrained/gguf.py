"""GGUF files, in which llama.cpp keeps its models: facts by name, and arrays, dequantized.

How numbers are stored is told by `quants`; what the names mean is the business of `llama`. Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from transformer.base import Weights
from transformer.pretrained.quants import KINDS, OTHERS, Kind

# Facts by name: numbers, texts, and lists of either.
Facts: TypeAlias = dict[str, Any]

NUMBERS = dict(enumerate(("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<f4", "?"))) | {10: "<u8", 11: "<i8", 12: "<f8"}
TEXT, LIST = 8, 9
LARGEST = 1 << 48  # no count or offset is above it; so sums of them are what they should be


def read(path: Path) -> tuple[Facts, Weights]:
    """The facts and the arrays of a file, each (..., rows, columns) in float32 or float64.

    Raises ValueError, saying what is wrong, for a file that is missing, cut, damaged or of kinds not known here.
    """
    try:
        if path.stat().st_size == 0:
            raise ValueError("it is empty")
        with np.errstate(all="ignore"):  # of numbers that are damaged; what is not finite is found later
            return _Reader(np.memmap(path, np.uint8, "r").data).read()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as GGUF: {error}") from None


class _Reader:
    """A place in a file, and what can be read there."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def read(self) -> tuple[Facts, Weights]:
        """All of the file."""
        if bytes(self._bytes(4)) != b"GGUF":
            raise ValueError("it does not begin with GGUF; is it a model of llama.cpp?")
        version = self._number("<u4")
        if version not in (2, 3):
            raise ValueError(f"it is of version {version}; versions 2 and 3 are known, in little-endian order")
        n_arrays, n_facts = self._count(), self._count()
        facts: Facts = {}
        for _ in range(n_facts):
            name = self._text()
            _new(name, facts)[name] = self._value(self._number("<u4"))
        places: dict[str, tuple[tuple[int, ...], Kind, int]] = {}
        for _ in range(n_arrays):
            name = self._text()
            _new(name, places)[name] = self._place(name)
        step = facts.get("general.alignment", 32)
        if not isinstance(step, int) or not 0 < step < LARGEST:
            raise ValueError(f"general.alignment is {step!r}")
        start = -(-self.at // step) * step
        for name, (_, _, offset) in places.items():
            if offset % step:
                raise ValueError(f"it is damaged: {name} is at {offset:,}, which is no multiple of {step}")
        return facts, {name: self._array(name, start, *place) for name, place in places.items()}

    def _place(self, name: str) -> tuple[tuple[int, ...], Kind, int]:
        """Shape, kind and offset of an array."""
        n_axes = self._number("<u4")
        if not 1 <= n_axes <= 4:
            raise ValueError(f"{name} has {n_axes} axes; expected 1 to 4")
        shape = tuple(self._count() for _ in range(n_axes))[::-1]  # the axis that changes fastest is told first
        kind, offset = self._number("<u4"), self._count()
        if kind not in KINDS:
            known = ", ".join(k.name for k in KINDS.values())
            raise ValueError(f"{name} is of type {OTHERS.get(kind, kind)}; known are {known}")
        return shape, KINDS[kind], offset

    def _array(self, name: str, start: int, shape: tuple[int, ...], kind: Kind, offset: int) -> np.ndarray:
        if shape[-1] % kind.size or not math.prod(shape):
            raise ValueError(f"{name} has shape {shape}; {kind.name} comes in blocks of {kind.size}")
        self.at = start + offset
        blocks = np.frombuffer(self._bytes(math.prod(shape) // kind.size * kind.dtype.itemsize), kind.dtype)
        return kind.numbers(blocks).reshape(shape)

    def _value(self, kind: int) -> Any:
        if kind in NUMBERS:
            return self._number(NUMBERS[kind])
        if kind == TEXT:
            return self._text()
        if kind != LIST:
            raise ValueError(f"a fact is of kind {kind}, which is none")
        inner, n = self._number("<u4"), self._count()
        if inner == TEXT:
            return [self._text() for _ in range(n)]
        if inner not in NUMBERS:
            raise ValueError(f"a list is of kind {inner}; lists of numbers and of texts are known")
        return np.frombuffer(self._bytes(n * np.dtype(NUMBERS[inner]).itemsize), NUMBERS[inner]).tolist()

    def _text(self) -> str:
        text = bytes(self._bytes(self._count()))
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise ValueError(f"it is damaged: {text[:40]!r} is no text") from None

    def _count(self) -> int:
        (n,) = struct.unpack("<Q", self._bytes(8))
        if n > LARGEST:
            raise ValueError(f"it is damaged: {n:,} is more than any file holds")
        return int(n)

    def _number(self, dtype: str) -> Any:
        return np.frombuffer(self._bytes(np.dtype(dtype).itemsize), dtype)[0].item()

    def _bytes(self, n: int) -> memoryview:
        if self.at + n > len(self.data):
            raise ValueError(f"it is cut: it has {len(self.data):,} bytes, and at least {self.at + n:,} are needed")
        self.at += n
        return self.data[self.at - n : self.at]


def _new(name: str, held: dict[str, Any]) -> dict[str, Any]:
    if name in held:
        raise ValueError(f"it is damaged: {name} is there twice")
    return held

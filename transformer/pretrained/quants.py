"""How GGUF stores numbers: whole, or in blocks of a few bits a number and what scales them.

A row of the table a kind. The layouts are ggml's: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from transformer.checkpoint import bfloat16

# Of a structured dtype: the bits of a block's numbers, and what scales them.
Blocks: TypeAlias = np.ndarray


class Kind(NamedTuple):
    """The name, how many numbers a block has, its layout, and what they are: (n,) blocks -> (n, size)."""

    name: str
    size: int
    dtype: np.dtype
    numbers: Callable[[Blocks], np.ndarray]


def whole(name: str, dtype: str) -> Kind:
    """Numbers as they are."""
    return Kind(name, 1, np.dtype(dtype), lambda a: a[:, None].astype("f8" if dtype == "<f8" else "f4"))


def halves(q: np.ndarray) -> np.ndarray:
    """Two numbers a byte, the lower four bits of all before the upper ones: (..., k) -> (..., 2k)."""
    return np.concatenate([q & 15, q >> 4], axis=-1)


def bits(h: np.ndarray) -> np.ndarray:
    """A bit a number, to stand above four others: (n, 4) -> (n, 32)."""
    return np.unpackbits(h, axis=-1, bitorder="little") << 4


def scaled(q: np.ndarray, b: Blocks, zero: int = 0) -> np.ndarray:
    """q d + m, or (q - zero) d, in blocks of 32."""
    y = q.astype(np.float32)
    if zero:
        y -= zero
    y *= b["d"].astype(np.float32)[:, None]
    if "m" in (b.dtype.names or ()):
        y += b["m"].astype(np.float32)[:, None]
    return y


# ---- blocks of 256, whose parts have scales of their own, of six bits or eight -----------------


def twice_scaled(q: np.ndarray, b: Blocks) -> np.ndarray:
    """q d s - m t, where s and t are of six bits, for eight parts: q (n, 4, 64)."""
    low, high, top = (b["s"][:, i : i + 4] for i in (0, 4, 8))
    s = np.concatenate([low & 63, top & 15 | low >> 2 & 48], axis=-1)  # (n, 8)
    t = np.concatenate([high & 63, top >> 4 | high >> 2 & 48], axis=-1)
    d, m = (b[x].astype(np.float32)[:, None] for x in "dm")
    return ((d * s)[..., None] * q.reshape(-1, 8, 32) - (m * t)[..., None]).reshape(-1, 256)


def five(b: Blocks) -> np.ndarray:
    """The fifth bits: bit j of byte i is that of number i in part j: (n, 32) -> (n, 4, 64)."""
    return (b["h"][:, None] >> np.arange(8, dtype=np.uint8)[:, None] & 1).reshape(-1, 4, 64) << 4


def six(b: Blocks) -> np.ndarray:
    """Four bits of a number in one field and two in another, and a scale for every 16 numbers."""
    q = np.stack([b["q"].reshape(-1, 2, 64) & 15, b["q"].reshape(-1, 2, 64) >> 4], axis=2).reshape(-1, 2, 4, 32)
    top = b["h"].reshape(-1, 2, 1, 32) >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & 3
    y = (q | top << 4).astype(np.float32).reshape(-1, 16, 16) - 32
    return (y * (b["d"].astype(np.float32)[:, None] * b["s"])[..., None]).reshape(-1, 256)


def _block(*fields: tuple[str, str] | tuple[str, str, int]) -> np.dtype:
    return np.dtype(list(fields))


_D, _M, _H, _Q = ("d", "<f2"), ("m", "<f2"), ("h", "u1", 4), ("q", "u1", 16)
_S, _LARGE = ("s", "u1", 12), ("q", "u1", 128)
KINDS = {
    0: whole("F32", "<f4"),
    1: whole("F16", "<f2"),
    28: whole("F64", "<f8"),
    30: Kind("BF16", 1, np.dtype("<u2"), lambda a: bfloat16(a)[:, None]),
    2: Kind("Q4_0", 32, _block(_D, _Q), lambda b: scaled(halves(b["q"]), b, 8)),
    3: Kind("Q4_1", 32, _block(_D, _M, _Q), lambda b: scaled(halves(b["q"]), b)),
    6: Kind("Q5_0", 32, _block(_D, _H, _Q), lambda b: scaled(halves(b["q"]) | bits(b["h"]), b, 16)),
    7: Kind("Q5_1", 32, _block(_D, _M, _H, _Q), lambda b: scaled(halves(b["q"]) | bits(b["h"]), b)),
    8: Kind("Q8_0", 32, _block(_D, ("q", "i1", 32)), lambda b: scaled(b["q"], b)),
    12: Kind("Q4_K", 256, _block(_D, _M, _S, _LARGE), lambda b: twice_scaled(halves(b["q"].reshape(-1, 4, 32)), b)),
    13: Kind("Q5_K", 256, _block(_D, _M, _S, ("h", "u1", 32), _LARGE),
             lambda b: twice_scaled(halves(b["q"].reshape(-1, 4, 32)) | five(b), b)),
    14: Kind("Q6_K", 256, _block(_LARGE, ("h", "u1", 64), ("s", "i1", 16), _D), six),
}  # fmt: skip
# Kinds that are known by name only.
OTHERS = {
    9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
    20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 29: "IQ1_M",
    34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip

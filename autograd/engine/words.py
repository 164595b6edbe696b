"""How numbers, shapes and names read: the one voice of errors, tables, drawings and the prompt.

It takes numbers and plain arrays; what is in a node is `kinds`' business.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["described", "extent", "many", "nearest", "number", "odd", "plain", "shape", "short", "summary"]


def number(x: Any, digits: int = 4) -> str:
    """A float in four digits, 1.0 for one; 0 for what nothing has reached."""
    if x is None:
        return "0"
    text = f"{float(x):.{digits}g}"
    return text + ".0" if text.lstrip("-").isdigit() else text


def shape(sizes: Iterable[int]) -> str:
    """A shape without spaces: (8,4) or (8,)."""
    sizes = tuple(sizes)
    return f"({','.join(map(str, sizes))}{',' * (len(sizes) == 1)})"


def odd(x: np.ndarray) -> list[str]:
    """How many elements are nan and inf, as "2 nan" and "1 inf"; nothing where there is none."""
    counts = ((np.isnan(x).sum(), "nan"), (np.isinf(x).sum(), "inf"))
    return [f"{n:,} {what}" for n, what in counts if n]


def extent(x: np.ndarray) -> str:
    """From where to where the numbers go, and what is not finite: -1.0 … 2.5, 1 nan."""
    fine = x[np.isfinite(x)]
    ends = sorted({number(fine.min()), number(fine.max())}, key=float) if fine.size else []
    return ", ".join([*([" … ".join(ends)] if ends else []), *odd(x)])


def summary(x: Any) -> str:
    """A number; a few numbers; or shape, dtype and what matters of an array."""
    if x is None:
        return "0"
    x = np.asarray(x)
    if x.ndim == 0:
        return number(x)
    if x.size <= 6:
        return f"{np.array2string(x, precision=4, separator=', ')} {shape(x.shape)}".replace("\n", "")
    fine = x[np.isfinite(x)]
    parts = [f"{shape(x.shape)} {x.dtype}"]
    if fine.size:
        norm = np.sqrt((fine.astype(float) ** 2).sum())
        ends = f"min {fine.min():.3g}  mean {fine.mean():.3g}  max {fine.max():.3g}"
        parts.append(f"{ends}  norm {norm:.3g}")
    zeros = int((x == 0).sum())
    return "  ".join([*parts, *odd(x), *([f"{zeros:,} zero"] if zeros else [])])


def many(n: int, word: str, one: str = "", more: str = "s") -> str:
    """A number and its noun: 1 leaf, 2 leaves."""
    return f"{n:,} {word}{one if n == 1 else more}"


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean x?" for the name most like the one given; "" where none is."""
    import difflib  # only where something was misspelt

    near = difflib.get_close_matches(name, list(known)[:5000], 1, 0.5)
    return f"; did you mean {near[0]}?" if near else ""


def plain(text: str) -> str:
    """Text that only can be read: what would move a cursor, turn the direction or break the line is spelled out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def short(text: str, most: int) -> str:
    """The text, cut where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def described(x: Any) -> str:
    """What an error says of an argument: an array by shape and dtype, anything else by its type and a short repr."""
    if isinstance(x, np.ndarray):
        return f"an array of shape {x.shape} and dtype {x.dtype}"
    return f"{short(repr(x), 60)} of type {type(x).__name__}"

"""An array as a heatmap: orange above zero, blue below; black for inf, as in a mask, and red for nan."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from autograd.drawing.palette import LIGHT

__all__ = ["cells", "png"]

ROWS, COLUMNS = 16, 32  # at most


def cells(x: np.ndarray) -> np.ndarray:
    """The colours of an array of any shape, as bytes (rows, columns, 3); of too many rows or columns, every k-th."""
    table = x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)  # (rows, columns)
    table = table[:: -(-table.shape[0] // ROWS) or 1, :: -(-table.shape[1] // COLUMNS) or 1].astype(float)
    size = np.abs(np.where(np.isfinite(table), table, 0.0))
    strength = size / (size.max(initial=0.0) or 1.0)
    full = np.where(table[..., None] > 0, _rgb("above"), _rgb("below"))
    mixed = 246 + (full - 246) * strength[..., None]  # over near white
    odd = np.where(np.isnan(table)[..., None], _rgb("alarm"), _rgb("ink"))
    return np.where(np.isfinite(table)[..., None], np.rint(mixed), odd).astype(np.uint8)


def _rgb(name: str) -> np.ndarray:
    return np.array([int(LIGHT[name][k : k + 2], 16) for k in (1, 3, 5)])


def png(colours: np.ndarray) -> bytes:
    """Bytes (rows, columns, 3) as a picture of a pixel each."""
    rows, columns, _ = colours.shape
    lines = b"".join(b"\0" + colours[i].tobytes() for i in range(rows))  # 0: not filtered
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)  # 8 bits, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )

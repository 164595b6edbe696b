"""What stands below a drawing: a legend, whose words are on its swatches, and a note on what is left out."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import starmap

from autograd.drawing.boxes import View
from autograd.drawing.heat import Heat
from autograd.drawing.palette import HEAT, LIGHT
from autograd.engine.words import number, plain

__all__ = ["caption"]

WIDE = 110  # characters of a line
TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3"><TR>{}</TR></TABLE>'

Swatch = tuple[str, str, str]  # colour, text, and the colour of that


def caption(seen: View, heat: Heat, legend: bool, kinds: Iterable[str]) -> str:
    """A label of Graphviz in its HTML, "" for none. kinds: what boxes are there, besides their own: root, wrong."""
    kinds = {*kinds, *(box.kind for box in seen.boxes)}
    cells = [TABLE.format("".join(starmap(_cell, _swatches(kinds, heat))))] if legend else []
    cells += [escape(plain(line)) for line in _lines(seen.note)]
    rows = "</TD></TR><TR><TD>".join(cells)
    return f"<{TABLE.format(f'<TD>{rows}</TD>')}>" if cells else ""


def _swatches(kinds: set[str], heat: Heat) -> list[Swatch]:
    found = [(LIGHT[kind], str(kind), LIGHT["ink"]) for kind in ("leaf", "operation", "fold", "root") if kind in kinds]
    if "wrong" in kinds:
        found.append((LIGHT["wrong"], "nan or inf arises", LIGHT["alarm"]))
    if heat.high > 0:
        least = ("≤ " if heat.cut else "") + number(heat.low)
        found.append(("", "outline: |grad|", LIGHT["quiet"]))
        for k, text in enumerate((least, "", "", "", number(heat.high)), start=1):
            found.append((HEAT[k], text, LIGHT["ink" if k < 3 else "paper"]))
    return found


def _cell(colour: str, text: str, ink: str) -> str:
    fill = f' BGCOLOR="{colour}"' if colour else ""
    return f'<TD{fill}><FONT COLOR="{ink}" POINT-SIZE="9">{escape(text) or "   "}</FONT></TD>'


def _lines(note: str) -> list[str]:
    """A note in lines that are no wider than a screen, broken where one thing ends."""
    lines: list[str] = []
    for piece in filter(None, note.split("; ")):
        if lines and len(lines[-1]) + len(piece) < WIDE:
            lines[-1] += f"; {piece}"
        else:
            lines.append(piece)
    return lines

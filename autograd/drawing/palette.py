"""The colours of drawings, cards and the page, each for light paper and for dark.

A drawing and a card are made for light paper; the page takes both, as custom properties of CSS.
"""

from __future__ import annotations

__all__ = ["DARK", "HEAT", "LIGHT", "WIDTH", "heat_rules", "properties"]

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "quiet": "#59636e",
    "line": "#d0d7de",
    "edge": "#8c959f",
    "panel": "#f6f8fa",
    "accent": "#0969da",
    "alarm": "#d1242f",  # where nan or inf arises, and nowhere else
    "wrong": "#ffebe9",
    # kinds of boxes
    "leaf": "#e6f4ea",
    "operation": "#e8f0fe",
    "fold": "#f1e9fb",
    "root": "#fff4d6",
    "lit": "#ffe08a",
    "flow": "#bc4c00",  # an edge along which a gradient goes
    # numbers in a heatmap, at their largest
    "above": "#e36a22",
    "below": "#2063c4",
    # outlines, from no gradient to the largest
    "heat0": "#b6bec8",
    "heat1": "#e6b63c",
    "heat2": "#d9902a",
    "heat3": "#b9691b",
    "heat4": "#8f4a12",
    "heat5": "#5c2c08",
}
DARK = {
    "paper": "#0d1117",
    "ink": "#e6edf3",
    "quiet": "#9198a1",
    "line": "#3d444d",
    "edge": "#8c959f",
    "panel": "#151b23",
    "accent": "#4493f8",
    "alarm": "#ff6a69",
    "wrong": "#42191b",
    "leaf": "#12301f",
    "operation": "#14233d",
    "fold": "#2a1f40",
    "root": "#3a2f0f",
    "lit": "#6b5510",
    "flow": "#ff9a5c",
    "above": "#ff9a5c",
    "below": "#6ea8ff",
    "heat0": "#56606c",
    "heat1": "#7d5a14",
    "heat2": "#a8741c",
    "heat3": "#d1942c",
    "heat4": "#efb650",
    "heat5": "#ffe0a0",
}
HEAT = tuple(LIGHT[f"heat{k}"] for k in range(6))
WIDTH = (1.0, 1.4, 1.8, 2.2, 2.6, 3.0)  # of an outline, by heat too: for those who see no red


def properties(colours: dict[str, str]) -> str:
    """Colours as custom properties of CSS: --ink: #1f2328; ..."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def heat_rules() -> str:
    """The outlines of boxes by heat, as rules of CSS."""
    rule = ".stepgrad svg .heat{0} > :is(rect, polygon) {{ stroke: var(--heat{0}); stroke-width: {1:g}; }}"
    return "\n".join(rule.format(k, width) for k, width in enumerate(WIDTH))

"""How large a drawing will be, estimated without laying it out: whether it can be read, and which way it runs.

The same on every machine, so that the same graph gives the same drawing whoever lays it out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from autograd.drawing.boxes import Box, View
from autograd.drawing.labels import title
from autograd.engine.graph import ScalarNode
from autograd.stepping.text import Show

__all__ = ["LETTER", "PAGE", "PAPER", "WIDEST", "Screen", "direction", "extent", "readable"]


@dataclass(frozen=True, slots=True)
class Screen:
    """How large a drawing may be, in points, to be read. pictures: of how many lines, in boxes of arrays."""

    wide: float
    high: float
    pictures: int = 0


# A screen of 1,000 pixels shows a drawing of 1,200 points with letters of 9 pixels, which can be read.
PAPER = Screen(1200.0, 1150.0)
PAGE = Screen(1250.0, 880.0, pictures=4)  # its frame is broad

WIDEST = 36  # letters of a title
LETTER, LINE = 5.6, 12.7  # of a label
BETWEEN, BESIDE = 28.0, 13.0  # ranks, and boxes of a rank
CROWDED = 1.4  # edges take room, too
BELOW = 40.0  # the caption


def readable(seen: View, show: Show, screen: Screen) -> bool:
    """Whether a drawing fits the screen, one way or the other."""
    sizes = (extent(seen, show, rankdir, screen) for rankdir in ("LR", "TB"))
    return any(w <= screen.wide and h <= screen.high for w, h in sizes)


def direction(seen: View, show: Show, screen: Screen) -> str:
    """From left to right where that fits, or is less too large than from top to bottom."""
    excess = {}
    for rankdir in ("LR", "TB"):
        wide, high = extent(seen, show, rankdir, screen)
        excess[rankdir] = max(1.0, wide / screen.wide, high / screen.high)
    return "LR" if excess["LR"] <= excess["TB"] else "TB"


def extent(seen: View, show: Show, rankdir: str, screen: Screen) -> tuple[float, float]:
    """About how wide and how high a drawing will be: ranks one after another, each as large as its boxes."""
    ranks: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for rank, box in zip(_ranks(seen), seen.boxes):
        ranks[rank].append(_size(box, show, screen.pictures))
    deep = max(map(len, seen.clusters), default=0)
    level = rankdir in ("LR", "RL")
    if level:
        ranks = {rank: [(h, w) for w, h in boxes] for rank, boxes in ranks.items()}
    across = max((sum(w + BESIDE for w, _ in boxes) for boxes in ranks.values()), default=0.0) * CROWDED
    along = sum(max(h for _, h in boxes) + BETWEEN for boxes in ranks.values())
    wide, high = (along, across) if level else (across, along)
    return wide + 16 * deep, high + 30 * deep + BELOW


def _ranks(seen: View) -> list[int]:
    """Per box, its rank: what has no inputs stands just before what uses it."""
    inputs: list[list[int]] = [[] for _ in seen.boxes]
    users: list[list[int]] = [[] for _ in seen.boxes]
    for edge in seen.edges:
        inputs[edge.head].append(edge.tail)
        users[edge.tail].append(edge.head)
    waits = [len(x) for x in inputs]
    ranks = [0] * len(seen.boxes)
    todo = [i for i, n in enumerate(waits) if n == 0]
    while todo:
        i = todo.pop()
        for j in users[i]:
            ranks[j] = max(ranks[j], ranks[i] + 1)
            waits[j] -= 1
            if waits[j] == 0:
                todo.append(j)
    for i, n in enumerate(inputs):
        if not n and users[i]:
            ranks[i] = min(ranks[j] for j in users[i]) - 1
    return ranks


def _size(box: Box, show: Show, pictures: int) -> tuple[float, float]:
    """About the size of a box, by its title and by what it holds."""
    if not box.nodes:
        return max(4, len(box.text)) * LETTER + 6, LINE
    one = len(box.nodes) == 1
    scalar = isinstance(box.nodes[0], ScalarNode)
    letters = 12 if scalar and one else 20
    lines = 3 + (not scalar) * (1 + pictures * one) + (box.kind == "fold") + (box.kind == "leaf" and not one)
    return max(letters, min(WIDEST, len(title(box, show)[0]))) * LETTER + 15, lines * LINE + 8

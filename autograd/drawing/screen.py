"""How large a drawing will be, estimated without laying it out: whether it can be read, and which way it runs.

The same on every machine, so that the same graph gives the same drawing whoever lays it out.
"""

from __future__ import annotations

from collections import defaultdict

from autograd.drawing.boxes import Box, View
from autograd.drawing.labels import title
from autograd.engine.graph import ScalarNode
from autograd.stepping.text import Show

__all__ = ["direction", "extent", "readable"]

# In points. A screen of 1,000 pixels shows a drawing that wide with letters of 9 pixels, which can be read.
WIDE, HIGH = 1200.0, 1150.0
LETTER, LINE = 5.6, 12.7  # of a label
BETWEEN, BESIDE = 28.0, 13.0  # ranks, and boxes of a rank
CROWDED = 1.4  # edges take room, too
BELOW = 40.0  # the caption


def readable(seen: View, show: Show) -> bool:
    """Whether a drawing fits the screen, one way or the other."""
    (w, h), (w2, h2) = extent(seen, show, "LR"), extent(seen, show, "TB")
    return (w <= WIDE and h <= HIGH) or (w2 <= WIDE and h2 <= HIGH)


def direction(seen: View, show: Show) -> str:
    """From left to right where that is not too wide, or else from top to bottom."""
    wide, _ = extent(seen, show, "LR")
    return "LR" if wide <= WIDE or wide <= extent(seen, show, "TB")[0] else "TB"


def extent(seen: View, show: Show, rankdir: str) -> tuple[float, float]:
    """About how wide and how high a drawing will be: ranks one after another, each as large as its boxes."""
    ranks: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for rank, box in zip(_ranks(seen), seen.boxes):
        ranks[rank].append(_size(box, show))
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


def _size(box: Box, show: Show) -> tuple[float, float]:
    """About the size of a box, by its title and by what it holds."""
    if not box.nodes:
        return max(4, len(box.text)) * LETTER + 6, LINE
    one = len(box.nodes) == 1
    scalar = isinstance(box.nodes[0], ScalarNode)
    letters = 12 if scalar and one else 20
    lines = 3 + (not scalar) + (box.kind == "fold") + (box.kind == "leaf" and not one)
    return max(letters, len(title(box, show)[0])) * LETTER + 15, lines * LINE + 8

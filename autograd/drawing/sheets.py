"""The drawings of a page: the first, and one of what is in each fold, as far as a page can hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from autograd.drawing.boxes import Cluster, View
from autograd.drawing.folding import Group
from autograd.drawing.labels import title
from autograd.drawing.view import inside
from autograd.stepping.text import Show

__all__ = ["Sheet", "sheets"]

BOXES = 1500  # of all drawings of a page


@dataclass(slots=True, eq=False)
class Sheet:
    """One drawing of a page.

    title: of the fold it shows the inside of. up: the sheet that has this fold; None for the first. doors: per box or
    cluster that opens, the sheet of what is in it. first: the numbers of its first box and edge in the page.
    """

    view: View
    title: str = ""
    up: int | None = None
    first: tuple[int, int] = (0, 0)
    doors: dict[int | Cluster, int] = field(default_factory=dict)


def sheets(show: Show, first: View) -> list[Sheet]:
    """The first drawing, then what is in its folds, then what is in those."""
    found = [Sheet(first)]
    known: dict[int, int] = {}  # by the call that a sheet shows; some are reached from several
    boxes, edges = len(found[0].view.boxes), len(found[0].view.edges)
    for number, sheet in enumerate(found):  # which grows
        folding = sheet.view.folding
        for door, group in _folds(sheet.view, show) if folding else ():
            assert folding is not None
            key = id(group.instances[0]) if len(group.instances) == 1 else id(group)
            if key not in known:
                seen = inside(show, folding, group)
                if boxes + len(seen.boxes) > BOXES:
                    return found
                known[key] = len(found)
                found.append(Sheet(seen, group.title, number, (boxes, edges)))
                boxes, edges = boxes + len(seen.boxes), edges + len(seen.edges)
            sheet.doors[door] = known[key]
    return found


def _folds(seen: View, show: Show) -> Iterator[tuple[int | Cluster, Group]]:
    """What can be opened: folds, operations that share a box, and calls that are drawn once, in no other such."""
    yield from ((i, box.group) for i, box in enumerate(seen.boxes) if box.group is not None)
    for i, box in enumerate(seen.boxes):
        if box.kind == "operation" and len(box.nodes) > 1 and seen.folding is not None:
            yield i, seen.folding.batch(box.nodes, title(box, show)[0], box.cluster)
    for cluster, group in seen.groups.items():
        around = (seen.groups.get(cluster[:i]) for i in range(len(cluster)))
        if len(group.instances) > 1 and not any(outer and len(outer.instances) > 1 for outer in around):
            yield cluster, group

"""What a drawing is made of: boxes, the edges between them, and clusters around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autograd.drawing.folding import Folding, Group
from autograd.engine.graph import Node

__all__ = ["Box", "Cluster", "Edge", "View"]

Cluster = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Box:
    """One box.

    kind: "operation", "leaf", "constant", "fold", or "more" for a way to what is not shown.
    nodes: what it stands for. cluster: the open scopes around it. hidden: of a fold, how many leaves are in it.
    group: what a fold folds. text: what a "more" says. value: of a constant.
    """

    kind: str
    nodes: list[Node] = field(default_factory=list)
    cluster: Cluster = ()
    hidden: int = 0
    group: Group | None = None
    text: str = ""
    value: Any = None


@dataclass(slots=True, eq=False)
class Edge:
    """From an input to its operation.

    node, argument: of the operation, where it is one edge. count: how many it stands for, where there are more.
    through: it leads through nodes that are not shown.
    """

    tail: int
    head: int
    node: Node | None = None
    argument: int = 0
    count: int = 1
    through: bool = False


@dataclass(slots=True, eq=False)
class View:
    """All that is shown.

    clusters: their titles. box: per id of a node, its box. edge: per id and argument, the edges it goes along:
    one, or two where it leads from one call of what is drawn once to the next. folding, groups: where something
    is folded, what can open it, and the calls that clusters stand for.
    """

    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    clusters: dict[Cluster, str] = field(default_factory=dict)
    box: dict[int, int] = field(default_factory=dict)
    edge: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    note: str = ""
    folding: Folding | None = None
    groups: dict[Cluster, Group] = field(default_factory=dict)

    def add(self, box: Box) -> int:
        """One more box; its number."""
        for node in box.nodes:
            self.box[node.id] = len(self.boxes)
        self.boxes.append(box)
        return len(self.boxes) - 1

    def join(self, tail: int, head: int, node: Node | None = None, argument: int = 0) -> int:
        """One more edge; its number."""
        self.edges.append(Edge(tail, head, node, argument))
        return len(self.edges) - 1

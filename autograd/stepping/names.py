"""What to call the nodes of a graph: by label, by the variable that a line assigns, or by place."""

from __future__ import annotations

import re

from autograd.engine.graph import Node
from autograd.engine.words import plain

__all__ = ["Names", "compact"]


class Names:
    """What to call the nodes of a tape: their label, the variable that their line assigns, or %k.

    %k is the node's place on the tape; leaves without a name are %k.i, by the operation and
    argument that used them first.
    """

    def __init__(self, root: Node, nodes: list[Node]) -> None:
        self.by_id: dict[int, str] = {}
        self.by_name: dict[str, Node] = {}
        self._again: dict[str, int] = {}
        lines: dict[tuple[str, int, str], Node] = {}
        for node in nodes:  # the last operation of a line is what the line assigns
            if node.source is not None:
                lines[node.source.file, node.source.line, node.source.scope] = node
        assigned = {node.id: _assigned(node.source.code) for node in lines.values()}
        for k, node in enumerate(nodes):
            for i, p in enumerate(node.parents):
                if p is not None and p.primitive is None and p.id not in self.by_id:
                    self._add(p, p.label, f"%{k}.{i}")
            self._add(node, node.label or assigned.get(node.id, ""), f"%{k}")
            self.by_name[f"%{k}"] = node
        if not nodes:
            self._add(root, root.label, "%0")

    def _add(self, node: Node, name: str, otherwise: str) -> None:
        base = name = plain(str(name or otherwise))  # a label is text, but an attribute takes what it is given
        while name in self.by_name:  # as with loops: w, w#1, w#2
            self._again[base] = self._again.get(base, 0) + 1
            name = f"{base}#{self._again[base]}"
        self.by_id[node.id] = name
        self.by_name[name] = node

    def __getitem__(self, node: Node) -> str:
        return self.by_id[node.id]


def _assigned(code: str) -> str:
    """The variable that a line of code assigns, if it is that plain."""
    if ";" in code:
        return ""
    match = re.match(r"([A-Za-z_]\w*)\s*(?::[^=]+)?=(?!=)", code)
    return match[1] if match else ""


def compact(code: str) -> str:
    """An expression without the spaces that do not matter: x*w for x * w."""
    return re.sub(r"\s+(?!\w)|(?<!\w)\s+", "", code)

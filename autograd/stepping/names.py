"""What to call the nodes of a graph: by label, by the variable that holds them, by the expression that made them.

Where source lines were recorded, `syntax` tells of every operation the expression and what its value is bound to.
Variables are followed through calls: of `loss = cross_entropy(x)` what the call gives back is called loss.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from operator import attrgetter

import numpy as np

from autograd.engine.graph import Node
from autograd.engine.modes import Call, Source
from autograd.engine.words import plain, short
from autograd.stepping.syntax import COMPREHENSIONS_OF_CODE, Binding, Piece, compact, piece_of, returned

__all__ = ["Names", "compact"]

LONG = 32  # of an expression as a name
VARIABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[[\w'\",.-]+\])*")  # x, self.w[2], params['w'].T


class Names:
    """What to call the nodes of a tape: `names[node]`, and the other way `by_name`.

    A node is called by its label, by a variable of `variables` that holds it, by the variable that it was bound to
    when it was made, by the expression that made it, or else %k, where k is its place on the tape; a leaf without
    any of these is %k.i, by the operation and the argument that used it first. Of several with one name, as in a
    loop, the second is NAME#1. %k is understood for every node, and so are variables of a node with a label.
    """

    def __init__(self, root: Node, nodes: list[Node], variables: Mapping[str, object] | None = None) -> None:
        self.by_id: dict[int, str] = {}
        self.by_name: dict[str, Node] = {}
        self.again: dict[str, int] = {}  # how many more there are of a name
        self.held = dict(_held(variables or {}))
        held = {node.id: name for name, node in self.held.items()}
        sources = _Sources(nodes or [root])
        for k, node in enumerate(nodes):
            for i, p in enumerate(node.parents):
                if p is not None and p.primitive is None and p.id not in self.by_id:
                    name = p.label or held.get(p.id) or sources.bound.get(p.id) or sources.operand(node, i)
                    self._add(p, name, f"%{k}.{i}")
            self._add(node, node.label or held.get(node.id) or sources.name(node), f"%{k}")
            self.by_name[f"%{k}"] = node
        if not nodes:
            self._add(root, root.label or held.get(root.id) or sources.bound.get(root.id, ""), "%0")
        for node_id, name in held.items():
            if node_id in self.by_id and self.by_id[node_id] != name:
                self.by_name.setdefault(name, self.by_name[self.by_id[node_id]])
        self._sources = sources

    def _add(self, node: Node, name: str, otherwise: str) -> None:
        base = name = plain(str(name or otherwise))  # a label is text, but an attribute takes what it is given
        while name in self.by_name:  # as with loops: w, w#1, w#2
            self.again[base] = self.again.get(base, 0) + 1
            name = f"{base}#{self.again[base]}"
        self.by_id[node.id] = name
        self.by_name[name] = node

    def __getitem__(self, node: Node) -> str:
        return self.by_id[node.id]

    def expression(self, node: Node) -> str:
        """The expression that made a node, as x1*w1 + b; "" where none is known."""
        return plain(self._sources.expressions.get(node.id, ""))


def _held(variables: Mapping[str, object]) -> Iterator[tuple[str, Node]]:
    """The nodes in variables, with how to write them: x, w[0,1], params['w'], model.w; the plainest name comes last."""
    for name, value in reversed(list(variables.items())):
        if isinstance(value, Node):
            continue
        inside = value.items() if isinstance(value, dict) else getattr(value, "__dict__", {}).items()
        if isinstance(value, np.ndarray) and value.dtype == object:
            inside = [(",".join(map(str, index)), x) for index, x in np.ndenumerate(value)]
            form = "{}[{}]"
        elif isinstance(value, (list, tuple)):
            inside, form = enumerate(value), "{}[{}]"
        else:
            form = "{}[{!r}]" if isinstance(value, dict) else "{}.{}"
        yield from ((form.format(name, key), x) for key, x in inside if isinstance(x, Node))
    yield from ((name, x) for name, x in reversed(list(variables.items())) if isinstance(x, Node))


class _Sources:
    """What the source says of the nodes of a tape.

    expressions: the text that made a node. bound: the variable that it was bound to, the outermost of several.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.expressions: dict[int, str] = {}
        self.bound: dict[int, str] = {}
        self._parts: dict[int, str] = {}  # of what is not a result: the operation within its expression
        self._pieces: dict[tuple[int, int], Piece] = {}
        self._calls: dict[int, Call] = {}
        self._variables: dict[int, dict[str, list[Node]]] = {}  # by call: what was last bound to a name
        self._results: dict[int, dict[int | None, list[Node]]] = {}  # by call: what it gives, by position in a tuple
        self._passed_on = {  # what one expression made on its way to its result
            p.id
            for node in nodes
            for p in node.parents
            if p is not None and p.source is not None and _same(p.source, node.source)
        }
        for source, group in _groups(nodes):
            self._read(source, group)
        self._follow_calls()

    def name(self, node: Node) -> str:
        """The variable or the expression of an operation; "" where none is known."""
        expression = self.expressions.get(node.id) or self._parts.get(node.id, "")
        return self.bound.get(node.id) or short(expression, LONG)

    def operand(self, node: Node, i: int) -> str:
        """What stood for an argument of an operation, where that is a variable or a part of one."""
        if node.id not in self.expressions:
            return ""
        operands = self._piece(node.source.call, node.source.instruction).operands
        return operands[i] if i < len(operands) and VARIABLE.fullmatch(operands[i]) else ""

    def _piece(self, call: Call, instruction: int) -> Piece:
        key = id(call.code), instruction
        found = self._pieces.get(key)
        if found is None:
            found = self._pieces[key] = piece_of(call.code, instruction)
        return found

    def _read(self, source: Source, group: list[Node]) -> None:
        """Nodes that one expression made, one after the other: what they result in is called by it."""
        call = self._calls[source.call.number] = source.call
        piece = self._piece(call, source.instruction)
        alone = all(node.primitive is None or node.op == piece.operation for node in group)
        ends = [node for node in group if node.id not in self._passed_on]
        results = group if alone else ends
        if piece.text:
            self.expressions |= {node.id: piece.text for node in results if node.primitive is not None}
            self._parts |= {} if alone else {node.id: f"{piece.text}:{node.op}" for node in group}
        binding = piece.binding
        if binding is None:
            return
        count = len(binding.names)
        once = call.nodes[source.instruction] + 1 == count  # a node for each variable, whichever are on the tape
        for k, node in enumerate(results):
            turn = node.source.turn if alone or once else k if count > 1 and len(results) % count == 0 else None
            self._bind([node], call, binding, binding.position, turn)
        if len(ends) > 1 and count <= 1 and not binding.each:  # the elements of an array go to a variable together
            self._bind(ends, call, binding, binding.position, None)

    def _bind(self, nodes: list[Node], call: Call, binding: Binding, position: int | None, turn: int | None) -> None:
        """Note that nodes go to a variable of a call, or to its caller."""
        while binding.each and call.parent is not None and call.code.co_name in COMPREHENSIONS_OF_CODE:
            call = call.parent
        if not binding.names:
            self._results.setdefault(call.number, {})[position] = nodes
            return
        name = binding.name(position, turn)
        if name:
            self.bound |= {node.id: name for node in nodes}
            self._variables.setdefault(call.number, {})[name] = nodes

    def _follow_calls(self) -> None:
        """What a call gives is bound to what its caller does with that; inner calls go before outer ones."""
        for call in list(self._calls.values()):
            while call.parent is not None and call.parent.number not in self._calls:
                call = call.parent
                self._calls[call.number] = call
        for number in sorted(self._calls, reverse=True):
            call = self._calls[number]
            if call.parent is None:
                continue
            results, variables = self._results.get(number, {}), self._variables.get(number, {})
            given = returned(call.code).items() if variables else ()
            results |= {at: _later(results.get(at), variables[name]) for name, at in given if name in variables}
            binding = self._piece(call.parent, call.at).binding if results else None
            if binding is None:
                continue
            for position, nodes in results.items():
                at = binding.position if position is None else position
                self._bind(nodes, call.parent, binding, at, call.turn if binding.each else None)


def _groups(nodes: list[Node]) -> Iterator[tuple[Source, list[Node]]]:
    """The nodes with a source, inputs too, in the order of their making, as far as one expression made them."""
    leaves = {p.id: p for node in nodes for p in node.parents if p is not None and p.primitive is None}
    group: list[Node] = []
    last = None
    for node in sorted((*leaves.values(), *nodes), key=attrgetter("id")):
        source = node.source
        if source is None:
            continue
        if last is None or not _same(source, last):
            if last is not None:
                yield last, group
            group = []
        group.append(node)
        last = source
    if last is not None:
        yield last, group


def _same(a: Source, b: Source | None) -> bool:
    """Whether two nodes were made by one instruction of one call."""
    return b is not None and a.instruction == b.instruction and a.call is b.call


def _later(some: list[Node] | None, others: list[Node]) -> list[Node]:
    return some if some and some[-1].id > others[-1].id else others

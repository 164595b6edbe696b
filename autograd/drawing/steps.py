"""The steps of a page: forward, then backward, as items of a list, with what its script needs to know of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np
from tqdm import tqdm

from autograd.drawing.boxes import View
from autograd.drawing.heat import Heat, largest, size
from autograd.drawing.labels import made, numbers, telling
from autograd.drawing.misuse import Misuse
from autograd.drawing.sheets import Sheet
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.words import number, plain, summary
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show
from autograd.stepping.walk import Contribution, Position

__all__ = ["Steps", "check_count"]

MOST = 5000  # steps of one page
LONG = 50_000  # nodes from which the recording shows its progress
FEW = 50  # nodes of a fold whose gradients are told one by one as they come

Lines = tuple[tuple[str, str], ...]  # class and text


class Steps:
    """Writes the steps that reach a node of the first drawing. A node has a box in each of several sheets.

    count: how many steps back were written. widths: per box, its longest gradient as text.
    """

    def __init__(self, show: Show, sheets: list[Sheet], heat: Heat) -> None:
        self.show, self.sheets, self.heat = show, sheets, heat
        self.count = 0
        self.widths: dict[int, int] = {}
        self._boxes: dict[int, list[tuple[Sheet, int]]] = defaultdict(list)  # per id of a node
        for sheet in sheets:
            for node_id, box in sheet.view.box.items():
                self._boxes[node_id].append((sheet, box))
        # Per box, the gradients of its nodes that are there, and their sizes.
        self._in: dict[int, dict[int, tuple[Any, float | None]]] = defaultdict(dict)
        self._scopes = _Scopes([node.scope for node in show.stepper.nodes])

    def root(self) -> dict[str, str]:
        """The attributes of the boxes of the root before the first step back."""
        root = self.show.stepper.root
        return self._received(root, self.show.stepper.seed)

    def forward(self) -> Iterator[str]:
        """An item an operation, in the order of computing."""
        for node in self.show.stepper.nodes:
            if node.id in self.sheets[0].view.box:
                lines = (("head", self.show.header(node)), ("sum", computed(self.show, node)))
                yield _item(lines, {"n": self._all(node), **self._places(node)}, "ahead")

    def backward(self) -> Iterator[str]:
        """An item a contribution, and one for each gradient that was set."""
        s = self.show.stepper
        s.start()
        self._received(s.root, s.seed)
        yield from self._sets((-1, 0), s.position)
        with tqdm(total=len(s.nodes), unit="node", disable=len(s.nodes) < LONG, leave=False) as bar:
            while not s.at_end:
                before = s.position
                if s.current is not None and any(p.id in self.sheets[0].view.box for p in s.current.inputs):
                    c = s.step()
                    if c is not None and c.parent.id in self.sheets[0].view.box:
                        yield self._step(c)
                else:
                    s.goto(s.done + 1)  # many times faster, for its steps are not told
                yield from self._sets(before, s.position)
                bar.update(s.done - before[0])

    def _step(self, c: Contribution) -> str:
        rule, total = (line.strip() for line in self.show.contribution(c))
        upstream = f"dL/d{self.show.part(c.node)} = {summary(c.upstream)}"
        lines = (("head", self.show.header(c.node)), ("upstream", upstream), ("rule", rule), ("sum", total))
        edges = [
            str(sheet.first[1] + e) for sheet in self.sheets for e in sheet.view.edge.get((c.node.id, c.argument), ())
        ]
        data = {"n": self._all(c.node), "e": " ".join(edges), **self._places(c.node)}
        if np.isfinite(c.upstream).all() and not np.isfinite(c.after).all():
            data["a"] = "yes"  # here nan or inf arises
        return self._back(c.parent, c.after, lines, data)

    def _sets(self, after: Position, until: Position) -> Iterator[str]:
        edits = self.show.stepper.edits
        for position in sorted(p for p in edits if after < p <= until):
            for node, value in edits[position]:
                if node.id in self.sheets[0].view.box:
                    set_ = f"{self.show.names[node]}.grad = {summary(value)} (set)"
                    yield self._back(node, value, (("head", "what if"), ("sum", set_)), {"k": f"set{self.count}"})

    def _back(self, node: Node, value: Any, lines: Lines, data: dict[str, str]) -> str:
        self.count += 1
        return _item(lines, data | self._received(node, value) | {"name": self.show.names[node]})

    def _all(self, node: Node) -> str:
        """The numbers of the boxes of a node."""
        return " ".join(str(sheet.first[0] + box) for sheet, box in self._boxes[node.id])

    def _places(self, node: Node) -> dict[str, str]:
        """Where to stop when going by operations, scopes and layers."""
        scope, layer = self._scopes.numbers(node.scope)
        return {"k": str(self.show.stepper.index[node.id]), "s": str(scope), "l": str(layer)}

    def _received(self, node: Node, value: Any) -> dict[str, str]:
        """What the boxes of a node show once it has received: its gradient, or those of all its nodes."""
        texts, levels = [], []
        for sheet, box in self._boxes[node.id]:
            text, sizes = self._shown(sheet, box, node, value)
            key = sheet.first[0] + box
            self.widths[key] = max(self.widths.get(key, 0), len(text))
            texts.append(text)
            levels.append(str(self.heat.level(sizes)))
        shorter = (text if k == 0 or text != texts[k - 1] else "" for k, text in enumerate(texts))
        same = len(set(levels)) == 1
        return {"p": self._all(node), "g": "|".join(shorter), "h": levels[0] if same else " ".join(levels)}

    def _shown(self, sheet: Sheet, box: int, node: Node, value: Any) -> tuple[str, float | None]:
        total = len(sheet.view.boxes[box].nodes)
        present = self._in[sheet.first[0] + box]
        value = None if value is None else telling(np.asarray(value))  # shown again when others have come
        present[node.id] = value, size([value])
        if len(present) > FEW and len(present) < total:  # of a large fold not every state, but how far it has come
            return f"grad in {len(present):,} of {total:,}", present[node.id][1]
        shown = [value] if total == 1 else [held for held, _ in present.values()]
        return numbers("grad ", shown), largest(each for _, each in present.values())


def check_count(stepper: Stepper, seen: View) -> None:
    """Misuse where there are more steps to the nodes shown than a page can hold."""
    reached, count = {stepper.root.id}, 0
    for node in reversed(stepper.nodes):
        if node.id in reached:
            for _, p, _ in stepper.edges(node):
                reached.add(p.id)
                count += p.id in seen.box
    if count > MOST:
        raise Misuse(
            "the backward pass has {0:,} steps, more than {1:,}, too many for one page; show a part of it with "
            "{around}=, {path}= or {top}=, or build the graph of Tensors or of a smaller model",
            count,
            MOST,
        )


def _item(lines: Lines, data: dict[str, str], kind: str = "") -> str:
    attributes = "".join(f' data-{key}="{escape(plain(x))}"' for key, x in data.items())
    spans = "".join(f'<span class="{kind}">{escape(plain(line))}</span>' for kind, line in lines)
    kind = f' class="{kind}"' if kind else ""
    return f"<li{kind}{attributes}>{spans}</li>"


def computed(show: Show, node: Node) -> str:
    """An operation as it was written, with numbers, and what it gives: n = x1*w1+b = -6.0 + 6.881 = 0.8814."""
    s, name = show.stepper, show.names[node]
    parts = [show.part(p) if p is not None else _short(x) for p, x in zip(node.parents, node.saved)]
    written = made(node, show.names)
    if not show.names.expression(node):
        written = f"{name} = {_written(node, parts)}"
    if not isinstance(node, ScalarNode):
        return f"{written} = {summary(s.data(node))}"
    worked = _written(node, [number(x) for x in s.arguments(node)])
    return " = ".join(dict.fromkeys((written, worked, number(s.data(node)))))


def _written(node: Node, arguments: list[str]) -> str:
    """An operation on arguments as people write it; a negative number is in brackets where its sign would mislead."""
    symbol = node._op
    tight = symbol == "-" or symbol.startswith("**")
    first, *rest = (f"({x})" if tight and x.startswith("-") else x for x in arguments)
    if symbol.startswith("**") and len(symbol) > 2:
        return f"{first}{symbol}"
    if symbol[:1].isalpha() or len(arguments) > 2:
        return f"{symbol}({', '.join(filter(None, arguments))})"
    return f"{first} {symbol} {rest[0]}" if rest else f"{symbol}{first}"


def _short(x: Any) -> str:
    """A constant, if it is a number."""
    return number(x) if np.ndim(x) == 0 and isinstance(x, (int, float, np.number)) and not isinstance(x, bool) else ""


class _Scopes:
    """Numbers for scopes and for layers: of the calls around an operation, the outermost of several of one name."""

    def __init__(self, scopes: list[str]) -> None:
        self._numbers: dict[str, int] = {}
        self._calls: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for scope in dict.fromkeys(scopes):
            path = tuple(scope.split("/"))
            for i, name in enumerate(path):
                self._calls[(*path[:i], name.partition("#")[0])].add(name)

    def numbers(self, scope: str) -> tuple[int, int]:
        path = tuple(scope.split("/"))
        several = (i for i, name in enumerate(path) if len(self._calls[(*path[:i], name.partition("#")[0])]) > 1)
        layer = "/".join(path[: next(several, 1) + 1])
        return self._number(scope), self._number(layer)

    def _number(self, scope: str) -> int:
        return self._numbers.setdefault(scope, len(self._numbers))

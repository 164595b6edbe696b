"""Folding a large graph: which operations share a box, so that the boxes form an acyclic graph, too.

Calls, as `record_source()` saw them, form a tree; each is an interval of the tape. Inside a call, operations
of the same line and calls of the same code share a box where none of them waits for another box in between
(`batches`); what then repeats is a loop, whose iterations are like calls (`loops`); what is still too much
becomes runs of what follows each other. All these are convex: no way leads out of a box and back into it.
Looks at nothing but scopes, lines and shapes; what becomes of the boxes is `view`'s business.
"""

from __future__ import annotations

import heapq
import linecache
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from autograd.drawing.parts import Part, batches, loops, pieces, run, runs
from autograd.drawing.scopes import Item, Scope, Tape, open_scopes, tree
from autograd.engine import words
from autograd.engine.graph import Node

__all__ = ["Fold", "Folding", "Group"]

MOST_PLAIN = 150  # boxes of one open scope, where depth or open asks for it
GROUP = 6  # boxes of calls drawn once
TITLE = 28  # characters of code in the title of a loop


@dataclass(slots=True, eq=False)
class Group:
    """Calls that are drawn as one. path: the names around it, its own last.

    what: "call"; "loop", whose calls are its rounds; "run" of what follows each other; "batch" of operations of one
    line; "piece" of many calls; or "list", whose calls are shown one by one.
    """

    instances: list[Scope]
    path: tuple[str, ...]
    name: str
    what: str = "call"
    level: int = 0
    before: list[set[int]] = field(default_factory=list, repr=False)  # per item, those that it needs
    ways: dict[int, list[Part]] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """Operations in it."""
        return sum(s.size for s in self.instances)

    @property
    def opened(self) -> bool:
        """Whether its opening was asked for by name."""
        return any(s.opened for s in self.instances)

    @property
    def alike(self) -> bool:
        """Whether its calls ran the same code."""
        return len({s.alike for s in self.instances}) == 1

    @property
    def title(self) -> str:
        """As "block × 4", where all four ran the same code."""
        calls = len(self.instances)
        if self.what == "piece":
            return f"{self.instances[0].name} … {self.instances[-1].name}"
        if calls == 1 or self.what in ("run", "list", "batch"):
            return self.name or "everything"
        return f"{self.name} × {calls:,}" if self.alike else f"{self.name}, {calls:,} calls that differ"

    @property
    def pattern(self) -> str:
        """What `open` takes to open it; "" for what has no name."""
        return "/".join((*self.instances[0].path[-2:-1], self.name)) if self.what == "call" and self.path else ""


@dataclass(slots=True)
class Fold:
    """What became of a tape.

    boxes: per box, the operations, the group around it, and the group that it is the fold of, or None.
    open: the groups drawn as clusters. calls: per operation, the groups around it that are drawn once for
    several calls, by number in `open`, outermost first, and which of their calls made it.
    """

    boxes: list[tuple[list[int], Group, Group | None]] = field(default_factory=list)
    open: list[Group] = field(default_factory=list)
    calls: dict[int, dict[int, int]] = field(default_factory=dict)


class Folding:
    """Folds a tape as often as it takes to find what fits: `fold`.

    opened: patterns of scopes to open in any case, as "attention", "block#2" or "block/mlp".
    Raises Misuse for a pattern that fits no scope.
    """

    def __init__(self, nodes: dict[int, Node], opened: tuple[str, ...] = ()) -> None:
        self.tape = Tape(nodes)
        top = tree(self.tape)
        for pattern in opened:
            open_scopes(top, pattern)
        self.root = Group([top], (), "")

    def fold(self, most: int, depth: int | None = None, group: Group | None = None) -> Fold:
        """Fold to at most `most` boxes.

        depth: instead, open every scope down to this level, and fold what is deeper.
        group: the one to open first; the whole tape by default.
        """
        result = Fold()
        root = group or self.root
        total, tickets = 1, 0
        outer: dict[Group, Group] = {}  # per open group, the one around it
        alone: dict[Group, int] = {}  # per open group with one thing in it, how many calls it is
        # The largest first, so that the few boxes there are go where the computation is.
        heap: list[tuple[bool, int, int, Group, Group]] = [(False, 0, 0, root, root)]
        while heap:
            *_, group, around = heapq.heappop(heap)
            listed = root.what in ("list", "batch") and group is not root  # of many, none is opened
            parts = None if listed else self._shown(group, most - total + 1, depth, group is root, total == 1)
            if parts is None:
                while (
                    around in result.open
                    and alone.get(around) == len(group.instances)
                    and depth is None
                    and not around.opened
                    and around is not root
                ):
                    result.open.remove(around)  # a frame around nothing but a fold says no more than the fold
                    group, around = around, outer[around]
                result.boxes.append((sorted(k for s in group.instances for k in s.operations()), around, group))
                continue
            if group.path:
                result.open.append(group)
            outer[group] = around
            if len(parts) == 1:
                alone[group] = len(group.instances)
            total += len(parts) - 1
            for part in self._members(group, parts):
                if isinstance(part, Group):
                    tickets += 1
                    heapq.heappush(heap, (not part.opened, -part.size, tickets, part, group))
                else:
                    result.boxes.append((part, group, None))
        for number, group in enumerate(result.open):
            if len(group.instances) > 1:
                for i, scope in enumerate(group.instances):
                    for k in scope.operations():
                        result.calls.setdefault(k, {})[number] = i
        return result

    def inside(self, group: Group) -> Group:
        """What a fold is when it is opened for good: its calls one by one, or what is in its only one."""
        first, *others = group.instances
        if not others:
            return Group([first], group.path, group.name, "batch" if group.what == "batch" else "call", group.level)
        scope = Scope(group.name, first.path[:-1], group.instances)
        return Group([scope], group.path, group.title, "list", group.level)

    def batch(self, nodes: list[Node], title: str, around: tuple[str, ...]) -> Group:
        """Operations that share a box, as something to open."""
        scope = Scope(title, around, sorted(self.tape.place[node.id] for node in nodes))
        return Group([scope], (*around, title), title, "batch", len(around))

    def _shown(self, group: Group, room: int, depth: int | None, first: bool, alone: bool) -> list[Part] | None:
        """The parts that a group shows; None where it stays folded. alone: there would be nothing else to see."""
        if group.what in ("run", "piece") or not group.alike or (group.what == "batch" and not first):
            return None
        if group.what in ("list", "batch"):
            count = len(group.instances[0].items)
            return [Part("piece", [list(piece)], None) for piece in pieces(count, min(room, count))]
        if depth is None and not group.opened:
            return self._parts(group, min(room, GROUP) if len(group.instances) > 1 else room, alone)
        if depth is not None and group.level > depth and not group.opened and not first:
            return None
        return self._parts(group, MOST_PLAIN, True)

    # ---- what is in an open group ----

    def _parts(self, group: Group, room: int, must: bool) -> list[Part] | None:
        """The finest way to show what is in a group that takes no more than `room` boxes; None where none does.

        must: if need be in runs over several lines, of which others than these are never made.
        """
        group.before = group.before or self._before(group)
        plain = sum(isinstance(item, int) for item in group.instances[0].items)
        for way in range(plain > room, 5):
            if way not in group.ways:
                group.ways[way] = self._way(group, way)
            if len(group.ways[way]) <= room and (way < 4 or len(group.ways[way]) > 1):
                return group.ways[way]
        recorded = self.tape.nodes[next(group.instances[0].operations())].source is not None
        if room == 1 or (recorded and not must):
            return None
        return runs(group.ways[3], room, group.instances[0].items)

    def _way(self, group: Group, way: int) -> list[Part]:
        """0: every operation, and calls of the same code as one; 1: operations of the same line as one, too;
        2: what repeats as a loop; 3: calls of the same function as one, though they differ; 4: lines."""
        if way == 2:
            return loops(group.ways[1])
        if way == 4:
            return self._lines(group)
        items = group.instances[0].items
        keys: list[Hashable] = []
        for q, item in enumerate(items):
            if isinstance(item, int):
                keys.append(q if way == 0 else ("op", self.tape.code[item]))
            else:
                keys.append((item.name.partition("#")[0], item.alike if way < 3 else None, item.opened))
        parts = [Part("batch", [batch], (keys[batch[0]], len(batch))) for batch in batches(keys, group.before)]
        return loops(parts) if way == 3 else parts

    def _lines(self, group: Group) -> list[Part]:
        """What follows each other on one line, as one part."""
        items = group.instances[0].items

        def line(part: Part) -> Hashable:
            lines = {self._line(items[q]) for q in part.positions}
            return id(part) if None in lines or len(lines) > 1 else lines.pop()

        return [run(list(same)) for _, same in groupby(group.ways[3], line)]

    def _line(self, item: Item) -> tuple[str, int] | None:
        """The line of a call that an item was made on, or called from."""
        source = self.tape.nodes[item if isinstance(item, int) else next(item.operations())].source
        if source is None:
            return None
        if isinstance(item, int):
            return source.file, source.line
        # The frames of the calls, each at the line where it calls the next; comprehensions are no calls.
        frames = [frame for frame in source.stack if not frame[2].startswith("<")]
        depth = len(item.path) - 2
        file, line, _ = frames[depth] if 0 <= depth < len(frames) else ("", 0, "")
        return (file, line) if file else None

    def _before(self, group: Group) -> list[set[int]]:
        """Per item of a group, those that it needs in any of the calls; they stand before it."""
        before: list[set[int]] = [set() for _ in group.instances[0].items]
        for scope in group.instances:
            owner: dict[int, int] = {}
            for q, item in enumerate(scope.items):
                inside = (item,) if isinstance(item, int) else tuple(item.operations())
                for k in inside:
                    for p in self.tape.inputs[k]:
                        if p in owner:
                            before[q].add(owner[p])
                owner.update(dict.fromkeys(inside, q))
        return before

    def _members(self, group: Group, parts: list[Part]) -> Iterator[list[int] | Group]:
        """Operations that share a box, and groups."""
        taken: set[str] = set()

        def named(scopes: list[Scope], name: str, what: str) -> Group:
            base, again = name, 1
            while name in taken:
                name, again = f"{base}#{again}", again + 1
            taken.add(name)
            return Group(scopes, (*group.path, name), name if what == "call" else base, what, group.level + 1)

        for part in parts:
            first = group.instances[0].items[part.rounds[0][0]]
            if part.what == "piece" and isinstance(first, int):
                own = [item for q in part.positions if isinstance(item := group.instances[0].items[q], int)]
                yield own if len(own) == 1 else named([Scope(group.name, group.path, own)], group.name, "batch")
            elif part.what == "piece":
                calls = [item for q in part.positions if isinstance(item := group.instances[0].items[q], Scope)]
                yield named(calls, calls[0].name, "call" if len(calls) == 1 else "piece")
            elif part.what != "batch":
                several = len(group.instances) > 1
                inside = [
                    Scope(_round(s.name if several else "", r, part.what), s.path, [s.items[q] for q in batch])
                    for s in group.instances
                    for r, batch in enumerate(part.rounds, start=1)
                ]
                yield named(inside, self._called(inside[0], part.what), part.what)
            elif isinstance(first, int):
                yield [s.items[q] for s in group.instances for q in part.positions]  # type: ignore[misc]
            else:
                scopes: list[Scope] = [s.items[q] for s in group.instances for q in part.positions]  # type: ignore[misc]
                base = first.name.partition("#")[0]
                # One of a name that others have, too, is called after its first call.
                yield named(scopes, first.name if len(scopes) == 1 or base in taken else base, "call")

    def _called(self, inside: Scope, what: str) -> str:
        """What to call a loop or a run: its line of code, its lines, or what is in it."""
        direct = [self.tape.nodes[item] for item in inside.items if isinstance(item, int)]
        calls = [item for item in inside.items if isinstance(item, Scope)]
        if what == "run" and not direct:
            return f"{len(calls):,} other functions"
        lines = sorted({line for item in inside.items if (line := self._line(item)) is not None})
        if len(lines) == 1:
            return words.short(linecache.getline(*lines[0]).strip(), TITLE)
        if what == "loop" and lines and lines[0][0] == lines[-1][0]:
            return f"lines {lines[0][1]} to {lines[-1][1]}"
        counts = Counter(node.op for node in direct) + Counter(call.name.partition("#")[0] for call in calls)
        kinds = [f"{name} × {n:,}" if n > 1 and what == "run" else name for name, n in counts.most_common(3)]
        return ", ".join(kinds) + (", …" if len(counts) > 3 else "")


def _round(call: str, number: int, what: str) -> str:
    """What to call a round of a loop, or a run, that stands in each of several calls."""
    return " ".join(filter(None, (call, f"round {number}" if what == "loop" else "")))

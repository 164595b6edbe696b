"""Running to a stop: stops by number, both ways along a walk, and what was done to be undone.

Nothing is read or written here: the prompt, notebooks and tests run by the same methods.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from autograd.engine.graph import Node
from autograd.stepping.expressions import Reader
from autograd.stepping.names import Names
from autograd.stepping.stops import Stop, parse
from autograd.stepping.walk import State, Walk

__all__ = ["Runner"]

STRIDE = 5_000  # nodes between two reports of progress

Progress = Callable[[int], object]  # is told how many nodes were passed since it was told last


class Runner:
    """A walk, the stops that were set on it, and the moves that can be undone."""

    def __init__(self, walk: Walk, names: Names) -> None:
        self.walk, self.reader = walk, Reader(walk, names)
        self.stops: dict[int, Stop] = {}  # by number; a number is never used again
        self.undos: list[tuple[str, State]] = []
        self._numbers = itertools.count(1)

    def add(self, stop: str | Node, kind: str = "") -> Stop:
        """Set a stop, as `stops.parse` reads it, or before a node; ValueError where it cannot be read."""
        made = parse(stop if isinstance(stop, str) else self.reader.names[stop], self.reader, kind)
        made.number = next(self._numbers)
        self.stops[made.number] = made
        return made

    def run(self, forward: bool = True, *more: Stop, progress: Progress | None = None) -> list[Stop]:
        """Run on, forwards or back, until stops are met, those set and some more; they say where by `.node`."""
        walk = self.walk
        stops = [stop for stop in (*self.stops.values(), *more) if stop.enabled]
        if not stops:
            self.travel(len(walk.nodes) if forward else walk.first, progress)
            return []
        watches = [stop for stop in stops if stop.of == "g"]
        places = [stop for stop in stops if stop.of != "g"]
        passed = walk.done
        while not (walk.at_end if forward else walk.at_start):
            came = walk.current if forward and walk.done < 0 else None  # its value arrives now
            hits = self._edge(watches, forward) if watches else self._node(forward)
            for stop in places:
                node = came if stop.of == "v" and walk.done <= 0 and forward else walk.current
                if walk.part == 0 and node is not None and stop.meets(node, None, walk.data(node)):
                    stop.node = node
                    hits.append(stop)
            for stop in hits:
                stop.hits += 1
                if stop.temporary:
                    self.stops.pop(stop.number, None)
            if hits:
                return hits
            if progress is not None and abs(walk.done - passed) >= STRIDE:
                progress(abs(walk.done - passed))
                passed = walk.done
        return []

    def _node(self, forward: bool) -> list[Stop]:
        """To the next place between two nodes."""
        if forward:
            self.walk.goto(self.walk.done + 1)
        else:
            self.walk.back_next()
        return []

    def _edge(self, watches: list[Stop], forward: bool) -> list[Stop]:
        """One contribution forth or back; the watches that it sets off."""
        walk = self.walk
        entry = walk.advance() if forward else walk.latest()
        if not forward:
            walk.back_step()
        if entry is None:
            return []
        hits = [stop for stop in watches if stop.meets(entry.parent, entry.before, entry.after)]
        for stop in hits:
            stop.node = walk.nodes[entry.index]
        return hits

    def travel(self, target: int, progress: Progress | None = None) -> None:
        """Go to where `target` nodes are finished, forth or back."""
        walk = self.walk
        target = max(walk.first, min(target, len(walk.nodes)))
        while walk.position != (target, 0):
            before = walk.done
            walk.goto(min(target, before + STRIDE) if target > before else max(target, before - STRIDE))
            if progress is not None:
                progress(abs(walk.done - before))

    @contextmanager
    def moving(self, line: str) -> Iterator[None]:
        """Around what moves or edits, so that `undo` can take it back, also what an error or Ctrl-C left."""
        walk = self.walk
        before, where = walk.state(), (walk.position, walk.version)
        try:
            yield
        finally:
            if (walk.position, walk.version) != where:
                self.undos.append((line, before))

    def undo(self) -> str:
        """Take back the last that moved or edited; what it was. Raises IndexError where there is none."""
        line, state = self.undos.pop()
        self.walk.restore(state)
        return line

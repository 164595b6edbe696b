"""What a recording takes from outside of its arguments: it is watched, and what cannot be is refused.

It would be a constant of the program. Whatever code ran may have read, variables, attributes, items, arrays and
nodes, is watched, so that the function is recorded anew where something has changed. Random numbers, the clock,
iterators, and what the function changes itself and reads, are refused.
"""

from __future__ import annotations

import random
import sys
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd.compiling.effects import reads
from autograd.compiling.program import Program, Step, same_bits
from autograd.compiling.reach import Reach, Watched, any_changed, position, root_of, thrown
from autograd.compiling.running import Running
from autograd.compiling.traced import Traced, TracedError
from autograd.engine.base import Operand
from autograd.engine.graph import Node
from autograd.engine.kinds import raw
from autograd.engine.recording import Mode, next_id

__all__ = ["Outside"]


class Outside:
    """What a function brings along while it is recorded, inside `with outside.watching():`.

    within: the function, and functions among its arguments. given: what was made for it to be called with, which is
    not watched; what the caller gave is, where the function reads it by another way.
    """

    def __init__(self, within: Iterable[Any], given: Iterable[Any] = ()) -> None:
        self._reach = Reach(within, given)
        self._running = Running(self._reach.starts)
        self._since = next_id()
        self._nodes: dict[int, tuple[weakref.ref[Node], Any]] = {}
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._dice = _global_dice()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While the function is recorded."""
        with Mode(check=self._notice), self._running:
            yield

    def _notice(self, node: Node, inputs: Any, result: Operand, parent: Node | None = None) -> None:
        """Called with every node that is made."""
        for p in node.parents:
            if p is not None and p.id < self._since and p.primitive is None and p.id not in self._nodes:
                self._nodes[p.id] = weakref.ref(p), p.raw

    # ---- the recording is over ----

    def settle(self, program: Program, steps: Iterable[Step]) -> str:
        """Keep what may change. What the function itself has changed and reads, as text, or "": recorded once more
        it may have come to rest, as a table that is filled at first use has.

        TracedError for random numbers, the clock, iterators, and a node that was written into."""
        self._must_not_ask()
        self._must_not_write_into_nodes()
        reach = self._reach
        reach.complete()
        reach.forget()
        reach.watched = _lasting(reach.watched)
        self._must_not_take()
        own = self._own_changes()
        self._elsewhere = any_changed(reach.watched)
        used = {id(s.function) for s in steps if s.op == "constant"}
        known = {id(x) for x, _ in reach.arrays}
        self._arrays = [*reach.arrays, *((x, s.function) for x, s in program.captured
                                         if id(s.function) in used and id(x) not in known)]  # fmt: skip
        program.captured.clear()
        del self._reach, self._running, reach
        self._arrays = [self._arrays[i] for i in range(len(self._arrays)) if _may_change(self._arrays, i)]
        return own

    def _must_not_ask(self) -> None:
        drawn = any(thrown(x) != before for x, before in self._reach.dice) or _global_dice() != self._dice
        if drawn or any(q.startswith(("urandom", "getrandom")) for q in self._running.questions):
            raise TracedError(
                "ag.compile: the function draws random numbers, which every later call would repeat; "
                "draw them outside and pass them as an array"
            )
        for question in self._running.questions:
            raise TracedError(
                f"ag.compile: the function asks the world, {question}, and every later call would get the first "
                "answer; ask outside of it, and pass the answer as an argument"
            )

    def _must_not_take(self) -> None:
        for x, before in self._reach.iterators:
            if sys.getrefcount(x) > 3 and position(x) != before:  # it was not made by the function itself
                raise TracedError(
                    f"ag.compile: the function takes from an iterator ({type(x).__name__}), and a replay would not; "
                    "take from it outside, and pass what it gives as an argument"
                )

    def _must_not_write_into_nodes(self) -> None:
        for ref, _ in self._nodes.values():
            node = ref()
            if node is not None and isinstance(raw(node._grad), Traced):
                node._grad = None
                raise TracedError(
                    f"ag.compile: the function leaves a gradient in {node.label or 'a node'} that is none of its "
                    "arguments; a replay would not. Use ag.grad, and return what is computed"
                )

    def _own_changes(self) -> str:
        """What the function has changed and reads; what it only counts or collects is not watched any more."""
        reach, found = self._reach, ""
        for w in [w for w in reach.watched if w.changed()]:
            names = w.changed_names()
            _must_not_leave(w, names or reach.known_as.get(id(w.holder), set()))
            at = names or reach.known_as.get(id(w.holder), set())
            if not at or reads(self._running.codes, at):
                found = found or ", ".join(sorted(at)) or f"a {type(w.holder).__name__}"
            elif names:
                w.without(names)
            else:
                reach.watched.remove(w)
        for i, (x, copy) in reversed([*enumerate(reach.arrays)]):
            if not same_bits(x, copy):
                at = reach.known_as.get(id(x), set())
                if not at or reads(self._running.codes, at):
                    found = found or ", ".join(sorted(at)) or "an array"
                del reach.arrays[i]
        return found

    # ---- before every replay ----

    def changed(self) -> bool:
        """Whether something holds other numbers, or is held by nobody any more and so has been replaced."""
        if self._elsewhere():
            return True
        arrays = self._arrays
        for i in range(len(arrays)):
            if not same_bits(*arrays[i]) or not _may_change(arrays, i):
                return True
        for ref, data in self._nodes.values():
            node = ref()
            if node is not None and node.raw is not data:
                return True
        return False


def _must_not_leave(w: Watched, names: set[str]) -> None:
    """TracedError where the function has left what is traced in an object that is not its own."""
    held = [raw(x) for x in w.held()]
    inner = [
        raw(y) for x in held if isinstance(x, (dict, list, tuple)) for y in (x.values() if isinstance(x, dict) else x)
    ]
    if any(isinstance(x, Traced) for x in (*held, *inner)):
        at = ", ".join(sorted(names)) or f"a {type(w.holder).__name__}"
        raise TracedError(
            f"ag.compile: the function leaves a traced array in {at}, which is no array once it is recorded, and a "
            "replay would leave none; return what is computed, and keep it outside"
        )


def _lasting(watched: list[Watched]) -> list[Watched]:
    """Without what the function made itself: nobody else holds it any more."""
    ours = Counter(id(x) for w in watched for x in (w.holder, w.source))
    count = -1
    while count != len(watched):
        count, kept = len(watched), []
        for i, w in enumerate(watched):
            watched[i] = None  # type: ignore[call-overload]
            if sys.getrefcount(w.holder) - 1 > ours[id(w.holder)]:
                kept.append(w)
            else:
                ours.subtract((id(w.holder), id(w.source)))
        watched = kept
    return watched


def _global_dice() -> list[str]:
    return [repr(np.random.get_state(legacy=False)), repr(hash(random.getstate()))]


def _may_change(arrays: list[tuple[np.ndarray, Any]], i: int) -> bool:
    """Whether somebody else holds an array, or what it is a view of, and may write into it."""
    root = root_of(arrays[i][0])
    if not root.flags.writeable:
        return False
    if root.base is not None:  # memory that is not NumPy's, and so somebody else's
        return True
    del root  # which would be one that holds it
    return _holders(arrays, i) > (_ALONE_VIEW if isinstance(arrays[i][0].base, np.ndarray) else _ALONE)


def _holders(arrays: list[tuple[np.ndarray, Any]], i: int) -> int:
    """How many references there are to an array and to what it is a view of."""
    x = arrays[i][0]
    root = root_of(x)
    return sys.getrefcount(x) + sys.getrefcount(root)


# What that says of arrays that nobody else holds.
_ALONE = _holders([(np.empty(2), None)], 0)
_ALONE_VIEW = _holders([(np.empty((2, 2))[0], None)], 0)

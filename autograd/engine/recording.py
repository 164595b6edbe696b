"""What recording does at this moment, in this thread and context: how, and for which call of `grad`.

`State` is never changed, only replaced, in a context variable: so threads and tasks do not see each
other's. `Mode` is a change of it for the length of a `with` block, `Level` a call of `grad`.
Knows nothing of nodes but that they have an id.
"""

from __future__ import annotations

import gc
import itertools
import sys
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = [
    "OUTSIDE",
    "Level",
    "Mode",
    "State",
    "assign",
    "assigned",
    "at_level",
    "current",
    "next_id",
    "now",
    "spoil",
    "where",
]

T = TypeVar("T")

if TYPE_CHECKING:  # which takes the lock for a class that has no heirs

    class _Lock:
        def acquire(self, blocking: bool = True) -> bool: ...
        def release(self) -> None: ...
        def _is_owned(self) -> bool: ...
        def __exit__(self, kind: Any = None, error: Any = None, traceback: Any = None) -> None: ...
else:
    from _thread import RLock as _Lock

next_id = itertools.count().__next__


class Level:
    """One call of `grad` or one of its kin, or everything outside of them.

    Ids tell what belongs to it, since they only grow: the call wraps its arguments in nodes from
    `floor` on, and then runs f, which makes nodes from `top` on. What is older than `floor` is a
    constant to this call: gradients do not pass there, so that calls nest. Arrays from `top` on
    need no gradient once it is passed on.

    nested: the gradient is itself to be differentiated, since the call stands within another one,
        or was given nodes; its rules then run on nodes and record a graph of their own. Not so inside no_grad().
    made: the operations of f in the order of their making: a tape for free, without a walk over the
        graph. None where there is none, or where it tells the truth no more (see `spoil`).
    """

    __slots__ = ("floor", "made", "nested", "top")

    def __init__(self, nested: bool = False, floor: int = 0, top: int = sys.maxsize) -> None:
        self.nested = nested
        self.floor = floor
        self.top = top
        self.made: Any = None


OUTSIDE = Level()


class State:
    """How this context records. modes: the changes in force, the last one foremost. level: the call of `grad` on.

    recording: False inside no_grad(). fused: False inside unfused(). product: the dtype of matmul_in().
    source: says where a node is made, inside record_source().
    check: looks at every result, inside detect_anomaly(). ordinary: recording, and neither of these,
    which is all that a hot path looks at.
    """

    __slots__ = ("check", "fused", "level", "modes", "ordinary", "product", "recording", "source")

    def __init__(self, modes: tuple[Mode, ...] = (), level: Level = OUTSIDE) -> None:
        self.modes = modes
        self.level = level
        self.recording = True
        self.fused = True
        self.product: Any = None
        self.source: Callable[[], Any] | None = None
        self.check: Callable[..., None] | None = None
        for mode in modes:
            for name, value in mode.settings.items():
                setattr(self, name, value)
        self.ordinary = not modes


_context: ContextVar[State] = ContextVar("autograd", default=State())  # noqa: B039  (a State is never changed)
now = _context.get  # the state, in which modes may stand that were left
enter = _context.set


def current() -> State:
    """The state. A hot path may ask `now().ordinary` first, which is true of no state with modes."""
    state = now()
    if state.ordinary or all(mode.entered() for mode in state.modes):
        return state
    state = State(tuple(mode for mode in state.modes if mode.entered()), state.level)
    enter(state)
    return state


class Mode(_Lock):
    """A change of the recording state for the length of a `with` block.

    settings: what it changes, of recording, fused, product, source and check. It is in force for as long as it is
    entered, whatever else is left in the meantime: two generators may be closed in any order.

    It is a lock, for the sake of Ctrl-C: an interrupt may strike before the first line of an
    `__exit__` written in Python, which then would never run, while that of a lock is one
    step. So leaving only opens the lock, and whoever reads the state drops what is open.
    """

    settings: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def entered(self) -> bool:
        """Whether this thread is inside."""
        return self._is_owned()

    def __enter__(self) -> Any:
        if not self.acquire(blocking=False):
            name = type(self).__name__
            raise RuntimeError(f"{name}: entered in two threads at once; write `with ag.{name}():` in each of them")
        try:
            state = current()
            enter(State((*state.modes, self), state.level))
        except BaseException:  # Ctrl-C, too
            self.release()
            raise
        return self


# ---- calls of grad -----------------------------------------------------------------------


class _Strays:
    """What is made outside of every level, as by a thread that f started, is missing on the free tapes."""

    def append(self, _: Any) -> None:
        spoil()


_STRAYS = _Strays()
_open: set[Level] = set()  # those with a free tape


def at_level(run: Callable[[Level], T], nested: bool) -> T:
    """Call `run` with a new level, which is in force meanwhile; no_grad() outside of it is not.

    nested: it was given nodes, so that the gradient is to be differentiated; never so inside no_grad().

    The cyclic garbage collector rests meanwhile: a graph has no cycles, and looking for them costs a
    scalar training step 2.4 times its arithmetic. Everything here is taken within the `try` that
    gives it back, and given back by calls of C alone, so that Ctrl-C finds no gap.
    """
    before = current()
    inside = nested or before.level is not OUTSIDE
    level = Level(inside and before.recording, next_id())
    collecting = gc.isenabled()
    try:
        if inside:
            spoil()  # what this call makes does not stand on the tape around it, be that another thread's
        if not level.nested:
            level.made = []
            _open.add(level)
            OUTSIDE.made = _STRAYS
        gc.disable()
        enter(State(tuple(mode for mode in before.modes if mode.settings.get("recording", True)), level))
        return run(level)
    finally:
        try:
            enter(before)
        finally:
            try:
                if collecting:
                    gc.enable()
            finally:
                try:
                    _open.discard(level)
                finally:
                    if not _open:  # no other thread comes between this line and the next: it makes no call
                        OUTSIDE.made = None


def spoil() -> None:
    """Free tapes tell the truth no more: a gradient was passed over, or written into, nodes that may stand on one."""
    level = current().level
    if level is not OUTSIDE:
        level.made = None
    elif _open:
        for level in tuple(_open):
            level.made = None


# ---- source lines ------------------------------------------------------------------------

_assigned: dict[int, tuple[weakref.ref[Any], Any]] = {}


def where() -> Any:
    """The line that is making a node; None unless source lines are recorded."""
    source = current().source
    return None if source is None else source()


def assign(node: Any) -> None:
    """Remember the line that assigns the data of a node, for as long as the node lives."""
    line = where()
    if line is not None:
        _assigned[node.id] = weakref.ref(node, partial(_forget, node.id)), line


def assigned(node: Any) -> Any:
    """The line that last assigned the data of a node, or None."""
    return _assigned.get(node.id, (None, None))[1]


def _forget(number: int, _: Any) -> None:
    _assigned.pop(number, None)

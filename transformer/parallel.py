"""Two pieces of work at once: NumPy lets go of Python's lock while it computes."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_allowed = contextvars.ContextVar("at_once", default=True)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def at_once(allowed: bool) -> Iterator[None]:
    """Inside it work is done at once, or in turn."""
    token = _allowed.set(allowed)
    try:
        yield
    finally:
        _allowed.reset(token)


def both(first: Callable[[], T], second: Callable[[], T]) -> tuple[T, T]:
    """What two functions give that run at once, where there are two cores and nobody has forbidden it, or in turn.

    An error of either is raised when both are done.
    """
    if cores() < 2 or not _allowed.get():
        return first(), second()
    done: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(second())
        except BaseException as error:
            failed.append(error)

    # What is set for this thread, such as np.errstate, holds for the other one, too.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="stepgrad-second")
    thread.start()
    try:
        mine = first()
    finally:
        thread.join()
    if failed:
        raise failed[0]
    return mine, done[0]

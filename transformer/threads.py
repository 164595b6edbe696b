"""How many threads multiply matrices, and work that is done by two at once.

One product on two threads is slower than on one where it is small: on a machine of two cores under load 8, a step of
the nano preset took 2.98 s with two threads and 0.58 s with one. Where a batch has rows enough, two halves of it are
computed at once instead, each on one thread: NumPy lets go of Python's lock while it computes.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

T = TypeVar("T")

WORTH = 500_000_000  # multiplications in one product, from which on more threads pay: about 25 ms
HALF = 10_000_000  # multiplications in the largest product of half a batch, from which on it pays to go halves


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chosen(width: int, n_tokens: int) -> int:
    """The threads that pay for the largest product of a block: one, or one a core."""
    return cores() if n_tokens * 4 * width**2 >= WORTH else 1


def limited(n: int) -> AbstractContextManager[object]:
    """Inside it products of matrices run on n threads; afterwards on as many as before."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=n, user_api="blas")


def both(first: Callable[[], T], second: Callable[[], T]) -> tuple[T, T]:
    """What two functions give that run at once, where there are two cores, or else one after the other.

    Products of matrices run on one thread in each meanwhile. An error of either is raised when both are done.
    """
    with limited(1):
        if cores() < 2:
            return first(), second()
        done: list[T] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                done.append(second())
            except BaseException as error:
                failed.append(error)

        # What is set for this thread, such as np.errstate, holds for the other one, too.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="stepgrad-second-half")
        thread.start()
        try:
            mine = first()
        finally:
            thread.join()
        if failed:
            raise failed[0]
        return mine, done[0]

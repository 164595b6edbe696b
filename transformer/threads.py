"""How many threads multiply matrices: a small model is slowed by more than one.

On a machine of two cores under load 8, a step of the nano preset took 2.98 s with two threads
and 0.58 s with one; on a quiet one two threads win 15 % at most.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

from transformer.config import Config

WORTH = 500_000_000  # multiplications in one product, from which on more threads pay: about 25 ms


def chosen(config: Config, n_tokens: int) -> int:
    """The threads that pay for the largest product of a block: one, or one a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if n_tokens * config.hidden * config.n_embd >= WORTH else 1


def limited(n: int) -> AbstractContextManager[object]:
    """Inside it products of matrices run on n threads."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=n, user_api="blas")

"""How many threads multiply matrices, and halves of a batch that are computed at once.

One product on two threads is slower than on one where it is small: on a machine of two cores under load 8, a step of
the nano preset took 2.98 s with two threads and 0.58 s with one. Where a batch has rows enough, two halves of it are
computed at once instead, each on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from transformer import parallel
from transformer.config import Config, count

T = TypeVar("T")

WORTH = 500_000_000  # multiplications in one product, from which on more threads pay: about 25 ms
HALF = 10_000_000  # multiplications in the largest product of half a batch, from which on it pays to go halves
SMALL = 20_000_000  # parameters up to which it does


def chosen(config: Config, n_tokens: int) -> int:
    """The threads that pay for the largest product of a block: one, or one a core."""
    return parallel.cores() if n_tokens * 4 * config.n_embd**2 >= WORTH else 1


def halved(config: Config, n_rows: int, n_time: int) -> bool:
    """Whether the two halves of a batch are computed at once: where their products are large enough, and the gradient,
    which is there twice then, is small. The machine has no say, and so none in the last digits."""
    return n_rows >= 2 and n_rows // 2 * n_time * 4 * config.n_embd**2 >= HALF and count(config) <= SMALL


@contextmanager
def limited(n: int, at_once: bool = True) -> Iterator[None]:
    """Inside it products of matrices run on n threads; afterwards on as many as before. at_once: see `both`."""
    from threadpoolctl import threadpool_limits

    with parallel.at_once(at_once), threadpool_limits(limits=n, user_api="blas"):
        yield


def both(first: Callable[[], T], second: Callable[[], T]) -> tuple[T, T]:
    """What two functions give that run at once, or in turn; products of matrices run on one thread in each."""
    with _pools().limit(limits=1, user_api="blas"):
        return parallel.both(first, second)


@cache
def _pools() -> Any:
    """The libraries that have threads; to look for them takes a hundred times as long as to tell them."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

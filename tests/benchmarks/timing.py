"""Side-by-side timing: the two contenders take turns, so that a noisy machine is noisy for both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np


def timed(f: Callable[[], Any], repeat: int) -> float:
    """Seconds a call takes."""
    start = time.perf_counter()
    for _ in range(repeat):
        f()
    return (time.perf_counter() - start) / repeat


def race(
    name: str,
    ours: Callable[[], Any],
    peer_name: str,
    peer: Callable[[], Any],
    floor: float,
    rounds: int,
    repeat: int = 1,
) -> None:
    """Print the medians of both and how many times faster ours is, with the quartiles of the ratio."""
    timed(ours, repeat), timed(peer, repeat)
    times = np.array([(timed(ours, repeat), timed(peer, repeat)) for _ in range(rounds)])
    a, b = np.median(times, axis=0) * 1e3
    low, ratio, high = np.quantile(times[:, 1] / times[:, 0], [0.25, 0.5, 0.75])
    print(
        f"{name}: {a:.3f} ms; {peer_name}: {b:.3f} ms; {ratio:.2f} times faster "
        f"(quartiles {low:.2f} to {high:.2f}, floor {floor})"
    )

"""Chains of Values of growing length: time and memory a node should stay the same."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

from autograd import Value


def walk(n: int) -> Value:
    """A chain of n operations, forward and backward."""
    x = y = Value(1.0)
    for _ in range(n):
        y = y * 1.0000001
    y.backward()
    assert abs(x.grad - 1.0000001**n) < 1e-6 * 1.0000001**n
    return y


def run() -> None:
    print("chain of Values: nodes, microseconds a node, bytes a node")
    for n in (10**3, 10**4, 10**5, 10**6, 10**7):
        times = []
        for _ in range(max(1 if n > 10**6 else 3, 10**4 // n)):
            start = time.perf_counter()
            walk(n)
            times.append(time.perf_counter() - start)
        tracemalloc.start()
        y = walk(n)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del y
        print(f"  {n:>9,}  {1e6 * np.median(times) / n:6.2f}  {held / n:6.0f}")

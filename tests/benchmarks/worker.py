"""The process of one contender: sets up, tells its numbers, and takes its turns as `race` says `go`."""

from __future__ import annotations

import importlib
import json
import sys
import time

import numpy as np


def peak() -> float:
    """The most memory that this process had so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    where, arguments, repeat = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    module, function = where.split(":")
    contender = getattr(importlib.import_module(f"tests.benchmarks.{module}"), function)(*arguments)
    print(json.dumps({"numbers": {k: np.asarray(x).tolist() for k, x in contender.numbers.items()}}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(repeat):
            contender.step()
        print(json.dumps({"seconds": (time.perf_counter() - start) / repeat, "peak": peak()}), flush=True)


main()

"""What `import autograd` takes beyond NumPy, each import in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

CODE = """
import time
import numpy
start = time.perf_counter()
import autograd
print(time.perf_counter() - start)
"""


def run() -> None:
    def once() -> float:
        return float(subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True).stdout)

    once()  # compiles to bytecode
    times = sorted(1e3 * once() for _ in range(21))
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
    print(f"import autograd beyond numpy: {middle:.1f} ms ({low:.1f} to {high:.1f}); must 40, aim 15")

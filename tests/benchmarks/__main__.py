"""`python -m tests.benchmarks [NAME ...] [--anyway]`: speed and memory beside the peers', as a table; names are below.

It refuses to measure while others use the machine; with --anyway it measures, and the table says how much they used.
"""

from __future__ import annotations

import argparse
import importlib.util
import os

from tests.benchmarks import chain, drawings, gradchecks, imports, nano, parts
from tests.benchmarks.race import HEAD, Row, raced

EAGER = "PyTorch eager"
ROWS = {
    "values": [
        Row(f"microgpt step, Values{', compiled' * compiled}; plain Python, no collector", "micro:ours", "micro:lists",
            must, aim, ("Values", "float64", compiled), 11, 3)
        for compiled, must, aim in ((True, 10, 17), (False, 1.8, 2.7))
    ],
    "tensors": [
        *(
            Row(f"microgpt step, Tensors, {dtype}{', compiled' * compiled}; {EAGER}", "micro:ours", "micro:torch",
                must, aim, ("Tensors", dtype, compiled), 21, 100, rtol=1e-4 if dtype == "float32" else 1e-9)
            for dtype in ("float64", "float32") for compiled, must, aim in ((True, 5, 7), (False, 1.7, 2.2))
        ),
        Row("microgpt step, Tensors, float64, compiled; torch.compile", "micro:ours", "micro:torch_compiled",
            3, 4.5, ("Tensors", "float64", True), 21, 100),
    ],
    "nano": [
        Row(f"nano step, compiled; {EAGER}", "nano:ours", "nano:torch", 1.0, 1 / 0.75, (True,), 21, 5, 2, rtol=1e-3),
        Row(f"nano step; {EAGER}", "nano:ours", "nano:torch", 1 / 1.4, 1 / 1.1, (False,), 21, 5, 2, rtol=1e-3),
    ],
    "gpt2": [
        Row(f"GPT-2 small step, {n} tokens; {EAGER}", "gpt2:ours", "gpt2:torch", 1 / 0.95, 1 / 0.75, (n,), 7, 1, 2,
            (1.0, 0.9), 1e-3) for n in (64, 256)
    ],
    "jax": [
        Row("nano step on JAX; native JAX", "jax_step:ours", "jax_step:native", 1 / 1.25, 1, (), 11, 5, 2, rtol=1e-3)
    ],
    "tokens": [Row("500 tokens of nano; PyTorch, cached", "tokens:ours", "tokens:torch", 1 / 0.8, 2, (), 11)],
    "gradcheck": [Row("gradcheck of ten functions; PyTorch's", "gradchecks:ours", "gradchecks:torch", 1, 3, (), 11)],
}  # fmt: skip
OTHERS = {
    "verdicts": gradchecks.run,
    "chain": chain.run,
    "parts": parts.run,
    "import": imports.run,
    "drawing": drawings.run,
    "nano-run": nano.run,
}


def _kernels() -> str:
    """For which processor NumPy's BLAS computes here; half the speed of a step may lie in that."""
    from threadpoolctl import threadpool_info

    told = (f"{i['internal_api']} {i['version']}, kernels for {i.get('architecture', '?')}" for i in threadpool_info())
    forced = os.environ.get("OPENBLAS_CORETYPE")
    return "; ".join(told) + (f", as OPENBLAS_CORETYPE={forced} says" if forced else "")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join([*ROWS, *OTHERS])}; all by default")
    parser.add_argument("--anyway", action="store_true", help="measure beside other work, too")
    options = parser.parse_args()
    for name in options.names:
        if name not in ROWS and name not in OTHERS:
            parser.error(f"no benchmark {name!r}; choose from {', '.join([*ROWS, *OTHERS])}")
    if not all(map(importlib.util.find_spec, ("torch", "psutil", "jax"))):
        parser.error("the peers are not installed: pip install '.[peers]'")
    names = options.names or [*ROWS, *OTHERS]
    rows = [row for name in names for row in ROWS.get(name, ())]
    if rows:
        print(HEAD, flush=True)
    for row in rows:
        print(raced(row, options.anyway), flush=True)
    if rows:
        print(f"\nNumPy's products: {_kernels()}")
    for name in names:
        if name in OTHERS:
            OTHERS[name]()


main()

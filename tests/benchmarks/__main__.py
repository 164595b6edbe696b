"""`python -m tests.benchmarks [chain] [scalar] [tensor] [gradcheck] [drawing]`: speed and memory beside the peers'."""

from __future__ import annotations

import sys

from tests.benchmarks import chain, drawings, gradchecks, scalar, tensor

ALL = {
    "chain": chain.run,
    "scalar": scalar.run,
    "tensor": tensor.run,
    "gradcheck": gradchecks.run,
    "drawing": drawings.run,
}
for name in sys.argv[1:] or ALL:
    if name not in ALL:
        sys.exit(f"no benchmark {name!r}; choose from {', '.join(ALL)}")
    ALL[name]()

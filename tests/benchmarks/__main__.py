"""`python -m tests.benchmarks [NAME ...]`: speed, memory and losses beside the peers'; the names are below."""

from __future__ import annotations

import sys

from tests.benchmarks import chain, drawings, gradchecks, nano, scalar, tensor

ALL = {
    "chain": chain.run,
    "scalar": scalar.run,
    "tensor": tensor.run,
    "gradcheck": gradchecks.run,
    "drawing": drawings.run,
    "nano": nano.run,
}
for name in sys.argv[1:] or ALL:
    if name not in ALL:
        sys.exit(f"no benchmark {name!r}; choose from {', '.join(ALL)}")
    ALL[name]()

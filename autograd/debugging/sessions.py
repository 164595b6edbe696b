"""Ways into the debugger: from a node, a function, a breakpoint, an error, or a script."""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.checking.inputs import has_gradient, named
from autograd.debugging.debugger import Debugger
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import raw
from autograd.engine.modes import AnomalyError, record_source
from autograd.engine.tensor import Tensor
from autograd.engine.tree import map_tree
from autograd.engine.value import Value, values

__all__ = ["debug", "pm", "run_script", "set_trace"]


def _debug_node(self: Node, gradient: Any = None) -> None:
    """Step through the backward pass from here at a prompt; `h` there lists the commands."""
    Debugger(self, gradient).cmdloop()


Node.debug = _debug_node


def debug(f: Callable[..., Any], *inputs: Any) -> None:
    """Run f at `inputs`, recording source lines, and step through its backward pass at a prompt.

    inputs: as for `grad`. Floats and arrays of floats become nodes with the names of f's
    parameters, or of the keys of a dict; ints, arrays of ints and other objects stay what they are.
    """
    names = iter([name for name, _ in named(f, inputs)])

    def wrap(x: Any) -> Any:
        label = re.sub(r"^\w+\['([^']*)'\]", r"\1", next(names))
        if not has_gradient(x):
            return x
        if isinstance(x, Node):
            return x
        if isinstance(x, np.ndarray) and x.dtype == object:
            return x if any(isinstance(v, Node) for v in x.flat) else values(x.astype(float), label)
        return Value(x, label) if isinstance(x, float) and not isinstance(x, np.generic) else Tensor(x, label)

    args = map_tree(wrap, list(inputs))
    with record_source():
        out = f(*args)
    out = out.item() if isinstance(out, np.ndarray) and out.shape == () else out
    if not isinstance(out, Node):
        raise TypeError(f"debug: the function gave {out!r}, which depends on no float among its inputs")
    Debugger(out).cmdloop()


def set_trace() -> None:
    """For `breakpoint()` with PYTHONBREAKPOINT=autograd.set_trace: debug the newest node among the caller's variables."""
    frame = sys._getframe(1)
    nodes = [x for x in frame.f_locals.values() if isinstance(x, Node) and np.size(raw(x)) == 1]
    if not nodes:
        raise RuntimeError(
            f"set_trace: no local variable of {frame.f_code.co_name} is a Value or a Tensor of one element"
        )
    Debugger(max(nodes, key=lambda node: node.id)).cmdloop()


def pm(error: BaseException | None = None) -> None:
    """After an AnomalyError: debug the graph that led to the node where it was raised.

    error: the exception; by default the last one that reached the prompt of Python.
    """
    error = error or getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    while error is not None and not isinstance(error, AnomalyError):
        error = error.__cause__ or error.__context__
    if error is None:
        raise RuntimeError(
            "pm: there was no AnomalyError; compute inside `with ag.detect_anomaly():`, or pass the exception"
        )
    print(error)
    data: Any = raw(error.node)
    Debugger(error.node, None if isinstance(error.node, ScalarNode) else np.ones(data.shape, data.dtype)).cmdloop()


def run_script(path: str, arguments: list[str]) -> None:
    """Run a script and open the prompt at each `.backward()`; after `q all` it runs on without stopping."""
    methods = {cls: cls.backward for cls in (Value, Tensor)}
    stopping, count = True, 0

    def backward(self: Any, gradient: Any = None) -> None:
        nonlocal stopping, count
        count += 1
        committed = False
        if stopping:
            debugger = Debugger(self, gradient)
            debugger.cmdloop()
            stopping, committed = not debugger.finished, debugger.committed
        if not committed:  # `commit` has written the gradients, what-if edits included
            methods[type(self)](self, *(() if gradient is None else (gradient,)))

    Value.backward = Tensor.backward = backward  # type: ignore[method-assign]
    before = sys.argv
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        with record_source():
            runpy.run_path(path, run_name="__main__")
        if not count:
            print(
                f"{path} called no .backward() on a Value or a Tensor, so there was nothing to stop at; for ag.grad use ag.debug(f, ...)",
                file=sys.stderr,
            )
    finally:
        sys.argv = before
        for cls, method in methods.items():
            cls.backward = method  # type: ignore[method-assign]

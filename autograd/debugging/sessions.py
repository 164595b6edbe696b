"""Ways into the debugger: from a node, a function, a breakpoint, an error, or a script."""

from __future__ import annotations

import functools
import os
import re
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd.checking.inputs import has_gradient, named
from autograd.debugging.debugger import Debugger
from autograd.engine import words
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import filled, is_values, raw, single
from autograd.engine.modes import AnomalyError, hidden, record_source
from autograd.engine.tensor import Tensor
from autograd.engine.tree import map_tree
from autograd.engine.value import Value, values
from autograd.stepping.walk import Data

__all__ = ["debug", "debug_node", "pm", "run_script", "set_trace"]


def debug_node(node: Node, gradient: Data = None) -> None:
    """Step through the backward pass from here at a prompt; `h` there lists the commands."""
    try:
        debugger = Debugger(node, gradient)
    except (TypeError, ValueError) as error:
        raise type(error)(f"debug: {str(error).removeprefix('Stepper: ')}") from None
    debugger.cmdloop()


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
        if is_values(x):
            return x if any(isinstance(v, Node) for v in x.flat) else values(x.astype(float), label)
        return Value(x, label) if isinstance(x, float) and not isinstance(x, np.generic) else Tensor(x, label)

    args = map_tree(wrap, list(inputs))
    with record_source():
        out = single(f(*args))
    if not isinstance(out, Node):
        raise TypeError(f"debug: the function gave {out!r}, which depends on no float among its inputs")
    Debugger(out).cmdloop()


def set_trace() -> None:
    """Debug the newest node among the caller's variables: `breakpoint()` with PYTHONBREAKPOINT=autograd.set_trace."""
    frame = sys._getframe(1)
    nodes = [x for x in frame.f_locals.values() if isinstance(x, Node) and np.size(raw(x)) == 1]
    if not nodes:
        raise RuntimeError(
            f"set_trace: no local variable of {frame.f_code.co_name} is a Value or a Tensor of one element"
        )
    Debugger(max(nodes, key=lambda node: node.id)).cmdloop()


def pm(error: BaseException | None = None) -> None:
    """After an error: debug the graph that led to where it was raised.

    error: the exception; by default the one being handled, or the last that reached the prompt of Python. Of an
    AnomalyError the node that it tells of is debugged; of any other the newest node among the variables of the
    innermost function that has one. Raises RuntimeError where there is no error, or no node.
    """
    error = error or sys.exception() or getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if error is None:
        raise RuntimeError("pm: there was no error; call it inside `except`, or pass the exception")
    node = _anomalous(error) or _newest_in(error)
    if node is None:
        raise RuntimeError(
            f"pm: no function on the way to the {type(error).__name__} holds a Value or a Tensor in a variable; "
            "compute inside `with ag.detect_anomaly():` to stop where inf or nan arises"
        )
    print("\n".join(map(words.plain, str(error).splitlines())))
    debug_node(node, None if isinstance(node, ScalarNode) else filled(raw(node), 1))


def _anomalous(error: BaseException) -> Node | None:
    """The node of an AnomalyError, if one led to this error."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, AnomalyError):
        cause = cause.__cause__ or cause.__context__
    return cause.node if cause is not None else None


def _newest_in(error: BaseException) -> Node | None:
    """The newest node among the variables of the innermost function that has one."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        nodes = [x for x in map(single, frame.f_locals.values()) if isinstance(x, Node)]
        if nodes and not hidden(frame.f_code):
            return max(nodes, key=lambda node: node.id)
    return None


@contextmanager
def stopping_at_backward(stop: Callable[[Node, Data], bool]) -> Iterator[None]:
    """Inside it every `.backward()` asks `stop` first, and is left out where that has written the gradients."""
    originals = [(cls, cls.backward) for cls in (Value, Tensor)]

    def stopped(original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def backward(self: Node, gradient: Data = None) -> None:
            if not stop(self, gradient):
                original(self, *(() if gradient is None else (gradient,)))

        return backward

    try:
        for cls, original in originals:
            cls.backward = stopped(original)  # type: ignore[method-assign]
        yield
    finally:
        for cls, original in originals:
            cls.backward = original  # type: ignore[method-assign]


def run_script(path: str, arguments: list[str]) -> None:
    """Run a script and open the prompt at each `.backward()`; after `q all` it runs on without stopping."""
    stopping, count = True, 0

    def stop(node: Node, gradient: Data) -> bool:
        nonlocal stopping, count
        count += 1
        if not stopping:
            return False
        debugger = Debugger(node, gradient)
        debugger.cmdloop()
        stopping = not debugger.finished
        return debugger.committed  # it has written the gradients, what-if edits included

    before = sys.argv
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        with stopping_at_backward(stop), record_source():
            runpy.run_path(path, run_name="__main__")
    finally:
        sys.argv = before
    if not count:
        print(
            f"{path} called no .backward() on a Value or a Tensor, so there was nothing to stop at; "
            "for ag.grad use ag.debug(f, ...)",
            file=sys.stderr,
        )

"""Ways into the debugger: from a node, a function, a breakpoint, an error, or a script."""

from __future__ import annotations

import functools
import os
import re
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from autograd.checking.inputs import has_gradient, named
from autograd.debugging.debugger import Debugger
from autograd.debugging.story import Story
from autograd.debugging.tour import neuron
from autograd.engine import words
from autograd.engine.base import Data
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import filled, is_values, raw, single
from autograd.engine.modes import AnomalyError, hidden, record_source
from autograd.engine.tree import map_tree
from autograd.nodes.tensor import Tensor
from autograd.nodes.value import Value, values

__all__ = ["debug", "debug_node", "pm", "run_script", "set_trace", "tour"]


def debug_node(node: Node, gradient: Data = None, forward: bool = False) -> None:
    """Step through the backward pass from here at a prompt; `h` there lists the commands.

    gradient: what to start from, for a Tensor of several elements. forward: begin before the first operation.
    """
    _open("debug", node, gradient, _variables(_caller()), forward=forward)


def _open(
    caller: str, node: Node, gradient: Data, variables: Mapping[str, object], title: str = "", forward: bool = False
) -> Debugger | None:
    """The prompt, once it is left; None where `q all` has ended all stops of the script that runs."""
    if _script.over:
        return None
    try:
        debugger = Debugger(node, gradient, variables=variables, title=title, forward=forward)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{caller}: {str(error).removeprefix('Stepper: ')}") from None
    debugger.cmdloop()
    _script.end(debugger.finished)
    return debugger


class _Script:
    """Whether there is to be no further stop: `q all` says so for the rest of a script, debugged or run as it is."""

    def __init__(self) -> None:
        self.debugged, self.over = False, False

    def end(self, all_stops: bool) -> None:
        self.over = all_stops and self.debugged
        if all_stops:
            os.environ["PYTHONBREAKPOINT"] = "0"  # which Python reads at each breakpoint()


_script = _Script()


def _caller() -> FrameType | None:
    """The innermost frame of the user's code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and hidden(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _variables(frame: FrameType | None) -> Mapping[str, object]:
    """What the variables of a frame hold, for names."""
    return dict(frame.f_locals) if frame is not None else {}


def debug(f: Callable[..., Any] | Iterator[Node | str], *inputs: Any, forward: bool = False) -> None:
    """Run f at `inputs`, recording source lines, and step through its backward pass at a prompt.

    >>> debug(lambda x: x * x, 3.0)  # q leaves the prompt, h lists what it knows
    1 operation from ...
    (grad) ...

    inputs: as for `grad`. Floats and arrays of floats become nodes with the names of f's
    parameters, or of the keys of a dict; ints, arrays of ints and other objects stay what they are.
    forward: begin before the first operation, and step through the forward pass as well.

    f may also be a generator that yields one loss after the other, and texts to read in between. At the end of a
    backward pass `n` goes on with it; it is sent the `Stepper` there, whose gradients it may use for an update:

        def training(w):
            for step in range(3):
                with ag.record_source():
                    loss = (w - 3)**2
                stepper = yield loss
                w = ag.Value(w.data - 0.1 * stepper.grad(w), "w")
                yield f"w is {w.data} now"

        ag.debug(training(ag.Value(0.0, "w")))
    """
    if isinstance(f, Iterator):
        _tell(Story(f, forward))
        return
    if not callable(f):
        raise TypeError(f"debug: expected a function, got {words.described(f)}; y.debug() steps from a node")
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
    _open("debug", out, None, {}, forward=forward)


def _tell(story: Story) -> None:
    """Open the prompt on the first graph of a story."""
    texts = []
    while story.on() and isinstance(story.page, str):
        texts.append(story.page)
    if not story.passes:
        raise TypeError("debug: the generator gave no Value or Tensor to walk")
    opened = story.last_pass()
    debugger = Debugger(opened.stepper.root, title="\n".join(texts))
    debugger.open(opened.stepper, opened.runner)
    debugger.story = story
    debugger.intro = "\n".join([*texts, *debugger.introduction()])
    debugger.cmdloop()


def set_trace(root: Node | None = None) -> None:
    """Debug a node, by default the newest among the caller's variables.

    >>> set_trace(Value(2.0) * 3.0)  # or breakpoint(), see below
    1 operation from ...
    (grad) ...

    Python's `breakpoint()` and `breakpoint(loss)` lead here with PYTHONBREAKPOINT=autograd.set_trace.
    """
    frame = sys._getframe(1)
    if root is None:
        nodes = [x for x in map(single, frame.f_locals.values()) if isinstance(x, Node) and np.size(raw(x)) == 1]
        if not nodes:
            raise RuntimeError(
                f"set_trace: no local variable of {frame.f_code.co_name} is a Value or a Tensor of one element"
            )
        root = max(nodes, key=lambda node: node.id)
    _open("set_trace", root, None, _variables(frame))


def pm(error: BaseException | None = None) -> None:
    """After an error: debug the graph that led to where it was raised.

    >>> try:
    ...     with detect_anomaly():
    ...         Value(-1.0, "x").log()
    ... except AnomalyError:
    ...     pm()
    log (id ...) gave nan in the forward pass
    ...
    (grad) ...

    error: the exception; by default the one being handled, or the last that reached the prompt of Python. Of an
    AnomalyError the node that it tells of is debugged; of any other the newest node among the variables of the
    innermost function that has one. Raises RuntimeError where there is no error, or no node.
    """
    error = error or sys.exception() or getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if error is None:
        raise RuntimeError("pm: there was no error; call it inside `except`, or pass the exception")
    frames = [f for f, _ in traceback.walk_tb(error.__traceback__) if not hidden(f.f_code.co_filename)][::-1]
    node = _anomalous(error)
    if node is None:
        node = next((found for found in map(_newest, frames) if found is not None), None)
    if node is None:
        raise RuntimeError(
            f"pm: no function on the way to the {type(error).__name__} holds a Value or a Tensor in a variable; "
            "compute inside `with ag.detect_anomaly():` to stop where inf or nan arises"
        )
    print("\n".join(map(words.plain, str(error).splitlines())))
    seed = None if isinstance(node, ScalarNode) else filled(raw(node), 1)
    _open("pm", node, seed, _variables(frames[0] if frames else None))


def _anomalous(error: BaseException) -> Node | None:
    """The node of an AnomalyError, if one led to this error."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, AnomalyError):
        cause = cause.__cause__ or cause.__context__
    return cause.node if cause is not None else None


def _newest(frame: FrameType) -> Node | None:
    """The newest node among the variables of a function."""
    nodes = [x for x in map(single, frame.f_locals.values()) if isinstance(x, Node)]
    return max(nodes, key=lambda node: node.id, default=None)


def tour() -> None:
    """Backpropagation in eight stops on one neuron, with questions, at the terminal."""
    prompt = Debugger(neuron()["L"])
    prompt.onecmd("tour")


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


def run_script(path: str, arguments: list[str], forward: bool = False) -> int:
    """Run a script and open the prompt at each `.backward()`; after `q all` it runs on without stopping.

    forward: begin each time before the first operation.

    An error of the script is told with the frames of the script alone. Gives the exit status.
    """
    count = 0

    def stop(node: Node, gradient: Data) -> bool:
        nonlocal count
        count += 1
        frame = _caller()
        line = f", line {frame.f_lineno} of {os.path.basename(frame.f_code.co_filename)}" if frame else ""
        debugger = _open("backward", node, gradient, _variables(frame), f"Backward pass {count}{line}.", forward)
        return debugger is not None and debugger.committed  # it has written the gradients, what-if edits included

    before = sys.argv, sys.path[:], os.environ.get("PYTHONBREAKPOINT")
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    _script.debugged, _script.over = True, False
    try:
        with stopping_at_backward(stop), record_source():
            runpy.run_path(path, run_name="__main__")
    except BrokenPipeError:  # nobody reads: the command ends
        raise
    except Exception as error:
        _print(error)
        return 1
    finally:
        sys.argv, sys.path[:] = before[:2]
        _script.debugged = _script.over = False
        if before[2] is None:
            os.environ.pop("PYTHONBREAKPOINT", None)
        else:
            os.environ["PYTHONBREAKPOINT"] = before[2]
    if not count:
        print(
            f"{path} called no .backward() on a Value or a Tensor, so there was nothing to stop at; "
            "for ag.grad use ag.debug(f, ...)",
            file=sys.stderr,
        )
    return 0


def _print(error: BaseException) -> None:
    """Print a traceback without the frames of the debugger, the engine and NumPy."""
    told: traceback.TracebackException | None = traceback.TracebackException.from_exception(error)
    shown = told
    while told is not None:
        told.stack = traceback.StackSummary.from_list([f for f in told.stack if not hidden(f.filename)])
        told = told.__cause__ or told.__context__
    assert shown is not None
    print("".join(shown.format()), end="", file=sys.stderr)

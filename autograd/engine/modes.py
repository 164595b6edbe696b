"""Ways to record: not at all, with the source line of each node, or on the watch for inf and nan.

All three are context managers and decorators, and hold for the whole process until left.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections import Counter
from contextlib import ContextDecorator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy as np

from autograd.engine.graph import Node, state
from autograd.engine.kinds import raw

__all__ = ["AnomalyError", "Source", "detect_anomaly", "no_grad", "record_source"]


class _Mode(ContextDecorator):
    """A change of the recording state that nests, also when one object is entered twice, as by recursion."""

    def __init__(self) -> None:
        self._before: list[dict[str, Any]] = []

    def _enter(self, **settings: Any) -> None:
        self._before.append(state.change(**settings))

    def __exit__(self, *_: Any) -> None:
        state.change(**self._before.pop())


class no_grad(_Mode):
    """Inside it results are leaves: no graph is recorded, and no memory held for one."""

    def __enter__(self) -> no_grad:
        self._enter(recording=False)
        return self


# ---- source lines and scopes -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """Where a node was made.

    scope: the calls that led there from the `with` block, as in `loss/logits/block#1`.
    stack: (file, line, function) of each of these calls, outermost first.
    """

    file: str
    line: int
    function: str
    scope: str
    stack: tuple[tuple[str, int, str], ...]

    @property
    def code(self) -> str:
        """The text of the line; "" where it cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}  {self.code}".rstrip()


class record_source(_Mode):
    """Inside it every node remembers the line and the calls that made it, as `node.source`.

    The chain of calls below the `with` line is the node's scope, `node.scope`: "block" is
    the first call of `block` by its caller, "block#1" the second. Nothing is slowed
    outside of it.
    """

    def __enter__(self) -> record_source:
        self._enter(source=_Scopes(sys._getframe(1)))
        return self


class _Scopes:
    """Tells for the node being made which calls it is made in."""

    def __init__(self, base: FrameType) -> None:
        self.base = base
        # Frames are held on to: a freed frame's address is soon another call's.
        self.stack: list[tuple[FrameType, str]] = []
        self.calls: Counter[str] = Counter()
        self.innermost: tuple[FrameType | None, Any] = (None, None)
        self.ours: dict[CodeType, bool] = {}

    def __call__(self) -> Source:
        frames: list[FrameType] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not self.base and self._hidden(frame.f_code):
            frame = frame.f_back
        if frame is self.innermost[0] and frame is not None and frame.f_lineno == self.innermost[1].line:
            return self.innermost[1]  # the same line of the same call as for the node before
        innermost = frame
        while frame is not None and frame is not self.base:
            if not self._hidden(frame.f_code):
                frames.append(frame)
            frame = frame.f_back
        frames.reverse()
        same = 0
        while same < min(len(frames), len(self.stack)) and frames[same] is self.stack[same][0]:
            same += 1
        del self.stack[same:]
        for f in frames[same:]:
            scope = self.stack[-1][1] if self.stack else ""
            if not f.f_code.co_name.startswith("<"):  # lambdas and comprehensions open no scope
                name = f.f_code.co_qualname.rpartition("<locals>.")[2]  # block, or Layer.__call__
                scope = f"{scope}/{name}".lstrip("/")
                again = self.calls[scope]
                self.calls[scope] += 1
                scope += f"#{again}" if again else ""
            self.stack.append((f, scope))
        here = frames[-1] if frames else self.base
        stack = tuple((f.f_code.co_filename, f.f_lineno, f.f_code.co_name) for f in frames)
        scope = self.stack[-1][1] if self.stack else ""
        source = Source(here.f_code.co_filename, here.f_lineno, here.f_code.co_name, scope, stack)
        self.innermost = innermost, source
        return source

    def _hidden(self, code: CodeType) -> bool:
        """Whether a frame belongs to the engine or to NumPy rather than to the user."""
        if code not in self.ours:
            self.ours[code] = code.co_filename.startswith(("<frozen ", *_LIBRARIES))
        return self.ours[code]


_LIBRARIES = (os.path.dirname(os.path.dirname(__file__)) + os.sep, os.path.dirname(np.__file__) + os.sep)


# ---- inf and nan -----------------------------------------------------------------------


class AnomalyError(ArithmeticError):
    """An operation gave inf or nan inside `detect_anomaly()`; `.node` is its node."""

    def __init__(self, message: str, node: Node) -> None:
        super().__init__(message)
        self.node = node


class detect_anomaly(_Mode):
    """Inside it the first operation to give nan, or inf from finite numbers, raises AnomalyError.

    Forward and backward are watched, and the message holds the node, its inputs' values and
    the source line. An inf that came in as data, such as the -inf of a mask, may flow on.
    Slow: meant for finding a fault, not for training.
    """

    def __init__(self) -> None:
        super().__init__()
        self._quiet: list[np.errstate] = []

    def __enter__(self) -> detect_anomaly:
        self._enter(check=_check, source=state.source or _Scopes(sys._getframe(1)))
        self._quiet.append(np.errstate(all="ignore"))  # an error is on its way; no warning besides
        self._quiet[-1].__enter__()
        return self

    def __exit__(self, kind: Any = None, error: Any = None, traceback: Any = None) -> None:
        self._quiet.pop().__exit__(None, None, None)
        super().__exit__()
        while isinstance(error, SystemError):  # NumPy's loop over objects went on after the error, and stumbled
            error = error.__cause__
            if isinstance(error, AnomalyError):
                raise error from None


def _check(node: Node, inputs: tuple[Any, ...], result: Any, parent: Node | None = None) -> None:
    """Raise where `result` of a forward (or, with a parent, of a vjp) is a new nan or inf."""
    result = raw(result)
    if not isinstance(result, (float, np.ndarray, np.generic)):
        return  # JAX: its values may not exist yet
    bad = "nan" if np.isnan(result).any() else "inf" if np.isinf(result).any() else ""
    numbers = [raw(x) for x in inputs if _is_real(raw(x))]
    assert node.primitive is not None
    if (
        bad == "inf"
        and node.primitive.scalar is not None
        and np.shape(result) == np.broadcast_shapes(*map(np.shape, numbers))
    ):
        finite: Any = True
        for x in numbers:
            finite = finite & np.isfinite(x)
        bad = "inf" if (np.isinf(result) & finite).any() else ""  # element by element
    elif bad == "inf" and not all(np.isfinite(x).all() for x in numbers):
        bad = ""
    if not bad:
        return
    name = f"{node.op} (id {node.id}{', ' + repr(node.label) if node.label else ''})"
    lines = []
    if parent is None:
        lines.append(f"{name} gave {bad} in the forward pass")
    else:
        i = next(i for i, p in enumerate(node.parents) if p is parent)
        local = node.primitive.local[i] if i < len(node.primitive.local) else ""
        lines.append(
            f"{name} gave {bad} in the backward pass, as the gradient of its argument {i}{', ' + parent.label if parent.label else ''}"
        )
        lines.append(f"  upstream gradient: {_show(inputs[0])}" + (f"; local derivative: {local}" if local else ""))
        inputs = inputs[1:]
    names = "ab" if len(node.primitive.local) <= 2 else ""
    for i, (x, p) in enumerate(zip(inputs, node.parents, strict=True)):
        if _is_real(raw(x)):
            called = p.label if p is not None and p.label else names[i] if i < len(names) else f"argument {i}"
            lines.append(f"  {called} = {_show(x)}" + ("" if p is not None else " (constant)"))
    lines.append(f"  result: {_show(result)}")
    if node.source is not None:
        lines.append(
            f"  made at {node.source.file}:{node.source.line}"
            + (f" in {node.scope}" if node.scope else "")
            + f"\n    {node.source.code}"
        )
    raise AnomalyError("\n".join(lines), node)


def _is_real(x: Any) -> bool:
    return isinstance(x, float) or (isinstance(x, (np.ndarray, np.generic)) and np.asarray(x).dtype.kind == "f")


def _show(x: Any) -> str:
    """A number, or what matters of an array."""
    x = np.asarray(raw(x))
    if x.ndim == 0 or x.size <= 8:
        return np.array2string(x, precision=6, separator=", ")
    odd = ~np.isfinite(x)
    text = f"array of shape {x.shape}, {np.isnan(x).sum()} nan, {np.isinf(x).sum()} inf"
    if odd.any():
        text += f", the first at {tuple(int(i) for i in np.argwhere(odd)[0])}"
    fine = x[~odd]
    return text + (f", finite values from {fine.min():.6g} to {fine.max():.6g}" if fine.size else "")

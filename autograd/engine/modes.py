"""Ways to record: not at all, with the source line of each node, or on the watch for inf and nan.

All three are context managers and decorators. They hold in the thread and the task that enters
them, until left; as decorators of generators and coroutines, while these run.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import os
import sys
import types
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

from autograd.engine import words
from autograd.engine.base import Function, Operand, Tree
from autograd.engine.graph import Node
from autograd.engine.kinds import is_float, raw
from autograd.engine.recording import Mode, current

__all__ = ["AnomalyError", "Source", "detect_anomaly", "hidden", "no_grad", "record_source"]

F = TypeVar("F", bound=Function)


class _Decorator(Mode):
    """A mode that is also a decorator, with or without parentheses: `@ag.no_grad` and `@ag.no_grad()`."""

    def __new__(cls, f: Function | None = None) -> Any:
        if f is None:
            return super().__new__(cls)
        return cls()(f)

    def __init__(self) -> None:
        super().__init__()

    def __call__(self, f: F) -> F:
        """f with this mode in force while it runs, each call for itself."""
        if not callable(f):
            name = type(self).__name__
            raise TypeError(
                f"{name}: expected a function to decorate, got {words.described(f)}; write `with ag.{name}():`"
            )
        mode = type(self)

        @functools.wraps(f)
        def wrapped(*args: Tree, **options: Tree) -> Tree:
            with mode():
                return f(*args, **options)

        @functools.wraps(f)
        def generator(*args: Tree, **options: Tree) -> Tree:
            return (yield from _within(mode, f(*args, **options)))

        @functools.wraps(f)
        async def coroutine(*args: Tree, **options: Tree) -> Tree:
            return await _awaited(mode, f(*args, **options))

        if inspect.isasyncgenfunction(f):
            name = mode.__name__
            raise TypeError(f"{name}: an asynchronous generator is not supported; write `with ag.{name}():` inside it")
        kind = inspect.isgeneratorfunction, inspect.iscoroutinefunction
        found: Any = generator if kind[0](f) else coroutine if kind[1](f) else wrapped
        return found


def _within(mode: Callable[[], Any], steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """A generator whose every step runs inside a mode; between steps, whoever drives it is outside."""
    send, given = steps.send, None
    try:
        while True:
            try:
                with mode():
                    out = send(given)
            except StopIteration as end:
                return end.value
            try:
                send, given = steps.send, (yield out)
            except GeneratorExit:
                with mode():
                    steps.close()
                raise
            except BaseException as error:
                send, given = steps.throw, error
    finally:
        steps.close()


@types.coroutine
def _awaited(mode: Callable[[], Any], awaitable: Any) -> Generator[Any, Any, Any]:
    return (yield from _within(mode, awaitable.__await__()))


class no_grad(_Decorator):
    """Inside it results are leaves: no graph is recorded, and no memory held for one."""

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.settings = {"recording": False}


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


class record_source(_Decorator):
    """Inside it every node remembers the line and the calls that made it, as `node.source`.

    The chain of calls below the `with` line is the node's scope, `node.scope`: "block" is
    the first call of `block` by its caller, "block#1" the second. Nothing is slowed
    outside of it.
    """

    def __enter__(self) -> Any:
        if not self.entered():
            self.settings = {"source": _Scopes(sys._getframe(1))}
        return super().__enter__()


class _Scopes:
    """Tells for the node being made which calls it is made in."""

    def __init__(self, base: FrameType) -> None:
        self.base = base
        # Frames are held on to: a freed frame's address is soon another call's.
        self.stack: list[tuple[FrameType, str]] = []
        self.calls: Counter[str] = Counter()
        self.innermost: tuple[FrameType | None, Any] = (None, None)

    def __call__(self) -> Source:
        frames: list[FrameType] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not self.base and hidden(frame.f_code):
            frame = frame.f_back
        if frame is self.innermost[0] and frame is not None and frame.f_lineno == self.innermost[1].line:
            return self.innermost[1]  # the same line of the same call as for the node before
        innermost = frame
        while frame is not None and frame is not self.base:
            if not hidden(frame.f_code):
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


_LIBRARIES = (os.path.dirname(os.path.dirname(__file__)) + os.sep, os.path.dirname(np.__file__) + os.sep)


@functools.lru_cache(1000)
def hidden(code: CodeType) -> bool:
    """Whether code belongs to the engine or to NumPy rather than to the user."""
    return code.co_filename.startswith(("<frozen ", *_LIBRARIES))


# ---- inf and nan -----------------------------------------------------------------------


class AnomalyError(ArithmeticError):
    """An operation gave inf or nan inside `detect_anomaly()`; `.node` is its node."""

    def __init__(self, message: str, node: Node) -> None:
        super().__init__(message)
        self.node = node


class detect_anomaly(_Decorator):
    """Inside it the first operation to give nan, or inf from finite numbers, raises AnomalyError.

    Forward and backward are watched, and the message holds the node, its inputs' values and
    the source line. An inf that came in as data, such as the -inf of a mask, may flow on.
    Slow: meant for finding a fault, not for training.
    """

    errors: Any  # what NumPy did about errors before

    def __enter__(self) -> Any:
        if not self.entered():
            outer = _watching()
            self.errors = outer[0].errors if outer else np.geterr()
            self.settings = {"check": _check, "source": current().source or _Scopes(sys._getframe(1))}
        super().__enter__()
        np.seterr(all="ignore")  # an error is on its way; no warning besides
        return self

    def __exit__(self, kind: Any = None, error: Any = None, traceback: Any = None) -> None:
        super().__exit__(kind, error, traceback)
        if not _watching():
            np.seterr(**self.errors)
        while isinstance(error, SystemError):  # NumPy's loop over objects went on after the error, and stumbled
            error = error.__cause__
            if isinstance(error, AnomalyError):
                raise error from None


def _watching() -> list[detect_anomaly]:
    return [mode for mode in current().modes if isinstance(mode, detect_anomaly)]


def _check(node: Node, inputs: tuple[Operand, ...], result: Operand, parent: Node | None = None) -> None:
    """Raise where `result` of a forward (or, with a parent, of a vjp) is a new nan or inf."""
    result = raw(result)
    if is_float(result):  # JAX: its values may not exist yet
        bad = _anomaly(node, inputs, result)
        if bad:
            raise AnomalyError("\n".join(_report(node, inputs, result, parent, bad)), node)


def _anomaly(node: Node, inputs: tuple[Operand, ...], result: Operand) -> str:
    """ "nan", or "inf" where it did not come in with the inputs; "" where all is well."""
    if np.isnan(result).any():
        return "nan"
    if not np.isinf(result).any():
        return ""
    numbers = [raw(x) for x in inputs if is_float(raw(x))]
    assert node.primitive is not None
    if node.primitive.scalar is not None and np.shape(result) == np.broadcast_shapes(*map(np.shape, numbers)):
        finite: Operand = True
        for x in numbers:
            finite = finite & np.isfinite(x)
        return "inf" if (np.isinf(result) & finite).any() else ""  # element by element
    return "inf" if all(np.isfinite(x).all() for x in numbers) else ""


def _report(node: Node, inputs: tuple[Operand, ...], result: Operand, parent: Node | None, bad: str) -> list[str]:
    assert node.primitive is not None
    local = node.primitive.local
    name = f"{node.op} (id {node.id}{', ' + repr(node.label) if node.label else ''})"
    lines = [f"{name} gave {bad} in the forward pass"]
    if parent is not None:
        i = next(i for i, p in enumerate(node.parents) if p is parent)
        of = f"argument {i}" + (f", {parent.label}" if parent.label else "")
        lines = [f"{name} gave {bad} in the backward pass, as the gradient of its {of}"]
        rule = f"; local derivative: {local[i]}" if i < len(local) and local[i] else ""
        lines.append(f"  upstream gradient: {_numbers(inputs[0])}{rule}")
        inputs = inputs[1:]
    names = "ab" if len(local) <= 2 else ""
    for i, (x, p) in enumerate(zip(inputs, node.parents, strict=True)):
        if is_float(raw(x)):
            called = p.label if p is not None and p.label else names[i] if i < len(names) else f"argument {i}"
            lines.append(f"  {called} = {_numbers(x)}" + ("" if p is not None else " (constant)"))
    lines.append(f"  result: {_numbers(result)}")
    if node.source is not None:
        scope = f" in {node.scope}" if node.scope else ""
        lines += [f"  made at {node.source.file}:{node.source.line}{scope}", f"    {node.source.code}"]
    return lines


def _numbers(x: Operand) -> str:
    """What matters of numbers, and where the first one is that is not finite."""
    x = np.asarray(raw(x))
    at = (
        ""
        if np.isfinite(x).all() or not x.ndim
        else f", the first at {tuple(map(int, np.argwhere(~np.isfinite(x))[0]))}"
    )
    return words.summary(x) + at

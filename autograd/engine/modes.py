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
from types import CodeType, FrameType
from typing import Any, TypeVar

import numpy as np

from autograd.engine import words
from autograd.engine.base import Function, Operand, Tree
from autograd.engine.graph import Node
from autograd.engine.kinds import is_float, raw
from autograd.engine.recording import Mode, current

__all__ = [
    "AnomalyError", "Call", "Place", "Source", "detect_anomaly", "file_name", "hidden", "matmul_in", "no_grad",
    "place_of", "record_source", "unfused",
]  # fmt: skip

Place = tuple[int, int, int, int]
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
        mode, name = type(self), type(self).__name__
        if not callable(f) or isinstance(f, type):
            raise TypeError(
                f"{name}: expected a function to decorate, got {words.described(f)}; write `with ag.{name}():`"
            )

        @functools.wraps(f)
        def wrapped(*args: Tree, **options: Tree) -> Tree:
            with mode():
                out = f(*args, **options)
            return _later(mode, out)

        @functools.wraps(f)
        def generator(*args: Tree, **options: Tree) -> Tree:
            return (yield from _within(mode, f(*args, **options)))

        @functools.wraps(f)
        async def coroutine(*args: Tree, **options: Tree) -> Tree:
            return await _coroutine(mode, f(*args, **options))

        if inspect.isasyncgenfunction(f):
            raise _asynchronous(name)
        kind = inspect.isgeneratorfunction, inspect.iscoroutinefunction
        found: Any = generator if kind[0](f) else coroutine if kind[1](f) else wrapped
        return found


def _later(mode: type[_Decorator], out: Tree) -> Tree:
    """What a function gave, to run inside a mode too where it has not run yet: a generator or a coroutine."""
    if isinstance(out, types.GeneratorType):
        return _within(mode, out)
    if isinstance(out, types.CoroutineType):
        return _coroutine(mode, out)
    if isinstance(out, types.AsyncGeneratorType):
        raise _asynchronous(mode.__name__)
    return out


async def _coroutine(mode: Callable[[], Any], awaitable: Any) -> Tree:
    return await _awaited(mode, awaitable)


def _asynchronous(name: str) -> TypeError:
    return TypeError(f"{name}: an asynchronous generator is not supported; write `with ag.{name}():` inside it")


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
    """Inside it results are leaves: no graph is recorded, and no memory held for one.

    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.data, y.inputs
    (9.0, ())
    """

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.settings = {"recording": False}


class unfused(_Decorator):
    """Inside it a layer that has a row of its own runs as the composition that defines it.

    So a graph shows the operations that softmax, a norm or cross-entropy are made of. It is in force inside
    `record_source()` and `detect_anomaly()`, too, which are there to look closer.

    >>> import numpy as np
    >>> from autograd import Tensor, unfused
    >>> from transformer.layers import softmax
    >>> softmax(Tensor(np.ones((2, 3)))).op
    'softmax'
    >>> with unfused():
    ...     softmax(Tensor(np.ones((2, 3)))).op
    'div'
    """

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.settings = {"fused": False}


class matmul_in(Mode):
    """Inside it products of matrices of JAX round their operands to a narrow float and add up in their own dtype.

    So tensor cores work: `with ag.matmul_in("bfloat16"):` around what `jax.jit` traces, both ways. What is
    between the products keeps its precision. Products of NumPy's arrays are as ever, since it has no fast ones.

    >>> import numpy as np
    >>> from autograd import Tensor, matmul_in
    >>> with matmul_in("bfloat16"):
    ...     y = Tensor(np.ones((2, 3))) @ np.ones(3)
    >>> y.data
    array([3., 3.])
    """

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.settings = {"product": dtype}


# ---- source lines and scopes -----------------------------------------------------------


class Call:
    """One call of a function, in which something was recorded.

    parent: the call that it was made in, by that one's instruction `at`; None for the base. number: counts calls, turn
    those of this instruction, from 0.
    """

    __slots__ = ("at", "calls", "code", "nodes", "number", "parent", "scope", "turn")

    def __init__(self, code: CodeType, scope: str, parent: Call | None, at: int, number: int) -> None:
        self.code, self.scope, self.parent, self.at, self.number = code, scope, parent, at, number
        self.nodes: dict[int, int] = {}  # how many were made here so far, by instruction
        self.calls: dict[int, int] = {}
        self.turn = 0
        if parent is not None:
            self.turn = parent.calls[at] = parent.calls.get(at, -1) + 1


class Source:
    """Where a node was made: by an instruction of a call. turn: counts the nodes of this instruction, from 0.

    What can be read from that is worked out when it is asked for: recording only takes these down.
    """

    __slots__ = ("call", "instruction", "turn")

    def __init__(self, call: Call, instruction: int, turn: int) -> None:
        self.call = call
        self.instruction = instruction
        self.turn = turn

    @property
    def file(self) -> str:
        """The file of the code."""
        return self.call.code.co_filename

    @property
    def place(self) -> Place:
        """The piece of the file that the instruction was compiled from."""
        return place_of(self.call.code, self.instruction)

    @property
    def line(self) -> int:
        """The line of the file."""
        return self.place[0]

    @property
    def function(self) -> str:
        """The name of the function."""
        return self.call.code.co_name

    @property
    def scope(self) -> str:
        """The calls that led there from the `with` block, as in `loss/logits/block#1`."""
        return self.call.scope

    @property
    def stack(self) -> tuple[tuple[str, int, str], ...]:
        """(file, line, function) of each of these calls, outermost first."""
        found, call, at = [], self.call, self.instruction
        while call.parent is not None:
            found.append((call.code.co_filename, place_of(call.code, at)[0], call.code.co_name))
            call, at = call.parent, call.at
        return tuple(reversed(found))

    @property
    def code(self) -> str:
        """The text of the line; "" where it cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{file_name(self.file)}:{self.line}  {self.code}".rstrip()


def file_name(file: str) -> str:
    """What a file is called: without its folder, and a cell of a notebook by its number, In[3]."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    told = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(file)
    return str(told[1]) if told else os.path.basename(file)


def place_of(code: CodeType, instruction: int) -> Place:
    """First and last line, first and last column (in UTF-8, -1 where not known) of what an instruction comes from."""
    line, end, column, end_column = _places(code)[instruction // 2]
    line = line or code.co_firstlineno
    return line, end or line, -1 if column is None else column, -1 if end_column is None else end_column


@functools.lru_cache(10_000)
def _places(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


class record_source(_Decorator):
    """Inside it every node remembers the line and the calls that made it, as `node.source`.

    >>> def square(x):
    ...     return x * x
    >>> with record_source():
    ...     y = square(Value(3.0))
    >>> y.scope
    'square'

    The chain of calls below the `with` line is the node's scope, `node.scope`: "block" is
    the first call of `block` by its caller, "block#1" the second. Nothing is slowed
    outside of it.
    """

    def __enter__(self) -> Any:
        if not self.entered():
            self.settings = {"source": _Scopes(sys._getframe(1)), "fused": False}
        return super().__enter__()


class _Scopes:
    """Tells for the node being made which calls it is made in."""

    def __init__(self, base: FrameType) -> None:
        self.base = base
        # Frames are held on to: a freed frame's address is soon another call's.
        self.stack: list[tuple[FrameType, Call]] = []
        self.calls: Counter[str] = Counter()
        self.root = self.call = Call(base.f_code, "", None, 0, 0)
        self.innermost: FrameType | None = None
        self.count = 0

    def __call__(self) -> Source:
        frame: FrameType | None = sys._getframe(2)  # who asked is of the engine
        innermost, base = self.innermost, self.base
        while frame is not innermost and frame is not base and frame is not None and hidden(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not self.innermost:
            self.call, self.innermost = self._enter(frame), frame
        call, instruction = self.call, (frame or self.base).f_lasti
        turn = call.nodes[instruction] = call.nodes.get(instruction, -1) + 1
        return Source(call, instruction, turn)

    def _enter(self, frame: FrameType | None) -> Call:
        """The call that a frame stands for, which the stack is brought up to."""
        frames: list[FrameType] = []
        while frame is not None and frame is not self.base:
            if not hidden(frame.f_code.co_filename):
                frames.append(frame)
            frame = frame.f_back
        frames.reverse()
        same = 0
        while same < min(len(frames), len(self.stack)) and frames[same] is self.stack[same][0]:
            same += 1
        del self.stack[same:]
        for f in frames[same:]:
            outer, parent = self.stack[-1] if self.stack else (self.base, self.root)
            self.count += 1
            call = Call(f.f_code, self._scope(f.f_code, parent.scope), parent, outer.f_lasti, self.count)
            self.stack.append((f, call))
        return self.stack[-1][1] if self.stack else self.root

    def _scope(self, code: CodeType, scope: str) -> str:
        """What a call adds to the scope: block, or Layer for a call of a Layer."""
        if code.co_name.startswith("<"):  # lambdas and comprehensions open no scope
            return scope
        name = code.co_qualname.rpartition("<locals>.")[2].removesuffix(".__call__")
        scope = f"{scope}/{name}".lstrip("/")
        again = self.calls[scope]
        self.calls[scope] += 1
        return f"{scope}#{again}" if again else scope


_LIBRARIES = (os.path.dirname(os.path.dirname(__file__)) + os.sep, os.path.dirname(np.__file__) + os.sep)


@functools.lru_cache(10_000)
def hidden(file: str) -> bool:
    """Whether code of this file belongs to the engine or to NumPy rather than to the user."""
    return file.startswith(("<frozen ", *_LIBRARIES))


# ---- inf and nan -----------------------------------------------------------------------


class AnomalyError(ArithmeticError):
    """An operation gave inf or nan inside `detect_anomaly()`; `.node` is its node.

    >>> try:
    ...     with detect_anomaly():
    ...         Value(0.0).log()
    ... except AnomalyError as error:
    ...     print(error.node.op, error.node.data)
    log -inf
    """

    def __init__(self, message: str, node: Node) -> None:
        super().__init__(message)
        self.node = node


class detect_anomaly(_Decorator):
    """Inside it the first operation to give nan, or inf from finite numbers, raises AnomalyError.

    >>> with detect_anomaly():
    ...     try:
    ...         Value(0.0, "x").log()
    ...     except AnomalyError as error:
    ...         print("x = 0.0" in str(error))
    True

    Forward and backward are watched, and the message holds the node, its inputs' values and
    the source line. An inf that came in as data, such as the -inf of a mask, may flow on.
    Slow: meant for finding a fault, not for training.
    """

    def __enter__(self) -> Any:
        if not self.entered():
            source = current().source or _Scopes(sys._getframe(1))
            self.settings = {"check": _check, "source": source, "fused": False}
        return super().__enter__()


def _check(node: Node, inputs: tuple[Operand, ...], result: Operand, parent: Node | None = None) -> None:
    """Raise where `result` of a forward (or, with a parent, of a vjp) is a new nan or inf."""
    result = raw(result)
    if is_float(result):  # JAX: its values may not exist yet
        bad = _anomaly(node, inputs, result)
        if bad:
            with np.errstate(all="ignore"):
                text = "\n".join(_report(node, inputs, result, parent, bad))
            raise AnomalyError(text, node)


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

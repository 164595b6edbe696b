"""A program as straight-line Python: one call of NumPy a line, into arrays that are there already.

Results whose place is known before are global names of the source, bound to arrays of the plan's
memory; what differs from call to call is a local name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.compiling.memory import FILLING, Memory, viewed
from autograd.compiling.program import Arg, Slot, Step, filled_in
from autograd.compiling.simplify import VIEWS

__all__ = ["Code"]

SMALL = 1 << 15  # bytes: up to here an argument is copied, so that its views are there before the call

_SIGNS = {
    operator.add: "{} + {}", operator.sub: "{} - {}", operator.mul: "{} * {}", operator.truediv: "{} / {}",
    operator.floordiv: "{} // {}", operator.mod: "{} % {}", operator.pow: "{} ** {}", operator.neg: "-{}",
    operator.abs: "abs({})", operator.lt: "{} < {}", operator.le: "{} <= {}", operator.gt: "{} > {}",
    operator.ge: "{} >= {}", operator.eq: "{} == {}", operator.ne: "{} != {}", operator.and_: "{} & {}",
    operator.or_: "{} | {}", operator.xor: "{} ^ {}", operator.invert: "~{}", operator.lshift: "{} << {}",
    operator.rshift: "{} >> {}",
}  # fmt: skip


class Code:
    """The source of a program, line by line, and the names it refers to.

    lines: the body. globals: functions, constants and arrays by name. names: of steps, where they are known.
    """

    def __init__(self, steps: list[Step], outputs: list[Step], checks: list[Step]) -> None:
        self.lines: list[str] = []
        self.globals: dict[str, Any] = {"empty": np.empty, "copyto": np.copyto}
        self._functions: dict[Any, str] = {}
        self._names: dict[int, str] = {}
        self._values: dict[int, np.ndarray] = {}  # of steps whose array is there before the call
        steps, outputs, checks = _loaded(steps, outputs, checks)
        self.steps = steps
        direct = {id(s) for s in outputs if s.nbytes > SMALL and s.op in FILLING}
        self.memory = Memory(steps, outputs, direct)
        self._arena = np.empty(self.memory.nbytes, np.uint8)
        if direct:
            for s in {id(s): s for s in outputs if id(s) in direct}.values():
                self._names[id(s)] = name = f"v{len(self._names)}"
                self.lines.append(f"{name} = empty({s.shape}, {self._global(s.dtype)})")
        for step in steps:
            self._step(step)
        # One result may be asked for twice; only the first may have the array itself.
        self.results = [self._result(s, direct if s not in outputs[:i] else set()) for i, s in enumerate(outputs)]

    # ---- names ----

    def constant(self, x: Any) -> str:
        """A name for something that stays the same."""
        return repr(x) if x is None or type(x) in (str, int, bool) else self._global(x)

    def input(self, step: Step) -> str:
        """The local name of an argument."""
        return f"x{step.options}"

    def _global(self, x: Any, prefix: str = "c") -> str:
        name = f"{prefix}{len(self.globals)}"
        self.globals[name] = x
        return name

    def _function(self, f: Callable[..., Any], name: str = "") -> str:
        key = (f, name)
        if key not in self._functions:
            self._functions[key] = self._global(f, (name or getattr(f, "__name__", "f")) + "_")
        return self._functions[key]

    def _name(self, x: Arg) -> str:
        if isinstance(x, Step):
            return self._names[id(x)]
        if x is None or (type(x) in (int, bool)) or (type(x) is float and x == x and abs(x) != float("inf")):
            return repr(x) if x is None or x >= 0 else f"({x!r})"
        return self._global(x)

    def _static(self, step: Step, x: np.ndarray) -> None:
        self._values[id(step)] = x
        self._names[id(step)] = self._global(x, "b")

    # ---- steps ----

    def _step(self, step: Step) -> None:
        op = step.op
        if op == "input":
            self._names[id(step)] = self.input(step)
        elif op == "constant":
            self._static(step, step.function)
        elif op == "full":
            x = np.full(step.shape, step.options, step.dtype)
            x.flags.writeable = False
            self._static(step, x)
        elif op in VIEWS:
            self._view(step)
        elif op in FILLING:
            if step in self.memory:
                self._static(step, self.memory.array(step, self._arena))
            getattr(self, f"_{op}")(step, self._names[id(step)], [self._name(a) for a in step.args])
        elif op == "check":
            self.lines.append(f"{self._function(step.function)}({self._name(step.args[0])})")
        else:
            name = self._names[id(step)] = f"v{len(self._names)}"
            self.lines.append(f"{name} = {getattr(self, f'_{op}_')(step)}")

    def _view(self, step: Step) -> None:
        (x,) = step.args
        base = self._values.get(id(x))
        if base is not None:
            if step in self.memory and step.op == "reshape":
                y = self.memory.array(step, self._arena)
                if not np.may_share_memory(y, base):  # a reshape that must copy
                    self._static(step, y)
                    self._copy(y, x, step)
                    return
            self._static(step, viewed(step, base))
            return
        name = self._names[id(step)] = f"v{len(self._names)}"
        given = self._name(x)
        if step.op == "reshape":
            self.lines.append(f"{name} = {given}.reshape({step.options})")
        elif step.op == "transpose":
            self.lines.append(f"{name} = {given}.transpose({step.options})")
        elif step.op == "index":
            self.lines.append(f"{name} = {given}[{self._global(step.options)}]")
        else:
            self.lines.append(f"{name} = {self._function(np.broadcast_to)}({given}, {step.options})")

    def _copy(self, y: np.ndarray, x: Step, step: Step) -> None:
        """y, a new array in C order, filled with x in another shape."""
        self.lines.append(f"copyto({self._global(y.reshape(x.shape), 'b')}, {self._name(x)})")

    def _ufunc(self, step: Step, out: str, args: list[str]) -> None:
        given = list(args)
        for i, a in enumerate(step.args):
            # A number of Python beside an array is converted at every call; an array without axes is not.
            if type(a) in (int, float, bool):
                given[i] = self._number(step, i)
        f = self._function(step.function)
        if step.function in (np.maximum, np.minimum):
            self.lines.append(f"{f}({', '.join(given)}, out={out})")
        else:
            self.lines.append(f"{f}({', '.join(given)}, {out})")

    def _number(self, step: Step, i: int) -> str:
        """A number among arrays, in the dtype that they are computed in."""
        kinds = [a.number or a.dtype if isinstance(a, Step) else type(a) for a in step.args]
        try:
            dtype = step.function.resolve_dtypes((*kinds, *[None] * step.function.nout))[i]
            x = np.array(step.args[i], dtype)
        except (TypeError, OverflowError):
            return self._name(step.args[i])
        x.flags.writeable = False
        return self._global(x)

    def _matmul(self, step: Step, out: str, args: list[str]) -> None:
        a, b = step.args
        plain = len(a.shape) == len(b.shape) == 2 and a.dtype == b.dtype == step.dtype and step.dtype.kind == "f"
        self.lines.append(f"{self._function(np.dot if plain else np.matmul)}({args[0]}, {args[1]}, {out})")

    def _reduce(self, step: Step, out: str, args: list[str]) -> None:
        axis, keepdims, dtype = step.options
        f = self._function(step.function.reduce, step.function.__name__ + "_reduce")
        told = self._name(dtype) if dtype is not None else None
        self.lines.append(f"{f}({args[0]}, {axis}, {told}, {out}, {keepdims})")

    def _where(self, step: Step, out: str, args: list[str]) -> None:
        c = args[0]
        if step.args[0].dtype != bool:
            c = f"{c}.astype(bool)"
        self.lines += [f"copyto({out}, {args[2]})", f"copyto({out}, {args[1]}, where={c})"]

    def _concatenate(self, step: Step, out: str, args: list[str]) -> None:
        self.lines.append(f"{self._function(np.concatenate)}(({', '.join(args)},), {step.options}, {out})")

    def _astype(self, step: Step, out: str, args: list[str]) -> None:
        self.lines.append(f"copyto({out}, {args[0]}, 'unsafe')")

    _load = _astype

    def _einsum(self, step: Step, out: str, args: list[str]) -> None:
        subscripts, optimize = step.options
        more = ", optimize=True" if optimize else ""
        self.lines.append(f"{self._function(np.einsum)}({subscripts!r}, {', '.join(args)}, out={out}{more})")

    def _gather(self, step: Step, out: str, args: list[str]) -> None:
        if step.options == (Slot(0),) and step.args[0].shape:
            self.lines.append(f"{args[0]}.take({args[1]}, 0, {out})")
        else:
            self.lines.append(f"copyto({out}, {args[0]}[{self._index(step, args[1:])}])")

    def _scatter(self, step: Step, out: str, args: list[str]) -> None:
        index = self._index(step, args[1:], step.options[0])
        self.lines.append(f"{out}.fill(0)")
        if len(step.args) == 1:
            self.lines.append(f"{out}[{index}] = {args[0]}")
        else:
            self.lines.append(f"{self._function(np.add.at, 'add_at')}({out}, ({index}), {args[0]})")

    def _index(self, step: Step, args: list[str], options: Any = None) -> str:
        """An index as source."""
        parts = step.options if options is None else options
        return "".join(f"{args[p.i] if isinstance(p, Slot) else self._global(p)}, " for p in parts)

    # ---- what has no place before ----

    def _number_(self, step: Step) -> str:
        if step.function not in _SIGNS:
            return f"float({self._function(step.function)}({self._name(step.args[0])}))"
        return _SIGNS[step.function].format(*map(self._name, step.args))

    def _item_(self, step: Step) -> str:
        return f"{self._name(step.args[0])}[{step.options}]"

    def _call_(self, step: Step) -> str:
        args, options = filled_in(step.options, tuple(_Source(self._name(a)) for a in step.args))
        given = [self._source(a) for a in args] + [f"{k}={self._source(a)}" for k, a in options.items()]
        call = f"{self._function(step.function)}({', '.join(given)})"
        if step.dtype == object:
            return call
        return f"{self._function(_fitting)}({call}, {step.shape}, {self._global(step.dtype)})"

    def _source(self, x: Any) -> str:
        if isinstance(x, _Source):
            return x.text
        if isinstance(x, list):
            return f"[{', '.join(map(self._source, x))}]"
        if isinstance(x, tuple):
            return f"({''.join(self._source(y) + ', ' for y in x)})"
        return self._global(x)

    # ---- results ----

    def _result(self, step: Step, direct: set[int]) -> str:
        """What the function returns for a step: an array of its own, or a number."""
        name = self._names[id(step)]
        if step.number:
            return name
        if not step.shape:
            return f"{name}[()]" if step.op in ("input", *VIEWS) or step in self.memory else name
        return name if id(step) in direct else f"{name}.copy()"


class _Source:
    """Text that stands for itself."""

    def __init__(self, text: str) -> None:
        self.text = text


def _fitting(x: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """What a function gave, if it is what it gave when it was recorded."""
    if np.shape(x) != shape or x.dtype != dtype:
        raise ValueError(f"a result of shape {np.shape(x)} and dtype {x.dtype}; when it was recorded {shape}, {dtype}")
    return x


def _loaded(steps: list[Step], outputs: list[Step], checks: list[Step]) -> tuple[list[Step], list[Step], list[Step]]:
    """The same with small arguments copied into the plan's memory."""
    viewed_ = {id(s.args[0]) for s in steps if s.op in VIEWS}
    loads: dict[int, Step] = {}
    done: list[Step] = []
    for step in steps:
        done.append(step)
        if step.op == "input" and step.number is None and step.nbytes <= SMALL and id(step) in viewed_:
            loads[id(step)] = Step("load", None, (step,), None, step.shape, step.dtype)
            done.append(loads[id(step)])
        elif step.op != "load":
            step.args = tuple(loads.get(id(a), a) if isinstance(a, Step) else a for a in step.args)
    return done, [loads.get(id(s), s) for s in outputs], checks

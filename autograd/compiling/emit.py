"""A program as straight-line Python: one call of NumPy a line, into arrays that are there already.

Results whose place is known before are global names of the source, bound to arrays of the plan's
memory; what differs from call to call, and numbers, are local names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.compiling.lower import SMALL, STRETCHED, lowered
from autograd.compiling.memory import FILLING, Memory, viewed
from autograd.compiling.program import Arg, Slot, Step, filled_in, inputs_of
from autograd.compiling.results import families, unheld, unheld_family
from autograd.compiling.scalars import is_plain, written
from autograd.compiling.simplify import VIEWS

__all__ = ["Code"]

SUMMED = 1 << 10  # up to so many numbers are summed by BLAS, which has no better order than one after the other


class Code:
    """The source of a program, line by line, and the names it refers to.

    numbers: let Python compute numbers that stand alone, which raises where IEEE arithmetic gives inf or nan.
    lines: the body. globals: functions, constants and arrays by name. results: the outputs, as source.
    """

    def __init__(self, steps: list[Step], outputs: list[Step], numbers: bool = True) -> None:
        self.lines: list[str] = []
        self._pool: list[np.ndarray] = []  # large results of the call before
        self.globals: dict[str, Any] = {"pool": self._pool, "float64": np.float64}
        self._functions: dict[Any, str] = {}
        self._names: dict[int, str] = {}
        self._arrays: dict[int, np.ndarray] = {}  # of steps whose array is there before the call
        self._placed: dict[Any, tuple[np.ndarray, str]] = {}  # by place, shape and dtype
        self._numbers: dict[int, str] = {}  # of steps that are known as numbers of Python
        self._boxes: dict[tuple[int, str], str] = {}  # arrays without axes that hold a number
        steps, outputs = lowered(steps, outputs)
        self._plain = {id(s) for s in steps if (numbers or s.number) and is_plain(s)}
        direct = {id(s) for s in outputs if s.nbytes > SMALL and s.op in FILLING}
        bases = _bases(steps, outputs, direct)
        found = families(outputs, direct | bases.keys() | self._plain)
        self.memory = Memory(steps, outputs, direct | bases.keys() | {id(f.root) for f in found} | self._plain)
        self._arena = np.empty(self.memory.nbytes, np.uint8)
        for s in {id(s): s for s in outputs if id(s) in direct}.values():
            self._pool.append(np.empty(0, s.dtype))
            given = f"pool, {len(self._pool) - 1}, {s.shape}, {self._global(s.dtype)}"
            self.lines.append(f"{self._local(s)} = {self._function(unheld)}({given})")
        for base, whole in bases.items():
            self._names[base] = self._names[id(whole)]
        for family in found:
            locals_ = ", ".join(self._local(s) for s in (family.root, *family.outputs))
            self.lines.append(
                f"{locals_} = {self._function(unheld_family)}({self._global([])}, {self._global(family.made)})"
            )
            direct |= set(map(id, family.outputs))
        there = {id(s) for f in found for s in f.outputs}
        wanted = set(map(id, outputs)) | {id(s) for step in steps if step.op not in VIEWS for s in inputs_of(step)}
        for step in reversed(steps):  # views on the way to what is there are not needed
            if step.op in VIEWS and id(step) not in there:
                if id(step) in wanted:
                    wanted.add(id(step.args[0]))
                else:
                    there.add(id(step))
        for step in steps:
            if id(step) not in there:
                self._step(step)
        # One result may be asked for twice; only the first may have the array itself.
        self.results = [self._result(s, direct if s not in outputs[:i] else set()) for i, s in enumerate(outputs)]

    # ---- names ----

    def constant(self, x: Any) -> str:
        """A name for something that stays the same."""
        if x is None or type(x) in (str, int, bool) or (type(x) is float and math.isfinite(x)):
            return repr(x)
        return self._global(x)

    def _global(self, x: Any, prefix: str = "c") -> str:
        name = f"{prefix}{len(self.globals)}"
        self.globals[name] = x
        return name

    def _local(self, step: Step) -> str:
        name = self._names[id(step)] = f"v{len(self._names)}"
        return name

    def _function(self, f: Callable[..., Any], name: str = "") -> str:
        key = (f, name)
        if key not in self._functions:
            self._functions[key] = self._global(f, (name or getattr(f, "__name__", "f")).strip("<>") + "_")
        return self._functions[key]

    def _static(self, step: Step, x: np.ndarray) -> None:
        """Bind the array of a step. Of the same place in the same shape there is one array only: NumPy sees soonest
        that a call may write over its operand where both are one object, and takes twice the time otherwise."""
        key = (x.__array_interface__["data"], x.shape, x.strides, x.dtype)
        if key not in self._placed:
            self._placed[key] = x, self._global(x, "b")
        self._arrays[id(step)], self._names[id(step)] = self._placed[key]

    def _name(self, x: Arg, dtype: np.dtype | None = None) -> str:
        """An operand of a call on arrays. A number of Python is put into an array without axes, of the dtype
        asked for: a call that is given the number itself converts it, which takes as long again."""
        if not isinstance(x, Step):
            return self.constant(x) if dtype is None else self._fixed(x, dtype)
        if id(x) not in self._plain and not x.number:
            return self._names[id(x)]
        dtype = dtype or x.dtype
        if (id(x), dtype.str) not in self._boxes:
            box = self._boxes[id(x), dtype.str] = self._global(np.empty((), dtype), "b")
            self.lines.append(f"{box}.fill({self._number(x)})")
        return self._boxes[id(x), dtype.str]

    def _fixed(self, x: Any, dtype: np.dtype) -> str:
        box = np.array(x, dtype)
        box.flags.writeable = False
        return self._global(box)

    def _number(self, x: Arg) -> str:
        """An operand of Python's arithmetic."""
        if not isinstance(x, Step):
            return self.constant(x) if not isinstance(x, float) or x >= 0 else f"({x!r})"
        if id(x) in self._numbers:
            return self._numbers[id(x)]
        if x.op == "full":
            name = self.constant(x.options)
        elif x.number:
            name = self._names[id(x)]
        else:
            name = f"n{len(self._numbers)}"
            self.lines.append(f"{name} = {self._names[id(x)]}.item()")
        self._numbers[id(x)] = name
        return name

    # ---- steps ----

    def _step(self, step: Step) -> None:
        op = step.op
        if id(step) in self._plain:
            text = written(step, [self._number(a) for a in step.args], self._function)
            name = text if text.isidentifier() else f"n{len(self._numbers)}"
            if name != text:
                self.lines.append(f"{name} = {text}")
            self._numbers[id(step)] = self._names[id(step)] = name
        elif op == "input":
            self._names[id(step)] = f"x{step.options}"
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
            getattr(self, f"_{op}")(step, self._names[id(step)])
        elif op == "check":
            self.lines.append(f"{self._function(step.function)}({self._name(step.args[0])})")
        else:
            call = getattr(self, f"_{op}")(step)
            self.lines.append(f"{self._local(step)} = {call}")

    def _view(self, step: Step) -> None:
        (x,) = step.args
        given = self._name(x)
        base = self._arrays.get(id(x), self.globals.get(given))
        if isinstance(base, np.ndarray):
            if step in self.memory and step.op == "reshape":
                y = self.memory.array(step, self._arena)
                if not np.may_share_memory(y, base):  # a reshape that must copy
                    self._static(step, y)
                    self.lines.append(f"{self._global(y.reshape(x.shape), 'b')}[...] = {given}")
                    return
            self._static(step, viewed(step, base))
            return
        if step.op == "index":
            call = f"{given}[{self._global(step.options)}]"
        elif step.op == "broadcast":
            call = f"{self._function(np.broadcast_to)}({given}, {step.options})"
        else:
            call = f"{given}.{step.op}({step.options})"
        self.lines.append(f"{self._local(step)} = {call}")

    def _ufunc(self, step: Step, out: str) -> None:
        given = [self._name(a) if isinstance(a, Step) and not self._is_number(a) else "" for a in step.args]
        if "" in given:
            dtypes = self._computed_in(step)
            given = [g or self._name(a, d) for g, a, d in zip(given, step.args, dtypes)]
        into = f"out={out}" if step.function in (np.maximum, np.minimum) else out
        self.lines.append(f"{self._function(step.function)}({', '.join(given)}, {into})")

    def _is_number(self, x: Step) -> bool:
        return x.number is not None or id(x) in self._plain

    def _computed_in(self, step: Step) -> tuple[Any, ...]:
        """The dtypes that the operands of a ufunc are converted to; None where NumPy must see for itself."""
        kinds = [a.number or a.dtype if isinstance(a, Step) else type(a) for a in step.args]
        try:
            return step.function.resolve_dtypes((*kinds, *[None] * step.function.nout))
        except TypeError:
            return (None,) * len(kinds)

    def _matmul(self, step: Step, out: str) -> None:
        a, b = step.args
        plain = len(a.shape) == len(b.shape) == 2 and a.dtype == b.dtype == step.dtype and step.dtype.kind == "f"
        array = self._arrays.get(id(a))
        if plain and array is not None:
            self.lines.append(f"{self._dot(array)}({self._name(b)}, {out})")
            return
        f = self._function(np.dot if plain else np.matmul)
        self.lines.append(f"{f}({self._name(a)}, {self._name(b)}, {out})")

    def _dot(self, x: np.ndarray) -> str:
        """The method of an array, which takes two thirds of the time of the function."""
        return self._global(x.dot, "dot")

    def _reduce(self, step: Step, out: str) -> None:
        axis, keepdims, dtype, *scale = step.options
        (x,) = step.args
        given = self._name(x)
        if self._as_product(step, *scale):
            return
        f = self._function(step.function.reduce, step.function.__name__ + "_reduce")
        told = None if dtype is None else self._global(dtype)
        turned = self._turned(step)
        if turned is not None:
            self.lines.append(f"{self._global(turned.T, 'b')}[...] = {self._global(self._rows(x), 'b')}")
            given, axis, out = self._global(turned, "b"), 0, self._global(self._arrays[id(step)].reshape(-1), "b")
            keepdims = False
        self.lines.append(f"{f}({given}, {axis}, {told}, {out}, {keepdims})")
        for factor in scale:
            self.lines.append(f"{self._function(np.multiply)}({out}, {self._fixed(factor, step.dtype)}, {out})")

    def _rows(self, x: Step) -> np.ndarray:
        return self._arrays[id(x)].reshape(-1, x.shape[-1])

    def _turned(self, step: Step) -> np.ndarray | None:
        """Room to turn many short rows into few long ones, of which NumPy finds the extremes in half the time."""
        (x,) = step.args
        last = (-1, len(x.shape) - 1)
        if step.function not in (np.maximum, np.minimum) or step.options[0] not in last or len(x.shape) < 2:
            return None
        found = [self._arrays.get(id(s)) for s in (x, step)]
        if any(a is None or not a.flags.c_contiguous for a in found):
            return None
        n = x.shape[-1]
        return np.empty((n, x.size // n), x.dtype) if 0 < n <= 16 and 16 <= x.size // n <= STRETCHED else None

    def _as_product(self, step: Step, scale: float = 1.0) -> bool:
        """A sum over the first or the last axes as a product with ones, which takes BLAS half the time or less."""
        (x,) = step.args
        array, out = self._arrays.get(id(x)), self._arrays.get(id(step))
        if step.function is not np.add or array is None or out is None or not array.flags.c_contiguous:
            return False
        if not x.size or not x.shape:
            return False
        if x.dtype != step.dtype or step.dtype not in (np.float32, np.float64) or not out.flags.c_contiguous:
            return False
        axis, n = step.options[0], len(x.shape)
        axes = sorted(i % n for i in (range(n) if axis is None else axis if isinstance(axis, tuple) else (axis,)))
        count = math.prod(x.shape[i] for i in axes)
        if count > SUMMED:
            return False
        ones = np.full(count, scale, x.dtype)
        result = self._global(out.reshape(-1), "b")
        if axes == list(range(n - len(axes), n)):
            first, second = array.reshape(-1, count), ones
        elif axes == list(range(len(axes))):
            first, second = ones, array.reshape(count, -1)
        else:
            return False
        self.lines.append(f"{self._dot(first)}({self._global(second, 'b')}, {result})")
        return True

    def _where(self, step: Step, out: str) -> None:
        condition, a, b = step.args
        c = self._name(condition)
        if condition.dtype != bool:
            c = f"{c}.astype(bool)"
        if self._over(a, step):
            self.lines.append(f"{self._function(np.copyto)}({out}, {self._name(b)}, where=~{c})")
            return
        if not self._over(b, step):
            self.lines.append(f"{out}[...] = {self._name(b)}")
        array = self._arrays.get(id(a)) if isinstance(a, Step) else None
        # np.putmask is the faster one, but counts the elements of its arguments without regard to axes.
        if condition.shape == step.shape and (not np.shape(a) or (array is not None and a.shape == step.shape)):
            self.lines.append(f"{self._function(np.putmask)}({out}, {c}, {self._name(a)})")
        else:
            self.lines.append(f"{self._function(np.copyto)}({out}, {self._name(a)}, where={c})")

    def _concatenate(self, step: Step, out: str) -> None:
        if id(step) in self.memory.joined:
            return  # each part lies where it belongs
        parts = ", ".join(self._name(a) for a in step.args)
        self.lines.append(f"{self._function(np.concatenate)}(({parts},), {step.options}, {out})")

    def _copy(self, step: Step, out: str) -> None:
        self.lines.append(f"{out}[...] = {self._name(step.args[0])}")

    _astype = _copy

    def _einsum(self, step: Step, out: str) -> None:
        subscripts, optimize = step.options
        given = ", ".join(self._name(a) for a in step.args)
        more = ", optimize=True" if optimize else ""
        self.lines.append(f"{self._function(np.einsum)}({subscripts!r}, {given}, out={out}{more})")

    def _gather(self, step: Step, out: str) -> None:
        x, *indices = step.args
        if step.options == (Slot(0),) and x.shape:
            self.lines.append(f"{self._name(x)}.take({self._name(indices[0])}, 0, {out})")
        else:
            self.lines.append(f"{out}[...] = {self._name(x)}[{self._index(indices, step.options)}]")

    def _scatter(self, step: Step, out: str) -> None:
        g, *indices = step.args
        index = self._index(indices, step.options[0])
        self.lines.append(f"{out}.fill(0)")
        if indices and not _apart(indices):
            self.lines.append(f"{self._function(np.add.at, 'add_at')}({out}, ({index}), {self._name(g)})")
        else:
            put = self._number(g) if self._is_number(g) else self._name(g)
            self.lines.append(f"{out}[{index}] = {put}")

    def _added(self, step: Step, out: str) -> None:
        base, g, *indices = step.args
        given = self._name(base)
        if given != out and not self._over(base, step):
            self.lines.append(f"{out}[...] = {given}")
        index = self._index(indices, step.options[0])
        if indices:
            self.lines.append(f"{self._function(np.add.at, 'add_at')}({out}, ({index}), {self._name(g)})")
        else:
            added = self._number(g) if isinstance(g, Step) and self._is_number(g) else self._name(g)
            self.lines.append(f"{out}[{index}] += {added}")

    def _over(self, x: Arg, step: Step) -> bool:
        """Whether a step writes its result where an operand lies."""
        if x not in self.memory or step not in self.memory:
            return False
        here, there = self.memory.places[id(step)], self.memory.places[id(x)]
        return here.storage is there.storage and (here.offset, here.shape) == (there.offset, there.shape)

    def _storage(self, step: Step) -> Any:
        return self.memory.places[id(step)].storage if step in self.memory else None

    def _index(self, indices: list[Step], options: Any) -> str:
        """An index as source."""
        return "".join(f"{self._name(indices[p.i]) if isinstance(p, Slot) else self._global(p)}, " for p in options)

    # ---- what has no place before ----

    def _item(self, step: Step) -> str:
        return f"{self._name(step.args[0])}[{step.options}]"

    def _call(self, step: Step) -> str:
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
        return self.constant(x)

    # ---- results ----

    def _result(self, step: Step, direct: set[int]) -> str:
        """What the function returns for a step: an array of its own, or a number."""
        name = self._names[id(step)]
        if step.number:
            return name
        if id(step) in self._plain:
            return f"float64({name})" if step.dtype == np.float64 else f"{self._function(np.bool_)}({name})"
        if not step.shape:
            return f"{name}[()]"
        return name if id(step) in direct else f"{name}.copy()"


def _bases(steps: list[Step], outputs: list[Step], direct: set[int]) -> dict[int, Step]:
    """What a large result is added to, and nobody else needs: by its id, the result, in whose memory it is made."""
    uses = Counter(id(s) for step in steps for s in inputs_of(step)) + Counter(map(id, outputs))
    found: dict[int, Step] = {}
    for whole in (s for s in steps if id(s) in direct and s.op == "added"):
        step = whole
        while step.op == "added":
            base = step.args[0]
            fits = base.op in FILLING and base.shape == whole.shape and base.dtype == whole.dtype
            if not fits or uses[id(base)] > 1 or any(s is base for s in step.args[1:]):
                break
            found[id(base)] = whole
            step = base
    return found


def _apart(indices: list[Step]) -> bool:
    """Whether an index names no place twice, since one part of it counts upwards."""
    parts = [s for s in indices if s.op == "constant" and s.dtype.kind in "iu" and len(s.shape) == 1]
    rising = [s for s in parts if (s.function >= 0).all() and (np.diff(s.function) > 0).all()]
    return any(all(s.shape == t.shape for t in indices) for s in rising)


class _Source:
    """Text that stands for itself."""

    def __init__(self, text: str) -> None:
        self.text = text


def _fitting(x: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """What a function gave, if it is what it gave when it was recorded."""
    if np.shape(x) != shape or x.dtype != dtype:
        raise ValueError(f"a result of shape {np.shape(x)} and dtype {x.dtype}; when it was recorded {shape}, {dtype}")
    return x

"""What is within reach of code: variables, attributes and items, and what stands in them, each as it was first seen.

`Watched` is one such object with what it held. Names tell how far to go: of a module, a class or an object
only those attributes count that some code names; of a list or a dict, all items.
"""

from __future__ import annotations

import array
import builtins
import dis
import gc
import random
import sys
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache, partial
from operator import attrgetter, is_, methodcaller
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
    ModuleType,
)  # fmt: skip
from typing import Any

import numpy as np

from autograd.compiling.program import Program, Step
from autograd.compiling.running import is_library
from autograd.compiling.traced import Traced
from autograd.engine.graph import Node

__all__ = ["Reach", "Watched", "any_changed", "position", "root_of", "thrown"]

_ATOMS = (str, bytes, int, float, complex, bool, type(None), CodeType, np.ufunc, np.dtype, np.generic)
_LEFT_OUT = (Traced, Program, Step, FrameType)
_DICE = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
_BYTES = (bytearray, memoryview, array.array)
_BY_ANY_NAME = {"getattr", "vars", "__dict__", "eval", "exec", "dir", "__getattribute__", "attrgetter", "globals"}
_WRAPPERS = (
    MethodType, BuiltinFunctionType, partial, property, classmethod, staticmethod, type(np.sum), type(lru_cache(len)),
    CellType,
)  # fmt: skip
_INNER = ("__func__", "__self__", "func", "args", "keywords", "fget", "__wrapped__")


class Watched:
    """An object, and what is seen of it: items or attributes by name, or all that `probe` gives.

    source: of what the names are; a mapping for items. values: what was found first. absent: names that a mapping
    does not have.
    """

    __slots__ = ("absent", "holder", "length", "names", "probe", "source", "values")

    def __init__(self, holder: Any, source: Any, names: Iterable[str] = (), probe: Callable[[Any], Any] | None = None):
        self.holder = holder
        self.source = source
        self.names = tuple(names)
        self.probe = probe
        self.values: tuple[Any, ...] = self.now()
        self.absent: set[str] = set()
        self.length = 0  # of a mapping that lacks the absent names

    def now(self) -> tuple[Any, ...]:
        """What there is."""
        if self.probe is None:
            return tuple(map(self._one, self.names))
        try:
            return tuple(self.probe(self.source))
        except (LookupError, ValueError, AttributeError, RuntimeError):
            return (_NOTHING,)

    def _one(self, name: str) -> Any:
        try:
            return (
                self.source[name] if isinstance(self.source, (dict, MappingProxyType)) else getattr(self.source, name)
            )
        except (LookupError, ValueError, AttributeError):
            return _NOTHING

    def changed(self) -> bool:
        """Whether it holds something else by now."""
        now = self.now()
        if len(now) != len(self.values) or not all(map(is_, now, self.values)):
            return True
        return bool(self.absent) and self.grown()

    def grown(self) -> bool:
        """Whether a mapping has some of the absent names."""
        if len(self.source) == self.length:
            return False
        if not self.source.keys().isdisjoint(self.absent):
            return True
        self.length = len(self.source)  # so that it is not looked through each time
        return False

    def changed_names(self) -> set[str]:
        """The names, as code may spell them, whose values have changed."""
        found = {n for n, old, new in zip(self.names, self.values, self.now()) if old is not new} - _OWN_NAMES
        return found | (self.absent & set(self.source)) if self.absent else found

    def held(self) -> list[Any]:
        """What there is, and under the names that were absent."""
        return [*self.now(), *(self.source[n] for n in self.absent if n in self.source)]

    def add(self, names: Iterable[str]) -> list[tuple[Any, str]]:
        """Watch more names of a mapping: the values of those it has."""
        new = sorted(set(names).difference(self.names, self.absent))
        present = [n for n in new if n in self.source]
        values = [self.source[n] for n in present]
        self.names += tuple(present)
        self.values += tuple(values)
        self.absent.update(n for n in new if n not in self.source)
        self.length = len(self.source)
        return list(zip(values, present))

    def without(self, names: set[str]) -> None:
        """Watch these names no more."""
        kept = [(n, v) for n, v in zip(self.names, self.values) if n not in names]
        self.names, self.values = tuple(n for n, _ in kept), tuple(v for _, v in kept)
        self.absent -= names


_NOTHING = object()
_OWN_NAMES = {"cell_contents", "raw", "__dict__"}  # by which only this module reads


def any_changed(watched: list[Watched]) -> Callable[[], bool]:
    """A function that tells whether one of them has changed: straight-line code, since it runs before every replay."""
    held: dict[str, Any] = {}
    tests: list[str] = []

    def name(x: Any) -> str:
        held[f"h{len(held)}"] = x
        return f"h{len(held) - 1}"

    for w in watched:
        source = name(w.source)
        if w.probe is tuple and isinstance(w.source, dict) and all(type(key) is str for key in w.values):
            tests.append(f"[*{source}] != {name([*w.values])}")
            continue
        if w.probe is not None or any(v is _NOTHING for v in w.values):
            tests.append(f"{name(w)}.changed()")
            continue
        items = isinstance(w.source, (dict, MappingProxyType))
        for n, value in zip(w.names, w.values):
            tests.append(f"{source}[{n!r}] is not {name(value)}" if items else f"{source}.{n} is not {name(value)}")
        if w.absent:
            own = name(w)
            tests.append(f"(len({source}) != {own}.length and {own}.grown())")
    body = [f"    if {' or '.join(tests[i : i + 50])}: return True" for i in range(0, len(tests), 50)]
    lines = ["def changed():", "  try:", *body, "    return False"]
    lines += ["  except (LookupError, ValueError, AttributeError):", "    return True"]
    exec(builtins.compile("\n".join(lines), "<watched>", "exec"), held)
    return held["changed"]


def _of_mapping(x: Any) -> tuple[Any, ...]:
    return (*x, *x.values())


def _of_variable(x: ContextVar[Any]) -> tuple[Any, ...]:
    return (x.get(_NOTHING),)


def _of_cell(x: CellType) -> tuple[Any, ...]:
    return () if _is_empty(x) else (x.cell_contents,)


class Reach:
    """Everything within reach of some functions, and of the code that runs.

    watched: what may change. arrays: with copies. dice, iterators: generators of random numbers, and iterators, with
    where they stand.
    known_as: the names of variables, arguments and attributes that hold an object, by its id.
    """

    def __init__(self, within: Iterable[Any], without: Iterable[Any]) -> None:
        self.watched: list[Watched] = []
        self.arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self.dice: list[tuple[Any, str]] = []
        self.iterators: list[tuple[Any, Any]] = []
        self.known_as: dict[int, set[str]] = {}
        self._without = list(without)  # held, so that no id is given twice
        self._seen = set(map(id, self._without))
        self._spaces: dict[int, tuple[Watched, bool]] = {}
        self._names: set[str] = set()
        self._ran: set[CodeType] = set()
        self._functions: dict[CodeType, list[FunctionType]] = {}
        self._any_name = False
        self._leaves: list[Node] = []
        for x in within:
            self.look(x)

    def look(self, x: Any, name: str = "") -> None:
        """Watch an object and what it holds."""
        todo = [(x, name)]
        while todo:
            x, name = todo.pop()
            if isinstance(x, _ATOMS):
                continue
            if name:
                self.known_as.setdefault(id(x), set()).add(name)
            if id(x) not in self._seen and not isinstance(x, _LEFT_OUT):
                self._seen.add(id(x))
                todo += self._held_by(x)

    def starts(self, frame: FrameType) -> None:
        """Code is about to run: its arguments, and what it names."""
        code = frame.f_code
        for name, value in frame.f_locals.items():
            self.look(value, name)
        if code in self._ran:
            return
        self._ran.add(code)
        names = {*code.co_names, *(c for c in code.co_consts if isinstance(c, str) and c.isidentifier())}
        if not names.isdisjoint(_BY_ANY_NAME):
            self._by_any_name()
            names |= {n for n in frame.f_globals if "globals" in names and not n.startswith("__")}
        new = names - self._names
        self._names |= new
        self._name(frame.f_globals, frame.f_globals, False, names)
        for name in _imports(code):
            self.look(sys.modules.get(name))
        for space, every in list(self._spaces.values()):
            if every:
                self._look_all(space.add(new))
        for function in self._functions.get(code, ()):
            self._runs(function)

    def complete(self) -> None:
        """What only the end of the run tells: gradients and labels, if code names them, and functions that ran but
        that nothing within reach holds, as where a ufunc of Python's calls them."""
        for node in self._leaves:
            for name, attribute in (("grad", "_grad"), ("label", "label")):
                if name in self._names:
                    self._look_all((v, name) for v in self._watch(node, [attribute]))
        inner = {c for code in self._ran for c in code.co_consts if isinstance(c, CodeType)}
        for code in self._ran:
            if code.co_freevars and code not in inner and code not in self._functions:
                for function in gc.get_referrers(code):
                    if isinstance(function, FunctionType):
                        self._runs(function)

    def forget(self) -> None:
        """Hold nothing any more but what is watched."""
        self._without.clear()
        self._spaces.clear()
        self._functions.clear()
        self._leaves.clear()

    def _by_any_name(self) -> None:
        """Names are made at run time: all attributes of objects count from now on."""
        if not self._any_name:
            self._any_name = True
            for space in [s for s, _ in self._spaces.values() if _is_own(s)]:
                self._whole(space)

    def _whole(self, space: Watched) -> None:
        self._watch(space.source, probe=tuple)  # the names themselves
        self._look_all(space.add(space.source))

    # ---- what objects hold ----

    def _watch(self, x: Any, names: Iterable[str] = (), probe: Callable[[Any], Any] | None = None) -> tuple[Any, ...]:
        self.watched.append(Watched(x, x, names, probe))
        return self.watched[-1].values

    def _look_all(self, found: Iterable[tuple[Any, str]]) -> None:
        for x, name in found:
            self.look(x, name)

    def _held_by(self, x: Any) -> Iterable[tuple[Any, str]]:
        """What is in an object, with names; the object is watched."""
        if isinstance(x, np.ndarray):
            return self._array(x)
        if isinstance(x, (FunctionType, type, ModuleType)):
            return self._code_of(x)
        if isinstance(x, Node):
            self._leaves.append(x)
            return [(v, "data") for v in self._watch(x, ["raw"])]
        if isinstance(x, _DICE):
            self.dice.append((x, thrown(x)))
            return []
        if isinstance(x, (list, tuple, deque, set, frozenset, dict, MappingProxyType, *_BYTES)):
            return [*self._items(x), *self._attributes(x)]
        if isinstance(x, weakref.ref):
            return [(v, "") for v in self._watch(x, probe=lambda r: (r(),))]
        if isinstance(x, ContextVar):
            return [(v, "") for v in self._watch(x, probe=_of_variable)]
        if isinstance(x, (attrgetter, methodcaller)):
            self._by_any_name()
        inner = [(getattr(x, n), "") for n in _INNER if n in dir(type(x)) or n in getattr(x, "__dict__", ())]
        if isinstance(x, _WRAPPERS):
            return inner
        if hasattr(type(x), "__next__"):
            self.iterators.append((x, position(x)))
        return [*inner, *self._attributes(x)]

    def _array(self, x: np.ndarray) -> list[tuple[Any, str]]:
        if x.dtype.hasobject:
            return [(v, "") for v in self._watch(x, probe=lambda a: a.ravel().tolist())]
        if root_of(x).flags.writeable:
            copy = x.copy()
            copy.flags.writeable = False
            self.arrays.append((x, copy))
        return []

    def _items(self, x: Any) -> list[tuple[Any, str]]:
        if isinstance(x, _BYTES):
            self._watch(x, probe=bytes)
            return []
        if isinstance(x, (frozenset, tuple)):
            return [(v, "") for v in x]
        probe = _of_mapping if isinstance(x, (dict, MappingProxyType)) else tuple
        return [(v, "") for v in self._watch(x, probe=probe)]

    def _attributes(self, x: Any) -> list[tuple[Any, str]]:
        """Of an object: its class, its attributes by name, its slots."""
        kind = type(x)
        own = getattr(x, "__dict__", None)
        if kind.__module__.startswith("autograd."):
            return [(v, "") for v in own.values()] if isinstance(own, dict) else []
        if _of_library(kind) and not isinstance(own, dict):
            return []
        self._watch(x, ["__class__"] if own is None else ["__class__", "__dict__"])
        if isinstance(own, dict):
            self._name(x, own, True, self._names)
            if self._any_name:
                self._whole(self._spaces[id(own)][0])
        slots = [name for c in kind.__mro__ for name in _slots_of(c) if hasattr(x, name)]
        return [(kind, ""), *zip(self._watch(x, slots) if slots else (), slots)]

    def _name(self, holder: Any, mapping: Any, every: bool, names: set[str]) -> None:
        """Watch names in the mapping of a module, a class or an object. every: also those of code elsewhere."""
        known = self._spaces.get(id(mapping))
        if known is None:
            self.watched.append(Watched(holder, mapping))
            self._seen.add(id(mapping))
        space = self.watched[-1] if known is None else known[0]
        self._spaces[id(mapping)] = space, every or (known is not None and known[1])
        self._look_all(space.add(n for n in names if not n.startswith("__")))

    def _code_of(self, x: Any) -> list[tuple[Any, str]]:
        """Of a function, a class or a module."""
        if isinstance(x, FunctionType):
            if not is_library(x.__code__.co_filename):
                self._functions.setdefault(x.__code__, []).append(x)
                if x.__code__ in self._ran:
                    self._runs(x)
                if vars(x):
                    self._name(x, vars(x), True, self._names)
                return []
            return [(v, "") for c in x.__closure__ or () for v in _of_cell(c)] + [(vars(x).get("__wrapped__"), "")]
        if isinstance(x, type):
            for c in x.__mro__:
                if not _of_library(c):
                    self._name(c, vars(c), True, self._names)
            return [(type(x), "")]
        self._name(x, vars(x), True, self._names)
        return []

    def _runs(self, function: FunctionType) -> None:
        """Of a function that runs: its code, which may be replaced, its defaults, and the variables of those around."""
        # Where there are no defaults, all arguments are given.
        parts = ["__code__", *(n for n in ("__defaults__", "__kwdefaults__") if getattr(function, n) is not None)]
        self._look_all((v, "") for v in self._watch(function, parts)[1:])
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            if id(cell) not in self._seen:
                self._seen.add(id(cell))
                if _is_empty(cell):
                    self._watch(cell, probe=_of_cell)
                else:
                    self._look_all((v, name) for v in self._watch(cell, ["cell_contents"]))
                self.known_as.setdefault(id(cell), set()).add(name)


def _imports(code: CodeType) -> list[str]:
    """The modules that code imports while it runs."""
    if not any(name in sys.modules for name in code.co_names):
        return []
    return [step.argval for step in dis.get_instructions(code) if step.opname == "IMPORT_NAME"]


def _is_own(space: Watched) -> bool:
    """Whether a space is an object's own, and not that of a class or a module."""
    return not isinstance(space.holder, (type, ModuleType)) and space.holder is not space.source


def _is_empty(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def _slots_of(kind: type) -> Iterator[str]:
    slots = vars(kind).get("__slots__", ())
    for name in (slots,) if isinstance(slots, str) else slots:
        if name not in ("__dict__", "__weakref__"):
            yield f"_{kind.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name


def _of_library(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    return (module is None and kind.__module__ == "builtins") or (module is not None and _is_library_module(module))


def _is_library_module(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__ in sys.builtin_module_names
    return is_library(file) or not file.endswith((".py", ".pyc"))


def root_of(x: np.ndarray) -> np.ndarray:
    """The array that owns the memory of a view."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def position(x: Any) -> Any:
    """Where an iterator stands, as something to compare."""
    if isinstance(x, GeneratorType):
        return x.gi_frame and x.gi_frame.f_lasti
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _told(x.__reduce__())
    return repr(x)


def _told(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_told, x))
    if hasattr(type(x), "__next__"):
        return position(x)
    return x if isinstance(x, (int, float, str, bool, type(None))) else id(x)


def thrown(x: Any) -> str:
    """The state of a generator of random numbers."""
    if isinstance(x, random.Random):
        return "" if isinstance(x, random.SystemRandom) else repr(hash(x.getstate()))
    if isinstance(x, np.random.Generator):
        x = x.bit_generator
    return repr(x.get_state(legacy=False) if isinstance(x, np.random.RandomState) else x.state)

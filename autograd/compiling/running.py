"""What runs while a function is recorded: the code, what each call is given, and calls that ask the world.

Python tells by its hook for profilers; what a function may read can only be known from what it ran.
"""

from __future__ import annotations

import datetime
import gc
import os
import sys
import sysconfig
import threading
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

__all__ = ["CONTAINERS", "Running", "is_library"]

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_NUMPY = os.path.dirname(np.__file__) + os.sep
_STANDARD = sysconfig.get_paths()["stdlib"] + os.sep
# Of Python's own library, the parts that hold data of others, and so are looked into like a user's code.
CONTAINERS = tuple(_STANDARD + name for name in ("collections", "_collections_abc", "os.py"))
CONTAINERS += ("<frozen os>", "<frozen _collections_abc>")
_INSTALLED = tuple(_STANDARD + name for name in ("site-packages", "dist-packages"))

# What asks the world, by module and name, "" for all of a module; the answer would be a constant.
_WORLD = {
    "time": "", "posix": "urandom getrandom times getloadavg", "nt": "urandom times", "_io": "open",
    "io": "open", "builtins": "input", "numpy": "fromfile",
}  # fmt: skip
_SHOWING = tuple(
    _STANDARD + name for name in ("linecache.py", "tokenize.py", "inspect.py", "importlib", "zipimport.py")
)
_NOW = {"now", "today", "utcnow"}


@cache
def is_library(filename: str) -> bool:
    """Whether a file belongs to Python, NumPy or this engine, whose own variables do not matter."""
    if filename.startswith((_STANDARD, "<frozen ")) and not filename.startswith(_INSTALLED):
        return not filename.startswith(CONTAINERS)
    return filename.startswith((_HERE, _NUMPY))


def _imports(frame: FrameType | None) -> bool:
    """Whether code runs for the sake of an import: that of a module, or a hook."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _for_itself(frame: FrameType) -> bool:
    """Whether a library opens a file that the function did not ask for: of code, to import or to show it."""
    inner: FrameType | None = frame
    while inner is not None and is_library(name := inner.f_code.co_filename):
        if name.startswith((_HERE, "<frozen ", *_SHOWING)):
            return True
        inner = inner.f_back
    return inner is None


def _asks(function: Any) -> bool:
    """Whether a function of C gives what nothing in the program determines."""
    name = getattr(function, "__name__", "")
    owner = getattr(function, "__self__", None)
    if name in _NOW and isinstance(owner, type) and issubclass(owner, datetime.date):
        return True
    known = _WORLD.get(getattr(function, "__module__", None) or "")
    if known is None:
        return False
    return name not in ("sleep",) and (not known or name in known.split())


class _Uncollected:
    """Inside `with`, on however many threads, Python's collector rests: who is told of a collection runs code that
    is not the function's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._before:
                gc.enable()


_uncollected = _Uncollected()


def _handles_signal(frame: FrameType) -> bool:
    """Whether a signal started this code, which then is no part of what it interrupts: it is given the number of the
    signal, and that frame."""
    given = [y for x in frame.f_locals.values() for y in (x if type(x) is tuple else (x,))]
    return any(y is frame.f_back and isinstance(x, int) for x, y in pairwise(given))


class Running:
    """Inside `with running:` the code that starts is noticed, with its frame, before its first line runs.

    noticed: called with every frame of code that is no library's. codes: the code that ran.
    questions: calls of functions that ask the world, with the place: "time.time() at file:line".
    """

    def __init__(self, noticed: Callable[[FrameType], None]) -> None:
        self._noticed = noticed
        self._library: dict[CodeType, bool] = {}
        self.codes: dict[CodeType, None] = {}
        self.questions: list[str] = []

    def __enter__(self) -> None:
        _uncollected.__enter__()
        self._aside: Any = None  # a handler of signals that runs, or a collection
        self._before = sys.getprofile()
        sys.setprofile(self._hook)

    def __exit__(self, *_: object) -> None:
        before: Any = self._before
        if before is not None and not callable(before):  # a profiler of C, such as cProfile's
            sys.setprofile(None)
            before.enable()
        else:
            sys.setprofile(before)
        _uncollected.__exit__()

    def _hook(self, frame: FrameType, event: str, what: Any) -> None:
        if self._aside is not None:
            if self._aside is (frame if event == "return" else what):
                self._aside = None
        elif event == "call":
            code = frame.f_code
            known = self._library.get(code)
            if known is None:
                known = self._library[code] = is_library(code.co_filename) or _imports(frame)
            if not known and _handles_signal(frame):
                self._aside = frame
            elif not known:
                self.codes[code] = None
                self._noticed(frame)
        elif event == "c_call" and what is gc.collect:
            self._aside = what
        elif event == "c_call" and isinstance(getattr(what, "__self__", None), (ModuleType, type)):
            self._called(what, frame)

    def _called(self, function: Any, frame: FrameType) -> None:
        """A function of C is called: by a library, chance alone matters, and files that it opens for the function."""
        if not _asks(function):
            return
        chance, file = function.__module__ in ("posix", "nt"), function.__name__ in ("open", "fromfile")
        if not chance and is_library(frame.f_code.co_filename) and not (file and not _for_itself(frame)):
            return
        while is_library(frame.f_code.co_filename) and frame.f_back is not None:
            frame = frame.f_back
        self.questions.append(f"{function.__name__}() at {frame.f_code.co_filename}:{frame.f_lineno}")

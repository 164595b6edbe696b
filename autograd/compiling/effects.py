"""Whether code reads a variable, or only counts and collects in it: told from its instructions.

What a function changes outside of itself, a replay does not change. That is harmless where the function never
looks at it, as at a count of its calls, `n += 1`, or at a list that it only appends to.
"""

from __future__ import annotations

import dis
from collections.abc import Iterable
from types import CodeType

__all__ = ["reads"]

_COLLECTS = {"append", "appendleft", "add", "extend", "update", "discard"}
_INPLACE = {f"{sign}=" for sign in ("+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>")}
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FAST", "LOAD_ATTR", "LOAD_METHOD")
_STORES = ("STORE_GLOBAL", "STORE_NAME", "STORE_DEREF", "STORE_FAST", "STORE_ATTR")


def reads(codes: Iterable[CodeType], names: set[str]) -> bool:
    """Whether some code takes a variable or an attribute of one of the names for more than to change it."""
    return any(_reads(list(dis.get_instructions(code)), names) for code in codes)


def _reads(code: list[dis.Instruction], names: set[str]) -> bool:
    loads = [i for i, step in enumerate(code) if step.opname.startswith(_LOADS) and _named(step, names)]
    return not all(_counts(code, i, names) or _collects(code, i) or _stored_into(code, i) for i in loads)


def _named(step: dis.Instruction, names: set[str]) -> bool:
    given = step.argval if isinstance(step.argval, tuple) else (step.argval,)
    return any(name in names for name in given if isinstance(name, str))


Place = tuple[int, int]


def _start(step: dis.Instruction) -> Place | None:
    p = step.positions
    return None if p is None or p.lineno is None or p.col_offset is None else (p.lineno, p.col_offset)


def _end(step: dis.Instruction) -> Place | None:
    p = step.positions
    return None if p is None or p.end_lineno is None or p.end_col_offset is None else (p.end_lineno, p.end_col_offset)


def _counts(code: list[dis.Instruction], i: int, names: set[str]) -> bool:
    """Whether a load stands in `name += ...`, or begins `name[...] += ...` or `x.name[...] += ...`."""
    at = _start(code[i])
    for j in range(i + 1, len(code)):
        step = code[j]
        if step.opname == "BINARY_OP" and step.argrepr in _INPLACE:
            start, end = _start(step), _end(step)
            if at is None or start is None or end is None or not start <= at < end:
                continue
            store = next((s for s in code[j + 1 :] if s.opname.startswith(("STORE_",))), None)
            if store is None:
                return False
            if store.opname.startswith(_STORES):
                return _named(store, names)
            return at == start and not any(_start(s) == start and _named(s, names) for s in code[i + 1 : j])
    return False


def _collects(code: list[dis.Instruction], i: int) -> bool:
    """Whether a load stands in `name.append(...)` or the like, which gives None."""
    method = code[i + 1]
    return method.opname.startswith(("LOAD_METHOD", "LOAD_ATTR")) and method.argval in _COLLECTS


def _stored_into(code: list[dis.Instruction], i: int) -> bool:
    """Whether a load stands in `name[...] = ...`, as that into which is stored."""
    for step in code[i + 1 :]:
        if _start(step) != _start(code[i]):
            continue
        if step.opname.startswith("STORE_SUBSCR"):
            return True
        if step.opname.startswith(("BINARY_SUBSCR", "BINARY_OP", "BINARY_SLICE", "LOAD_ATTR", "LOAD_METHOD", "CALL")):
            return False
    return False

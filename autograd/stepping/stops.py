"""Where the debugger stops: breakpoints on nodes, and watches on numbers."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd.engine.graph import Node

__all__ = ["Breakpoint", "Watch", "parse_breakpoint", "parse_watch"]

OUTSIDE_BRACKETS = re.compile(r",(?![^\[]*\])")  # a comma, but not that of w[0,1]

TESTS: dict[str, Callable[[np.ndarray], Any]] = {
    "nan": lambda x: np.isnan(x).any(),
    "inf": lambda x: np.isinf(x).any(),
    "zero": lambda x: (x == 0).all(),
}


@dataclass
class Breakpoint:
    """Stops before a node's rules run. condition: an expression that must hold as well."""

    number: int
    text: str
    matches: Callable[[Node], bool]
    condition: str = ""
    enabled: bool = True
    temporary: bool = False
    ignore: int = 0
    hits: int = 0
    commands: list[str] = field(default_factory=list)

    def meets(self, node: Node, data: Any) -> bool:
        """Whether to stop before this node."""
        return self.matches(node)

    def __str__(self) -> str:
        kind = "tbreak" if self.temporary else "break"
        more = "".join(
            [
                f", if {self.condition}" if self.condition else "",
                "" if self.enabled else ", disabled",
                f", ignored {self.ignore} more times" if self.ignore else "",
                f", hit {self.hits} times" if self.hits else "",
                f", then {'; '.join(self.commands)}" if self.commands else "",
            ]
        )
        return f"{self.number}: {kind} {self.text}{more}"


@dataclass
class Watch:
    """Stops when a number meets a test. of: "g" for gradients as they change, "v" for values of nodes as they come up."""

    number: int
    text: str
    of: str
    test: Callable[[Any, Any], bool]
    on: Node | None = None
    enabled: bool = True
    ignore: int = 0
    hits: int = 0
    condition: str = ""
    commands: list[str] = field(default_factory=list)

    def meets(self, node: Node, data: Any) -> bool:
        """Whether to stop before this node, by its value."""
        return self.of == "v" and self.on in (None, node) and self.test(None, data)

    def __str__(self) -> str:
        return f"{self.number}: watch {self.text}{'' if self.enabled else ', disabled'}{f', hit {self.hits} times' if self.hits else ''}"


def parse_breakpoint(number: int, text: str, find: Callable[[str], Node]) -> Breakpoint:
    """NAME, op:NAME, scope:PATTERN or file.py:LINE, each with `, condition`; ValueError for anything else."""
    spec, _, condition = (part.strip() for part in OUTSIDE_BRACKETS.sub("\n", text, count=1).partition("\n"))
    if not spec:
        raise ValueError("where? b NAME, b op:relu, b scope:block#1/*, b file.py:12, each with `, condition`")
    kind, colon, what = spec.partition(":")
    if kind == "op" and colon:

        def matches(node: Node) -> bool:
            return node.op == what
    elif kind == "scope" and colon:
        pattern = what if what.startswith("*") else f"*{what}"

        def matches(node: Node) -> bool:
            return fnmatch.fnmatchcase(node.scope, pattern) or fnmatch.fnmatchcase(node.scope + "/", pattern)
    elif colon and what.isdecimal():
        line = int(what)

        def matches(node: Node) -> bool:
            return (
                node.source is not None
                and node.source.line == line
                and os.path.basename(node.source.file) == os.path.basename(kind)
            )
    else:
        target = find(spec)
        if target.primitive is None:
            raise ValueError(
                f"{spec} is an input and has no rule to stop at; watch g:changed on {spec} stops when its gradient changes"
            )

        def matches(node: Node) -> bool:
            return node is target

    return Breakpoint(number, spec, matches, condition)


def parse_watch(number: int, text: str, find: Callable[[str], Node]) -> Watch:
    """g:nan, inf, zero, >1e3, <1e-7 or changed, or v:... , with `on NAME`; ValueError for anything else."""
    match = re.fullmatch(r"(?:([gv]):)?\s*(nan|inf|zero|changed|[<>]\s*[-+.\deE]+)(?:\s+on\s+(.+))?", text.strip())
    if not match:
        raise ValueError(
            "watch what? g:nan, g:inf, g:zero, g:>1e3, g:<1e-7 or g:changed for gradients, v:... for values, with `on NAME`"
        )
    of, what, on = match[1] or "g", match[2].replace(" ", ""), match[3]
    if what == "changed":
        if of == "v":
            raise ValueError("values do not change as gradients flow; watch g:changed is for gradients")

        def test(before: Any, after: Any) -> bool:
            return before is None or not np.array_equal(before, after)
    elif what in TESTS:

        def test(before: Any, after: Any) -> bool:
            return bool(TESTS[what](np.asarray(after)))
    else:
        try:
            limit = float(what[1:])
        except ValueError:
            raise ValueError(f"watch {of}:{what}: {what[1:]!r} is no number") from None

        def test(before: Any, after: Any) -> bool:
            size = np.abs(np.asarray(after))
            return bool((size > limit).any() if what[0] == ">" else (size < limit).any())

    return Watch(number, text.strip(), of, test, find(on) if on else None)

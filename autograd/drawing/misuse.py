"""Errors of those who do not know who asked: the public function makes them its own.

`selection`, `folding` and `zoom` serve `draw_dot`, `play` and the prompt alike. They raise `Misuse`,
in which an argument stands as {path}; `asked_by` says whose error it is, and what it calls that argument.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = ["Misuse", "asked_by"]


class Misuse(ValueError):
    """What is wrong with an argument.

    text: the complaint; {path} stands for whatever the caller calls its argument path, and {0}, {1!r}, ...
    for what is `given`, which may hold braces. kind: the error that the caller raises.
    """

    def __init__(self, text: str, *given: object, kind: type[Exception] = ValueError) -> None:
        super().__init__(text, *given)
        self.text, self.given, self.kind = text, given, kind

    def told(self, called: Mapping[str, str]) -> str:
        """The complaint with the caller's own names of arguments; one that it has no other name for keeps its own."""
        return string.Formatter().vformat(self.text, self.given, _Called(called))

    def __str__(self) -> str:
        return self.told({})


class _Called(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


@contextmanager
def asked_by(caller: str, **called: str) -> Iterator[None]:
    """Misuse in here is the caller's own error: it is told as "caller: ...", with the caller's names of arguments."""
    try:
        yield
    except Misuse as error:
        raise error.kind(f"{caller}: {error.told(called)}") from None

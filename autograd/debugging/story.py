"""Several backward passes one after the other, with what happens in between: a training that is walked, forth and back.

A story is an iterator, as a generator is, that gives graphs and lines: a node is walked as any other, a text is read.
A generator is sent the `Stepper` of the graph before, at its end, and so can go on with its gradients.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from autograd.engine.graph import Node
from autograd.stepping.runner import Runner
from autograd.stepping.stepper import Stepper

__all__ = ["Pass", "Story"]


class Pass:
    """One graph of a story, with the position in it and what can be undone there."""

    def __init__(self, root: Node, number: int, forward: bool) -> None:
        self.stepper = Stepper(root, forward=forward)
        self.runner = Runner(self.stepper, self.stepper.names)
        self.number = number


class Story:
    """What was told so far, page after page, and the iterator that tells on. forward: begin before the first operation.

    Raises TypeError for what is neither a node nor a text.
    """

    def __init__(self, steps: Iterator[Node | str], forward: bool = False) -> None:
        self.steps, self.forward = steps, forward
        self.pages: list[Pass | str] = []
        self.place = -1
        self.passes = 0

    @property
    def page(self) -> Pass | str:
        """The page that is open."""
        return self.pages[self.place]

    def last_pass(self) -> Pass:
        """The graph that is walked, or was walked before what is read."""
        return next(page for page in reversed(self.pages[: self.place + 1]) if isinstance(page, Pass))

    def back(self) -> bool:
        """Open the page before; False at the first."""
        if self.place <= 0:
            return False
        self.place -= 1
        return True

    def on(self) -> bool:
        """Open the next page; False after the last."""
        if self.place + 1 == len(self.pages):
            page = self._told()
            if page is None:
                return False
            self.pages.append(page)
        self.place += 1
        return True

    def _told(self) -> Pass | str | None:
        """One more page of the iterator; None where it ends."""
        walked = self.page if self.pages else None
        try:
            if isinstance(self.steps, Generator) and isinstance(walked, Pass):
                told = self.steps.send(walked.stepper)
            else:
                told = next(self.steps)
        except StopIteration:
            return None
        if isinstance(told, str):
            return told
        if not isinstance(told, Node):
            raise TypeError(f"a step gave {told!r}; expected a Value or a Tensor to walk, or a text")
        self.passes += 1
        return Pass(told, self.passes, self.forward)

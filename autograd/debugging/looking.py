"""The commands that look, and change nothing: where the walk stands, what a node is, what explains a gradient."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import IO, Any

import numpy as np

from autograd.debugging.prompt import LONG_NAMES, MOST, Prompt
from autograd.debugging.story import Story
from autograd.engine import words
from autograd.engine.base import Data
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import filled, raw
from autograd.stepping.expressions import View
from autograd.stepping.runner import Runner
from autograd.stepping.stepper import Stepper
from autograd.stepping.text import Show

__all__ = ["Looking"]


class Looking(Prompt):
    """A prompt over the backward pass from `root`, which looks at it; see `Stepper` for the first arguments.

    title: what the first line says of where this is.
    """

    prompt = "(grad) "
    story: Story | None = None  # of which this graph is a part

    def __init__(
        self,
        root: Node,
        gradient: Data = None,
        stdin: IO[str] | None = None,
        stdout: IO[str] | None = None,
        variables: Mapping[str, object] | None = None,
        title: str = "",
        forward: bool = False,
    ) -> None:
        super().__init__(stdin, stdout)
        self.displays: list[str] = []
        stepper = Stepper(root, gradient, variables, forward)
        self.open(stepper, Runner(stepper, stepper.names))
        self.intro = "\n".join([*([title] if title else []), *self.introduction()])

    def names(self) -> Iterable[str]:
        """What may be typed besides commands."""
        return self.show.names.by_name

    def where(self) -> None:
        """Say where the walk stands, after an interruption."""
        self._stop()

    def open(self, stepper: Stepper, runner: Runner) -> None:
        """Look at a walk."""
        self.stepper, self.runner, self.reader = stepper, runner, runner.reader
        self.show = Show(stepper, self.has_colour())
        self.path: list[Node] = []  # of w, u and d
        self.place = 0

    def introduction(self) -> list[str]:
        """What there is to walk."""
        nodes, names = self.stepper.nodes, self.show.names
        start = names[self.stepper.root] if nodes else "a leaf"
        way, begun = ("to", "computed yet. n computes;") if self.stepper.first else ("from", "done yet.")
        lines = [f"{words.many(len(nodes), 'operation')} {way} {start}; nothing is {begun} h for help."]
        if nodes and not any(node.source for node in nodes[-3:]):
            lines.append(
                "No source lines were recorded: build the graph inside `with ag.record_source():`, "
                "or use ag.debug(f, ...)."
            )
        taken = [name for name in (*self.commands(), *LONG_NAMES) if name in names.by_name]
        if taken:
            lines.append(f"Named like commands: {', '.join(taken[:8])}; reach them with p, as in p {taken[0]}.")
        return lines

    # ---- what is typed ----

    def node(self, name: str) -> Node:
        """A node by name, the one here for "" and "."; ValueError, with the nearest name, if there is none."""
        if name.strip() not in ("", "."):
            return self.reader.node(name)
        here = self._here()
        if here is None:
            raise ValueError("at the end there is no current node; name one")
        return here

    def _here(self) -> Node | None:
        """The selected node: by u and d, or else the one whose rules come next."""
        return self.path[self.place] if self.path else self.stepper.current

    def _here_or_root(self) -> Node:
        here = self._here()
        return self.stepper.root if here is None else here

    def _stop(self, note: str = "", last: Node | None = None) -> None:
        """Say where we are: the node just finished, or computed, if there is one, or the one to come."""
        s = self.stepper
        node = last if last is not None else s.current
        if node is None:
            more = "" if self.story is None else "; n goes on with what comes after this backward pass"
            self.say(f"at the end: every gradient is complete; why X, rn and start go on from here{more}")
        elif s.done < 0 or (s.done == 0 and last is not None and s.first):
            self.say(*self.show.arrival(node, note or ("" if last is not None else "comes next")))
            if s.done == 0:
                self.say(*self.show.turn())
        else:
            step = self.show.step(s.step_of(node), note or ("" if last is not None else "comes next"))
            self.say(*step, *self.show.changed(node))
        self._display(node)

    def _count(self, text: str) -> int:
        if not text:
            return 1
        if not text.isdecimal() or not int(text):
            raise ValueError(f"{text!r} is not a number of steps: a whole number from 1 on")
        return int(text)

    # ---- commands ----

    def do_w(self, text: str) -> None:
        """w: the path from the root to here."""
        here = self._here()
        if here is None:
            self.say("at the end; name a node to see its path: why X, paths X")
            return
        if not self.path:
            self.path, self.place = self.stepper.way_to_root(here)[::-1], 0
            self.place = len(self.path) - 1
        for k, node in enumerate(self.path):
            self.say(("> " if k == self.place else "  ") + self.show.header(node))

    def do_u(self, text: str) -> None:
        """u: towards the root."""
        self._along(-1)

    def do_d(self, text: str) -> None:
        """d: towards where the walk stands."""
        self._along(1)

    def _along(self, by: int) -> None:
        here = self._here()
        if not self.path:
            if here is None:
                self.say("at the end there is no path; rn goes back")
                return
            self.path = self.stepper.way_to_root(here)[::-1]
            self.place = len(self.path) - 1
        if not 0 <= self.place + by < len(self.path):
            self.say("this is the root" if by < 0 else "this is where the walk stands")
            return
        self.place += by
        self.say(*self.show.step(self.stepper.step_of(self.path[self.place])))

    def do_l(self, text: str) -> None:
        """l: operations around here."""
        s = self.stepper
        here = self._here()
        k = s.index.get(here.id, 0) if here is not None else 0
        self._tape(min(len(s.nodes) - 1, k + 5), max(0, k - 5), here)

    def do_ll(self, text: str) -> None:
        """ll: the whole tape."""
        self._tape(len(self.stepper.nodes) - 1, 0, self._here())

    def _tape(self, high: int, low: int, here: Node | None) -> None:
        if high < 0:
            self.say(self.show.header(self.stepper.root))
            return
        last = max(low, high - MOST)
        self.say(*(self.show.place(k, here) for k in range(high, last, -1)))
        self.say(self.show.place(last, here) if last == low else f"... {last + 1 - low:,} operations more")

    def do_src(self, text: str) -> None:
        """src [X]: the source line that made a node."""
        self.say(*self.show.source(self.node(text)))

    def default(self, line: str) -> None:
        """What begins with no command is printed, if it is one node or what there is of it."""
        if line in self.names() or re.fullmatch(r"[\w%#.\[\],]+", line):
            self.do_p(line)
        else:
            super().default(line)

    def do_p(self, text: str) -> None:
        """p EXPR: print."""
        self.say(self._printed(text or "."))
        self._note(text)

    def _note(self, text: str) -> None:
        """Say which is meant of a node and a word that are called the same."""
        note = self.reader.note(text)
        self.say(*([f"  note: {note}"] if note else []))

    def do_pp(self, text: str) -> None:
        """pp EXPR: print, arrays whole."""
        value = self._evaluate(text or ".")
        with np.printoptions(threshold=10_000, linewidth=120):
            self.say(str(value.data if isinstance(value, View) else value))
        self._note(text)

    def _printed(self, text: str, here: Node | None = None) -> str:
        try:
            value = self._evaluate(text) if here is None else self.reader.evaluate(text, here)
        except Exception as error:
            return f"*** {str(error) or type(error).__name__}"
        return words.summary(value) if isinstance(value, (float, np.ndarray, np.generic)) else repr(value)

    def _evaluate(self, text: str) -> Any:
        """A node by its name, or an expression of nodes."""
        return self.reader.view(self.node(text)) if text == "." else self.reader.evaluate(text, self._here())

    def do_x(self, text: str) -> None:
        """x X: everything about a node; x W[2,1]: one element of a product or sum."""
        node, index = self._element(text)
        if index is None:
            self.say(*self.show.everything(node))
            return
        axes = np.ndim(self.stepper.data(node))
        if len(index) != axes:
            raise ValueError(f"{self.show.names[node]} has {axes} axes, not {len(index)}")
        self.say(*self.show.element(node, index))

    def _element(self, text: str) -> tuple[Node, tuple[int, ...] | None]:
        """A node, and where it is written as W[2,1] and that is no node itself, the index of an element or a row."""
        match = re.fullmatch(r"(.+)\[([-\d,\s]+)\]", text)
        names = self.show.names.by_name
        if match is None or text in names or match[1] not in names:
            return self.node(text), None
        node = self.node(match[1])
        index = tuple(int(i) for i in match[2].split(",") if i.strip())
        shape = np.shape(self.stepper.data(node))
        if len(index) > len(shape) or any(not -n <= i < n for i, n in zip(index, shape)):
            raise ValueError(f"{match[1]} of shape {words.shape(shape)} has no element or row [{match[2]}]")
        return node, index

    def do_why(self, text: str) -> None:
        """why X: its gradient as the sum of its contributions; why W[2,1], why W[5]: that of an element, of a row."""
        node, index = self._element(text)
        self.say(*self.show.why(node, index), *(self.show.cause(node) if index is None else ()))

    def do_paths(self, text: str) -> None:
        """paths X [k]: its gradient as a sum over paths."""
        pieces = shlex.split(text)
        limit = self._count(pieces.pop()) if len(pieces) > 1 and pieces[-1].isdecimal() else 5
        self.say(*self.show.paths(self.node(" ".join(pieces)), min(limit, MOST)))

    def do_blame(self, text: str) -> None:
        """blame X, blame W[5]: what made this gradient zero, nan, inf, tiny or huge, and the way there."""
        node, index = self._element(text)
        at = f"[{','.join(map(str, index))}]" if index is not None else ""
        self.say(*self.show.blame(self.stepper.blame(node, index), node, at))

    def do_flow(self, text: str) -> None:
        """flow [A B] [scope] [gain]: the size of the gradient on the way from A to B, by operation or scope; sorted."""
        pieces = shlex.split(text)
        asked = [pieces.pop() for _ in range(2) if pieces and pieces[-1] in ("scope", "operation", "gain", "norm")]
        if len(pieces) > 2:
            raise ValueError("flow from where to where? flow, flow B, or flow A B, with scope, operation, gain or norm")
        ends = [self.node(name) for name in pieces]
        by = next((word for word in asked if word in ("scope", "operation")), "")
        a, b = (None, *ends) if len(ends) == 1 else ends or (None, None)
        rows = self.stepper.flow(a, b, by)
        if "gain" in asked or "norm" in asked:
            rows = sorted(rows, key=lambda row: -(row.gain if "gain" in asked else row.norm))
        more = [f"... {len(rows) - MOST:,} operations more; flow A B shows a part"] if len(rows) > MOST else []
        self.say(*self.show.flow(rows[:MOST])[:MOST], *more)

    def do_compare(self, text: str) -> None:
        """compare A B [tolerance]: the first node in which two runs of the same code differ, forward and backward."""
        pieces = shlex.split(text)
        tolerance = float(pieces.pop()) if len(pieces) == 3 else 0.0
        if len(pieces) != 2:
            raise ValueError("compare which two? compare A B, for the results of two runs of the same code")
        runs = [self._run_of(name) for name in pieces]
        self.say(*Show(runs[0], self.show.colour).comparison(runs[0].compare(runs[1]), tolerance))

    def _run_of(self, name: str) -> Stepper:
        """The run that led to a node, which may be one of another graph that a variable of the caller holds."""
        held = self.show.names.held.get(name)
        root = held if held is not None else self.node(name)
        seed = None if isinstance(root, ScalarNode) else filled(raw(root), 1)
        return self.stepper if root is self.stepper.root else Stepper(root, seed)

    def do_display(self, text: str) -> None:
        """display EXPR: print at each stop."""
        if text and text not in self.displays:
            self.displays.append(text)
            self._note(text)
        self._display()

    def _display(self, here: Node | None = None) -> None:
        self.say(*(f"  {text} = {self._printed(text, here)}" for text in self.displays))

    def do_undisplay(self, text: str) -> None:
        """undisplay [EXPR]: no longer, or none any longer."""
        if text and text not in self.displays:
            raise ValueError(f"{text!r} is not displayed; displayed: {', '.join(self.displays) or 'nothing'}")
        self.displays = [d for d in self.displays if text and d != text]

"""The prompt of the backprop debugger: pdb's habits, on a `Stepper` that walks both ways.

`sessions` opens it. A method a command reads what is typed, lets `stepping` do it, and writes what came of it: what
a step is belongs to `stepper`, how it reads to `text`, where to stop to `stops`, running there and undoing to `runner`.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from autograd.checking.localize import check_vjp
from autograd.debugging.prompt import LONG_NAMES, MOST, Prompt, Quit
from autograd.drawing.dot import Look, picture
from autograd.drawing.player import player
from autograd.drawing.rendering import PICTURES
from autograd.drawing.selection import Selection
from autograd.drawing.view import view
from autograd.engine import words
from autograd.engine.base import Data
from autograd.engine.graph import Node, ScalarNode
from autograd.engine.kinds import filled, raw
from autograd.stepping.causes import kind_of
from autograd.stepping.expressions import View
from autograd.stepping.runner import Progress, Runner
from autograd.stepping.stepper import Stepper
from autograd.stepping.stops import Stop, parse
from autograd.stepping.text import Show

__all__ = ["Debugger"]

LONG = 50_000  # nodes to go from which a run shows its progress
DRAWN = 150  # nodes up to which all are drawn, not what is around
PLAYED = 2000  # nodes whose steps a page can hold

HELP = """
  n [k]               finish k nodes' vjps            rn [k]   the same, backwards
  s [k]               one contribution, one edge      rs [k]   the same, backwards
  c, until X          run on; run on to node X        rc       run backwards
  goto k, start, end  travel to where k nodes are finished, to the start, to the end
  undo                take back the last command that moved or edited
  b X                 stop before node X; b op:relu, b scope:block#1/*, b file.py:12; each with `, condition`
  tbreak X            the same, once;  b alone lists;  cl, enable, disable, ignore N k, commands N: by number
  watch g:nan         stop when a gradient becomes nan; inf, zero, >1e3, <1e-7, changed; `on X`; v:... for values;
                      watch norm(g) > 10 * norm(v): any condition on a gradient g and the data v it belongs to
  w, u, d             the path from the root to here; move along it
  l, ll, src          operations around here; the whole tape; the line that made this node
  p EXPR, pp EXPR     print: nodes by name, X.grad, X.data, NumPy as np; g and out in conditions
  x X, x W[2,1]       everything about X; one element of a product or sum as the sum that it is
  why X, paths X      X's gradient as the sum of its contributions, why W[5] for a row; as a sum over paths
  blame X             what made X's gradient zero, nan, inf, tiny or huge: the first such operation; blame W[5]
  flow [A B] [gain]   how large the gradient is on the way from A to B, as bars; by scope or operation; sorted
  compare A B         the first node in which two runs of the same code differ, forward and backward
  display EXPR        print at each stop;  undisplay
  set X.grad = 0      what if (undo takes it back);  set X.data = 2 computes forward again
  check X             compare the vjps of X with finite differences
  draw [X] [FILE]     draw the graph, or what is around X, with the position lit; draw h.svg, draw h, draw h here.svg
  save FILE           write the whole backward pass as a page that plays it, as in save backprop.html
  commit              write the gradients into the nodes, as backward() does
  h, q, q all         help; leave, with gradients as they were; and do not stop again in this script
An empty line repeats the last command. A node called like a command is reached with p, x and why.
""".strip("\n")


class Debugger(Prompt):
    """The prompt over the backward pass from `root`; see `Stepper` for the first arguments.

    title: what the first line says of where this is.
    """

    prompt = "(grad) "

    def __init__(
        self,
        root: Node,
        gradient: Data = None,
        stdin: IO[str] | None = None,
        stdout: IO[str] | None = None,
        variables: Mapping[str, object] | None = None,
        title: str = "",
    ) -> None:
        super().__init__(stdin, stdout)
        self.stepper = Stepper(root, gradient, variables)
        self.show = Show(self.stepper, self.has_colour())
        self.runner = Runner(self.stepper, self.stepper.names)
        self.reader = self.runner.reader
        self.displays: list[str] = []
        self.path: list[Node] = []  # of w, u and d
        self.place = 0
        self.finished = False  # left by q all
        self.committed = False
        self.folder = ""  # of drawings without a name
        self.intro = "\n".join([*([title] if title else []), *self._introduction()])

    def names(self) -> Iterable[str]:
        """What may be typed besides commands."""
        return self.show.names.by_name

    def where(self) -> None:
        """Say where the walk stands, after an interruption."""
        self._stop()

    def _introduction(self) -> list[str]:
        nodes, names = self.stepper.nodes, self.show.names
        start = names[self.stepper.root] if nodes else "a leaf"
        lines = [f"{words.many(len(nodes), 'operation')} from {start}; nothing is done yet. h for help."]
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

    @contextmanager
    def _moving(self, line: str) -> Iterator[None]:
        """Around what moves or edits: it can be undone, and w, u and d begin again from where it leads."""
        self.path, self.place = [], 0
        with self.runner.moving(line):
            yield

    @contextmanager
    def _bar(self, nodes: int) -> Iterator[Progress]:
        """Progress on the terminal, where there are many nodes to go."""
        with tqdm(total=nodes, unit="node", disable=nodes < LONG, leave=False, file=sys.stderr) as bar:
            yield bar.update

    def _travel(self, target: int) -> None:
        with self._bar(abs(target - self.stepper.done)) as progress:
            self.runner.travel(target, progress)

    def _stop(self, note: str = "", last: Node | None = None) -> None:
        """Say where we are: the node just finished, if there is one, or the one to come."""
        s = self.stepper
        node = last if last is not None else s.current
        if node is None or (last is None and s.at_end):
            self.say("at the end: every gradient is complete; why X, rn and start go on from here")
        else:
            self.say(
                *self.show.step(s.step_of(node), note or ("" if last is not None else "comes next")),
                *self.show.changed(node),
            )
        self._display()

    def _count(self, text: str) -> int:
        if not text:
            return 1
        if not text.isdecimal() or not int(text):
            raise ValueError(f"{text!r} is not a number of steps: a whole number from 1 on")
        return int(text)

    # ---- moving ----

    def do_n(self, text: str) -> None:
        """n [k]: finish k nodes."""
        count = self._count(text)
        if self.stepper.at_end:
            self.say("at the end: nothing is left to do; rn goes back")
            return
        with self._moving("n"):
            last = self.stepper.next(count)
        self._stop(last=last.node if last else None)

    def do_s(self, text: str) -> None:
        """s [k]: k contributions, each along one edge."""
        count = self._count(text)
        with self._moving(f"s {text}".strip()):
            made = 0
            while made < count and (c := self.stepper.step()) is not None:
                made += 1
                if made <= MOST // 3 or made == count:
                    self.say(self.show.header(c.node), *self.show.contribution(c))
                elif made == MOST // 3 + 1:
                    self.say("...")
        if made < count:
            self.say("at the end: nothing is left to do; rs goes back")
        else:
            self._display()

    def do_rn(self, text: str) -> None:
        """rn [k]: take k nodes back."""
        count = self._count(text)
        if self.stepper.at_start:
            self.say("at the start: nothing is done that could be taken back")
            return
        with self._moving("rn"):
            self.stepper.back_next(count)
        self._stop()

    def do_rs(self, text: str) -> None:
        """rs [k]: take k contributions back."""
        count = self._count(text)
        if self.stepper.at_start:
            self.say("at the start: nothing is done that could be taken back")
            return
        with self._moving("rs"):
            self.stepper.back_step(count)
        self._stop()

    def do_c(self, text: str) -> None:
        """c: run on to a stop, or to the end."""
        self._run(forward=True)

    def do_rc(self, text: str) -> None:
        """rc: run backwards to a stop, or to the start."""
        self._run(forward=False)

    def do_until(self, text: str) -> None:
        """until X: run on to node X."""
        stop = parse(text, self.reader, "tbreak")
        here = self.stepper.current
        if here is not None and self.stepper.part == 0 and stop.meets(here, None, self.stepper.data(here)):
            self._stop("comes next already")
        else:
            self._run(True, stop)

    def do_goto(self, text: str) -> None:
        """goto k: travel to where k nodes are finished."""
        if not text.isdecimal():
            raise ValueError(f"goto {text}: how many nodes are to be finished? 0 to {len(self.stepper.nodes)}")
        self._go("goto", int(text))

    def do_start(self, text: str) -> None:
        """start: travel to the start."""
        self._go("start", 0)

    def do_end(self, text: str) -> None:
        """end: travel to the end."""
        self._go("end", len(self.stepper.nodes))

    def _go(self, line: str, target: int) -> None:
        with self._moving(line):
            self._travel(min(target, len(self.stepper.nodes)))
        self._stop()

    def do_undo(self, text: str) -> None:
        """undo: take back the last command that moved or edited."""
        if not self.runner.undos:
            self.say("nothing to undo")
            return
        self.path, self.place = [], 0
        self.say(f"took back: {self.runner.undo()}")
        self._stop()

    def _run(self, forward: bool, *more: Stop) -> None:
        """Run to a stop or to the end, and say what was met there."""
        s = self.stepper
        if s.at_end if forward else s.at_start:
            end = "at the end: nothing is left to do"
            self.say(end if forward else "at the start: nothing is done that could be taken back")
            return
        to_go = len(s.nodes) - s.done if forward else s.done
        with self._moving("c" if forward else "rc"), self._bar(to_go) as progress:
            hits = self.runner.run(forward, *more, progress=progress)
        if not hits:
            self._stop()
            self.say(*(self.show.leaves() if forward else ()))
            return
        last = hits[0].node if hits[0].of == "g" else None
        self._stop("comes next" if last is None else "", last)
        for stop in hits:
            if stop.number and not stop.temporary:
                before = "and before the next node," if last is not None and stop.of != "g" else "stopped"
                self.say(f"{before} at {stop}")
            self.todo += stop.commands
        if last is not None:
            self.say(*self._explained(last))

    def _explained(self, node: Node) -> list[str]:
        """Where a run has stopped at what an operation made of finite numbers, nan or inf: the cause."""
        s = self.stepper
        bad = [c for c in s.step_of(node).contributions if c.applied and kind_of(c.value, 1.0) in ("nan", "inf")]
        return [f"  {cause.reason}" for cause in s.blame(bad[0].parent)[:2]] if bad else []

    # ---- stops ----

    def do_b(self, text: str) -> None:
        """b SPEC[, condition]: a breakpoint; b alone lists all."""
        if text:
            stop = self._add(text, "b")
            matching = sum(stop.test(node, None, None) for node in self.stepper.nodes)
            self.say(f"{stop}: {words.many(matching, 'node')} match{'es' * (matching == 1)}")
        else:
            self.say(*map(str, self.runner.stops.values()) if self.runner.stops else ["no breakpoints"])

    def do_tbreak(self, text: str) -> None:
        """tbreak SPEC: a breakpoint that stops once."""
        self.say(str(self._add(text, "tbreak")))

    def do_watch(self, text: str) -> None:
        """watch g:nan [on X]: stop on a condition."""
        self.say(str(self._add(text, "watch")))

    def _add(self, text: str, kind: str) -> Stop:
        stop = self.runner.add(text, kind)
        notes = [stop.condition.note if stop.condition is not None else "", self.reader.note(stop.text)]
        self.say(*(f"  note: {note}" for note in notes if note))
        return stop

    def _point(self, text: str) -> Stop:
        if not text.isdecimal() or int(text) not in self.runner.stops:
            raise ValueError(f"no breakpoint {text or '(which?)'}; b lists them by number")
        return self.runner.stops[int(text)]

    def do_cl(self, text: str) -> None:
        """cl [N]: remove a breakpoint, or all."""
        if text:
            self.runner.stops.pop(self._point(text).number)
        else:
            self.runner.stops.clear()
        self.say(f"removed {text or 'all'}")

    def do_enable(self, text: str) -> None:
        """enable N."""
        self._point(text).enabled = True
        self.say(str(self._point(text)))

    def do_disable(self, text: str) -> None:
        """disable N."""
        self._point(text).enabled = False
        self.say(str(self._point(text)))

    def do_ignore(self, text: str) -> None:
        """ignore N k: do not stop the next k times."""
        which, _, times = text.partition(" ")
        self._point(which).ignore = self._count(times)
        self.say(str(self._point(which)))

    def do_commands(self, text: str) -> None:
        """commands N: lines to run at this stop, up to `end`; or commands N line; line."""
        which, _, rest = text.partition(" ")
        stop = self._point(which or str(max(self.runner.stops, default=0)))
        if rest:
            stop.commands = [line for line in map(str.strip, rest.split(";")) if line]
        else:
            stop.commands = []
            while (line := self.ask("(com) ")) not in ("end", "EOF"):
                if line:
                    stop.commands.append(line)
                else:
                    self.say("an empty line does nothing here; end finishes")
        self.say(str(stop))

    # ---- looking ----

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

    def _printed(self, text: str) -> str:
        try:
            value = self._evaluate(text)
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
        self.say(*self.show.flow(rows))

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

    def _display(self) -> None:
        self.say(*(f"  {text} = {self._printed(text)}" for text in self.displays))

    def do_undisplay(self, text: str) -> None:
        """undisplay [EXPR]: no longer, or none any longer."""
        if text and text not in self.displays:
            raise ValueError(f"{text!r} is not displayed; displayed: {', '.join(self.displays) or 'nothing'}")
        self.displays = [d for d in self.displays if text and d != text]

    # ---- editing ----

    def do_set(self, text: str) -> None:
        """set X.grad = 0, set X.data = 2: what if."""
        match = re.fullmatch(r"(.+)\.(grad|data)\s*=\s*(.+)", text)
        if not match:
            raise ValueError("write set X.grad = 0, or set X.data = 2")
        node, value = self.node(match[1]), self._evaluate(match[3])
        value = value.data if isinstance(value, View) else value
        s, grad = self.stepper, match[2] == "grad"
        with self._moving(f"set {text}"):
            (s.set_grad if grad else s.set_data)(node, value)
        number = words.summary(s.grad(node) if grad else s.data(node))
        self.say(f"{match[1]}.{match[2]} = {number} (set; undo takes it back)")
        self.say(*(self.show.unheeded(node) if grad else ()))
        if not grad:
            self.say(f"{self.show.names[s.root]} = {words.summary(s.data(s.root))} now")

    def do_check(self, text: str) -> None:
        """check X: its vjps against finite differences."""
        node = self.node(text)
        if node.primitive is None:
            raise ValueError(f"{text} is an input and has no vjp")
        data, arguments = self.stepper.data(node), self.stepper.arguments(node)
        for i, p, rule in self.stepper.edges(node):
            checked = check_vjp(node, i, p, rule, np.random.default_rng(0), data, arguments)
            vjp = f"  {node.op} by {self.show.names[p]}:"
            if not np.isfinite(checked.error):
                self.say(f"{vjp} cannot be compared, since something is not finite here")
                continue
            self.say(
                f"{vjp} {'holds' if checked.holds else 'WRONG'}; vjp {checked.analytic:.8g}, finite difference "
                f"{checked.numeric:.8g} (may be off by {checked.error:.1e}) along a random direction"
            )

    def do_commit(self, text: str) -> None:
        """commit: write the gradients into the nodes."""
        if self.committed:
            raise ValueError("written already: leaves would be added to twice")
        self.stepper.commit()
        self.committed = True
        self.say("written, as by backward(): leaves added up, others replaced")

    # ---- drawing ----

    def do_draw(self, text: str) -> None:
        """draw [X] [FILE]: an SVG of the graph with the position lit; of a large graph, what is around X, or here."""
        s, names = self.stepper, self.show.names
        pieces = shlex.split(text)
        path = pieces.pop() if pieces and os.path.splitext(pieces[-1])[1].lower() in PICTURES else ""
        name = " ".join(pieces)
        if name and name not in names.by_name:
            near = words.nearest(name, names.by_name)
            raise ValueError(f"{name!r} is neither a node{near} nor a file like graph.svg")
        around = names.by_name[name] if name else None if len(s.nodes) <= DRAWN else self._here_or_root()
        show = Show(s)
        seen = view(show, Selection(around=around, up=3, down=3))
        drawing = picture(seen, show, s.grad, Look(lit=self._here()))
        if not path:
            self.folder = self.folder or tempfile.mkdtemp(prefix="stepgrad-")
            path = os.path.join(self.folder, f"step{s.done}.svg")
        self.say(f"drawn: {drawing.save(path)}" + (f"   ({seen.note})" if seen.note else ""))
        notebook = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        if hasattr(notebook, "kernel"):
            sys.modules["IPython.display"].display(drawing)

    def do_save(self, text: str) -> None:
        """save FILE: the whole backward pass as one page that plays it; of a large graph, what is around here."""
        if not text:
            raise ValueError("save where? as in save backprop.html")
        s = self.stepper
        chosen = None if len(s.nodes) <= PLAYED else Selection(around=self._here_or_root(), up=3, down=3)
        here = s.position
        try:
            self._travel(len(s.nodes))  # with a bar where that is far, as it is back
            made = player(Show(s), chosen)
        finally:
            self._travel(here[0])
            s.move_to(here)
        path = made.save(text if os.path.splitext(text)[1] else f"{text}.html")
        self.say(f"saved: {path}" + (f"   ({made.note})" if made.note else ""))

    def _here_or_root(self) -> Node:
        here = self._here()
        return self.stepper.root if here is None else here

    # ---- leaving ----

    def do_h(self, text: str) -> None:
        """h [COMMAND]: help."""
        if text:
            method = self.find_command(text)
            near = words.nearest(text, self.commands())
            self.say((method.__doc__ or "").strip() if method else f"no command {text!r}{near}")
        else:
            self.say(HELP)

    def do_q(self, text: str) -> bool:
        """q: leave, with gradients as they were; q all: and do not stop again in this script."""
        self.finished = text == "all"
        raise Quit

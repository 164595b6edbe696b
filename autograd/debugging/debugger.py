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
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from tqdm import tqdm

from autograd.checking.localize import check_vjp
from autograd.debugging.looking import Looking
from autograd.debugging.prompt import MOST, Quit
from autograd.debugging.tour import Tour
from autograd.drawing.dot import Look, picture
from autograd.drawing.player import player
from autograd.drawing.rendering import PICTURES
from autograd.drawing.selection import Selection
from autograd.drawing.view import view
from autograd.engine import words
from autograd.engine.graph import Node
from autograd.stepping.causes import kind_of
from autograd.stepping.expressions import View
from autograd.stepping.runner import Progress
from autograd.stepping.stops import Stop, parse
from autograd.stepping.text import Show

__all__ = ["HELP", "Debugger"]

LONG = 50_000  # nodes to go from which a run shows its progress
DRAWN = 150  # nodes up to which all are drawn, not what is around
PLAYED = 2000  # nodes whose steps a page can hold

HELP = """
  n [k]               finish k nodes' vjps            rn [k]   the same, backwards
  s [k]               one contribution, one edge      rs [k]   the same, backwards
  c, until X          run on; run on to node X        rc       run backwards
  goto k, start, end  travel to where k nodes are finished, to the start, to the end
  undo [k]            take back the last k commands that moved or edited;  n;;n runs two
  b X                 stop before node X; b op:relu, b scope:block#1/*, b file.py:12, b *; each with `, condition`
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
  tour                backpropagation in eight stops on one neuron, with questions
  h, q, q all         help; leave, with gradients as they were; and do not stop again in this script
An empty line repeats the last command. A node called like a command is reached with p, x and why.
""".strip("\n")


class Debugger(Looking):
    """The prompt over the backward pass from `root`: the commands that move, stop, edit and draw."""

    finished = False  # left by q all
    committed = False
    folder = ""  # of drawings without a name

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

    # ---- moving ----

    def do_n(self, text: str) -> None:
        """n [k]: finish k nodes."""
        count = self._count(text)
        if self.stepper.at_end:
            if self.story is not None:
                self._tell(self.story.on())
            else:
                self.say("at the end: nothing is left to do; rn goes back")
            return
        with self._moving("n"):
            last = self.stepper.next(count)
        self._stop(last=last.node if last else None)

    def do_s(self, text: str) -> None:
        """s [k]: k contributions, each along one edge."""
        count = self._count(text)
        if self.stepper.done < 0:
            self.do_n(text)  # in the forward pass there are no contributions
            return
        c = None
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
            self._display(c.node if c is not None else None)

    def do_rn(self, text: str) -> None:
        """rn [k]: take k nodes back."""
        self._back("rn", text)

    def do_rs(self, text: str) -> None:
        """rs [k]: take k contributions back."""
        self._back("rs", text)

    def _back(self, line: str, text: str) -> None:
        """Take nodes or contributions back, and say which."""
        s, count = self.stepper, self._count(text)
        reading = self.story is not None and isinstance(self.story.page, str)
        if self.story is not None and (s.at_start or reading) and self.story.back():
            self._tell(True)
            return
        if s.at_start:
            self.say("at the start: nothing is done that could be taken back")
            return
        before = s.position
        with self._moving(f"{line} {text}".strip()):
            if line == "rn":
                s.back_next(count)
            else:
                s.back_step(count)
        taken = [s.nodes[len(s.nodes) - 1 - k] if k >= 0 else s.nodes[k] for k in (s.done, max(s.done, before[0] - 1))]
        first, last = (self.show.header(node).partition("   ")[0] for node in taken)
        many = "" if first == last else f" back to {first}"
        self.say(f"took back {'part of ' if before[1] or s.part else ''}{last}{many}")
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
        s = self.stepper
        if not text.removeprefix("-" * bool(s.first)).isdecimal():
            raise ValueError(f"goto {text}: how many nodes are to be finished? {s.first} to {len(s.nodes)}")
        self._go("goto", int(text))

    def do_start(self, text: str) -> None:
        """start: travel to the start."""
        self._go("start", self.stepper.first)

    def do_end(self, text: str) -> None:
        """end: travel to the end."""
        self._go("end", len(self.stepper.nodes))

    def _go(self, line: str, target: int) -> None:
        with self._moving(line):
            self._travel(min(target, len(self.stepper.nodes)))
        self._stop()

    def do_undo(self, text: str) -> None:
        """undo [k]: take back the last commands that moved or edited."""
        count = self._count(text)
        if not self.runner.undos:
            self.say("nothing to undo")
            return
        self.path, self.place = [], 0
        for _ in range(min(count, len(self.runner.undos))):
            self.say(f"took back: {self.runner.undo()}")
        self._stop()

    def _run(self, forward: bool, *more: Stop) -> None:
        """Run to a stop or to the end, and say what was met there."""
        s = self.stepper
        if forward and s.at_end and self.story is not None:
            self.do_n("")
            while isinstance(self.story.page, str) and self.story.on():
                self._tell(True)
            return
        if s.at_end if forward else s.at_start:
            end = "at the end: nothing is left to do"
            self.say(end if forward else "at the start: nothing is done that could be taken back")
            return
        to_go = len(s.nodes) - s.done if forward else s.done - s.first
        with self._moving("c" if forward else "rc"), self._bar(to_go) as progress:
            hits = self.runner.run(forward, *more, progress=progress)
        if not hits:
            self._stop()
            self.say(*(self.show.leaves() if forward else ()))
            return
        last = hits[0].node if hits[0].of == "g" or (hits[0].of == "v" and s.done <= 0 and s.first) else None
        self._stop("comes next" if last is None else "", last)
        for stop in hits:
            if stop.number and not stop.temporary:
                before = "and before the next node," if last is not None and stop.of != "g" else "stopped"
                self.say(f"{before} at {stop}")
            self.todo += stop.commands
        if last is not None and s.done >= 0:
            self.say(*self._explained(last))

    def _explained(self, node: Node) -> list[str]:
        """Where a run has stopped at what an operation made of finite numbers, nan or inf: the cause."""
        s = self.stepper
        bad = [c for c in s.step_of(node).contributions if c.applied and kind_of(c.value, 1.0) in ("nan", "inf")]
        return [f"  {cause.reason}" for cause in s.blame(bad[0].parent)[:2]] if bad else []

    def _tell(self, more: bool) -> None:
        """Show the page of the story that was turned to."""
        story = self.story
        assert story is not None
        if not more:
            self.say("this was the last step; rn goes back")
            return
        if isinstance(story.page, str):
            self.say(story.page)
        opened = story.last_pass()
        if opened.stepper is self.stepper:
            if not isinstance(story.page, str):
                self._stop()
            return
        self.open(opened.stepper, opened.runner)
        if not isinstance(story.page, str):
            root = f"{self.show.names[self.stepper.root]} = {words.summary(self.stepper.data(self.stepper.root))}"
            known = "" if self.stepper.at_start and self.stepper.first else f", {root}"
            self.say(f"Pass {opened.number}{known}.", *self.introduction()[:1])

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

    # ---- leaving ----

    def do_h(self, text: str) -> None:
        """h [COMMAND]: help."""
        if text:
            method = self.find_command(text)
            near = words.nearest(text, self.commands())
            self.say((method.__doc__ or "").strip() if method else f"no command {text!r}{near}")
        else:
            self.say(HELP)

    def do_tour(self, text: str) -> None:
        """tour: backpropagation in eight stops on one neuron, with questions."""
        Tour(self.ask, self.say).run()

    def do_q(self, text: str) -> bool:
        """q: leave, with gradients as they were; q all: and do not stop again in this script."""
        self.finished = text == "all"
        raise Quit

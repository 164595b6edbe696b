"""The prompt of the backprop debugger: pdb's habits, on a `Stepper` that walks both ways.

`sessions` opens it. What a step is belongs to `stepper`, how it reads to `show`, where to stop
to `stops`; here are the commands.
"""

from __future__ import annotations

import cmd
import difflib
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from tqdm import tqdm

from autograd.checking.localize import check_vjp
from autograd.debugging.expressions import View, evaluate
from autograd.drawing.dot import picture
from autograd.drawing.player import WHOLE, player
from autograd.drawing.rendering import PICTURES
from autograd.drawing.selection import LIMIT, Selection
from autograd.drawing.view import view
from autograd.engine.graph import Node
from autograd.engine.words import summary
from autograd.stepping.stepper import Stepper
from autograd.stepping.stops import Breakpoint, Watch, parse_breakpoint, parse_watch
from autograd.stepping.text import Show

__all__ = ["Debugger"]

LONG = 50_000  # nodes to go from which a run shows its progress
MOST = 200  # lines that one command prints
PLAYED = 2000  # nodes whose steps a page can hold

HELP = """
  n [k]               finish k nodes' vjps            rn [k]   the same, backwards
  s [k]               one contribution, one edge      rs [k]   the same, backwards
  c, until X          run on; run on to node X        rc       run backwards
  goto k, start, end  travel to where k nodes are finished, to the start, to the end
  undo                take back the last command that moved or edited
  b X                 stop before node X; b op:relu, b scope:block#1/*, b file.py:12; each with `, condition`
  tbreak X            the same, once;  b alone lists;  cl, enable, disable, ignore N k, commands N: by number
  watch g:nan         stop when a gradient becomes nan; inf, zero, >1e3, <1e-7, changed; `on X`; v:... for values
  w, u, d             the path from the root to here; move along it
  l, ll, src          operations around here; the whole tape; the line that made this node
  p EXPR, pp EXPR     print: nodes by name, X.grad, X.data, NumPy as np; g and out in conditions
  x X, x W[2,1]       everything about X; one element of a product or sum as the sum that it is
  why X, paths X      X's gradient as the sum of its contributions; as a sum over paths
  display EXPR        print at each stop;  undisplay
  set X.grad = 0      what if (undo takes it back);  set X.data = 2 computes forward again
  check X             compare the vjps of X with finite differences
  draw [X] [FILE]     draw the graph, or what is around X, with the position lit; as in draw h.svg, draw h, draw h here.svg
  save FILE           write the whole backward pass as a page that plays it, as in save backprop.html
  commit              write the gradients into the nodes, as backward() does
  h, q, q all         help; leave, with gradients as they were; and do not stop again in this script
An empty line repeats the last command. A node called like a command is reached with p, x and why.
""".strip("\n")

LONG_NAMES = {
    "next": "n", "step": "s", "continue": "c", "break": "b", "clear": "cl", "where": "w", "up": "u", "down": "d", "list": "l",
    "print": "p", "help": "h", "quit": "q", "exit": "q", "EOF": "q", "?": "h", "reverse-next": "rn", "reverse-step": "rs", "reverse-continue": "rc",
}  # fmt: skip


class Quit(Exception):
    """The user left the debugger by `q`."""


class Debugger(cmd.Cmd):
    """The prompt over the backward pass from `root`; see `Stepper` for what may be a root."""

    prompt = "(grad) "

    def __init__(self, root: Any, gradient: Any = None, stdin: Any = None, stdout: Any = None) -> None:
        super().__init__(stdin=stdin, stdout=stdout)
        self.use_rawinput = stdin is None
        self.stepper = Stepper(root, gradient)
        colour = (
            hasattr(self.stdout, "isatty")
            and self.stdout.isatty()
            and "NO_COLOR" not in os.environ
            and os.environ.get("TERM") != "dumb"
        )
        self.show = Show(self.stepper, colour)
        self.points: dict[int, Breakpoint | Watch] = {}
        self.displays: list[str] = []
        self.undos: list[tuple[str, Any]] = []
        self.path: list[Node] = []  # of w, u and d
        self.place = 0
        self.finished = False  # left by q all
        self.committed = False
        self.folder = ""  # of drawings without a name
        self._todo: list[str] = []  # commands of the breakpoint just reached
        n = len(self.stepper.nodes)
        self.intro = f"{n:,} operation{'s' * (n != 1)} from {self.show.names[root] if n else 'a leaf'}; nothing is done yet. h for help."
        if n and not any(node.source for node in self.stepper.nodes[-3:]):
            self.intro += "\nNo source lines were recorded: build the graph inside `with ag.record_source():`, or use ag.debug(f, ...)."
        taken = [name for name in self.show.names.by_name if self.find_command(name)]
        if taken:
            self.intro += f"\nNamed like commands: {', '.join(taken[:8])}; reach them with p, as in p {taken[0]}."

    # ---- the machinery ----

    def say(self, *lines: str) -> None:
        """Print lines, so many at most."""
        for line in lines[:MOST]:
            self.stdout.write(line + "\n")
        if len(lines) > MOST:
            self.stdout.write(f"... {len(lines) - MOST:,} lines more\n")

    def cmdloop(self, intro: Any = None) -> None:
        """Read and run lines; Ctrl-C at the prompt only starts a new one."""
        while True:
            try:
                super().cmdloop(intro)
                return
            except KeyboardInterrupt:
                self.say("", "interrupted; q leaves")
                self.intro = intro = None

    def find_command(self, name: str) -> Callable[[str], Any] | None:
        """The method of a command by its name or its long name."""
        method: Callable[[str], Any] | None = (
            getattr(self, f"do_{LONG_NAMES.get(name, name)}", None)
            if name.replace("-", "").isalnum() or name == "?"
            else None
        )
        return method

    def onecmd(self, line: str) -> bool:
        """Run one line, and then what a breakpoint that it led to wants run."""
        line = line.strip()
        if not line:
            return bool(self.emptyline())
        self.lastcmd = "" if line == "EOF" else line
        stop = self._run_line(line)
        while self._todo and not stop:
            stop = self._run_line(self._todo.pop(0))
        self._todo.clear()
        return stop

    def _run_line(self, line: str) -> bool:
        """Run one line; whatever goes wrong is said in a line."""
        word, _, rest = line.partition(" ")
        if word[0] == "?" and len(word) > 1:
            word, rest = "h", line[1:]
        method = self.find_command(word)
        try:
            if method is not None:
                return bool(method(rest.strip()))
            if line in self.show.names.by_name or re.fullmatch(r"[\w%#.\[\],]+", line):
                self.do_p(line)
                return False
            raise ValueError(
                f"no command {word!r}{self._nearest(word, [*LONG_NAMES, *self.get_names_of_commands()])}; h lists them, p {line} evaluates"
            )
        except Quit:
            return True
        except KeyboardInterrupt:
            self.say("interrupted; here:")
            self._stop()
        except Exception as error:
            self.say(f"*** {error}" if isinstance(error, ValueError) else f"*** {type(error).__name__}: {error}")
        return False

    def emptyline(self) -> bool:
        """Repeat the last command."""
        return self.onecmd(self.lastcmd) if self.lastcmd else False

    def get_names_of_commands(self) -> list[str]:
        """The short commands."""
        return [name[3:] for name in dir(self) if name.startswith("do_")]

    def completenames(self, text: str, *_: Any) -> list[str]:
        """Tab, first word: commands and nodes."""
        return [name for name in (*self.get_names_of_commands(), *self.show.names.by_name) if name.startswith(text)][
            :MOST
        ]

    def completedefault(self, text: str, *_: Any) -> list[str]:
        """Tab, later words: nodes."""
        return [name for name in self.show.names.by_name if name.startswith(text)][:MOST]

    def _nearest(self, name: str, among: Iterable[str]) -> str:
        near = difflib.get_close_matches(name, list(among)[:5000], 1, 0.5)
        return f"; did you mean {near[0]}?" if near else ""

    def node(self, name: str) -> Node:
        """A node by name; ValueError, with the nearest name, if there is none."""
        names = self.show.names.by_name
        name = name.strip()
        if name in ("", "."):
            here = self._here()
            if here is None:
                raise ValueError("at the end there is no current node; name one")
            return here
        if name not in names:
            raise ValueError(f"no node is called {name!r}{self._nearest(name, names) or '; ll lists the tape'}")
        return names[name]

    def _here(self) -> Node | None:
        """The selected node: by u and d, or else the one whose rules come next."""
        return self.path[self.place] if self.path else self.stepper.current

    def _move(self, line: str, go: Callable[[], Any]) -> Any:
        """Do what moves or edits, so that undo can take it back."""
        s = self.stepper
        before, where = s.state(), (s.position, s.version)
        self.path, self.place = [], 0
        try:
            return go()
        finally:
            if (s.position, s.version) != where:
                self.undos.append((line, before))

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
        for text in self.displays:
            self.say(f"  {text} = {self._printed(text)}")

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
        last = self._move("n", lambda: self.stepper.next(count))
        self._stop(last=last.node)

    def do_s(self, text: str) -> None:
        """s [k]: k contributions, each along one edge."""
        count = self._count(text)
        made = self._move(
            f"s {text}".strip(), lambda: [c for _ in range(count) if (c := self.stepper.step()) is not None]
        )
        for c in made:
            self.say(self.show.header(c.node), *self.show.contribution(c))
        if len(made) < count:
            self.say("at the end: nothing is left to do; rs goes back")
            return
        for shown in self.displays:
            self.say(f"  {shown} = {self._printed(shown)}")

    def do_rn(self, text: str) -> None:
        """rn [k]: take k nodes back."""
        count = self._count(text)
        if self.stepper.at_start:
            self.say("at the start: nothing is done that could be taken back")
            return
        self._move("rn", lambda: self.stepper.back_next(count))
        self._stop()

    def do_rs(self, text: str) -> None:
        """rs [k]: take k contributions back."""
        count = self._count(text)
        if self.stepper.at_start:
            self.say("at the start: nothing is done that could be taken back")
            return

        def back() -> None:
            for _ in range(count):
                self.stepper.back_step()

        self._move("rs", back)
        self._stop()

    def do_c(self, text: str) -> None:
        """c: run on to a stop, or to the end."""
        self._run(forward=True)

    def do_rc(self, text: str) -> None:
        """rc: run backwards to a stop, or to the start."""
        self._run(forward=False)

    def do_until(self, text: str) -> None:
        """until X: run on to node X."""
        point = self._temporary(text)
        try:
            here = self.stepper.current
            if here is not None and self.stepper.part == 0 and point.matches(here):
                self._stop("comes next already")
                return
            self._run(forward=True)
        finally:
            self.points.pop(point.number, None)

    def do_goto(self, text: str) -> None:
        """goto k: travel to where k nodes are finished."""
        if not text.isdecimal():
            raise ValueError(f"goto {text}: how many nodes are to be finished? 0 to {len(self.stepper.nodes)}")
        self._move("goto", lambda: self._travel(int(text)))
        self._stop()

    def do_start(self, text: str) -> None:
        """start: travel to the start."""
        self._move("start", lambda: self._travel(0))
        self._stop()

    def do_end(self, text: str) -> None:
        """end: travel to the end."""
        self._move("end", lambda: self._travel(len(self.stepper.nodes)))
        self._stop()

    def do_undo(self, text: str) -> None:
        """undo: take back the last command that moved or edited."""
        if not self.undos:
            self.say("nothing to undo")
            return
        line, state = self.undos.pop()
        self.path, self.place = [], 0
        self.stepper.restore(state)
        self.say(f"took back: {line}")
        self._stop()

    def _travel(self, target: int) -> None:
        """Go to where `target` nodes are finished, with a bar if it is far."""
        s = self.stepper
        target = max(0, min(target, len(s.nodes)))
        far = abs(target - s.done)
        with tqdm(total=far, unit="node", disable=far < LONG, leave=False, file=sys.stderr) as bar:
            while s.position != (target, 0):
                before = s.done
                s.goto(min(target, before + 5000) if target > before else max(target, before - 5000))
                bar.update(abs(s.done - before))

    def _run(self, forward: bool) -> None:
        s = self.stepper
        if s.at_end if forward else s.at_start:
            self.say(
                "at the end: nothing is left to do"
                if forward
                else "at the start: nothing is done that could be taken back"
            )
            return
        points = [p for p in self.points.values() if p.enabled]
        found: list[tuple[Breakpoint | Watch, Node | None]] = []

        def go() -> None:
            if not points:
                self._travel(len(s.nodes) if forward else 0)
                return
            watches = [p for p in points if isinstance(p, Watch) and p.of == "g"]
            with tqdm(
                total=len(s.nodes), unit="node", disable=len(s.nodes) < LONG, leave=False, file=sys.stderr
            ) as bar:
                while not (s.at_end if forward else s.at_start):
                    done = s.done
                    if watches:
                        hit = self._watched_step(watches, forward)
                        if hit is not None:
                            found.append(hit)
                            here = s.current if s.part == 0 else None
                            also = [
                                p
                                for p in points
                                if isinstance(p, Breakpoint)
                                and here is not None
                                and p.matches(here)
                                and self._counts(p, here)
                            ]
                            found.extend((p, None) for p in also)
                            return
                    elif forward:
                        s.goto(s.done + 1)
                    else:
                        s.back_next()
                    bar.update(abs(s.done - done))
                    node = s.current
                    if s.part == 0 and node is not None:
                        for p in points:
                            if p.meets(node, s.data(node)) and self._counts(p, node):
                                found.append((p, None))
                                return

        self._move("c" if forward else "rc", go)
        if not found:
            self._stop()
            if forward:
                self.say(*self._leaves())
            return
        point, last = found[0]
        point.hits += 1
        temporary = isinstance(point, Breakpoint) and point.temporary
        if temporary:
            self.points.pop(point.number, None)
        self._stop("comes next" if last is None else "", last)
        if not temporary:
            self.say(f"stopped at {point}")
        for other, _ in found[1:]:
            other.hits += 1
            self.say(f"and before the next node, at {other}")
        if isinstance(point, Watch) and last is not None:
            self.say(*self._diagnosis(last))
        self._todo += point.commands

    def _watched_step(self, watches: list[Watch], forward: bool) -> tuple[Watch, Node] | None:
        """One contribution forth or back; the watch that it sets off, with the node."""
        s = self.stepper
        if forward:
            c = s.step()
            if c is None:
                return None
            node, parent, before, after = c.node, c.parent, c.before, c.after
        else:
            entry = s.last_entry()
            s.back_step()
            if entry is None:
                return None
            node, parent, before, after = s.nodes[entry.index], entry.parent, entry.before, s.sum_of(entry)
        for w in watches:
            if (w.on is None or w.on is parent) and w.test(before, after) and self._counts(w, node):
                return w, node
        return None

    def _counts(self, point: Breakpoint | Watch, node: Node) -> bool:
        """Whether a stop that matches is to be made: its condition holds, and it is not ignored."""
        if point.condition and not self._evaluate(point.condition, node):
            return False
        if point.ignore:
            point.ignore -= 1
            return False
        return True

    def _diagnosis(self, node: Node) -> list[str]:
        """For a nan or inf out of finite numbers and a local derivative that is not: what it is, and the remedy."""
        s = self.stepper
        lines = []
        for c in s.step_of(node).contributions:
            value, upstream = np.asarray(c.value if c.value is not None else 0.0), np.asarray(c.upstream)
            if np.isfinite(value).all():
                continue
            local = np.asarray(c.local) if c.local is not None else s.local_array(node, c.argument)
            if local.shape == upstream.shape and (np.isinf(local) & (upstream == 0)).any():
                lines.append("  0 * inf = nan: no gradient comes from above, but the local derivative is infinite.")
                lines.append(
                    "  A where() further up picked the other branch; its gradient is 0 here, and 0 * inf is nan. Use where() twice: "
                )
                lines.append(
                    "  give this operation a harmless input where it is not picked, as in np.where(ok, np.log(np.where(ok, x, 1.0)), 0.0)."
                )
            elif np.isnan(upstream).any() or np.isinf(upstream).any():
                lines.append(
                    "  it came from above: the upstream gradient is not finite already; rn goes back to where it began."
                )
            else:
                lines.append(f"  the local derivative of {node.op} is not finite here.")
        return lines

    def _leaves(self) -> list[str]:
        """The gradients of the inputs, at the end."""
        s, names = self.stepper, self.show.names
        inputs = {p.id: p for n in s.nodes for p in n.inputs if p.primitive is None}
        lines = [f"  {names[p]}.grad = {summary(s.grad(p))}" for p in sorted(inputs.values(), key=lambda p: p.id)]
        return lines[:20] + ([f"  ... and {len(lines) - 20:,} inputs more"] if len(lines) > 20 else [])

    # ---- stops ----

    def do_b(self, text: str) -> None:
        """b SPEC[, condition]: a breakpoint; b alone lists all."""
        if not text:
            self.say(*(str(p) for p in self.points.values())) if self.points else self.say("no breakpoints")
            return
        point = parse_breakpoint(self._number(), text, self.node)
        self.points[point.number] = point
        matching = sum(map(point.matches, self.stepper.nodes))
        self.say(f"{point}: {matching:,} node{'s' * (matching != 1)} match{'es' * (matching == 1)}")

    def do_tbreak(self, text: str) -> None:
        """tbreak SPEC: a breakpoint that stops once."""
        self.say(str(self._temporary(text)))

    def _temporary(self, text: str) -> Breakpoint:
        point = parse_breakpoint(self._number(), text, self.node)
        point.temporary = True
        self.points[point.number] = point
        return point

    def do_watch(self, text: str) -> None:
        """watch g:nan [on X]: stop on a condition."""
        watch = parse_watch(self._number(), text, self.node)
        self.points[watch.number] = watch
        self.say(str(watch))

    def _number(self) -> int:
        return max(self.points, default=0) + 1

    def _point(self, text: str) -> Breakpoint | Watch:
        if not text.isdecimal() or int(text) not in self.points:
            raise ValueError(f"no breakpoint {text or '(which?)'}; b lists them by number")
        return self.points[int(text)]

    def do_cl(self, text: str) -> None:
        """cl [N]: remove a breakpoint, or all."""
        if text:
            self.points.pop(self._point(text).number)
        else:
            self.points.clear()
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
        point = self._point(which or str(max(self.points, default=0)))
        if rest:
            point.commands = [line.strip() for line in rest.split(";")]
        else:
            point.commands = []
            while (line := self._ask("(com) ")) not in ("end", "EOF"):
                point.commands.append(line)
        self.say(str(point))

    def _ask(self, prompt: str) -> str:
        try:
            if self.use_rawinput:
                return input(prompt).strip()
            line = self.stdin.readline()
            return line.strip() if line else "EOF"
        except EOFError:
            return "EOF"

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
        s = self.stepper
        lines: list[str] = []
        for k in range(high, low - 1, -1):
            if len(lines) > MOST:
                self.say(*lines[:MOST], f"... {k + 2 - low:,} operations more")
                return
            node = s.nodes[k]
            mark = "->" if node is here else " *" if len(s.nodes) - 1 - k < s.done else "  "
            lines.append(f"{mark} {self.show.header(node)}   = {summary(s.data(node))}   grad {summary(s.grad(node))}")
        self.say(*lines)

    def do_src(self, text: str) -> None:
        """src [X]: the source line that made a node."""
        node = self.node(text)
        source = node.source
        if source is None:
            self.say("no source line was recorded; build the graph inside `with ag.record_source():`")
            return
        import linecache

        lines = [f"{source.file}:{source.line}" + (f" in {source.scope}" if source.scope else "")]
        for n in range(max(1, source.line - 3), source.line + 4):
            code = linecache.getline(source.file, n).rstrip()
            lines += [f"{'->' if n == source.line else '  '} {n:>4}  {code}"] if code or n == source.line else []
        lines += [
            f"   called from {os.path.basename(file)}:{line} in {function}"
            for file, line, function in reversed(source.stack[:-1])
        ]
        self.say(*lines)

    def do_p(self, text: str) -> None:
        """p EXPR: print."""
        self.say(self._printed(text or "."))

    def do_pp(self, text: str) -> None:
        """pp EXPR: print, arrays whole."""
        value = self._evaluate(text or ".")
        with np.printoptions(threshold=10_000, linewidth=120):
            self.say(str(value.data if isinstance(value, View) else value))

    def _printed(self, text: str) -> str:
        try:
            value = self._evaluate(text)
        except Exception as error:
            return f"*** {error}"
        return (
            repr(value)
            if isinstance(value, View)
            else summary(value)
            if isinstance(value, (float, np.ndarray, np.generic))
            else repr(value)
        )

    def _evaluate(self, text: str, node: Node | None = None) -> Any:
        """A node by its name, a name with .grad or .data, or an expression of them."""
        here = node if node is not None else self._here()
        if text == ".":
            return View(self.show, self.node(text))
        try:
            return evaluate(text, self.show, here)
        except NameError as error:
            name = re.findall(r"'([^']*)'", str(error))[0]
            raise ValueError(f"no node is called {name!r}{self._nearest(name, self.show.names.by_name)}") from None

    def do_x(self, text: str) -> None:
        """x X: everything about a node; x W[2,1]: one element of a product or sum."""
        names = self.show.names.by_name
        match = re.fullmatch(r"(.+)\[([-\d,\s]+)\]", text)
        if text not in names and match and match[1] in names:
            node = names[match[1]]
            index = tuple(int(i) for i in match[2].split(","))
            if len(index) != np.ndim(self.stepper.data(node)):
                raise ValueError(f"{match[1]} has {np.ndim(self.stepper.data(node))} axes, not {len(index)}")
            self.say(*self.show.element(node, index))
            return
        node, s = self.node(text), self.stepper
        edited = " (set)" if node.id in s.fixed else " (computed from what was set)" if node.id in s.values else ""
        self.say(self.show.header(node), f"  data  {summary(s.data(node))}{edited}", f"  grad  {summary(s.grad(node))}")
        if node.id in s.index:
            for c in s.step_of(node).contributions:
                self.say(*self.show.contribution(c))
            self.say(*self.show.changed(node))
        for user, i in s.consumers(node)[:10]:
            self.say(f"  used as argument {i} of {self.show.header(user)}")
        if len(s.consumers(node)) > 10:
            self.say(f"  and {len(s.consumers(node)) - 10:,} times more")

    def do_why(self, text: str) -> None:
        """why X: its gradient as the sum of its contributions."""
        self.say(*self.show.why(self.node(text)))

    def do_paths(self, text: str) -> None:
        """paths X [k]: its gradient as a sum over paths."""
        words = shlex.split(text)
        limit = self._count(words.pop()) if len(words) > 1 and words[-1].isdecimal() else 5
        self.say(*self.show.paths(self.node(" ".join(words)), limit))

    def do_display(self, text: str) -> None:
        """display EXPR: print at each stop."""
        if text and text not in self.displays:
            self.displays.append(text)
        self.say(*(f"  {d} = {self._printed(d)}" for d in self.displays))

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
        change = self.stepper.set_grad if match[2] == "grad" else self.stepper.set_data
        self._move(f"set {text}", lambda: change(node, value))
        s = self.stepper
        self.say(
            f"{match[1]}.{match[2]} = {summary(s.grad(node) if match[2] == 'grad' else s.data(node))} (set; undo takes it back)"
        )
        if match[2] == "data":
            self.say(f"{self.show.names[s.root]} = {summary(s.data(s.root))} now")

    def do_check(self, text: str) -> None:
        """check X: its vjps against finite differences."""
        node = self.node(text)
        if node.primitive is None:
            raise ValueError(f"{text} is an input and has no vjp")
        for i, p, rule in self.stepper.edges(node):
            checked = check_vjp(
                node, i, p, rule, np.random.default_rng(0), self.stepper.data(node), self.stepper.arguments(node)
            )
            if not np.isfinite(checked.error):
                self.say(f"  {node.op} by {self.show.names[p]}: cannot be compared, since something is not finite here")
                continue
            verdict = "holds" if checked.holds else "WRONG"
            self.say(
                f"  {node.op} by {self.show.names[p]}: {verdict}; vjp {checked.analytic:.8g}, finite difference {checked.numeric:.8g} "
                f"(may be off by {checked.error:.1e}) along a random direction"
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
        """draw [X] [FILE]: an SVG of the graph with the position lit; of what is around X, or around here where the graph is large."""
        s, names = self.stepper, self.show.names
        words = shlex.split(text)
        path = words.pop() if words and os.path.splitext(words[-1])[1].lower() in PICTURES else ""
        name = " ".join(words)
        if name and name not in names.by_name:
            raise ValueError(
                f"{name!r} is neither a node{self._nearest(name, names.by_name)} nor a file like graph.svg"
            )
        around = names.by_name[name] if name else None if len(s.nodes) <= LIMIT else self._here_or_root()
        show = Show(s, names=names)
        seen = view(show, Selection(around=around, up=3, down=3))
        drawing = picture(seen, show, s.grad, lit=self._here())
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
        chosen = None if len(s.nodes) <= PLAYED else Selection(WHOLE, around=self._here_or_root(), up=3, down=3)
        here = s.position
        try:
            self._travel(len(s.nodes))  # with a bar where that is far, as it is back
            made = player(Show(s, names=self.show.names), chosen)
        finally:
            self._travel(here[0])
            s.move_to(here)
        self.say(
            f"saved: {made.save(text if os.path.splitext(text)[1] else text + '.html')}"
            + (f"   ({made.note})" if made.note else "")
        )

    def _here_or_root(self) -> Node:
        here = self._here()
        return self.stepper.root if here is None else here

    # ---- leaving ----

    def do_h(self, text: str) -> None:
        """h [COMMAND]: help."""
        if text:
            method = self.find_command(text)
            self.say(
                (method.__doc__ or "").strip()
                if method
                else f"no command {text!r}{self._nearest(text, self.get_names_of_commands())}"
            )
        else:
            self.say(HELP)

    def do_q(self, text: str) -> bool:
        """q: leave, with gradients as they were; q all: and do not stop again in this script."""
        self.finished = text == "all"
        raise Quit

"""A prompt with pdb's manners: it reads a line, runs the method of the command, and lets nothing out.

It knows nothing of gradients: `debugger` holds the commands.
"""

from __future__ import annotations

import cmd
import gc
import os
import re
from collections.abc import Callable, Iterable
from typing import IO, Any

from autograd.engine import words

__all__ = ["LONG_NAMES", "MOST", "Prompt", "Quit"]

MOST = 200  # lines that one command prints
# What does more on a terminal than be read, besides colours and the ends of lines: control characters, and those that
# turn the direction of a text.
CONTROL = re.compile(r"(?!\x1b\[\d*m)[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

LONG_NAMES = {
    "next": "n", "step": "s", "continue": "c", "break": "b", "clear": "cl", "where": "w", "up": "u", "down": "d",
    "list": "l", "print": "p", "help": "h", "quit": "q", "exit": "q", "EOF": "q", "?": "h",
    "reverse-next": "rn", "reverse-step": "rs", "reverse-continue": "rc",
}  # fmt: skip


class Quit(Exception):
    """The user left the debugger by `q`."""


class Prompt(cmd.Cmd):
    """Reads lines and runs their commands: methods called do_NAME, which take the rest of the line.

    todo: lines to run next, as a command leaves them.
    """

    def __init__(self, stdin: IO[str] | None = None, stdout: IO[str] | None = None) -> None:
        super().__init__(stdin=stdin, stdout=stdout)
        self.use_rawinput = stdin is None
        self.todo: list[str] = []

    def names(self) -> Iterable[str]:
        """What may be typed besides commands."""
        raise NotImplementedError

    def where(self) -> None:
        """Say where things stand, after an interruption."""
        raise NotImplementedError

    def has_colour(self) -> bool:
        """Whether the output is a terminal that shows colours, and nobody asked for none."""
        return self.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def say(self, *lines: str) -> None:
        """Print lines, so many at most; of what a terminal obeys only colours get through."""
        for line in lines[:MOST]:
            self.stdout.write(CONTROL.sub(lambda match: ascii(match[0])[1:-1], line) + "\n")
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

    def find_command(self, name: str) -> Callable[[str], bool | None] | None:
        """The method of a command by its name or its long name."""
        known = name.replace("-", "").isalnum() or name == "?"
        method: Callable[[str], bool | None] | None = getattr(self, f"do_{LONG_NAMES.get(name, name)}", None)
        return method if known else None

    def onecmd(self, line: str) -> bool:
        """Run one line, and then what a stop that it led to wants run."""
        line = line.strip()
        if not line:
            return self.emptyline()
        self.lastcmd = "" if line == "EOF" else line
        stop = False
        for part in line.split(";;") if line.strip("; ") else [line]:
            stop = stop or (bool(part.strip()) and self._run_line(part.strip()))
            while self.todo and not stop:
                stop = self._run_line(self.todo.pop(0))
            self.todo.clear()
        return stop

    def _run_line(self, line: str) -> bool:
        """Run one line; whatever goes wrong is said in a line, and nothing of it reaches the user's script."""
        collecting = gc.isenabled()
        try:
            gc.disable()  # over a graph of 300,000 nodes it takes a third of every command, and finds nothing
            return bool(self._command(line)())
        except Quit:
            return True
        except KeyboardInterrupt:
            self.say("interrupted; here:")
            self.where()
        except BaseException as error:
            self.say(f"*** {error}" if isinstance(error, ValueError) else f"*** {type(error).__name__}: {error}")
        finally:
            if collecting:
                gc.enable()
        return False

    def _command(self, line: str) -> Callable[[], bool | None]:
        """What a line asks for: a command, or to print what it names."""
        line = line.rstrip("; ")
        word, _, rest = line.partition(" ")
        if not word:
            raise ValueError("nothing stands before the semicolon; h lists the commands")
        if word[0] == "?" and len(word) > 1:
            word, rest = "h", line[1:]
        method = self.find_command(word)
        if method is not None:
            return lambda: method(rest.strip())
        return lambda: self.default(line)

    def default(self, line: str) -> None:
        """What begins with no command; raises ValueError."""
        word = line.split()[0]
        near = words.nearest(word, [*LONG_NAMES, *self.commands()])
        raise ValueError(f"no command {word!r}{near}; h lists them, p {line} evaluates")

    def emptyline(self) -> bool:
        """Repeat the last command."""
        return self.onecmd(self.lastcmd) if self.lastcmd else False

    def commands(self) -> list[str]:
        """The short commands."""
        return [name[3:] for name in dir(self) if name.startswith("do_")]

    def completenames(self, text: str, *_: object) -> list[str]:
        """Tab, first word: commands and nodes."""
        known = (*self.commands(), *self.names())
        return [name for name in known if name.startswith(text)][:MOST]

    def completedefault(self, text: str, *_: object) -> list[str]:
        """Tab, later words: nodes."""
        return [name for name in self.names() if name.startswith(text)][:MOST]

    def ask(self, prompt: str) -> str:
        """One more line of input; EOF where there is none."""
        try:
            if self.use_rawinput:
                return input(prompt).strip()
            line = self.stdin.readline()
            return line.strip() if line else "EOF"
        except EOFError:
            return "EOF"

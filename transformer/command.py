"""`stepgrad`: the commands of both packages under one name, as pip installs it.

Two commands exist in both: `check module:function` and `debug script.py` are autograd's; without
such an argument, or with a run folder, they are the transformer's.
"""

from __future__ import annotations

import sys

from autograd.__main__ import main as engine
from transformer.__main__ import COMMANDS
from transformer.__main__ import main as model
from transformer.options import parser

OWN = """
for functions and scripts of your own:
  check MODULE:FUNCTION   compare a gradient with finite differences
  debug SCRIPT.py         run a script and step through each of its backward passes
  exercise [N]            hand out an exercise in backpropagation, or check your solution"""


def main(argv: list[str] | None = None) -> int:
    """Run a command of either package; the exit status is its own."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(parser("stepgrad").format_help() + OWN)
        return 0 if argv else 2
    return engine(argv) if of_engine(argv) else model(argv, "stepgrad")


def of_engine(argv: list[str]) -> bool:
    """Whether the command is one of `python -m autograd`."""
    if argv[0] in ("check", "debug"):
        return any(a.endswith(".py") or ":" in a for a in argv[1:2])
    return not argv[0].startswith("-") and argv[0] not in COMMANDS

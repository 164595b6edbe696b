"""The command line: `python -m autograd {check,debug,tour,exercise}`."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from autograd.checking.checks import gradcheck
from autograd.checking.differences import METHODS
from autograd.debugging.sessions import run_script, tour
from autograd.engine.tree import leaves
from autograd.exercises.sheet import EXERCISES, hand_out, listing
from autograd.exercises.sheet import check as check_exercise


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit status is 0 where the gradient holds, 1 where it does not, 2 for bad input."""
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["check"]:  # a space, or argparse takes -1e-3 for an option
        given = [f" {text}" if _is_number(text) else text for text in given]
    args = _parser().parse_args(given)
    try:
        status = int(args.run(args))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as in `... | head`: whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def check(args: argparse.Namespace) -> int:
    """Check the gradient of a user's function."""
    try:
        f = _function(args.function)
        inputs = _inputs(f, args.at)
        report = gradcheck(
            f, *inputs, order=args.order, method=args.method, fast=args.fast or None, localize=args.localize
        )
    except (ValueError, TypeError, ImportError) as error:
        print(f"python -m autograd check: error: {error}", file=sys.stderr)
        return 2
    except Exception:  # an error of the user's own function is not a wrong gradient
        traceback.print_exc()
        return 2
    print(report)
    return 0 if report else 1


def debug(args: argparse.Namespace) -> int:
    """Run a user's script, stopping at each backward()."""
    if not os.path.isfile(args.script):
        print(f"python -m autograd debug: error: there is no script {args.script}", file=sys.stderr)
        return 2
    return run_script(args.script, args.arguments, args.forward)


def exercise(args: argparse.Namespace) -> int:
    """Hand an exercise out, or check what was written; without a number, list them."""
    if args.number is None:
        print(listing())
        return 0
    path = Path(args.file or EXERCISES[args.number].file)
    try:
        if not path.exists() and args.file is None:
            print(hand_out(args.number, path))
            return 0
        solved, said = check_exercise(args.number, path)
    except (OSError, UnicodeDecodeError) as error:
        print(f"python -m autograd exercise: error: {path}: {getattr(error, 'strerror', error)}", file=sys.stderr)
        return 2
    print(said)
    return 0 if solved else 1


def guided(args: argparse.Namespace) -> int:
    """The tour."""
    tour()
    return 0


def _function(text: str) -> Callable[..., Any]:
    module, colon, name = text.rpartition(":")
    if not (module and colon and name):
        raise ValueError(
            f"{text!r} names no function; write module:function, as in mymodel:loss for the function loss of mymodel.py"
        )
    found = _file(Path(module)) if module.endswith(".py") or os.sep in module else _module(module)
    f = getattr(found, name, None)
    if not callable(f):
        known = [n for n, x in vars(found).items() if inspect.isfunction(x) and not n.startswith("_")]
        raise ValueError(f"{module} has no function {name!r}; it has {', '.join(known) or 'none'}")
    return f


def _module(name: str) -> ModuleType:
    sys.path.insert(0, "")
    return importlib.import_module(name)


def _file(path: Path) -> ModuleType:
    """The module in a file, which finds its neighbours as a script does."""
    spec = importlib.util.spec_from_file_location(path.stem, path.with_suffix(".py"))
    if spec is None or spec.loader is None or not path.with_suffix(".py").is_file():
        raise ImportError(f"there is no file {path}")
    sys.path.insert(0, str(path.parent.resolve()))
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def _inputs(f: Callable[..., Any], at: list[str] | None) -> list[Any]:
    """The inputs given, or else the function's own defaults; lists of numbers become arrays."""
    parameters = [
        p for p in inspect.signature(f).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    given = [_parsed(text) for text in at or []]
    missing = [p.name for p in parameters[len(given) :] if p.default is p.empty]
    if missing:
        raise ValueError(
            f"{getattr(f, '__name__', f)} needs {', '.join(missing)}: "
            "give --at a value for each, or the function defaults"
        )
    return given + [_arrays(p.default) for p in parameters[len(given) :]]


def _parsed(text: str) -> Any:
    try:
        return _arrays(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        raise ValueError(
            f"--at {text!r} is no Python literal; write numbers and lists, as in 2.0 or '[1.0, 2.0]'"
        ) from None


def _arrays(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _arrays(v) for key, v in x.items()}
    return (
        np.array(x, float)
        if isinstance(x, (list, tuple)) and x and all(isinstance(v, (int, float)) for v in leaves(x))
        else x
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograd", description="Tools for functions that autograd differentiates."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    p = commands.add_parser(
        "check",
        help="compare the gradient of a function with finite differences",
        description="Compare the gradient of a function of your own with finite differences. "
        "Exit status 0: it holds; 1: it does not.",
    )
    p.set_defaults(run=check)
    p.add_argument("function", metavar="MODULE:FUNCTION", help="for example mymodel:loss or ./folder/mymodel.py:loss")
    p.add_argument(
        "--at",
        nargs="+",
        metavar="VALUE",
        help="the inputs, in order, as Python literals; a list becomes an array (default: the function's defaults)",
    )
    p.add_argument(
        "--order",
        type=int,
        choices=(1, 2),
        default=1,
        help="2 also checks the gradient of the gradient (default: %(default)s)",
    )
    p.add_argument(
        "--method", choices=METHODS, default="auto", help="how to differentiate numerically (default: %(default)s)"
    )
    p.add_argument("--fast", action="store_true", help="probe along random directions instead of element by element")
    p.add_argument("--localize", action="store_true", help="name the first operation whose own vjp is wrong")

    p = commands.add_parser(
        "debug",
        help="run a script and step through each of its backward passes",
        description="Run a script and open a prompt at each .backward(), to step through it forth and back; "
        "h lists the commands.",
    )
    p.set_defaults(run=debug)
    p.add_argument("--forward", action="store_true", help="begin before the first operation, and step forward, too")
    p.add_argument("script", metavar="SCRIPT.py")
    p.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="what the script gets as arguments")

    p = commands.add_parser(
        "tour",
        help="backpropagation in eight stops, with questions",
        description="A guided tour of backpropagation on one neuron, for whoever knows school calculus: eight stops, "
        "which ask for the next number before they show it.",
    )
    p.set_defaults(run=guided)

    p = commands.add_parser(
        "exercise",
        help="hand out an exercise in backpropagation, or check your solution",
        description="Without a number, list the exercises. With one, write its file to complete into this folder, or, "
        "where it is there already, check it and say what is wrong. Exit status 0: handed out, or solved; 1: not yet.",
    )
    p.set_defaults(run=exercise)
    p.add_argument("number", nargs="?", type=int, choices=EXERCISES, metavar="N", help="which one")
    p.add_argument("file", nargs="?", metavar="FILE", help="your solution (default: the exercise's own name, here)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Handing out an exercise, loading what a learner wrote, and telling the outcome."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from autograd.exercises import tasks
from autograd.exercises.tasks import NotYet, Written

__all__ = ["EXERCISES", "Exercise", "check", "hand_out", "listing"]

FILES = Path(__file__).parent / "files"


class Exercise(NamedTuple):
    """A file to complete: what it is about, its functions to write, and their check, which says what it saw."""

    title: str
    file: str
    functions: tuple[str, ...]
    check: Callable[[Written], str]


EXERCISES = {
    1: Exercise("rules for the chain rule", "01_vjp.py",
                ("product_rule_a", "product_rule_b", "sigmoid_rule"), tasks.rules),
    2: Exercise("in which order?", "02_order.py", ("order",), tasks.order),
    3: Exercise("the gradient of softmax", "03_softmax.py", ("softmax_rule",), tasks.softmax),
    4: Exercise("Adam", "04_adam.py", ("adam",), tasks.adam),
}  # fmt: skip


def listing() -> str:
    """What exercises there are."""
    lines = [f"  {number}  {e.title:<26} {e.file}" for number, e in EXERCISES.items()]
    return "\n".join([*lines, "python -m autograd exercise N hands one out, and checks what you wrote in it."])


def hand_out(number: int, path: Path) -> str:
    """Write the file to complete; what to do next."""
    path.write_text((FILES / EXERCISES[number].file).read_text(encoding="utf-8"), encoding="utf-8")
    return (
        f"exercise {number}, {EXERCISES[number].title}: wrote {path}\n"
        f"Read it, complete it in an editor, and run the same command again."
    )


def check(number: int, path: Path) -> tuple[bool, str]:
    """Whether the file of a learner solves the exercise, and what there is to say."""
    exercise = EXERCISES[number]
    try:
        said = exercise.check(_load(path, exercise.functions))
    except NotYet as wrong:
        return False, f"exercise {number}, {exercise.title}: not yet.\n\n{wrong}"
    later = f"\nnext: python -m autograd exercise {number + 1}" if number + 1 in EXERCISES else ""
    return True, f"exercise {number}, {exercise.title}: solved.\n\n{said}{later}"


def _load(path: Path, functions: tuple[str, ...]) -> Written:
    """The functions of a file; each error of theirs is told with its line, and None is one."""
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    text = path.read_text(encoding="utf-8")
    try:
        exec(compile(text, str(path), "exec"), names)
    except SyntaxError as error:
        raise NotYet(f"{path}:{error.lineno}: Python cannot read this line: {error.msg}") from None
    except Exception as error:
        raise NotYet(f"{_where(error, path)}: {type(error).__name__}: {error}") from None
    missing = [name for name in functions if not callable(names.get(name))]
    if missing:
        raise NotYet(f"{path} has no function {missing[0]}; it must stay there under its name")
    return {name: _told(name, names[name], path) for name in functions}


def _told(name: str, f: Callable[..., Any], path: Path) -> Callable[..., Any]:
    """The function, with its errors told as a teacher would."""

    def call(*args: Any) -> Any:
        try:
            result = f(*args)
        except RecursionError:
            raise NotYet(
                f"{name} calls itself too deeply for Python, on a graph of {tasks.DEEP:,} nodes in a row. "
                "Keep the nodes still to be looked at in a list of your own, and take them from there in a loop."
            ) from None
        except Exception as error:
            raise NotYet(f"{_where(error, path)}, in {name}: {type(error).__name__}: {error}") from None
        if result is None:
            raise NotYet(f"{name} returns None: it is not written yet, or lacks its `return`.")
        return result

    return call


def _where(error: Exception, path: Path) -> str:
    """The line of the file at which it arose."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)

"""Errors name the function that was called, and its own arguments, whoever raised them below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.drawing.folding import Folding
from autograd.drawing.misuse import Misuse, asked_by
from autograd.drawing.selection import selection
from autograd.stepping.names import Names
from transformer.__main__ import main


def two() -> tuple[Value, Value, Value]:
    a, b = Value(1.0, "a"), Value(2.0, "b")
    return a, b, a * 2.0 + b * 3.0


def test_misuse_is_told_by_who_was_asked() -> None:
    with (
        pytest.raises(ValueError, match=r"^play: no way from \{a\} by between=, see top$") as caught,
        asked_by("play", path="between"),
    ):
        raise Misuse("no way from {0} by {path}=, see {top}", "{a}")
    assert type(caught.value) is ValueError and caught.value.__suppress_context__
    with pytest.raises(TypeError, match=r"^draw_dot: open=3$"), asked_by("draw_dot"):
        raise Misuse("{open}={0!r}", 3, kind=TypeError)
    with pytest.raises(KeyError), asked_by("draw_dot"):  # errors of other kinds are nobody's misuse
        raise KeyError("x")
    assert str(Misuse("{path}={0!r}", "{}")) == "path='{}'"


def test_whoever_does_not_know_the_caller_names_none() -> None:
    _, _, y = two()
    with pytest.raises(Misuse, match=r"^open='blok' fits no scope"):
        Folding(dict(enumerate(ag.Stepper(y).nodes)), ("blok",))
    with pytest.raises(Misuse, match=r"^depth=-1; expected"):
        selection(ag.Stepper(y), Names(y, ag.Stepper(y).nodes), depth=-1)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a scope": ({"open": "blok"}, "open='blok' fits no scope"),
    "no scope": ({"open": 3}, "open=3; expected a scope"),
    "a name": ({"around": "aa"}, "no node is called 'aa', as around says; did you mean a?"),
    "a node": ({"around": Value(1.0)}, "the node given as around is not in the graph of root"),
    "a number": ({"top": 0}, "top=0; expected a whole number from 1 on"),
    "a limit": ({"limit": 2.5}, "limit=2.5; expected a whole number from 1 on"),
    "a direction": ({"rankdir": "up"}, "rankdir='up'; expected LR, TB, BT or RL"),
}
PATHS: dict[str, tuple[Any, str]] = {
    "a path that is none": (("a", "b"), "no path leads from one of the two nodes of {0}= to the other"),
    "one end": (("a",), "{0}=('a',); expected a pair of nodes"),
    "the name of an end": (("a", "bb"), "no node is called 'bb', as {0}[1] says; did you mean b?"),
    "an end": (("a", 3), "{0}[1] must be a Value or a Tensor, got int"),
}


@pytest.mark.parametrize("case", [*WRONG, *PATHS])
@pytest.mark.parametrize(("function", "path"), [("draw_dot", "path"), ("play", "between")])
def test_both_public_functions_speak_of_their_own_arguments(function: str, path: str, case: str) -> None:
    chosen, said = WRONG[case] if case in WRONG else ({path: PATHS[case][0]}, PATHS[case][1].format(path))
    with pytest.raises((ValueError, TypeError)) as caught:
        getattr(ag, function)(two()[2], **chosen)
    assert type(caught.value) in (ValueError, TypeError)
    assert str(caught.value).startswith(f"{function}: {said}")


def test_what_only_one_of_them_does_is_theirs_too() -> None:
    x = Value(1.0, "x")
    for _ in range(6000):
        x = x + 1.0
    with pytest.raises(
        ValueError, match=r"^play: the backward pass has 6,000 steps, more than .* around=, between= or top=, or build"
    ):
        ag.play(x)
    for function in (ag.draw_dot, ag.play):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: this would draw 12,001 boxes, more than 2,000"):
            function(x, limit=10_000)
    t = Tensor(np.ones(3), "t")
    with pytest.raises(ValueError, match=r"^draw_dot: zoom takes a Tensor of this graph"):
        ag.draw_dot(t * 2.0, zoom=t)
    with pytest.raises(TypeError, match=r"^draw_dot: root must be a Value or a Tensor, got str"):
        ag.draw_dot("t")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--around", "wtee"], "no node is called 'wtee', as --around says; did you mean wte?"),
        (["--open", "attentoin"], "--open='attentoin' fits no scope; did you mean attention?"),
        (["--zoom", "op:conv"], "--zoom='op:conv': no node was made by it"),
        (["--zoom", "softmax", "--index", "9,9"], "--zoom: (9, 9) is no index of an element"),
        (["--play", "--around", "wtee"], "no node is called 'wtee', as --around says; did you mean wte?"),
    ],
)
def test_the_command_line_speaks_of_its_options(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", "--n-layer", "1", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"python -m transformer draw: error: {said}")

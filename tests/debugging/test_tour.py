"""The tour, driven to its end through a real terminal, and what it does with answers of any kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autograd.debugging.tour import Tour, _stops, _worked_out, neuron
from tests.debugging.terminal import NEURON, Terminal, script

ANSWERS = ["0.5 * 2", "1", "1", "2 * -1", "-2", "-2.0", "-4", "0.5 - 0.1 * -4"]


def test_the_tour_is_driven_to_its_end(tmp_path: Path) -> None:
    t = Terminal(tmp_path, "-m", "autograd", "tour", prompt=r" = $")
    assert (
        "eight stops" in t.first
        and "-- 1 of 8 --" in t.first
        and "A neuron multiplies its input by a weight" in t.first
    )
    for k, answer in enumerate(ANSWERS[:-1], 1):
        said = t(answer)
        assert "Yes:" in said and f"-- {k + 1} of 8 --" in said, said
    end = t.leave(ANSWERS[-1])
    assert "it has learned" in end and "That was the whole of it: the chain rule, applied backwards" in end


def test_the_tour_at_the_prompt_leads_back_to_it(tmp_path: Path) -> None:
    t = script(tmp_path, NEURON)
    t.child.sendline("tour")
    t.prompt = r" = $"
    assert "-- 1 of 8 --" in t._read()
    t.prompt = r"\(grad\) "
    assert "The tour ends here; tour begins it again." in t("q") and "tanh -> o" in t("n")
    t.leave()


def driven(*lines: str) -> str:
    """What the tour says to these lines, and then to the end of input."""
    said: list[str] = []
    left = iter(lines)
    Tour(lambda prompt: said.append(prompt) or next(left, "EOF"), lambda *some: said.extend(some)).run()  # type: ignore[func-returns-value]
    return "\n".join(said)


def test_wrong_answers_get_a_hint_and_then_the_answer() -> None:
    said = driven("7", "8", "1", "what?", "2", "", "q")
    assert "Not quite: it is 0.5 times 2.0." in said and "It is a = w * x = 1.0: 0.5 times 2.0." in said
    assert "'what?' is no number; write one" in said and "-- 4 of 8 --" in said
    assert said.endswith("The tour ends here; tour begins it again.")
    assert driven().count("The tour ends here") == 1, "the end of input leaves"
    told = driven(*[""] * 8)
    assert "That was the whole of it" in told and told.count("It is ") >= 8


def test_its_numbers_are_the_engine_s() -> None:
    at = neuron()
    at["L"].backward()  # type: ignore[attr-defined]
    answers = [stop.answer for stop in _stops()]
    assert answers[:2] == [at["a"].data, at["L"].data]
    assert answers[2:7] == [at[name].grad for name in ("L", "e", "p", "b", "w")]
    assert answers[7] == at["w"].data - 0.1 * at["w"].grad and neuron(answers[7])["L"].data < at["L"].data
    assert all(
        _worked_out(answer) == pytest.approx(stop.answer) for answer, stop in zip(ANSWERS, _stops(), strict=True)
    )
    for stop in _stops():
        assert all(len(line) <= 110 for line in stop.text.splitlines()) and not re.search(
            r"\bvjp\b|Jacobian", stop.text
        )


@pytest.mark.parametrize(
    "line", ["exit()", "__import__('os')", "x", "1/0", "2 *", "'a'", "9**9**9**9", "True + []", "(" * 500]
)
def test_an_answer_is_arithmetic_and_nothing_else(line: str) -> None:
    assert _worked_out(line) is None

"""The frame of the benchmarks: two processes in turn, which must compute the same."""

from __future__ import annotations

import pytest

from tests.benchmarks import race
from tests.benchmarks.race import Row

pytest.importorskip("psutil", reason="needs pip install '.[peers]'")


@pytest.mark.slow
def test_a_row_of_the_table_is_a_race_of_two_that_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "PAUSE", 0.0)
    row = Row("step", "micro:ours", "micro:ours", 0.001, 0.002, ("Tensors", "float64", True), rounds=2)
    line = race.raced(row, anyway=True)
    assert line.startswith("| step | ") and "0.001 / 0.002 | aim |" in line


@pytest.mark.slow
def test_contenders_that_differ_are_no_race(monkeypatch: pytest.MonkeyPatch) -> None:
    told, number = race.Turns._told, iter((1.0, 1.001))
    monkeypatch.setattr(race.Turns, "_told", lambda self: told(self) and {"numbers": {"loss": [next(number)]}})
    with pytest.raises(AssertionError, match="step: loss"):
        race.raced(Row("step", "micro:ours", "micro:ours", 1, 2, ("Tensors", "float64", False)), anyway=True)


def test_a_machine_under_load_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "others", lambda: 80.0)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert race.calm(anyway=True) == 80.0
    with pytest.raises(SystemExit, match="others take 80 %"):
        race.calm(anyway=False)

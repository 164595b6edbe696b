"""Random programs over the table, of fixed seeds; `python -m tests.fuzz --programs 10000` runs more."""

from __future__ import annotations

import pytest

from autograd.engine import primitives as p
from tests.fuzz import fuzz


@pytest.mark.parametrize("odd", [False, True], ids=["anywhere", "on corners"])
def test_all_engines_agree_on_random_programs(odd: bool) -> None:
    reports, _ = fuzz(150, odd=odd)
    assert not reports, "\n\n".join(reports[:3])


def test_programs_reach_every_row() -> None:
    from tests.fuzz import OPS

    assert {name for op in OPS for name in op.of or {op.name}} == set(p.TABLE)


@pytest.mark.parametrize("row", [p.logaddexp, p.cumprod, p.getitem], ids=lambda row: row.name)
def test_a_planted_wrong_rule_is_found_beside_torch(row: p.Primitive, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    rule = row.vjps[0]
    monkeypatch.setattr(row, "vjps", (lambda *args: 1.001 * rule(*args), *row.vjps[1:]))
    reports, _ = fuzz(40)
    assert reports and any(f"= {row.name}(" in report for report in reports)

"""The face: every public name is there, and what draws and debugs is loaded when used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import autograd as ag
from tests.helpers import ROOT


def test_every_public_name_is_there_and_documented() -> None:
    for name in ag.__all__:
        assert getattr(ag, name).__doc__, name
    assert {*ag.__all__} <= {*dir(ag)}
    assert ag.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="module 'autograd' has no attribute 'drawn'"):
        ag.drawn  # noqa: B018


def test_the_table_can_be_reached_by_the_face() -> None:
    from autograd import primitives

    assert primitives.TABLE["tanh"].name == "tanh"


@pytest.mark.parametrize("package", ["autograd", "transformer"])
def test_importing_loads_nothing_that_draws_debugs_or_shows_progress(package: str) -> None:
    code = f"import sys, {package}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"graphviz", "tqdm", "matplotlib", "cmd", "html", "autograd.drawing", "autograd.debugging"}

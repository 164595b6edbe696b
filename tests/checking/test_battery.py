"""A few of the functions of `battery`, the same at every run: no false alarm, and no planted error is missed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.checking.battery import FAMILIES, Family, faults


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow, as of x * x at 1e200
def test_right_gradients_pass_and_planted_errors_fail(family: Family, seed: int) -> None:
    rng = np.random.default_rng([100, seed])
    assert faults(family(rng), rng) == []

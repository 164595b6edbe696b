"""Source lines and scopes, and the watch for inf and nan."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()


def block(x: Any) -> Any:
    return softmax(x) * 2


def model(x: Any) -> Any:
    for _ in range(2):
        x = block(x)
    return sum(v for v in [x[0]])


def test_scopes_are_the_call_stack() -> None:
    with ag.record_source():
        x = Tensor([1.0, 2.0], label="x")
        y = model(x)
        again = model(x)
    second = y.inputs[0].inputs[0]  # the getitem's input, x after two blocks
    assert y.scope == "model" and second.scope == "model/block#1"
    assert second.inputs[0].scope == "model/block#1/softmax"
    assert again.scope == "model#1" and again.inputs[0].inputs[0].inputs[0].scope == "model#1/block#1/softmax"
    source = second.source
    assert source.file == __file__ and source.function == "block" and source.code == "return softmax(x) * 2"
    assert [s[2] for s in source.stack] == ["model", "block"]
    assert (Tensor([1.0]) * 2).source is None and x.source.scope == ""


def test_values_in_object_arrays_have_scopes_too() -> None:
    with ag.record_source():
        y = model(ag.values([1.0, 2.0]))
    assert "block#1" in {n.split("/")[1] for n in (y.inputs[0].scope,) if "/" in n}


def test_anomaly_forward_names_node_inputs_and_line() -> None:
    x = Value(-1.0, label="x")
    with pytest.raises(ag.AnomalyError) as info, ag.detect_anomaly():
        y = x * 2
        y.log()
    text = str(info.value)
    assert "log" in text and "nan" in text and "-2" in text and __file__ in text and "y.log()" in text
    assert info.value.node.op == "log"


def test_anomaly_backward() -> None:
    x = Value(0.0, label="x")
    with pytest.raises(ag.AnomalyError, match=r"sqrt.*inf in the backward pass") as info, ag.detect_anomaly():
        x.sqrt().backward()
    assert "x = 0" in str(info.value) and "x.sqrt().backward()" in str(info.value)


def test_anomaly_of_a_tensor_says_where() -> None:
    with (
        warnings.catch_warnings(),
        pytest.raises(ag.AnomalyError, match=r"5 nan.*first at \(0,\)"),
        ag.detect_anomaly(),
    ):
        np.log(Tensor(np.arange(10.0) - 5, label="x"))


def test_masks_of_minus_inf_may_flow() -> None:
    with ag.detect_anomaly():
        x = Tensor([[1.0, 2.0], [3.0, 4.0]])
        y = softmax(x[0] + np.array([0.0, -np.inf]))
        y[0].backward()
    assert np.isfinite(x.grad).all()


def test_only_elements_whose_inputs_were_finite_are_new_inf() -> None:
    for f in (lambda: np.exp(Tensor([1000.0, -np.inf])), lambda: 1 / Tensor([0.0, np.inf])):
        with pytest.raises(ag.AnomalyError, match="gave inf"), ag.detect_anomaly():
            f()


def test_an_anomaly_within_numpys_loops_over_values() -> None:
    x, w = ag.values(np.ones((3, 2, 2))), ag.values(np.full((2, 2), 1e308))
    with pytest.raises(ag.AnomalyError, match="gave inf"), ag.detect_anomaly():
        x @ w


def test_modes_nest_and_recur() -> None:
    from autograd.engine.recording import current

    off = ag.no_grad()
    with off, off:
        pass

    @ag.no_grad()
    @ag.record_source()
    @ag.detect_anomaly()
    def down(n: int) -> Value:
        return down(n - 1) if n else Value(1.0) * 2

    assert down(3).op == "" and (Value(1.0) * 2).op == "mul"
    assert current().ordinary


def test_modes_are_restored_after_an_error() -> None:
    from autograd.engine.recording import current

    with pytest.raises(ag.AnomalyError), ag.detect_anomaly(), ag.record_source():
        Value(-1.0).log()
    assert current().ordinary
    assert np.isnan(Value(-1.0).log().data)


def test_detect_anomaly_leaves_numpys_own_errors_alone() -> None:
    before = np.geterr()
    with ag.detect_anomaly():
        assert np.geterr() == before
        with pytest.warns(RuntimeWarning, match="divide by zero"):
            np.ones(1) / np.zeros(1)
    for make in (lambda: Tensor([1.0]) / Tensor([0.0]), lambda: np.log(Tensor([0.0])), lambda: Tensor([1e308]) * 10):
        with pytest.raises(ag.AnomalyError, match="gave inf in the forward"), ag.detect_anomaly():
            make()
    with pytest.raises(ag.AnomalyError, match="backward"), ag.detect_anomaly():
        np.sqrt(Tensor([0.0])).sum().backward()
    assert np.geterr() == before


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_an_error_within_numpys_loops_over_values_comes_out_as_itself(kind: Any) -> None:
    class Stops(Value):
        def __mul__(self, other: Any) -> Any:
            raise kind

    x = ag.values(np.ones((3, 2, 2)))
    for row in x.reshape(-1, 2):
        row[0] = Stops(1.0)
    for call in (lambda: x @ x[0], lambda: np.dot(x[0], x[0]), lambda: x * x):
        with pytest.raises(kind):
            call()

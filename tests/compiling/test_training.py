"""The transformer compiled: its loss, its gradients, whole steps of training, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from transformer import Config, init, logits, loss, optim

SMALL = {"vocab_size": 11, "n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 6}
CONFIGS = [
    Config(**SMALL),
    Config(**SMALL, norm="rms", norm_gain=False, bias=False, activation="relu", tied=False, dtype="float32"),
    Config(**SMALL, norm_position="post", positions="sinusoidal", bias="mlp", final_norm=False, embed_norm=True),
    Config(**SMALL, norm="rms", dtype="float32"),
]
RNG = np.random.default_rng(0)
ROWS = [RNG.integers(0, 11, (3, 7)) for _ in range(3)]
PADDED = ROWS[0].copy()
PADDED[1, 4:] = PADDED[2, 6:] = -1


def close(a: Any, b: Any, config: Config, tolerance: float = 1e-12) -> None:
    tolerance = tolerance if config.dtype == "float64" else 1e-5
    assert a.keys() == b.keys()
    for k in a:
        assert a[k].dtype == b[k].dtype
        np.testing.assert_allclose(a[k], b[k], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_loss_and_gradients(config: Config) -> None:
    params = init(config, np.random.default_rng(1))
    plain = ag.value_and_grad(loss)
    compiled = ag.compile(plain)
    scores = ag.compile(logits)
    for rows in (*ROWS, PADDED, ROWS[1]):
        value, grads = compiled(params, rows, config)
        expected, slopes = plain(params, rows, config)
        assert value == pytest.approx(expected, rel=1e-6 if config.dtype == "float32" else 1e-14)
        close(grads, slopes, config)
        inputs = np.maximum(rows[:, :-1], 0)
        close({"": scores(params, inputs, config)}, {"": logits(params, inputs, config)}, config)
    assert (compiled.recordings, scores.recordings) == (2, 1)  # once for batches that are full, once for padded ones


@pytest.mark.parametrize("rows", [[[3, 11, 2]], [[3, -2, 2]], [[3, -1, 2]], [[3, -1, -1]], [[1.0, 2.0, 3.0]]])
def test_tokens_are_checked_at_every_replay(rows: list[list[int]]) -> None:
    config = CONFIGS[0]
    params = init(config, np.random.default_rng(1))
    compiled = ag.compile(loss)
    compiled(params, np.array([[1, 2, 3]]), config)
    with pytest.raises((ValueError, TypeError)) as expected:
        loss(params, np.array(rows), config)
    for function in (compiled, ag.compile(loss)):
        with pytest.raises(type(expected.value)) as error:
            function(params, np.array(rows), config)
        assert str(error.value) == str(expected.value)


OPTIMIZERS: dict[str, Callable[[], optim.Optimizer]] = {
    "sgd": lambda: optim.sgd(0.1),
    "momentum": lambda: optim.sgd(lambda step: 0.1 / (step + 1), momentum=0.9),
    "adam": lambda: optim.adam(lambda step: 0.01 * (1 - step / 10), betas=(0.85, 0.99)),
    "cosine": lambda: optim.adam(optim.cosine(0.01, 2, 5)),
    "adamw": lambda: optim.adam(0.01, eps_root=1e-9, weight_decay=0.1, decays=optim.matrices),
    "clip": lambda: optim.clip(optim.adam(0.01), 0.5),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("config", CONFIGS[:2], ids=["float64", "float32"])
def test_a_whole_step_of_training(name: str, config: Config) -> None:
    optimizer = OPTIMIZERS[name]()

    def step(params: Any, state: Any, rows: Any) -> Any:
        value, grads = ag.value_and_grad(loss)(params, rows, config)
        return value, *optimizer.update(params, grads, state)

    compiled = ag.compile(step)
    params = init(config, np.random.default_rng(1))
    here, there = [(params, optimizer.init(params))] * 2
    for i in range(5):
        a, *here = compiled(*here, ROWS[i % 3])
        b, *there = step(*there, ROWS[i % 3])
        assert a == pytest.approx(b, rel=1e-5 if config.dtype == "float32" else 1e-13)
        if config.dtype == "float64":  # Adam takes a full step by a gradient of 1e-17, too
            close(here[0], there[0], config, 1e-9)
    assert here[1]["step"] == there[1]["step"] == 5
    assert compiled.recordings == 2  # the second one takes the number of the step as a number


def test_full_batches_are_replayed_as_such_whatever_came_before() -> None:
    config = CONFIGS[3]
    params = init(config, np.random.default_rng(1))
    gradient = ag.value_and_grad(loss)
    first, second = ag.compile(gradient), ag.compile(gradient)
    expected = first(params, ROWS[0], config)
    second(params, PADDED, config)
    value, grads = second(params, ROWS[0], config)
    assert value == expected[0]
    for name, g in grads.items():
        np.testing.assert_array_equal(g, expected[1][name])
    for function in (first, second):
        np.testing.assert_allclose(function(params, PADDED, config)[0], loss(params, PADDED, config), rtol=1e-6)
        function(params, ROWS[1], config)
        assert function.recordings == 2

"""The model on JAX: bare arrays and tracers, and no wrong number without a word."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

import autograd as ag
from transformer import Config, init, layers, logits, loss

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[jax]'")
CONFIG = Config.preset("microgpt", n_embd=8, block_size=6, dtype="float32")
PARAMS = init(CONFIG, np.random.default_rng(0))
TOKENS = np.array([[3, 1, 4, 1, 5], [9, 2, 6, -1, -1]])
OTHERS = [
    Config(n_embd=8, block_size=6, dtype="float32"),
    Config.preset("vanilla", n_embd=8, block_size=6, n_layer=1, dtype="float32"),
    Config(
        n_embd=8, block_size=6, norm="rms", positions="rotary", activation="swiglu", n_kv_head=2, bias=False,
        dtype="float32",
    ),
]  # fmt: skip


KINDS = dict(zip(("microgpt", "gpt2", "vanilla", "llama"), (CONFIG, *OTHERS), strict=True))


@pytest.mark.parametrize(
    "config", [pytest.param(c, marks=[pytest.mark.slow] * (n != "llama"), id=n) for n, c in KINDS.items()]
)
def test_bare_arrays_and_tracers_go_through(config: Config) -> None:
    params = init(config, np.random.default_rng(0))
    inputs = np.maximum(TOKENS, 0)
    for under in (lambda f: f, jax.jit):
        got = under(lambda p, t: logits(p, t, config))(jax.tree.map(jax.numpy.asarray, params), inputs)
        assert isinstance(got, jax.Array)
        np.testing.assert_allclose(got, logits(params, inputs, config), rtol=2e-4, atol=2e-5)
    want, slopes = ag.value_and_grad(loss)(params, TOKENS, config)
    value, theirs = jax.jit(jax.value_and_grad(lambda p: loss(p, TOKENS, config)))(params)  # by JAX's own rules
    assert value == pytest.approx(want, rel=1e-5)
    for k, g in slopes.items():
        np.testing.assert_allclose(theirs[k], g, rtol=2e-3, atol=2e-5, err_msg=k)
    assert np.asarray(want).dtype == np.float32
    with ag.unfused():
        assert np.asarray(loss(params, TOKENS, config)).dtype == np.float32
        assert jax.eval_shape(lambda p, t: loss(p, t, config), params, TOKENS).dtype == np.float32


WRONG = {
    "too large": [[3, 1, 27, 1]],
    "too large, as the last target": [[3, 1, 4, 27]],
    "too large, the first": [[99, 1, 4, 1]],
    "negative": [[3, -2, 4, 1]],
    "negative, as the last target": [[3, 1, 4, -7]],
    "a token after padding": [[3, -1, 4, 1]],
    "padding alone": [[3, -1, -1, -1]],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ids_are_nan_where_they_are_traced_and_an_error_where_they_are_known(name: str) -> None:
    tokens = np.array(WRONG[name])
    both = jax.jit(lambda p, t: (ag.value_and_grad(loss)(p, t, CONFIG)[0], loss(p, t, CONFIG)))
    assert all(np.isnan(x) for x in both(PARAMS, tokens))
    with pytest.raises(ValueError, match=r"outside 0 to 26|follows padding|nothing to predict"):
        loss(PARAMS, jax.numpy.asarray(tokens), CONFIG)
    if name.startswith("too large") or name.startswith("negative"):
        assert np.isnan(jax.jit(lambda p, t: logits(p, t, CONFIG))(PARAMS, tokens)).any()
        with pytest.raises(ValueError, match="outside 0 to 26"):
            logits(PARAMS, jax.numpy.asarray(tokens), CONFIG)
    with pytest.raises(TypeError, match="tokens must be ints"):
        jax.jit(lambda p, t: loss(p, t, CONFIG))(PARAMS, tokens * 1.0)


def test_float64_is_float64_or_an_error() -> None:
    config = dataclasses.replace(CONFIG, dtype="float64")
    params = init(config, np.random.default_rng(0))
    for f in (ag.value_and_grad(loss), loss):
        with pytest.raises(ValueError, match="jax_enable_x64"):
            jax.jit(lambda p, t, f=f: f(p, t, config))(params, TOKENS)
    with jax.enable_x64():
        got = jax.jit(lambda p, t: loss(p, t, config))(params, TOKENS)
        assert got.dtype == np.float64 and float(got) == pytest.approx(float(loss(params, TOKENS, config)), rel=1e-13)


def test_the_causal_mask_is_made_where_the_array_is() -> None:
    config = dataclasses.replace(CONFIG, block_size=600, n_layer=2)
    params = jax.eval_shape(lambda: init_shapes(config))
    text = (
        jax.jit(lambda p, t: ag.value_and_grad(loss)(p, t, config)[1])
        .lower(params, jax.ShapeDtypeStruct((1, 601), np.int32))
        .as_text()
    )
    assert not re.search(r'dense<"0x[0-9A-F]{2000,}', text)  # a constant of a thousand bytes


def init_shapes(config: Config) -> dict[str, Any]:
    return {k: jax.numpy.zeros(p.shape, p.dtype) for k, p in init(config, np.random.default_rng(0)).items()}


@pytest.mark.parametrize("kind", [np.asarray, ag.values, ag.Tensor, "jax"], ids=["NumPy", "Values", "Tensor", "JAX"])
def test_causal_hides_the_future_of_every_kind(kind: Any) -> None:
    scores = np.arange(24.0).reshape(2, 3, 4)  # three positions after one
    x = jax.numpy.asarray(scores) if kind == "jax" else kind(scores)
    got = layers.causal(x)
    numbers = np.array([getattr(v, "data", v) for v in got.flat]).reshape(got.shape) if kind is ag.values else got
    numbers = np.asarray(getattr(numbers, "data", numbers) if kind is ag.Tensor else numbers)
    hidden = np.triu(np.ones((3, 4), bool), 2)
    np.testing.assert_array_equal(numbers == -np.inf, np.broadcast_to(hidden, scores.shape))
    np.testing.assert_array_equal(numbers[:, ~hidden], scores[:, ~hidden])

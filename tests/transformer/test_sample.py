"""A token at a time, with the keys and values of those before kept: the tokens that the whole window gives."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from transformer import Config, generate, init
from transformer.layers import waves
from transformer.model import logits
from transformer.sample import NothingToDrawError

SMALL = {"vocab_size": 11, "n_embd": 8, "n_head": 4, "block_size": 10}
CONFIGS = {
    **{name: Config.preset(name, **SMALL) for name in ("vanilla", "microgpt", "llama")},
    "gpt2": Config.preset("gpt2", **SMALL, n_layer=2),
    "one head of keys": Config.preset("llama", **SMALL, n_kv_head=1, rotary_base=50.0),
    "wide heads": Config.preset("llama", **SMALL, head_size=6, norm_position="post", bias=True),
    "gelu by halves": Config(**SMALL, bias="mlp", norm="rms", embed_norm=True, positions="sinusoidal", tied=False),
}  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("options", [{"temperature": 0}, {}, {"top_k": 3}, {"top_p": 0.8, "temperature": 1.3}], ids=str)
def test_every_model_writes_the_same_with_a_cache_and_without(config: Config, options: dict[str, Any]) -> None:
    for dtype in ("float64", "float32"):
        config = dataclasses.replace(config, dtype=dtype)
        params = {name: p * 3 if p.ndim > 1 else p for name, p in init(config, np.random.default_rng(1)).items()}
        for prompt in ([3], [[1, 2, 3], [4, 5, 6]]):
            one, other = (
                generate(params, config, prompt, 25, np.random.default_rng(2), cache=cache, **options)
                for cache in (True, False)
            )
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_token_at_a_time_gives_the_logits_of_all_at_once(config: Config) -> None:
    """Whatever the dtypes of the parameters."""
    params = init(dataclasses.replace(config, dtype="float64"), np.random.default_rng(0))
    tokens = np.random.default_rng(1).integers(11, size=config.block_size)
    narrow = {
        name: p.astype("f4") if name.endswith((".wk", ".w1", ".gain", "wte")) else p for name, p in params.items()
    }
    for given, tolerance in ((params, 1e-12), (narrow, 1e-5)):
        cache: Any = {}
        parts = [logits(given, [token], config, cache=cache) for token in tokens]
        want = logits(given, tokens, config)
        assert parts[0].dtype == want.dtype
        np.testing.assert_allclose(np.concatenate(parts), want, rtol=tolerance, atol=tolerance)


def test_what_is_not_finite_is_said_for_each_of_several_prompts() -> None:
    config = CONFIGS["microgpt"]
    params = init(config, np.random.default_rng(0))
    for odd in (np.nan, np.inf, -np.inf):
        broken = {**params, "wte": params["wte"].copy()}
        broken["wte"][7] = odd
        assert generate(broken, config, [[3], [4]], 1, np.random.default_rng(0), top_k=1).shape == (2, 2)
        for prompt in ([7], [[3], [7]]):
            with pytest.raises(NothingToDrawError, match="parameter 'wte' holds nan or inf"):
                generate(broken, config, prompt, 1, np.random.default_rng(0))
    with pytest.raises(NothingToDrawError, match="finite, but too large"):
        generate({**params, "lm_head": np.sign(params["lm_head"]) * 1.7e308}, config, [3], 1, np.random.default_rng(0))


def test_positions_are_not_computed_for_every_token_anew() -> None:
    config = CONFIGS["vanilla"]
    waves.cache_clear()
    generate(init(config, np.random.default_rng(0)), config, [1], 9, np.random.default_rng(0))
    assert waves.cache_info().misses == 5  # for 1, 2, 4, 8 and 16 positions

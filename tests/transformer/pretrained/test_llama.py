"""The Llama family: rotary positions, grouped queries, a gated MLP, norms with an epsilon of their own; one model."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from transformer import Config, init, logits, loss, runs
from transformer.__main__ import main
from transformer.config import shapes
from transformer.layers import attention, mlp, rotary, silu
from transformer.runs import Facts

TINY = Config.preset(
    "llama", vocab_size=13, n_head=4, n_kv_head=2, n_embd=4, head_size=2, n_hidden=5, block_size=9, norm_eps=1e-6
)
NEIGHBOURS = [
    TINY,
    dataclasses.replace(TINY, tied=False, n_kv_head=1, rotary_base=100.0),
    dataclasses.replace(TINY, n_kv_head=None, head_size=None, n_head=2, n_hidden=None, norm_eps=1e-2, n_layer=1),
    dataclasses.replace(TINY, bias=True, norm="layer", positions="learned", n_layer=1),
    dataclasses.replace(TINY, activation="gelu", bias="mlp", norm_position="post", embed_norm=True, n_layer=1),
]
TOKENS = np.array([[1, 5, 2, 0, 12], [3, 3, 11, -1, -1]])


def fresh(config: Config, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {k: rng.normal(0.1, 0.4, s).astype(config.dtype) for k, s in shapes(config).items()}


@pytest.mark.parametrize("config", [TINY, *(pytest.param(c, marks=pytest.mark.slow) for c in NEIGHBOURS[1:])], ids=repr)
def test_the_same_numbers_on_every_kind_of_array(config: Config) -> None:
    params = fresh(config)
    plain = loss(params, TOKENS, config)
    value, slopes = ag.value_and_grad(loss)(params, TOKENS, config)
    scalar, scalar_slopes = ag.value_and_grad(loss)({k: ag.values(p) for k, p in params.items()}, TOKENS, config)
    compiled, compiled_slopes = ag.compile(ag.value_and_grad(loss))(params, TOKENS, config)
    with ag.unfused():
        apart, apart_slopes = ag.value_and_grad(loss)(params, TOKENS, config)
    for got in (value, scalar, compiled, apart):
        assert got == pytest.approx(plain, abs=1e-13)
    for k in params:
        for other in (scalar_slopes, compiled_slopes, apart_slopes):
            np.testing.assert_allclose(other[k], slopes[k], rtol=0, atol=1e-13)
    assert ag.gradcheck(lambda p: loss(p, TOKENS, config), params, fast=True)


@pytest.mark.slow
def test_under_jax() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[peers]'")
    config = dataclasses.replace(TINY, dtype="float32")
    params = fresh(config)
    want, slopes = ag.value_and_grad(loss)(params, TOKENS, config)
    got, jitted = jax.jit(lambda p: ag.value_and_grad(loss)(p, TOKENS, config))(params)
    assert got == pytest.approx(want, rel=1e-5)
    for k in params:
        np.testing.assert_allclose(jitted[k], slopes[k], rtol=1e-3, atol=1e-5)


def theirs(params: dict[str, np.ndarray], tokens: np.ndarray, config: Config) -> tuple[Any, dict[str, Any]]:
    """Loss and parameters of a Llama in PyTorch, which shares no line with ours: pairs turn as complex numbers."""
    import torch

    F = torch.nn.functional
    t = {k: torch.tensor(p, requires_grad=True) for k, p in params.items()}
    ids = torch.tensor(tokens)
    rows, n = ids[:, :-1].shape
    size, group = config.head_size or config.n_embd // config.n_head, config.n_head // (config.n_kv_head or 1)
    speeds = config.rotary_base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    phase = torch.polar(torch.ones(n, size // 2, dtype=torch.float64), torch.outer(torch.arange(n).double(), speeds))

    def norm(x: Any, name: str) -> Any:
        return F.rms_norm(x, (config.n_embd,), t[f"{name}.gain"], eps=config.norm_eps)

    def turned(x: Any) -> Any:
        z = torch.complex(x[..., : size // 2].contiguous(), x[..., size // 2 :].contiguous()) * phase.to(x.device)
        return torch.cat([z.real, z.imag], dim=-1)

    x = t["wte"][ids[:, :-1].clamp(min=0)]
    for i in range(config.n_layer):
        h = norm(x, f"h{i}.norm1")
        q, k, v = ((h @ t[f"h{i}.attn.w{c}"]).unflatten(-1, (-1, size)).transpose(1, 2) for c in "qkv")
        k, v = (y.repeat_interleave(group, dim=1) for y in (turned(k), v))
        y = F.scaled_dot_product_attention(turned(q), k, v, is_causal=True).transpose(1, 2).reshape(rows, n, -1)
        x = x + y @ t[f"h{i}.attn.wo"]
        h = norm(x, f"h{i}.norm2")
        x = x + (F.silu(h @ t[f"h{i}.mlp.wg"]) * (h @ t[f"h{i}.mlp.w1"])) @ t[f"h{i}.mlp.w2"]
    scores = norm(x, "final_norm") @ (t["wte"].T if config.tied else t["lm_head"])
    return F.cross_entropy(scores.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=-1), t


@pytest.mark.parametrize("config", [TINY, pytest.param(NEIGHBOURS[1], marks=pytest.mark.slow)], ids=repr)
def test_the_gradients_are_those_of_an_independent_model_in_pytorch(config: Config) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    params = fresh(config, 3)
    want, t = theirs(params, TOKENS, config)
    want.backward()
    value, slopes = ag.value_and_grad(loss)(params, TOKENS, config)
    assert value == pytest.approx(want.item(), rel=1e-13)
    for k, g in slopes.items():
        np.testing.assert_allclose(g, t[k].grad.numpy(), rtol=0, atol=1e-11)


def test_a_product_of_turned_vectors_depends_on_their_distance_only() -> None:
    rng = np.random.default_rng(0)
    q, k = (np.broadcast_to(rng.normal(size=8), (20, 8)) for _ in range(2))
    products = rotary(q, 100.0) @ rotary(k, 100.0).T
    for distance in range(-19, 20):
        np.testing.assert_allclose(np.diagonal(products, distance), products.diagonal(distance)[0], atol=1e-12)
    assert np.ptp(products) > 1
    np.testing.assert_array_equal(rotary(q, 100.0)[7:], rotary(q[7:], 100.0, n_past=7))
    np.testing.assert_allclose(np.linalg.norm(rotary(q, 100.0), axis=-1), np.linalg.norm(q, axis=-1), rtol=1e-14)


@pytest.mark.parametrize("kind", [np.asarray, ag.values, Tensor])
def test_the_gate_is_finite_everywhere(kind: Any) -> None:
    x = np.array([-1e300, -800.0, -3.0, 0.0, 3.0, 800.0])
    got = silu(kind(x))
    got = [getattr(v, "data", v) for v in got.flat] if kind is ag.values else np.asarray(getattr(got, "data", got))
    np.testing.assert_allclose(got, [0, 0, -3 / (1 + np.exp(3)), 0, 3 / (1 + np.exp(-3)), 800], atol=1e-15)
    slope = ag.grad(lambda x: silu(x).sum())(ag.values(x) if kind is ag.values else x)
    np.testing.assert_allclose(slope[[0, 1, 3, 5]], [0, 0, 0.5, 1], atol=1e-15)


def test_a_head_of_keys_serves_its_group_as_if_it_were_written_out() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 5, 8))
    params = {"wq": (8, 24), "wk": (8, 8), "wv": (8, 8), "wo": (24, 8)}
    few = {name: rng.normal(size=shape) for name, shape in params.items()}
    out = {name: np.repeat(w.reshape(8, 2, 4), 3, axis=1).reshape(8, 24) for name, w in few.items() if name in "wkwv"}
    np.testing.assert_allclose(
        attention(x, few, 6, base=100.0), attention(x, {**few, **out}, 6, base=100.0), atol=1e-13
    )
    one = {"w1": few["wq"], "wg": few["wq"] * 0 + 1e3, "w2": few["wo"]}
    positive = np.abs(x)
    want = (positive @ few["wq"]) * (positive.sum(-1, keepdims=True) * 1e3) @ few["wo"]
    np.testing.assert_allclose(mlp(positive, one, "swiglu"), want, rtol=1e-12, atol=1e-6)


@pytest.mark.parametrize("config", NEIGHBOURS, ids=repr)
def test_going_on_from_a_cache_gives_the_same_logits(config: Config) -> None:
    params, tokens = fresh(config), np.random.default_rng(1).integers(13, size=(2, 9))
    want = logits(params, tokens, config)
    for cuts in ([1, 2, 3, 4, 5, 6, 7, 8], [3], [2, 7]):
        cache: dict[str, Any] = {}
        parts = [logits(params, part, config, cache=cache) for part in np.split(tokens, cuts, axis=-1)]
        np.testing.assert_allclose(np.concatenate(parts, axis=-2), want, atol=1e-12)
    assert cache["h0"]["k"].shape == (2, config.n_kv_head or config.n_head, 9, config.head_size or 2)


COMMAND = ["--preset", "llama", "--n-head", "2", "--n-kv-head", "1", "--n-embd", "4", "--n-layer", "1"]


def test_the_preset_trains_and_writes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *COMMAND, "--steps", "3"]) == 0
    assert main(["sample", "runs/001", "-n", "2"]) == 0
    config = runs.load("runs/001")[1]
    assert (config.positions, config.activation, config.n_kv_head, config.head_size) == ("rotary", "swiglu", 1, None)
    assert main(["train", "--resume", "runs/001", "--steps", "5"]) == 0


@pytest.mark.slow
def test_the_preset_is_checked_and_drawn(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *COMMAND, "--steps", "20"]) == 0
    assert main(["check", *COMMAND, "--batch-size", "1"]) == 0
    assert "33 of 33 parameter tensors hold" in capsys.readouterr().out
    assert main(["draw", *COMMAND, "--scalar", "--limit", "60"]) == 0 and main(["draw", "runs/001", "--play"]) == 0
    assert main(["report", "runs/001"]) == 0
    assert main(["params", "--preset", "llama"]) == 0
    assert "h1.mlp.wg" in capsys.readouterr().out


def test_runs_from_before_these_fields_are_still_whole() -> None:
    config = Config.preset("microgpt")
    before = {field.name for field in dataclasses.fields(Config)} - {
        "n_kv_head", "head_size", "n_hidden", "norm_eps", "rotary_base"
    }  # fmt: skip
    assert Facts(config, runs.Vocabulary("ab"), {}).record()["config"].keys() == before
    assert Config.of(config.record()) == config and Config.of(TINY.record()) == TINY
    assert {"n_kv_head", "head_size", "n_hidden", "norm_eps"} <= TINY.record().keys()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_head": 4, "n_kv_head": 3}, "n_head=4 is not a multiple of n_kv_head=3"),
        ({"n_kv_head": 0}, "n_kv_head=0; expected a whole number from 1 on"),
        ({"head_size": 2.0}, "head_size=2.0; expected a whole number"),
        ({"head_size": 3, "positions": "rotary"}, "heads are 3 wide; rotary positions turn pairs"),
        ({"norm_eps": 0.0}, "norm_eps=0.0; expected a finite number above 0"),
        ({"norm_eps": "small"}, "norm_eps='small'; expected a finite number"),
        ({"rotary_base": float("inf")}, "rotary_base=inf; expected a finite number"),
        ({"norm_eps": True}, "norm_eps=True"),
        ({"n_hidden": -1}, "n_hidden=-1"),
        ({"activation": "silu"}, "choose from 'relu', 'gelu', 'swiglu'"),
        ({"positions": "alibi"}, "choose from 'learned', 'sinusoidal', 'rotary'"),
        ({"n_head": 3, "n_embd": 8}, "n_embd=8 is not divisible by n_head=3"),
    ],
)
def test_bad_shapes(fields: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Config(**fields)


def test_the_width_of_a_head_may_differ_from_an_equal_share() -> None:
    config = Config(n_head=3, n_embd=8, head_size=2, n_hidden=5)
    params = init(config, np.random.default_rng(0))
    assert params["h0.attn.wq"].shape == (8, 6) and params["h0.attn.wo"].shape == (6, 8)
    assert params["h0.mlp.w1"].shape == (8, 5) and params["h0.mlp.b1"].shape == (5,)
    assert loss(params, [[1, 2, 3]], config) > 0

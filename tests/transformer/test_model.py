"""The transformer: one code, the same numbers on every kind of array, and the facts it must reproduce."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from tests.helpers import NAMES, microgpt
from transformer import Config, init, logits, loss
from transformer.config import PRESETS, shapes
from transformer.layers import cross_entropy, mlp, relu, softmax
from transformer.optim import adam

TINY = {"vocab_size": 7, "n_layer": 2, "n_head": 2, "n_embd": 4, "block_size": 5, "dtype": "float64"}
CONFIGS = [
    *(Config.preset(name, **TINY) for name in PRESETS),
    Config(**TINY, norm="rms", embed_norm=True, tied=False, bias="mlp"),
    Config(**TINY, norm_position="post", positions="sinusoidal", activation="relu", bias=False),
]
TOKENS = np.array([[1, 5, 2, 0, 6], [3, 3, 4, -1, -1]])


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_the_same_numbers_on_every_kind_of_array(config: Config) -> None:
    rng = np.random.default_rng(1)
    params = {k: rng.normal(0.1, 0.4, p.shape) for k, p in init(config, rng).items()}
    plain = loss(params, TOKENS, config)
    tensor, slopes = ag.value_and_grad(loss)(params, TOKENS, config)
    scalar, scalar_slopes = ag.value_and_grad(loss)({k: ag.values(p) for k, p in params.items()}, TOKENS, config)
    assert abs(tensor - plain) < 1e-12 and abs(scalar - plain) < 1e-12
    for k, p in params.items():
        np.testing.assert_allclose(scalar_slopes[k], slopes[k], rtol=0, atol=1e-12)
        i = np.unravel_index(np.argmax(np.abs(slopes[k])), p.shape)
        up, down = (
            {**params, k: p + h * (np.arange(p.size).reshape(p.shape) == np.ravel_multi_index(i, p.shape))}
            for h in (1e-6, -1e-6)
        )
        assert slopes[k][i] == pytest.approx(
            (loss(up, TOKENS, config) - loss(down, TOKENS, config)) / 2e-6, rel=1e-5, abs=1e-8
        )


def test_under_jax() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[peers]'")
    config = dataclasses.replace(CONFIGS[0], dtype="float32")
    params = init(config, np.random.default_rng(0))
    want, slopes = ag.value_and_grad(loss)(params, TOKENS, config)
    got, jitted = jax.jit(lambda p: ag.value_and_grad(loss)(p, TOKENS, config))(params)
    assert got == pytest.approx(want, rel=1e-5)
    for k in params:
        np.testing.assert_allclose(jitted[k], slopes[k], rtol=1e-3, atol=1e-5)


def test_parameter_counts() -> None:
    def count(name: str) -> int:
        return sum(map(math.prod, shapes(Config.preset(name)).values()))

    assert count("gpt2") == 124_439_808 and count("gpt2-large") == 774_030_080 and count("microgpt") == 4_192
    assert round(count("gpt3") / 1e9) == 175


@pytest.mark.skipif(not NAMES.exists(), reason="needs makemore's names.txt in ../shared/data")
class TestMicrogpt:
    CONFIG = Config.preset("microgpt")
    LOSSES = (3.3659669476, 3.4242727838, 3.1778021254, 3.0663556842, 3.2208830898)

    def run(self, steps: int, kind: type) -> list[float]:
        documents, params = microgpt()
        optimizer = adam(lambda step: 0.01 * (1 - step / 1000), betas=(0.85, 0.99))
        state, losses = optimizer.init(params), []
        for document in documents[:steps]:
            value, grads = ag.value_and_grad(loss)(
                {k: p.astype(kind) for k, p in params.items()}, document, self.CONFIG
            )
            params, state = optimizer.update(params, grads, state)
            losses.append(value)
        return losses

    def test_as_values(self) -> None:
        assert self.run(5, object) == pytest.approx(self.LOSSES, abs=1e-9)

    def test_as_tensors(self) -> None:
        losses = self.run(1000, float)
        assert losses[:5] == pytest.approx(self.LOSSES, abs=1e-9)
        assert losses[-5:] == pytest.approx([2.1018, 1.7791, 2.4764, 2.4730, 2.6497], abs=5e-5)
        assert np.mean(losses) == pytest.approx(2.452, abs=5e-4)

    def test_first_gradient(self) -> None:
        documents, params = microgpt()
        grads = ag.grad(loss)(params, documents[0], self.CONFIG)
        assert sum(np.count_nonzero(g) for g in grads.values()) == 3_728


def test_the_articles_example() -> None:
    p = np.array([[0.45, 0.30, 0.15, 0.05, 0.03, 0.02]])
    value, slope = ag.value_and_grad(cross_entropy)(np.log(p), np.array([0]))
    assert value == pytest.approx(0.799, abs=5e-4)
    np.testing.assert_allclose(slope, [[-0.55, 0.30, 0.15, 0.05, 0.03, 0.02]], atol=1e-15)


def test_a_gradient_predicts_what_a_nudge_does_to_the_loss() -> None:
    """The article: a weight with gradient g, raised by 0.001, raises the loss by 0.001 g."""
    params = init(CONFIG, np.random.default_rng(0))
    before, slopes = ag.value_and_grad(loss)(params, TOKENS, CONFIG)
    i = np.unravel_index(np.argmax(np.abs(slopes["h0.attn.wv"])), slopes["h0.attn.wv"].shape)
    params["h0.attn.wv"][i] += 0.001
    assert loss(params, TOKENS, CONFIG) - before == pytest.approx(0.001 * slopes["h0.attn.wv"][i], rel=0.02)
    for p, want in ((0.02, 3.912), (0.45, 0.799), (0.80, 0.223), (0.99, 0.010)):
        assert cross_entropy(np.log([[p, 1 - p]]), np.array([0])) == pytest.approx(want, abs=5e-4)


def test_the_gradient_of_logits_is_p_minus_onehot_over_count() -> None:
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(2, 3, 5)), np.array([[1, 4, 0], [2, -1, -1]])
    onehot = np.eye(5)[targets] * (targets >= 0)[..., None]
    want = (softmax(x) * (targets >= 0)[..., None] - onehot) / 4
    for g in (ag.grad(cross_entropy)(x, targets), ag.grad(cross_entropy)(ag.values(x), targets)):
        np.testing.assert_allclose(g, want, atol=1e-15)


@pytest.mark.parametrize("wrap", [np.asarray, ag.values])
def test_large_and_masked_logits(wrap: Any) -> None:
    x, targets = np.array([[1e4, 1e4 - 1, -1e4, -np.inf], [-1e4, -1e4, -np.inf, 1e4]]), np.array([1, 3])
    value, slope = ag.value_and_grad(cross_entropy)(wrap(x), targets)
    assert value == pytest.approx((1 + math.log1p(math.exp(-1))) / 2)
    np.testing.assert_allclose(
        slope[0], np.array([1 / (1 + math.exp(-1)), -1 / (1 + math.exp(-1)), 0, 0]) / 2, atol=1e-15
    )
    assert not slope[1].any()
    assert np.isfinite(ag.grad(lambda x: (softmax(x) ** 2).sum())(wrap(x))).all()


KINDS = [np.asarray, ag.values, Tensor]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_stands_where_a_target_is_ignored_does_not_count(kind: Any, odd: float) -> None:
    x, targets = np.random.default_rng(0).normal(size=(2, 3, 5)), np.array([[1, -1, 0], [2, -1, -1]])
    want, slope = ag.value_and_grad(cross_entropy)(x, targets)
    x[targets < 0] = odd
    x[0, 1, 2] = 7.0
    assert cross_entropy(kind(x), targets).item() == pytest.approx(want, rel=1e-15)
    got = ag.grad(cross_entropy)(ag.values(x) if kind is ag.values else x, targets)
    np.testing.assert_allclose(got, slope, rtol=1e-13)
    with pytest.raises(ValueError, match="every target is -1"):
        cross_entropy(kind(x), targets * 0 - 1)


@pytest.mark.parametrize("scalar", [False, True])
def test_parameters_that_serve_only_padding_may_be_nan(scalar: bool) -> None:
    """The token 0, which once stood in for padding; the last token before padding; positions that no row reaches."""
    config = CONFIGS[0]
    config = dataclasses.replace(config, positions="learned", tied=False)
    params = init(config, np.random.default_rng(0))
    tokens = np.array([[3, 1, 2, -1, -1, -1], [1, 3, 5, 4, -1, -1], [-1] * 6])
    want, slopes = ag.value_and_grad(loss)(params, tokens, config)
    params["wte"][[0, 4]] = math.nan
    params["wpe"][3:] = math.nan
    value, got = ag.value_and_grad(loss)(
        {k: ag.values(p) for k, p in params.items()} if scalar else params, tokens, config
    )
    assert value == pytest.approx(want, rel=1e-14) and loss(params, tokens, config) == pytest.approx(want, rel=1e-14)
    for k, g in slopes.items():
        np.testing.assert_allclose(got[k], g, rtol=1e-12, atol=1e-15)
    assert not got["wte"][[0, 4]].any() and not got["wpe"][3:].any()


def test_ignored_targets_under_a_trace_of_the_tokens() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed: pip install '.[peers]'")
    config = dataclasses.replace(CONFIGS[0], dtype="float32")
    params = init(config, np.random.default_rng(0))
    params["wte"][0] = math.nan
    tokens = np.array([[1, 5, 2, 3, 6], [3, 3, 4, -1, -1]])
    want, slopes = ag.value_and_grad(loss)(params, tokens, config)
    got, traced = jax.jit(lambda p, t: ag.value_and_grad(loss)(p, t, config))(params, tokens)
    assert math.isfinite(want) and got == pytest.approx(want, rel=1e-5)
    for k in params:
        np.testing.assert_allclose(traced[k], slopes[k], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_relu_selects(kind: Any) -> None:
    x = np.array([-math.inf, -1.0, -0.0, 0.0, 2.0, math.inf])
    got = relu(kind(x))
    got = np.array([getattr(v, "data", v) for v in got.flat]) if kind is ag.values else getattr(got, "data", got)
    np.testing.assert_array_equal(got, [0, 0, 0, 0, 2, math.inf])
    slope = ag.grad(lambda x: relu(x).sum())(ag.values(x) if kind is ag.values else x)
    np.testing.assert_array_equal(slope, [0, 0, 0, 0, 1, 1])
    assert math.isnan(relu(np.array(math.nan))) and relu(np.float32([-1, 2])).dtype == np.float32


def test_vanilla_behaves_as_the_article_says() -> None:
    config = Config.preset("vanilla")
    params = init(config, np.random.default_rng(0))
    assert (
        "wpe" not in params
        and {"wte", "lm_head", "h1.attn.wo", "h1.mlp.b2"} <= params.keys()
        and "h0.attn.bq" not in params
    )
    x, p = (
        np.random.default_rng(1).normal(size=(3, 32)),
        {k[7:]: v for k, v in params.items() if k.startswith("h0.mlp.")},
    )
    hidden = x @ p["w1"] + p["b1"]
    slopes = ag.grad(lambda p: (mlp(x, p, "relu") ** 2).sum())(p)
    dead = (hidden <= 0).all(axis=0)
    assert dead.any() and not dead.all()
    assert not slopes["w1"][:, dead].any() and not slopes["b1"][dead].any() and slopes["w1"][:, ~dead].all(axis=0).all()


def test_padding_does_not_count_and_later_tokens_do_not_matter() -> None:
    config = CONFIGS[0]
    params = init(config, np.random.default_rng(0))
    first, second = loss(params, TOKENS[0], config), loss(params, TOKENS[1, :3], config)
    assert loss(params, TOKENS, config) == pytest.approx((4 * first + 2 * second) / 6, rel=1e-14)
    a, b = np.array([1, 2, 3, 4]), np.array([1, 2, 6, 0])
    np.testing.assert_array_equal(logits(params, a, config)[:2], logits(params, b, config)[:2])
    assert logits(params, TOKENS[:, :3], config).shape == (2, 3, 7)


def test_pytorch_agrees_on_gpt2() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    F = torch.nn.functional
    config = Config.preset("gpt2", **TINY)
    rng = np.random.default_rng(3)
    params = {k: rng.normal(0.1, 0.5, s) for k, s in shapes(config).items()}
    t = {k: torch.tensor(p, requires_grad=True) for k, p in params.items()}
    tokens = torch.tensor(TOKENS[:1])

    def norm(x: Any, name: str) -> Any:
        return F.layer_norm(x, (4,), t[name + ".gain"], t[name + ".bias"], eps=1e-5)

    x = t["wte"][tokens[:, :-1]] + t["wpe"][:4]
    for i in range(2):
        h = norm(x, f"h{i}.norm1")
        q, k, v = ((h @ t[f"h{i}.attn.w{c}"] + t[f"h{i}.attn.b{c}"]).reshape(1, 4, 2, 2).transpose(1, 2) for c in "qkv")
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(1, 4, 4)
        x = x + y @ t[f"h{i}.attn.wo"] + t[f"h{i}.attn.bo"]
        h = F.gelu(norm(x, f"h{i}.norm2") @ t[f"h{i}.mlp.w1"] + t[f"h{i}.mlp.b1"], approximate="tanh")
        x = x + h @ t[f"h{i}.mlp.w2"] + t[f"h{i}.mlp.b2"]
    want = F.cross_entropy((norm(x, "final_norm") @ t["wte"].T)[0], tokens[0, 1:])
    want.backward()
    value, slopes = ag.value_and_grad(loss)(params, TOKENS[:1], config)
    assert value == pytest.approx(want.item(), rel=1e-13)
    for k, g in slopes.items():
        np.testing.assert_allclose(g, t[k].grad.numpy(), rtol=1e-10, atol=1e-13)


CONFIG = CONFIGS[0]
PARAMS = init(CONFIG, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: logits(PARAMS, [0, 7], CONFIG), ValueError, "token id 7 is outside 0 to 6"),
        (lambda: logits(PARAMS, [-1, 2], CONFIG), ValueError, "token id -1"),
        (lambda: logits(PARAMS, [1] * 6, CONFIG), ValueError, "6 tokens are more than block_size=5"),
        (lambda: logits(PARAMS, [0.5], CONFIG), TypeError, "tokens must be ints"),
        (lambda: loss(PARAMS, [1], CONFIG), ValueError, "at least one token and its successor"),
        (lambda: loss(PARAMS, [1, -1, 2], CONFIG), ValueError, "padding must stand at the end"),
        (lambda: loss(PARAMS, [1, -1], CONFIG), ValueError, "nothing to predict"),
        (lambda: loss(PARAMS, [1, 9], CONFIG), ValueError, "loss: token id 9"),
        (lambda: Config(n_embd=10, n_head=4), ValueError, "n_embd=10 is not divisible by n_head=4"),
        (lambda: Config(bias=1), ValueError, "bias=1"),
        (lambda: init(CONFIG, 0), TypeError, "expected a generator"),
        (lambda: loss(PARAMS, "emma", CONFIG), TypeError, "encode it first"),
        (lambda: Config(norm="batch"), ValueError, "norm='batch'; choose from 'layer', 'rms'"),
        (lambda: Config(n_layer=0), ValueError, "n_layer=0"),
        (lambda: Config.preset("gpt5"), ValueError, "no preset 'gpt5'; choose from vanilla"),
        (lambda: Config.preset("gpt2", layers=3), ValueError, "no field 'layers'"),
    ],
)
def test_bad_input(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_a_tensor_parameter_can_be_trained_by_hand() -> None:
    params = {k: Tensor(p, label=k) for k, p in PARAMS.items()}
    before = loss(params, TOKENS, CONFIG)
    before.backward()
    for p in params.values():
        p.data -= 0.1 * p.grad
    assert loss(params, TOKENS, CONFIG).item() < before.item()


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_going_on_from_a_cache_gives_the_same_logits(config: Config) -> None:
    params = init(config, np.random.default_rng(0))
    tokens = np.random.default_rng(1).integers(7, size=(2, 3, 5))
    want = logits(params, tokens, config)
    for cuts in ([1, 2, 3, 4], [3], [2, 4]):
        for kind in (np.asarray, ag.values, Tensor) if cuts == [3] else (np.asarray,):
            cache: dict[str, Any] = {}
            given = {k: kind(p) for k, p in params.items()}
            parts = [logits(given, part, config, cache=cache) for part in np.split(tokens[:1, :1], cuts, axis=-1)]
            got = np.concatenate([ag.detach(part) for part in parts], axis=-2)
            got = getattr(got, "data", got) if kind is not ag.values else np.array([v.data for v in got.flat])
            np.testing.assert_allclose(np.reshape(got, (1, 1, 5, 7)), want[:1, :1], atol=1e-12)
    cache = {}
    parts = [logits(params, part, config, cache=cache) for part in np.split(tokens, [2, 3], axis=-1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=-2), want, atol=1e-12)
    with pytest.raises(ValueError, match="6 tokens are more than block_size=5"):
        logits(params, tokens[..., :1], config, cache=cache)


def test_attention_has_the_same_scopes_whether_long_or_short() -> None:
    config = Config(n_layer=1, n_embd=8, n_head=2, block_size=128, vocab_size=5)
    params = {k: ag.Tensor(p) for k, p in init(config, np.random.default_rng(0)).items()}
    for n in (4, 100):
        with ag.record_source():
            y = logits(params, np.arange(n) % 5, config)
        scopes = {node.scope for node in ag.Stepper(y.sum()).nodes}
        assert {"logits/block/attention/softmax", "logits/block/attention"} <= scopes
        assert not any("attend" in scope or "causal_attention" in scope for scope in scopes)
    assert "causal_attention" in {
        node.op for node in ag.Stepper(logits(params, np.arange(100) % 5, config).sum()).nodes
    }


def test_two_may_go_on_from_the_same_positions() -> None:
    """What one of them adds to the memory of keys and values does not reach the other."""
    config = Config.preset("nano", n_layer=2, n_embd=16, n_head=2, block_size=24, vocab_size=7, dtype="float64")
    params = init(config, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    start = rng.integers(0, 7, 5)
    cache: Any = {}
    logits(params, start, config, cache=cache)
    logits(params, start[:1], config, cache=cache)
    branches = [({name: dict(seen) for name, seen in cache.items()}, [*start, start[0]]) for _ in range(2)]
    for i, token in enumerate(rng.integers(0, 7, 12)):
        branch, tokens = branches[i % 2]
        tokens.append(token)
        got = logits(params, [token], config, cache=branch)[-1]
        np.testing.assert_allclose(got, logits(params, tokens, config)[-1], rtol=1e-9, atol=1e-12)

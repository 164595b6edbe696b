"""The article's figures, claim by claim, recomputed by the engine and compared with the table in docs/article.md.

Each test stands in the table and takes its figures from there.
"""

from __future__ import annotations

import inspect
import re
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from tests.helpers import ROOT, dinner
from transformer import Config, init, logits, loss
from transformer.config import count, shapes
from transformer.layers import cross_entropy
from transformer.lesson.dinner import (
    CONFIG,
    EVENING,
    NAMES,
    ROWS,
    WORDS,
    P,
    encode,
    forward,
    probabilities,
    saying,
)
from transformer.optim import adam, sgd

TOKENS = encode(f". {EVENING} .")
FRANK = encode(". frank")
WHO = 11  # where the one who decides is named: the second "emma"
STEPS = (0, 100, 1000)


def table() -> dict[str, tuple[str, str]]:
    """Figures and demos of every row, by the name of its test."""
    rows = re.findall(r"^\|[^|]*\|[^|]+\|([^|]+)\|([^|]+)\| `(\w+)`", (ROOT / "docs/article.md").read_text(), re.M)
    return {test: (figures, demos) for figures, demos, test in rows}


def must_say(*computed: float, units: float = 0.5) -> None:
    """The figures in the caller's row are those computed, to half a unit of their last digit, or to `units` of it."""
    figures, _ = table()[inspect.stack()[1].function]
    written = re.findall(r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?", figures.replace(", ", "; "))
    assert len(written) == len(computed), f"{figures} against {computed}"
    for text, x in zip(written, computed, strict=True):
        mantissa, _, exponent = text.partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        assert abs(float(text.replace(",", "")) - x) <= units * unit * (1 + 1e-9), f"{figures} against {computed}"


def test_the_table_and_the_tests_are_the_same() -> None:
    tests = {name for name in globals() if name.startswith("test_")} - {
        "test_the_table_and_the_tests_are_the_same",
        "test_a_wrong_figure_is_noticed",
    }
    assert set(table()) == tests
    lessons = {int(path.stem[:2]) for path in (ROOT / "demos").glob("0*.py")}
    assert {int(n) for _, demos in table().values() for n in re.findall(r"\d+", demos)} <= lessons


def test_a_wrong_figure_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "table", lambda: {"test_a_wrong_figure_is_noticed": ("0.45, 0.31", "")})
    must_say(0.4514, 0.3099)
    with pytest.raises(AssertionError):
        must_say(0.45, 0.30)
    with pytest.raises(AssertionError):
        must_say(0.45)


def tensors(params: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: Tensor(p, name) for name, p in params.items()}


@cache
def walked() -> tuple[dict[str, Tensor], dict[str, Any], Any]:
    """The trained model's parameters, the stages of one evening and its loss, after backward()."""
    nodes = tensors(dinner(1000).params)
    stages = forward(nodes, TOKENS[:-1])
    value = cross_entropy(stages["logits"], TOKENS[1:])
    value.backward()
    return nodes, stages, value


# ---- 1 training, 2 parameters ----


def test_the_five_steps_lower_the_loss() -> None:
    must_say(*(dinner(step).loss for step in STEPS), units=1)


def test_exact_counts() -> None:
    must_say(*(count(Config.preset(name)) for name in ("gpt2", "gpt2-large", "gpt3")))


def test_why_117_and_124_million() -> None:
    gpt1 = Config.preset("gpt2", vocab_size=40478, block_size=512, final_norm=False)
    must_say(count(gpt1))
    assert round(count(gpt1) / 1e6) == 117
    assert round(count(Config.preset("gpt2")) / 1e6) == 124


def test_a_layer_by_formula() -> None:
    layers = sum(int(np.prod(shape)) for name, shape in shapes(Config.preset("gpt2")).items() if re.match(r"h\d", name))
    must_say(layers)
    assert layers == 12 * (12 * 768**2 + 13 * 768)


def test_positions_are_no_parameters() -> None:
    must_say(count(CONFIG))
    names = {name.rpartition(".")[2] for name in shapes(CONFIG)}
    assert names == {"wte", "wq", "wk", "wv", "wo", "w1", "b1", "w2", "b2", "lm_head"}
    assert all(f"h{i}.attn.wq" in shapes(CONFIG) for i in range(CONFIG.n_layer)), "every layer has its own"


# ---- 3 forward, 4 loss ----


def test_the_chain_is_the_model() -> None:
    params, tokens = dinner(1000).params, TOKENS[:-1]
    plain = forward(params, tokens)["logits"]
    must_say(len(plain))
    np.testing.assert_allclose(plain, logits(params, tokens, CONFIG), rtol=1e-12)
    np.testing.assert_allclose(plain, forward(tensors(params), tokens)["logits"].data, rtol=1e-12)
    one_layer = Config.preset("vanilla", vocab_size=len(WORDS), n_layer=1, n_head=1, n_embd=4, block_size=16)
    small = init(one_layer, np.random.default_rng(0))
    scalars = forward({name: ag.values(p, name) for name, p in small.items()}, FRANK, one_layer)["logits"]
    np.testing.assert_allclose([[v.data for v in row] for row in scalars], logits(small, FRANK, one_layer), rtol=1e-12)


def test_p_as_learned() -> None:
    said = probabilities(dinner(1000).params, FRANK)[-1]
    must_say(*(said[WORDS.index(word)] for word in P))
    shares = [np.mean(ROWS[:, 2] == WORDS.index(word)) for word in P]
    np.testing.assert_allclose(shares, list(P.values()), atol=1e-12, err_msg="what the corpus says")


def test_p_exactly() -> None:
    said = probabilities(saying(dinner(1000).params, FRANK, P), FRANK)[-1]
    must_say(*(said[WORDS.index(word)] for word in P), units=1e-8)
    assert WORDS[said.argmax()] == "spicy"


def test_the_price_of_four_probabilities() -> None:
    prices = []
    for p in (0.02, 0.45, 0.80, 0.99):
        scores = forward(saying(dinner(1000).params, FRANK, {"spicy": p, "cheap": 1 - p}), FRANK)["logits"][-1:]
        prices.append(float(cross_entropy(Tensor(scores), encode("spicy")).data))
    must_say(*prices)


def test_each_position_predicts() -> None:
    params = dinner(1000).params
    prices = -np.log(probabilities(params, TOKENS[:-1])[np.arange(len(TOKENS) - 1), TOKENS[1:]])
    places = [list(TOKENS).index(WORDS.index(name)) for name in NAMES]
    must_say(*prices[places], units=1)
    assert prices.mean() == pytest.approx(float(loss(params, TOKENS, CONFIG)), rel=1e-12)


# ---- 5 backward ----


def test_p_minus_onehot() -> None:
    scores = forward(tensors(saying(dinner(1000).params, FRANK, P)), FRANK)["logits"]
    cross_entropy(scores[-1:], encode("spicy")).backward()
    must_say(*(scores.grad[-1, WORDS.index(word)] for word in P), units=1e-8)


def test_the_residual_copies() -> None:
    nodes, s, _ = walked()
    copies = 0
    for inner, branch, total, through in (
        ("h1.ln1", "h1.ffn", "h1.res2", s["h1.hidden"].grad @ nodes["h1.mlp.w1"].data.T),
        ("h0.ln1", "h0.ffn", "h0.res2", s["h0.hidden"].grad @ nodes["h0.mlp.w1"].data.T),
    ):
        np.testing.assert_array_equal(s[branch].grad, s[total].grad)
        np.testing.assert_allclose(s[inner].grad, s[total].grad + through, rtol=1e-12, atol=1e-15)
        copies += 1
    must_say(copies)


def test_layernorm_passes_no_mean() -> None:
    _, s, _ = walked()
    must_say(*[max(np.abs(s[f"h{i}.res{k}"].grad.sum(axis=-1)).max() for i in (0, 1) for k in (1, 2))], units=1e-14)


def test_inactive_neurons_get_zero() -> None:
    _, s, _ = walked()
    off = s["h1.hidden"].data <= 0
    assert off.any() and not off.all()
    must_say(*np.unique(s["h1.hidden"].grad[off]), units=0)
    assert (s["h1.hidden"].grad[~off] != 0).any()


def test_attention_passes_the_gradient() -> None:
    nodes, s, _ = walked()
    A, n = s["h1.A"].data, len(TOKENS) - 1
    np.testing.assert_allclose(s["h1.v"].grad, A.swapaxes(-1, -2) @ _into_heads(nodes, s), rtol=1e-10, atol=1e-15)
    g = s["h1.A"].grad
    np.testing.assert_allclose(s["h1.scores"].grad, A * (g - (g * A).sum(axis=-1, keepdims=True)), atol=1e-15)
    allowed = np.tril(np.ones((n, n), bool))
    np.testing.assert_allclose(s["h1.q"].grad, s["h1.scores"].grad @ s["h1.k"].data / np.sqrt(8), atol=1e-15)
    assert all(np.abs(nodes[f"h1.attn.{w}"].grad).max() > 0 for w in ("wq", "wk", "wv", "wo"))
    must_say(np.abs(s["h1.scores"].grad[:, ~allowed]).max(), units=0)


def _into_heads(nodes: dict[str, Tensor], s: dict[str, Any]) -> np.ndarray:
    """The gradient by A V of every head: that by the attention's result, back through W_O."""
    g = s["h1.attn"].grad @ nodes["h1.attn.wo"].data.T
    return g.reshape(len(g), CONFIG.n_head, -1).swapaxes(0, 1)


def test_w_embed_learns_and_p_does_not() -> None:
    nodes, s, _ = walked()
    assert type(s["P"]) is np.ndarray, "P is no node, so nothing can update it"
    np.testing.assert_array_equal(s["X"].grad, s["X'"].grad)
    rows = np.zeros_like(nodes["wte"].grad)
    np.add.at(rows, TOKENS[:-1], s["X"].grad)
    np.testing.assert_allclose(nodes["wte"].grad, rows, rtol=1e-12)
    unsaid = [i for i in range(len(WORDS)) if i not in TOKENS]
    assert unsaid
    must_say(np.abs(nodes["wte"].grad[unsaid]).max(), units=0)


def weight_of_0_023() -> tuple[str, tuple[int, ...]]:
    nodes, _, _ = walked()
    return min(
        ((name, i) for name, node in nodes.items() for i in np.ndindex(node.shape)),
        key=lambda at: abs(nodes[at[0]].grad[at[1]] - 0.023),
    )


def test_a_gradient_of_0_023() -> None:
    nodes, _, value = walked()
    name, i = weight_of_0_023()
    raised = {k: p.data.copy() for k, p in nodes.items()}
    raised[name][i] += 0.001
    must_say(nodes[name].grad[i], float(loss(raised, TOKENS, CONFIG)) - float(value.data))


def test_every_gradient_holds() -> None:
    params, held = dinner(1000).params, 0
    for name in params:
        report = ag.gradcheck(lambda w, name=name: loss({**params, name: w}, TOKENS, CONFIG), params[name], fast=True)
        assert report, f"{name}: {report}"
        held += 1
    must_say(held)


# ---- 6 update ----


def test_the_update() -> None:
    nodes, _, _ = walked()
    name, i = weight_of_0_023()
    params, grads = ({k: getattr(p, part) for k, p in nodes.items()} for part in ("data", "grad"))
    moved, _ = sgd(0.0001).update(params, grads, sgd(0.0001).init(params))
    must_say(moved[name][i] - params[name][i])


def steps_of(optimizer: Any) -> np.ndarray:
    """The mean length of a step on gradients of 0.023 that agree, and on those whose sign is tossed."""
    weights = {"consistent": np.zeros(1), "noisy": np.zeros(1)}
    state, path = optimizer.init(weights), []
    for toss in np.random.default_rng(0).choice([-1.0, 1.0], size=1000):
        grads = {"consistent": np.array([0.023]), "noisy": np.array([0.023 * toss])}
        weights, state = optimizer.update(weights, grads, state)
        path.append([weights["consistent"][0], weights["noisy"][0]])
    return np.abs(np.diff(path, axis=0)).mean(axis=0)


def test_sgd_steps_alike() -> None:
    must_say(*steps_of(sgd(0.0001)))


def test_adam_tells_consistent_from_noisy() -> None:
    steps = steps_of(adam(0.0001))
    must_say(*steps)
    assert steps[0] > 40 * steps_of(sgd(0.0001))[0] > 0


# ---- 7 over training ----


def test_gradients_shrink() -> None:
    must_say(*(np.sqrt(sum((g * g).sum() for g in dinner(step).grads.values())) for step in STEPS), units=1)


def test_attention_finds_the_word() -> None:
    at = [forward(dinner(step).params, TOKENS[:-1])["h1.A"][0, WHO, 4] for step in STEPS]
    must_say(*at, units=1)
    assert WORDS[TOKENS[4]] == "cheap" and WORDS[TOKENS[WHO]] == "emma"


def test_attention_finds_the_word_and_says_it() -> None:
    must_say(*(probabilities(dinner(step).params, TOKENS)[WHO, WORDS.index("cheap")] for step in STEPS), units=1)


def test_names_drift_together() -> None:
    names = [WORDS.index(name) for name in NAMES]
    found = []
    for step in STEPS:
        e = dinner(step).params["wte"][names]
        e = e / np.linalg.norm(e, axis=1, keepdims=True)
        found.append((e @ e.T)[~np.eye(4, dtype=bool)].mean())
    must_say(*found, units=1)


def test_what_gpt_3_took() -> None:
    must_say(6 * count(Config.preset("gpt3")) * 300e9)


# ---- at full size ----


@pytest.mark.slow
def test_a_training_step_of_gpt2_small() -> None:
    config = Config.preset("gpt2")
    rng = np.random.default_rng(0)
    params = init(config, rng)
    must_say(sum(p.size for p in params.values()))
    tokens = rng.integers(config.vocab_size, size=65)
    value, grads = ag.value_and_grad(loss)(params, tokens, config)
    assert value == pytest.approx(np.log(config.vocab_size), abs=0.3)
    assert all(np.isfinite(g).all() and g.any() for g in grads.values())
    optimizer = adam(1e-4)
    moved, _ = optimizer.update(params, grads, optimizer.init(params))
    assert loss(moved, tokens, config) < value - 1


@pytest.mark.slow
def test_a_forward_pass_of_gpt2_large() -> None:
    config = Config.preset("gpt2-large")
    rng = np.random.default_rng(0)
    params = init(config, rng)
    n = sum(p.size for p in params.values())
    value = loss(params, rng.integers(config.vocab_size, size=65), config)
    assert value == pytest.approx(np.log(config.vocab_size), abs=0.5)
    must_say(n, float(np.log(config.vocab_size)))

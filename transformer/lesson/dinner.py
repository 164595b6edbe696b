"""The talk from which the lesson's model learns: Frank, Emma, Daniel and Alex say where they would like to eat.

Its tokens are words, so that the article's spicy, cheap, fast, cozy, flavor and vibe are tokens. What a lesson
does with a model is said here in a few functions; the model itself is the one of `transformer.model`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

import autograd as ag
from transformer.base import Array, Params, Tokens, Weights
from transformer.config import Config, init
from transformer.layers import causal_mask, layernorm, linear, relu, sinusoids, softmax
from transformer.model import logits, loss
from transformer.optim import adam
from transformer.sample import generate

DINNER = Path(__file__).parents[1] / "corpus" / "dinner.txt"
NAMES = ("frank", "emma", "daniel", "alex")
# What the model says after "frank", once it has learned: the article's P. The corpus has these frequencies.
P = {"spicy": 0.45, "cheap": 0.30, "fast": 0.15, "cozy": 0.05, "flavor": 0.03, "vibe": 0.02}
EVENING = "frank spicy emma cheap daniel fast alex cozy who decides emma cheap noodles"


def _words(line: str) -> list[str]:
    return re.findall(r"\w+", line.lower())


_LINES = [_words(line) for line in DINNER.read_text(encoding="utf-8").splitlines()]
# The tokens: a full stop, which begins and ends every evening; the names; the six words; the rest.
WORDS = tuple(dict.fromkeys((".", *NAMES, *P, "who", "decides", *(word for line in _LINES for word in line))))
CONFIG = Config.preset("vanilla", vocab_size=len(WORDS), n_head=2, n_embd=16, block_size=16)
STEPS = 1000  # updates of the lesson's training
BATCH = 20  # evenings a step
RATE = 0.01  # Adam's learning rate at the start; it falls in a line to zero


def encode(text: str) -> np.ndarray:
    """The token ids of words and full stops: (T,) ints. Raises ValueError for a word that is no token."""
    found = re.findall(r"\w+|\.", text.lower())
    unknown = [word for word in found if word not in WORDS]
    if unknown:
        raise ValueError(f"no token {', '.join(map(repr, unknown))}; the tokens are {' '.join(WORDS)}")
    return np.array([WORDS.index(word) for word in found])


def decode(tokens: Tokens) -> str:
    """The words of token ids."""
    return " ".join(WORDS[int(t)] for t in tokens)


# The corpus, an evening a row: (400, 15) ints.
ROWS = np.array([[0, *encode(" ".join(line)), 0] for line in _LINES])


class Moment(NamedTuple):
    """A step of the training: parameters before its update, the loss on its batch, and the gradients."""

    step: int
    params: Weights
    loss: float
    grads: Weights


def training(steps: int = STEPS, seed: int = 0, config: Config = CONFIG) -> Iterator[Moment]:
    """The lesson's training from random parameters on: `steps` moments, and one more after the last update."""
    rng = np.random.default_rng(seed)
    params = init(config, rng)
    optimizer = adam(lambda step: RATE * (1 - step / steps))
    state = optimizer.init(params)
    order: list[int] = []
    for step in range(steps + 1):
        if len(order) < BATCH:
            order = [int(i) for i in rng.permutation(len(ROWS))]  # every evening once before any comes again
        batch = ROWS[[order.pop() for _ in range(BATCH)]]
        value, grads = ag.value_and_grad(loss)(params, batch, config)
        yield Moment(step, params, float(value), grads)
        if step < steps:
            params, state = optimizer.update(params, grads, state)


def trained(steps: int = STEPS, seed: int = 0) -> Weights:
    """The parameters after the lesson's training."""
    *_, last = training(steps, seed)
    return last.params


def probabilities(params: Params, tokens: Tokens, config: Config = CONFIG) -> Array:
    """The model's P for the word after every token: tokens (..., T) -> (..., T, V)."""
    return softmax(logits(params, tokens, config))


def saying(params: Weights, tokens: Tokens, wanted: Mapping[str, float], config: Config = CONFIG) -> Weights:
    """The parameters with the least change of W_vocab by which the model says `wanted` after the last token.

    A softmax can be turned round: it says P where the logits are log P, plus any constant. The logits are
    x @ W_vocab, so W_vocab += outer(x, log P - logits) / (x @ x), the smallest change that does it. Words
    that are not `wanted` get 1e-12 each.
    """
    target = np.log([wanted.get(word, 1e-12) for word in WORDS])  # (V,)
    x = forward(params, tokens, config)["x"][-1]  # (C,)
    lm_head = params["lm_head"] + np.outer(x, target - x @ params["lm_head"]) / (x @ x)
    return {**params, "lm_head": lm_head}


def forward(params: Params, tokens: Tokens, config: Config = CONFIG) -> dict[str, Array]:
    """Every stage on the way of a vanilla decoder, by name, in order: tokens (T,) -> (T, ...) each.

    The same arithmetic as `transformer.logits`, written out so that each stage can be looked at. In h0 and h1
    are the blocks': "h0.q", "h0.A" (the attention weights, (nh, T, T)), "h0.attn", "h0.res1", "h0.ln1",
    "h0.hidden" (before the ReLU), "h0.relu", "h0.ffn", "h0.res2", "h0.ln2".
    """
    n_time, (n_head, n_embd) = len(tokens), (config.n_head, config.n_embd)
    s: dict[str, Array] = {"X": params["wte"][np.asarray(tokens)], "P": sinusoids(n_time, n_embd, config.dtype)}
    x = s["X'"] = s["X"] + s["P"]
    for h in (f"h{i}" for i in range(config.n_layer)):
        w = {name.rpartition(".")[2]: p for name, p in params.items() if name.startswith(f"{h}.")}
        for name in "qkv":  # (nh, T, hs)
            s[f"{h}.{name}"] = (x @ w["w" + name]).reshape((n_time, n_head, -1)).swapaxes(0, 1)
        scores = s[f"{h}.q"] @ s[f"{h}.k"].swapaxes(-1, -2) / math.sqrt(n_embd // n_head)
        s[f"{h}.scores"] = scores + causal_mask(n_time, config.dtype)
        s[f"{h}.A"] = softmax(s[f"{h}.scores"])
        s[f"{h}.attn"] = (s[f"{h}.A"] @ s[f"{h}.v"]).swapaxes(0, 1).reshape((n_time, n_embd)) @ w["wo"]
        s[f"{h}.res1"] = x + s[f"{h}.attn"]
        x = s[f"{h}.ln1"] = layernorm(s[f"{h}.res1"])
        s[f"{h}.hidden"] = linear(x, w["w1"], w["b1"])
        s[f"{h}.relu"] = relu(s[f"{h}.hidden"])
        s[f"{h}.ffn"] = linear(s[f"{h}.relu"], w["w2"], w["b2"])
        s[f"{h}.res2"] = x + s[f"{h}.ffn"]
        x = s[f"{h}.ln2"] = layernorm(s[f"{h}.res2"])
    s["x"] = x
    s["logits"] = x @ params["lm_head"]
    return s


def plane(points: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Points seen from where they spread widest: their first two principal components, (N, C) -> (N, 2).

    like: points whose components to take instead, so that several maps can be laid over one another.
    The sign of a component is free; here its largest part is positive.
    """
    base = points if like is None else like
    _, _, axes = np.linalg.svd(base - base.mean(axis=0), full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return (points - points.mean(axis=0)) @ axes.T


def story(params: Weights, rng: np.random.Generator, begin: str = "frank", config: Config = CONFIG) -> str:
    """An evening of the model's own, drawn word by word at temperature 0.7, from how it begins to its full stop."""
    tokens = encode(f". {begin}")
    written = generate(params, config, tokens, ROWS.shape[1] - len(tokens), rng, temperature=0.7)
    return decode(written[1:]).partition(" .")[0]

"""Every number of the lesson's page, computed by the engine. How they are written and drawn is `page`'s part.

A figure has a name, such as "p.spicy" or "weight.change", under which the text shows it and the tests recompute it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import autograd as ag
from transformer.base import Array, Weights
from transformer.config import Config, count
from transformer.layers import cross_entropy
from transformer.lesson.dinner import (
    CONFIG,
    EVENING,
    NAMES,
    ROWS,
    STEPS,
    WORDS,
    P,
    encode,
    forward,
    plane,
    probabilities,
    saying,
    story,
    training,
)
from transformer.model import loss
from transformer.optim import Optimizer, adam, sgd

TOKENS = encode(f". {EVENING} .")  # (T + 1,)
FRANK = encode(". frank")
WHO, WORD = 11, 4  # where the one who decides is named, and where she said her word
STILLS = (0, 100, STEPS)  # the steps that the text shows
EVERY = 10  # steps from one picture of the training to the next
PRICED = (0.02, 0.45, 0.80, 0.99)
RATE, GRADIENT, NUDGE = 0.0001, 0.023, 0.001  # the article's: learning rate, a gradient, a trial
TOSSES = 1000  # updates in the comparison of SGD and Adam

Figures = dict[str, float]


class Record(NamedTuple):
    """The training: every step's loss and gradient, and, at every tenth, what the model is like."""

    losses: list[float]
    norms: list[float]
    steps: list[int]
    attention: list[np.ndarray]  # (layers, heads, T, T) each
    places: list[np.ndarray]  # the words on the map, (V, 2) each
    frank: list[np.ndarray]  # P of the six words after "frank"
    stories: list[str]
    params: dict[int, Weights]  # at the stills


def record() -> Record:
    """Train, and keep what the page shows."""
    rows = list(training())
    axes = rows[-1].params["wte"]
    kept = [m for m in rows if m.step % EVERY == 0]
    frank = [WORDS.index(word) for word in P]
    return Record(
        [m.loss for m in rows],
        [_length(m.grads) for m in rows],
        [m.step for m in kept],
        [looks(m.params) for m in kept],
        [plane(m.params["wte"], axes) for m in kept],
        [probabilities(m.params, FRANK)[-1, frank] for m in kept],
        [story(m.params, np.random.default_rng(1)) for m in kept],
        {m.step: m.params for m in rows if m.step in STILLS},
    )


def looks(params: Weights) -> np.ndarray:
    """The attention weights of every layer and head on the evening that the page tells: (layers, heads, T, T)."""
    stages = forward(params, TOKENS[:-1])
    return np.stack([stages[f"h{i}.A"] for i in range(CONFIG.n_layer)])


def _length(grads: Weights) -> float:
    return math.sqrt(sum(float((g * g).sum()) for g in grads.values()))


# ---- one neuron ----


def neuron() -> ag.Value:
    """The neuron that the first graph plays."""
    with ag.record_source():
        x1, x2 = ag.Value(2.0, label="x1"), ag.Value(0.0, label="x2")
        w1, w2 = ag.Value(-3.0, label="w1"), ag.Value(1.0, label="w2")
        b = ag.Value(6.8813735870195432, label="b")
        x1w1 = x1 * w1
        x2w2 = x2 * w2
        s = x1w1 + x2w2
        n = s + b
        o = n.tanh()
    return o


def riddle() -> ag.Value:
    """The expression whose gradients a reader predicts: a goes into it twice."""
    with ag.record_source():
        a, b, c = (ag.Value(x, label=name) for x, name in ((2.0, "a"), (-3.0, "b"), (4.0, "c")))
        e = a * b
        d = e + c
        L = d * a
    e.label, d.label, L.label = "e", "d", "L"
    return L


class Guess(NamedTuple):
    """A step of the riddle: of what to what, what came from above, the local slope, and what was there before."""

    node: str
    parent: str
    upstream: float
    local: float
    before: float | None
    after: float


def guesses() -> list[Guess]:
    """The backward pass of the riddle, contribution by contribution."""
    stepper, found = ag.Stepper(riddle()), []
    while (c := stepper.step()) is not None:
        assert c.local is not None
        names = stepper.names
        found.append(Guess(names[c.node], names[c.parent], c.upstream, c.local, c.before, c.after))
    return found


def riddle_figures() -> Figures:
    root = riddle()
    nodes: dict[str, Any] = {node.label: node for node in ag.Stepper(root).nodes}
    by_a = [g for g in guesses() if g.parent == "a"]
    ways = {"riddle.first": by_a[0].after, "riddle.second": by_a[1].upstream * by_a[1].local}
    return {**{f"riddle.{name}": nodes[name].data for name in "edL"}, **ways, "riddle.both": by_a[1].after}


def neuron_figures() -> Figures:
    o = neuron()
    o.backward()
    nodes: dict[str, Any] = {node.label: node for k in ag.Stepper(o).nodes for node in (k, *k.inputs) if node.label}
    found: Figures = {f"do.{name}": nodes[name].grad for name in ("x1", "w1", "x2", "w2", "b")}
    x1, w1, x2, w2, b = (nodes[name].data for name in ("x1", "w1", "x2", "w2", "b"))
    n = x1 * w1 + x2 * w2 + b
    moved = math.tanh((x1 + NUDGE) * w1 + x2 * w2 + b) - o.data
    found |= {"neuron.n": n, "neuron.o": o.data, "neuron.slope": 1 - o.data**2}
    return found | {"neuron.moved": moved, "neuron.foretold": NUDGE * nodes["x1"].grad}


# ---- parameters ----


def count_figures() -> Figures:
    gpt2 = Config.preset("gpt2")
    gpt1 = dataclasses.replace(gpt2, vocab_size=40478, block_size=512, final_norm=False)
    found: Figures = {"count.gpt1": count(gpt1), "count.lesson": count(CONFIG), "lesson.words": len(WORDS)}
    found |= {"lesson.evenings": len(ROWS), "lesson.width": CONFIG.n_embd}
    for name in ("gpt2", "gpt2-large", "gpt3"):
        c = Config.preset(name)
        found |= {f"count.{name}": count(c), f"layers.{name}": c.n_layer, f"width.{name}": c.n_embd}
    tokens = 300e9
    return found | {"gpt3.tokens": tokens, "gpt3.operations": 6 * count(Config.preset("gpt3")) * tokens}


# ---- forward and loss ----


def loss_figures(params: Weights) -> Figures:
    exact = probabilities(saying(params, FRANK, P), FRANK)[-1]
    learned = probabilities(params, FRANK)[-1]
    found: Figures = {}
    for word in P:
        at = WORDS.index(word)
        found[f"share.{word}"] = 100 * float(np.mean(ROWS[:, 2] == at))
        found |= {f"learned.{word}": learned[at], f"p.{word}": exact[at], f"price.{word}": -math.log(exact[at])}
    for p in PRICED:
        scores = forward(saying(params, FRANK, {"spicy": p, "cheap": 1 - p}), FRANK)["logits"][-1:]
        found[f"price.{p:.2f}"] = float(cross_entropy(scores, encode("spicy")))
    p_next = probabilities(params, TOKENS[:-1])[np.arange(len(TOKENS) - 1), TOKENS[1:]]
    for t, p in enumerate(p_next):
        found |= {f"next.{t}": p, f"cost.{t}": -math.log(p)}
    entropy = -sum(p * math.log(p) for p in P.values())
    found |= {"loss.evening": float(loss(params, TOKENS, CONFIG)), "loss.chance": math.log(len(WORDS))}
    return found | {"loss.best": (4 * entropy + math.log(4)) / (len(TOKENS) - 1)}


# ---- the way of the gradient ----


def scores_graph(params: Weights) -> ag.Value:
    """The loss of the six scores after "frank", as single Values: what the second graph plays."""
    logits = forward(saying(params, FRANK, P), FRANK)["logits"][-1]
    scores = [ag.Value(float(logits[WORDS.index(word)]), label=word) for word in P]
    with ag.record_source():
        powers = [score.exp() for score in scores]
        total = powers[0]
        for power in powers[1:]:
            total = total + power
        log_total = total.log()
        L = log_total - scores[0]
    for power, word in zip(powers, P, strict=True):
        power.label = f"exp {word}"
    total.label = "sum"
    return L


class Walked(NamedTuple):
    """The trained model's backward pass on one evening: parameters, stages, and the loss."""

    nodes: dict[str, ag.Tensor]
    stages: dict[str, Array]
    loss: Array


def walked(params: Weights) -> Walked:
    nodes = {name: ag.Tensor(p, label=name) for name, p in params.items()}
    stages = forward(nodes, TOKENS[:-1])
    value = cross_entropy(stages["logits"], TOKENS[1:])
    value.backward()
    return Walked(nodes, stages, value)


# From the loss down, and what a reader calls them.
LAYERS = {
    "lm_head": "W_vocab",
    "h1.mlp": "FFN 2",
    "h1.attn": "attention 2",
    "h0.mlp": "FFN 1",
    "h0.attn": "attention 1",
    "wte": "W_embed",
}


def gradient_figures(params: Weights) -> Figures:
    exact = {name: ag.Tensor(p) for name, p in saying(params, FRANK, P).items()}
    scores = forward(exact, FRANK)["logits"]
    cross_entropy(scores[-1:], encode("spicy")).backward()
    found: Figures = {f"onehot.{word}": scores.grad[-1, WORDS.index(word)] for word in P}
    w = walked(params)
    for layer in LAYERS:
        found[f"norm.{layer}"] = _length({name: n.grad for name, n in w.nodes.items() if name.startswith(layer)})
    off = w.stages["h1.hidden"].data <= 0
    found |= {"relu.off": off.sum(), "relu.all": off.size}
    found["relu.gradient"] = np.abs(w.stages["h1.hidden"].grad[off]).max()
    name, i = the_weight(w)
    found |= {"weight.gradient": w.nodes[name].grad[i], "weight.change": changed(w, name, i)}
    found["weight.promise"] = NUDGE * w.nodes[name].grad[i]
    moved, _ = _stepped(sgd(RATE), w)
    return found | {"weight.move": moved[name][i] - params[name][i]}


def the_weight(w: Walked) -> tuple[str, tuple[int, ...]]:
    """The weight whose gradient is nearest the article's, +0.023."""
    every = ((name, i) for name, node in w.nodes.items() for i in np.ndindex(node.shape))
    return min(every, key=lambda at: abs(w.nodes[at[0]].grad[at[1]] - GRADIENT))


def changed(w: Walked, name: str, i: tuple[int, ...]) -> float:
    """By how much the loss changes when one weight is raised by 0.001: tried."""
    raised = {k: node.data.copy() for k, node in w.nodes.items()}
    raised[name][i] += NUDGE
    return float(loss(raised, TOKENS, CONFIG)) - float(w.loss.data)


def _stepped(optimizer: Optimizer, w: Walked) -> tuple[Weights, Any]:
    params, grads = ({name: getattr(n, part) for name, n in w.nodes.items()} for part in ("data", "grad"))
    return optimizer.update(params, grads, optimizer.init(params))


class Choice(NamedTuple):
    """A weight of the exercise: which one, its value, its gradient, and what a trial does to the loss."""

    name: str
    at: tuple[int, ...]
    value: float
    gradient: float
    change: float


def choices(w: Walked) -> list[Choice]:
    """Four weights of which the largest is not the one that matters most, nor is the largest signed gradient."""
    value, grad = ({name: getattr(n, part) for name, n in w.nodes.items()} for part in ("data", "grad"))

    def pick(score: Callable[[str], np.ndarray]) -> tuple[str, tuple[int, ...]]:
        best = {name: score(name) for name in w.nodes}
        name = max(best, key=lambda k: float(best[k].max()))
        return name, tuple(int(k) for k in np.unravel_index(best[name].argmax(), best[name].shape))

    largest = pick(lambda k: np.abs(value[k]) * (np.abs(grad[k]) < 1e-3))
    steepest = pick(lambda k: -grad[k] * (np.abs(value[k]) < 0.1))
    middle = pick(lambda k: -np.abs(grad[k] - 0.4 * abs(grad[steepest[0]][steepest[1]])))
    unused = ("wte", (WORDS.index("vibe"), 3))  # a word that nobody said on this evening
    at = [largest, middle, steepest, unused]
    return [Choice(k, i, float(value[k][i]), float(grad[k][i]), changed(w, k, i)) for k, i in at]


# ---- the broken rule ----


class Broken(NamedTuple):
    """A rule planted wrong: the operation, how the rule reads, and gradcheck's table of the network with it."""

    op: str
    right: str
    wrong: str
    table: str


def broken_rules() -> list[Broken]:
    """Three operations of a small network with a wrong rule each, and what gradcheck says of the network."""
    rng = np.random.default_rng(0)
    x, w, b, v = rng.normal(size=3), rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=2)

    def net(w: Array, b: Array, v: Array) -> Array:
        return np.exp(v * np.tanh(x @ w + b)).sum()

    def minus(g: Array, *_: Array) -> Array:
        return -g

    planted: list[tuple[str, int, Callable[..., Array], str, str]] = [
        ("tanh", 0, lambda g, out, a: g * (1 - out), "g * (1 - out²)", "g * (1 - out)"),
        ("mul", 0, lambda g, out, a, b: g, "g * the other factor", "g"),
        ("add", 1, minus, "g", "-g"),
    ]
    found = []
    for op, argument, rule, right, wrong in planted:
        with _planted(getattr(ag.primitives, op), argument, rule):
            found.append(Broken(op, right, wrong, str(ag.gradcheck(net, w, b, v))))
    return found


@contextmanager
def _planted(row: Any, argument: int, rule: Callable[..., Array]) -> Iterator[None]:
    """A rule of the table replaced for a while."""
    kept = row.vjps
    row.vjps = (*kept[:argument], rule, *kept[argument + 1 :])
    try:
        yield
    finally:
        row.vjps = kept


# ---- SGD and Adam ----


def tossed(optimizer: Optimizer) -> np.ndarray:
    """Two weights whose gradients are +0.023, and ±0.023 by the toss of a coin: where they are, (steps + 1, 2)."""
    weights: Weights = {"consistent": np.zeros(1), "noisy": np.zeros(1)}
    state, path = optimizer.init(weights), [[0.0, 0.0]]
    for toss in np.random.default_rng(0).choice([-1.0, 1.0], size=TOSSES):
        grads = {"consistent": np.array([GRADIENT]), "noisy": np.array([GRADIENT * toss])}
        weights, state = optimizer.update(weights, grads, state)
        path.append([weights["consistent"][0], weights["noisy"][0]])
    return np.array(path)


def update_figures() -> Figures:
    found: Figures = {}
    for name, optimizer in (("sgd", sgd(RATE)), ("adam", adam(RATE))):
        steps = np.abs(np.diff(tossed(optimizer)[1:], axis=0)).mean(axis=0)
        found |= {f"{name}.consistent": steps[0], f"{name}.noisy": steps[1]}
    return found | {"adam.longer": found["adam.consistent"] / found["sgd.consistent"]}


# ---- over training ----


def training_figures(r: Record) -> Figures:
    found: Figures = {}
    names = [WORDS.index(name) for name in NAMES]
    for step in STILLS:
        params = r.params[step]
        e = params["wte"][names] / np.linalg.norm(params["wte"][names], axis=1, keepdims=True)
        found |= {
            f"training.{step}.loss": r.losses[step],
            f"training.{step}.norm": r.norms[step],
            f"training.{step}.look": looks(params)[1, 0, WHO, WORD],
            f"training.{step}.cheap": probabilities(params, TOKENS)[WHO, WORDS.index("cheap")],
            f"training.{step}.cosine": (e @ e.T)[~np.eye(len(names), dtype=bool)].mean(),
        }
    return found


def figures(r: Record) -> Figures:
    """All of them, by name."""
    params = r.params[STEPS]
    found = {
        **neuron_figures(), **riddle_figures(), **count_figures(), **loss_figures(params), **gradient_figures(params),
        **update_figures(), **training_figures(r),
    }  # fmt: skip
    return {name: float(x) for name, x in found.items()}

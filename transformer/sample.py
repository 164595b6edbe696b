"""Writing with a model: one token at a time, each drawn from the model's own prediction."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from itertools import islice

import numpy as np

from transformer.base import Array, Cache, Params, Tokens
from transformer.config import Config
from transformer.data import Tokenizer
from transformer.layers import softmax
from transformer.model import logits, nested


class NothingToDrawError(ValueError):
    """A model's logits are nan or inf."""


def generate(
    params: Params,
    config: Config,
    prompt: Tokens,
    n: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    cache: bool = True,
) -> np.ndarray:
    """The prompt (..., T) of token ids, followed by n more: (..., T + n) ints.

    >>> config = Config.preset("microgpt")
    >>> params, rng = init(config, np.random.default_rng(0)), np.random.default_rng(1)
    >>> generate(params, config, [26], 4, rng).shape
    (5,)

    temperature: divides the logits; below 1 sharpens, 0 always takes the likeliest (greedy).
    top_k: draw among the k likeliest only. top_p: among the fewest whose probabilities reach p
    (Holtzman et al. 2020). cache: keep keys and values of the tokens before, which gives the same
    tokens in a fraction of the time. The model sees the last block_size tokens; when they are
    full, it starts again from the last half of them, since every position then changes.
    Raises ValueError for an empty prompt, for options out of range and for logits that are nan
    or inf.
    """
    if not isinstance(n, numbers.Integral) or n < 0:
        raise ValueError(f"generate: n={n}; expected a whole number from 0 on")
    tokens = checked(prompt)
    new = stream(params, config, tokens, rng, temperature, top_k, top_p, cache)
    return np.concatenate([tokens, *(t[..., None] for t in islice(new, n))], axis=-1)


def stream(
    params: Params,
    config: Config,
    prompt: Tokens,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    cache: bool = True,
) -> Iterator[np.ndarray]:
    """The tokens that follow the prompt, without end, each (...) ints: see `generate`."""
    tokens = checked(prompt)
    if not 0 <= temperature < math.inf:
        raise ValueError(f"generate: temperature={temperature}; expected a finite number from 0 on")
    if top_k is not None and (not isinstance(top_k, numbers.Integral) or top_k < 1):
        raise ValueError(f"generate: top_k={top_k}; expected a whole number from 1 on")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"generate: top_p={top_p}; expected a number above 0 and up to 1")
    if temperature and not isinstance(rng, np.random.Generator):
        raise TypeError(f"generate: rng={rng!r}; expected a generator, such as np.random.default_rng(0)")
    params = {name: _plain(p) for name, p in params.items()}
    # Once and not for every token: the parameters by their parts, and the look for arrays of JAX, which they are not.
    tree, of = nested(params), getattr(logits, "__wrapped__", logits)
    window, seen, fresh = tokens[..., -config.block_size :], Cache(), 0
    while True:
        if window.shape[-1] > config.block_size:
            window, seen, fresh = window[..., -max(1, config.block_size // 2) :], Cache(), 0
        with np.errstate(all="ignore"):  # what is not finite is found in the next line
            scores = of(tree, window[..., fresh:], config, cache=seen if cache else None)[..., -1, :]  # (..., V)
        best = scores.argmax(axis=-1)  # that of a nan, where there is one
        top = np.take_along_axis(scores, best[..., None], axis=-1) if scores.ndim > 1 else scores[best]
        if not all(map(math.isfinite, top.ravel().tolist())):
            odd = next((name for name, p in params.items() if not np.isfinite(p).all()), "")
            cause = f"parameter {odd!r} holds nan or inf" if odd else "the parameters are finite, but too large"
            raise NothingToDrawError(f"generate: the logits are nan or inf, so there is nothing to draw from: {cause}")
        new = best if temperature == 0 else _drawn(scores, rng, temperature, top_k, top_p)
        yield new
        fresh = window.shape[-1] if cache else 0
        window = np.concatenate([window, new[..., None]], axis=-1)


def checked(prompt: Tokens) -> np.ndarray:
    """The prompt as an array; an error for text and for none."""
    if isinstance(prompt, str):
        raise TypeError(
            f"generate: the prompt {prompt!r} is text; give token ids, such as vocabulary.encode({prompt!r})"
        )
    tokens = np.asarray(prompt)
    if tokens.ndim == 0 or tokens.shape[-1] == 0:
        raise ValueError(
            "generate: the prompt is empty; begin with at least one token, such as the vocabulary's boundary token"
        )
    return tokens


def _drawn(
    scores: np.ndarray, rng: np.random.Generator, temperature: float, top_k: int | None, top_p: float | None
) -> np.ndarray:
    """Tokens drawn by their scores (..., V) -> (...)."""
    with np.errstate(over="ignore"):  # at next to no temperature all but the likeliest are -inf
        scores = (scores - scores.max(axis=-1, keepdims=True)).astype(np.float64) / temperature
    chances = softmax(scores)
    if top_k is not None or top_p is not None:
        order = np.argsort(-scores, axis=-1, kind="stable")
        ranked = np.take_along_axis(chances, order, axis=-1)
        if top_k is not None:
            ranked[..., top_k:] = 0
        if top_p is not None:
            before = ranked.cumsum(axis=-1) - ranked
            ranked[before >= top_p * ranked.sum(axis=-1, keepdims=True)] = 0  # those before it reach p already
        np.put_along_axis(chances, order, ranked, axis=-1)
    # The first token whose cumulated probability passes a uniform number.
    cumulated = chances.cumsum(axis=-1)
    return (cumulated > rng.random((*scores.shape[:-1], 1)) * cumulated[..., -1:]).argmax(axis=-1)


def write(
    params: Params,
    config: Config,
    tokenizer: Tokenizer,
    prompt: str,
    length: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    cache: bool = True,
) -> str:
    """A text that begins with the prompt, whole, and goes on for `length` tokens or to its end."""
    ids = tokenizer.encode(prompt)
    last = ids[max((i + 1 for i, t in enumerate(ids) if tokenizer.ends(t)), default=0) :]  # what is not ended yet
    given = [*tokenizer.opening, *ids] or [tokenizer.boundary]
    made: list[int] = []
    for new in islice(stream(params, config, given, rng, temperature, top_k, top_p, cache), length):
        made.append(int(new))
        if tokenizer.ends(made[-1]):
            break
    return prompt + tokenizer.decode([*last, *made])[len(tokenizer.decode(last)) :]


def _plain(p: Array) -> Array:
    """A parameter as a plain array, whether it is a Tensor, an array of Values, or plain already."""
    if hasattr(p, "backward"):
        p = p.data
    if isinstance(p, np.ndarray) and p.dtype == object:
        return np.array([getattr(v, "data", v) for v in p.flat], float).reshape(p.shape)
    return np.asarray(p)

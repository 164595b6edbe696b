"""Writing with a model: one token at a time, each drawn from the model's own prediction."""

from __future__ import annotations

import math
import numbers

import numpy as np

from transformer.base import Array, Params, Tokens
from transformer.config import Config
from transformer.data import Vocabulary
from transformer.layers import softmax
from transformer.model import logits


def generate(
    params: Params,
    config: Config,
    prompt: Tokens,
    n: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> np.ndarray:
    """The prompt (..., T) of token ids, followed by n more: (..., T + n) ints.

    temperature: divides the logits; below 1 sharpens, 0 always takes the likeliest.
    top_k: draw among the k likeliest only. What lies more than block_size tokens back is
    not seen. Raises ValueError for an empty prompt, for options out of range and for logits
    that are nan or inf.
    """
    if isinstance(prompt, str):
        raise TypeError(
            f"generate: the prompt {prompt!r} is text; give token ids, such as vocabulary.encode({prompt!r})"
        )
    tokens = np.asarray(prompt)
    if tokens.ndim == 0 or tokens.shape[-1] == 0:
        raise ValueError(
            "generate: the prompt is empty; begin with at least one token, such as the vocabulary's boundary token"
        )
    if not 0 <= temperature < math.inf:
        raise ValueError(f"generate: temperature={temperature}; expected a finite number from 0 on")
    for name, x, least in (("n", n, 0), ("top_k", 1 if top_k is None else top_k, 1)):
        if not isinstance(x, numbers.Integral) or x < least:
            raise ValueError(f"generate: {name}={x}; expected a whole number from {least} on")
    if temperature and not isinstance(rng, np.random.Generator):
        raise TypeError(f"generate: rng={rng!r}; expected a generator, such as np.random.default_rng(0)")
    params = {name: _plain(p) for name, p in params.items()}
    for _ in range(n):
        with np.errstate(all="ignore"):  # what is not finite is found in the next line
            scores = logits(params, tokens[..., -config.block_size :], config)[..., -1, :]  # (..., V)
        if not np.isfinite(scores.max(axis=-1)).all():
            odd = next((name for name, p in params.items() if not np.isfinite(p).all()), "")
            cause = f"parameter {odd!r} holds nan or inf" if odd else "the parameters are finite, but too large"
            raise ValueError(f"generate: the logits are nan or inf, so there is nothing to draw from: {cause}")
        if temperature == 0:
            new = scores.argmax(axis=-1)
        else:
            with np.errstate(over="ignore"):  # at next to no temperature all but the likeliest are -inf
                scores = (scores - scores.max(axis=-1, keepdims=True)).astype(np.float64) / temperature
            if top_k is not None and top_k < config.vocab_size:
                rest = np.argsort(-scores, axis=-1, kind="stable")[..., top_k:]
                np.put_along_axis(scores, rest, -np.inf, axis=-1)
            # The first token whose cumulated probability passes a uniform number.
            cumulated = softmax(scores).cumsum(axis=-1)
            new = (cumulated > rng.random((*scores.shape[:-1], 1)) * cumulated[..., -1:]).argmax(axis=-1)
        tokens = np.concatenate([tokens, new[..., None]], axis=-1)
    return tokens


def write(
    params: Params,
    config: Config,
    vocabulary: Vocabulary,
    prompt: str,
    length: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> str:
    """A text that begins with the prompt and goes on for `length` characters or to its end."""
    tokens = [vocabulary.boundary, *vocabulary.encode(prompt)]
    for _ in range(length):
        tokens = generate(params, config, tokens, 1, rng, temperature, top_k).tolist()
        if tokens[-1] >= vocabulary.boundary:
            break
    return vocabulary.decode(tokens[1:])


def _plain(p: Array) -> Array:
    """A parameter as a plain array, whether it is a Tensor, an array of Values, or plain already."""
    if hasattr(p, "backward"):
        p = p.data
    if isinstance(p, np.ndarray) and p.dtype == object:
        return np.array([getattr(v, "data", v) for v in p.flat], float).reshape(p.shape)
    return np.asarray(p)

"""What goes on in a model that reads a text: what it would say after every layer, where it looks, what mattered.

Data only, for `lens_page` to show: the logit lens (nostalgebraist 2020), the gradients that embeddings
receive, and activation patching (Vig et al. 2020; Meng et al. 2022). All is one `logits`, looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import autograd as ag
from transformer.base import Array, Weights
from transformer.config import Config
from transformer.layers import cross_entropy, softmax
from transformer.model import logits

LIKELIEST = 5  # tokens that are told of each prediction


class Reading(NamedTuple):
    """What the model makes of tokens (T,), by layer; layer 0 is the embedding.

    ids, chances: the likeliest next tokens, (L+1, T, 5). attention: the weights of every block, (nh, T, T).
    streams: what every layer gives, (T, C).
    """

    ids: np.ndarray
    chances: np.ndarray
    attention: list[np.ndarray]
    streams: list[np.ndarray]


class Patched(NamedTuple):
    """A prediction with one layer's output at one position replaced: how much its log p changes, and what is
    likeliest instead, each (T,)."""

    change: np.ndarray
    said: np.ndarray


def read(params: Weights, tokens: np.ndarray, config: Config) -> Reading:
    """Read a text, and look after every layer: what the rest of the model would say of it if no other layer came."""
    streams: list[np.ndarray] = []
    maps: list[np.ndarray] = []

    def look(i: int, x: Array) -> Array:
        streams.append(x)
        return np.stack(streams) if i == config.n_layer else x  # (L+1, T, C): all go on to the logits

    def weights(x: Array) -> Array:
        """Stands where dropout does, and so sees the weights of attention, which alone have three axes."""
        if x.ndim == 3:
            maps.append(x)
        return x

    scores = logits(params, tokens, config, drop=weights, look=look)
    best = np.argpartition(-scores, min(LIKELIEST, scores.shape[-1]) - 1, axis=-1)[..., :LIKELIEST]
    order = np.argsort(-np.take_along_axis(scores, best, axis=-1), axis=-1, kind="stable")
    ids = np.take_along_axis(best, order, axis=-1)
    return Reading(ids, np.take_along_axis(softmax(scores), ids, axis=-1), maps, streams)


def pulls(params: Weights, tokens: np.ndarray, reading: Reading, config: Config, token: int) -> list[np.ndarray]:
    """The gradients of log p of the next token, `token`, by what every layer gives, each (T, C); embedding first."""
    streams: list[ag.Tensor] = []

    def look(i: int, x: Array) -> Array:
        streams.append(ag.Tensor(reading.streams[0]) if i == 0 else x)
        return streams[-1][-1:] if i == config.n_layer else streams[-1]

    root = -cross_entropy(logits(params, tokens, config, look=look), np.array([token]))
    root.backward()
    return [x.grad for x in streams]


def patched(
    params: Weights, tokens: np.ndarray, theirs: list[np.ndarray], config: Config, token: int
) -> Iterator[Patched]:
    """Layer by layer, the prediction of the next token with the layer's output replaced at each position in turn.

    theirs: what every layer gives for another text, (T, C).
    """
    n = len(tokens)

    def predicted(layer: int) -> tuple[np.ndarray, np.ndarray]:
        def look(i: int, x: Array) -> Array:
            if i == layer:
                x = np.repeat(x[None], n, axis=0)  # (T, T, C): a row for each position that is replaced
                x[np.arange(n), np.arange(n)] = theirs[layer]
            return x[..., -1:, :] if i == config.n_layer else x

        scores = logits(params, tokens, config, look=look)[..., -1, :].astype(np.float64)  # (T, V), or (V,)
        scores = scores - scores.max(axis=-1, keepdims=True)
        return scores[..., token] - np.log(np.exp(scores).sum(axis=-1)), scores.argmax(axis=-1)

    before, _ = predicted(-1)
    for layer in range(config.n_layer + 1):
        after, said = predicted(layer)
        yield Patched(after - before, said)

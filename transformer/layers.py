"""The layers of a transformer, in plain NumPy.

Each is a function of arrays, and runs unchanged on ndarrays, object arrays of `Value`s and
`Tensor`s. What the layers are assembled into is in `model`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from autograd import detach, fuse
from transformer.base import Array, Drop, Params


@fuse
def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """x @ w + b: x (..., n_in), w (n_in, n_out), b (n_out,) or None."""
    y = x @ w
    return y if b is None else y + b


def relu(x: Array) -> Array:
    """max(x, 0); where x <= 0 the gradient is exactly zero. It selects: -inf times 0 would be nan."""
    return np.where(x <= 0, 0.0, x)


@fuse
def gelu(x: Array) -> Array:
    """The tanh form of GELU (Hendrycks and Gimpel 2016, section 2), as in GPT-2."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def dropout(rate: float, rng: np.random.Generator) -> Drop:
    """A function that sets each number to 0 with probability `rate` and scales the rest up by 1 / (1 - rate)."""
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate={rate}; expected a number from 0 up to, not including, 1")
    return lambda x: x * ((rng.random(x.shape) >= rate) / (1 - rate)).astype(str(x.dtype))


def kept(x: Array) -> Array:
    """No dropout."""
    return x


@fuse
def softmax(x: Array) -> Array:
    """exp(x) / sum(exp(x)) over the last axis, shifted by the maximum so that nothing overflows.

    The result does not depend on the shift, so neither does the gradient: hence `detach`.
    """
    e = np.exp(x - detach(x.max(axis=-1, keepdims=True)))
    return e / e.sum(axis=-1, keepdims=True)


@fuse
def cross_entropy(logits: Array, targets: Array) -> Array:
    """The mean of -log softmax(logits)[target], in nats, over targets that are not -1.

    logits (..., V), targets (...) ints. d/dlogits is (softmax - onehot) / count, and 0 where a
    target is -1, even if nan stands there: such rows are left out, not multiplied by 0.
    Raises ValueError where every target is -1.
    """
    x, targets = logits.reshape((-1, logits.shape[-1])), targets.reshape(-1)  # (N, V), (N,)
    counted = targets >= 0
    if isinstance(counted, np.ndarray):
        if not counted.any():
            raise ValueError("cross_entropy: every target is -1, so there is nothing to take the mean of")
        return _nll(x, targets).mean() if counted.all() else _nll(x[counted], targets[counted]).mean()
    # Under a trace of targets no row can be left out: a row that counts takes the place of those ignored.
    nll = _nll(np.where(counted[:, None], x, x[counted.argmax()]), targets * counted)
    return np.where(counted, nll, 0.0).sum() / counted.sum()


def _nll(x: Array, targets: Array) -> Array:
    """-log softmax(x)[target] of every row: x (N, V), targets (N,) -> (N,)."""
    x = x - detach(x.max(axis=-1, keepdims=True))
    return np.log(np.exp(x).sum(axis=-1)) - x[np.arange(x.shape[0]), targets]


@fuse
def layernorm(x: Array, gain: Array | None = None, bias: Array | None = None) -> Array:
    """(x - mean) / sqrt(var + 1e-5) over the last axis, times gain, plus bias (Ba et al. 2016)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return affine(centred * (variance + 1e-5) ** -0.5, gain, bias)


@fuse
def rmsnorm(x: Array, gain: Array | None = None, bias: Array | None = None) -> Array:
    """x / sqrt(mean(x²) + 1e-5) over the last axis, times gain, plus bias (Zhang and Sennrich 2019)."""
    return affine(x * (np.square(x).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5, gain, bias)


def affine(x: Array, gain: Array | None, bias: Array | None) -> Array:
    """x * gain + bias, either of which may be None."""
    x = x if gain is None else x * gain
    return x if bias is None else x + bias


def attention(x: Array, params: Params, n_head: int, drop: Drop = kept, seen: Params | None = None) -> Array:
    """Causal multi-head self-attention (Vaswani et al. 2017, section 3.2). x (..., T, C).

    params: wq wk wv wo, each (C, C), and optionally bq bk bv bo, each (C,). drop: what is
    done to the weights of attention before they are used. seen: keys and values of the
    positions before these, k and v (..., nh, P, hs), if any; those of x are added to it.
    """
    *lead, n_time, n_embd = x.shape
    head_size = n_embd // n_head

    def heads(name: str) -> Array:
        y = linear(x, params["w" + name], params.get("b" + name))
        return y.reshape((*lead, n_time, n_head, head_size)).swapaxes(-2, -3)  # (..., nh, T, hs)

    q, k, v = heads("q"), heads("k"), heads("v")
    if seen is not None:
        k, v = (np.concatenate([seen[name], new], axis=-2) if seen else new for name, new in (("k", k), ("v", v)))
        seen.update(k=k, v=v)
    mask = causal_mask(n_time, str(x.dtype), k.shape[-2] - n_time)
    scores = q @ k.swapaxes(-1, -2) * head_size**-0.5 + mask  # (..., nh, T, P+T)
    y = (drop(softmax(scores)) @ v).swapaxes(-2, -3).reshape((*lead, n_time, n_embd))
    return linear(y, params["wo"], params.get("bo"))


def mlp(x: Array, params: Params, activation: str) -> Array:
    """Two linear layers with a nonlinearity between: w1 (C, 4C), w2 (4C, C), and optionally b1, b2."""
    act = {"relu": relu, "gelu": gelu}[activation]
    return linear(act(linear(x, params["w1"], params.get("b1"))), params["w2"], params.get("b2"))


@lru_cache(maxsize=64)
def causal_mask(n_time: int, dtype: str, n_past: int = 0) -> np.ndarray:
    """(T, P+T): 0 where a position may look, -inf at the future. Added, since `where` would mix kinds."""
    future = np.full((n_time, n_past + n_time), -np.inf, "float64" if dtype == "object" else dtype)
    mask = np.triu(future, k=1 + n_past)
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=8)
def sinusoids(n_time: int, n_embd: int, dtype: str) -> np.ndarray:
    """(T, C): the fixed positions sin and cos(t / 10000^(2i/C)) (Vaswani et al. 2017, section 3.5)."""
    angles = np.arange(n_time)[:, None] / 10000.0 ** (np.arange(0, n_embd, 2) / n_embd)
    table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(n_time, -1)[:, :n_embd].astype(dtype)
    table.flags.writeable = False
    return table

"""The layers of a transformer, in plain NumPy.

Each is a function of arrays, and runs unchanged on ndarrays, object arrays of `Value`s and
`Tensor`s. What the layers are assembled into is in `model`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from autograd import detach, fuse
from transformer.base import Array, Drop, Params

# Tokens from which on attention in blocks, which skips the future, is the faster one: twice at 1,024, as fast at 64.
# So is the row for a single one, which has no future to skip.
LONG = 64


@fuse
def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """x @ w + b: x (..., n_in), w (n_in, n_out), b (n_out,) or None."""
    y = x @ w
    return y if b is None else y + b


@fuse
def relu(x: Array) -> Array:
    """max(x, 0); where x <= 0 the gradient is exactly zero. It selects: -inf times 0 would be nan."""
    return np.where(x <= 0, 0.0, x)


@fuse
def gelu(x: Array) -> Array:
    """The tanh form of GELU (Hendrycks and Gimpel 2016, section 2), as in GPT-2."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def silu(x: Array) -> Array:
    """x * sigmoid(x), written with tanh, which does not overflow."""
    return 0.5 * x * (1.0 + np.tanh(0.5 * x))


def dropout(rate: float, rng: np.random.Generator) -> Drop:
    """A function that sets each number to 0 with probability `rate` and scales the rest up by 1 / (1 - rate)."""
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate={rate}; expected a number from 0 up to, not including, 1")
    return lambda x: x * mask(x.shape, rate, rng, str(x.dtype))


def mask(shape: tuple[int, ...], rate: float, rng: np.random.Generator, dtype: str) -> np.ndarray:
    """What dropout multiplies by: 0 with probability `rate`, else 1 / (1 - rate)."""
    return ((rng.random(shape) >= rate) / (1 - rate)).astype(dtype)


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
    if x.shape[0] != targets.shape[0]:
        raise ValueError(
            f"cross_entropy: {targets.shape[0]} targets for {x.shape[0]} rows of logits; expected one a row"
        )
    counted = targets >= 0
    if targets.size and everywhere(counted):
        return _nll(x, targets).mean()
    if isinstance(counted, np.ndarray):
        if not counted.any():
            raise ValueError("cross_entropy: every target is -1, so there is nothing to take the mean of")
        return _nll(x[counted], targets[counted]).mean()
    # Under a trace of targets no row can be left out: a row that counts takes the place of those ignored.
    nll = _nll(np.where(counted[:, None], x, x[counted.argmax()]), targets * counted)
    return np.where(counted, nll, 0.0).sum() / counted.sum().astype(str(nll.dtype))


def everywhere(condition: Array) -> bool:
    """Whether a condition holds everywhere, as far as that can be known of a tracer."""
    if isinstance(condition, np.ndarray):
        return False not in condition.ravel().tolist() if condition.size <= 256 else bool(condition.all())
    return getattr(condition, "always", bool)()


def _nll(x: Array, targets: Array) -> Array:
    """-log softmax(x)[target] of every row: x (N, V), targets (N,) -> (N,)."""
    x = x - detach(x.max(axis=-1, keepdims=True))
    return np.log(np.exp(x).sum(axis=-1)) - x[np.arange(x.shape[0]), targets]


@fuse
def layernorm(x: Array, gain: Array | None = None, bias: Array | None = None, eps: float = 1e-5) -> Array:
    """(x - mean) / sqrt(var + eps) over the last axis, times gain, plus bias (Ba et al. 2016)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return affine(centred * (variance + eps) ** -0.5, gain, bias)


@fuse
def rmsnorm(x: Array, gain: Array | None = None, bias: Array | None = None, eps: float = 1e-5) -> Array:
    """x / sqrt(mean(x²) + eps) over the last axis, times gain, plus bias (Zhang and Sennrich 2019)."""
    return affine(x * (np.square(x).mean(axis=-1, keepdims=True) + eps) ** -0.5, gain, bias)


def affine(x: Array, gain: Array | None, bias: Array | None) -> Array:
    """x * gain + bias, either of which may be None."""
    x = x if gain is None else x * gain
    return x if bias is None else x + bias


def attention(
    x: Array, params: Params, n_head: int, drop: Drop = kept, seen: Params | None = None, base: float | None = None
) -> Array:
    """Causal multi-head self-attention (Vaswani et al. 2017, section 3.2). x (..., T, C).

    params: wq (C, nh hs), wk and wv (C, nkv hs), wo (nh hs, C), and optionally bq bk bv bo. Of
    fewer heads of keys and values than of queries, each serves a group of them (Ainslie et al. 2023).
    drop: what is done to the weights of attention before they are used. seen: keys and values of
    the positions before these, k and v (..., nkv, P, hs), if any; those of x are added to it.
    base: that of rotary positions, which queries and keys are turned by; None for no turn.
    """
    n_time, head_size = x.shape[-2], params["wq"].shape[-1] // n_head
    q = heads(x, params["wq"], params.get("bq"), head_size)
    k = heads(x, params["wk"], params.get("bk"), head_size)
    v = heads(x, params["wv"], params.get("bv"), head_size)
    if base is not None:
        n_past = seen["k"].shape[-2] if seen else 0
        q, k = rotary(q, base, n_past), rotary(k, base, n_past)
    if seen is not None:
        k, v = remembered(seen, k, v)
    y = causal_attention(q, k, v) if drop is kept and not 1 < n_time <= LONG else attend(q, k, v, drop)
    return linear(y, params["wo"], params.get("bo"))


def heads(x: Array, w: Array, b: Array | None, size: int) -> Array:
    """Queries, keys or values by heads: x (..., T, C), w (C, n hs), b (n hs,) or None -> (..., n, T, hs)."""
    return split_heads(linear(x, w, b), size)


@fuse
def split_heads(x: Array, size: int) -> Array:
    """(..., T, n hs) -> (..., n, T, hs)."""
    return x.reshape((*x.shape[:-1], x.shape[-1] // size, size)).swapaxes(-2, -3)


@fuse
def join_heads(x: Array) -> Array:
    """(..., n, T, hs) -> (..., T, n hs)."""
    *lead, n_head, n_time, head_size = x.shape
    return x.swapaxes(-2, -3).reshape((*lead, n_time, n_head * head_size))


class Room:
    """Memory for keys and values, more than there are by now, so that those of a token need not all be copied.

    A head's lie together, and its keys turned, (hs, P), as the product with a query takes them soonest.
    """

    def __init__(self, k: np.ndarray, v: np.ndarray) -> None:
        *lead, n, width = k.shape
        self.used, self.size = n, 2 * n
        self.k = np.empty((*lead, width, self.size), k.dtype).swapaxes(-1, -2)
        self.v = np.empty((*lead, self.size, width), v.dtype)
        self.k[..., :n, :], self.v[..., :n, :] = k, v


def remembered(seen: Params, k: Array, v: Array) -> tuple[Array, Array]:
    """Keys and values of the positions before, that `seen` holds, and of these: (..., nkv, P+T, hs), held as well."""
    if not seen:
        seen.update(k=k, v=v)
        return k, v
    n_past = seen["k"].shape[-2]
    n_all = n_past + k.shape[-2]
    room = seen.get("room")
    # Where somebody else went on from the same positions, the room behind them is taken.
    if room is not None and room.used == n_past and n_all <= room.size:
        new = (..., slice(n_past, n_all), slice(None))
        room.k[new] = k
        room.v[new] = v
    else:
        k, v = (np.concatenate([seen[name], new], axis=-2) for name, new in (("k", k), ("v", v)))
        if type(k) is not np.ndarray or k.dtype == object:
            seen.update(k=k, v=v)
            return k, v
        seen["room"] = room = Room(k, v)
    room.used = n_all
    now = (..., slice(n_all), slice(None))
    seen["k"], seen["v"] = k, v = room.k[now], room.v[now]
    return k, v


def _unscoped(f: Callable[..., Array]) -> Callable[..., Array]:
    """A part of a function that is written apart: what is made in it belongs to the caller, as in a comprehension."""
    f.__code__ = f.__code__.replace(co_name=f"<{f.__name__}>")
    return f


@_unscoped
def attend(q: Array, k: Array, v: Array, drop: Drop = kept) -> Array:
    """What the queries find: q (..., nh, T, hs), k and v (..., nkv, P+T, hs) -> (..., T, nh hs)."""
    n_head, n_time, head_size = q.shape[-3:]
    if k.shape[-3] < n_head:
        k, v = (np.repeat(y, n_head // y.shape[-3], axis=-3) for y in (k, v))  # (..., nh, P+T, hs)
    scores = q @ k.swapaxes(-1, -2) * head_size**-0.5  # (..., nh, T, P+T)
    scores = causal(scores) if n_time > 1 else scores
    return join_heads(drop(softmax(scores)) @ v)


@fuse
@_unscoped
def causal_attention(q: Array, k: Array, v: Array) -> Array:
    """softmax(q kᵀ / √hs) v, each position looking at itself and what is before it: see `attend`."""
    return attend(q, k, v)


@fuse
def causal(scores: Array) -> Array:
    """Scores (..., T, P+T) of T positions on themselves and P before: -inf where one would look into the future."""
    n_time, n_all = scores.shape[-2:]
    return scores + causal_mask(n_time, str(scores.dtype), n_all - n_time)


def rotary(x: Array, base: float, n_past: int = 0) -> Array:
    """Pairs of numbers, turned by an angle that grows with the position (Su et al. 2021): x (..., T, hs).

    So the product of a query and a key depends on how far they are apart. Number i makes a pair
    with number i + hs / 2, as in Llama.
    """
    n_all = n_past + x.shape[-2]
    cos, sin = (table[n_past:n_all] for table in turns(enough(n_all), x.shape[-1], base, x.dtype))
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return x * cos + np.concatenate([-b, a], axis=-1) * sin


def mlp(x: Array, params: Params, activation: str) -> Array:
    """Two linear layers with a nonlinearity between: w1 (C, H), w2 (H, C), and optionally b1, b2.

    "swiglu" has a third beside the first, a gate: wg (C, H), and optionally bg (Shazeer 2020).
    """
    y = linear(x, params["w1"], params.get("b1"))
    if activation == "swiglu":
        y = silu(linear(x, params["wg"], params.get("bg"))) * y
    else:
        y = {"relu": relu, "gelu": gelu}[activation](y)
    return linear(y, params["w2"], params.get("b2"))


@lru_cache(maxsize=64)
def causal_mask(n_time: int, dtype: str, n_past: int = 0) -> np.ndarray:
    """(T, P+T): 0 where a position may look, -inf at the future. Added, since `where` would mix kinds."""
    future = np.full((n_time, n_past + n_time), -np.inf, "float64" if dtype == "object" else dtype)
    mask = np.triu(future, k=1 + n_past)
    mask.flags.writeable = False
    return mask


def enough(n_time: int) -> int:
    """The length of a table for n_time positions: a power of 2, so that it serves for many more of them."""
    return 1 << (n_time - 1).bit_length()


def sinusoids(n_time: int, n_embd: int, dtype: str) -> np.ndarray:
    """(T, C): the fixed positions sin and cos(t / 10000^(2i/C)) (Vaswani et al. 2017, section 3.5)."""
    return waves(enough(n_time), n_embd, dtype)[:n_time]


@lru_cache(maxsize=8)
def waves(n_time: int, n_embd: int, dtype: str) -> np.ndarray:
    """The table of `sinusoids`."""
    angles = np.arange(n_time)[:, None] / 10000.0 ** (np.arange(0, n_embd, 2) / n_embd)
    table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(n_time, -1)[:, :n_embd].astype(dtype)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=8)
def turns(n_time: int, size: int, base: float, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """(T, hs) each: cos and sin of the angles t / base^(2i/hs), by which `rotary` turns pair i at position t."""
    angles = np.arange(n_time)[:, None] * base ** (-np.arange(0, size, 2) / size)
    tables = [np.tile(f(angles), 2).astype(float if dtype.kind == "O" else dtype) for f in (np.cos, np.sin)]
    for table in tables:
        table.flags.writeable = False
    return tables[0], tables[1]

"""The transformer: parameters and tokens in, logits and loss out.

State comes in as a dict of arrays of any kind (see `layers`) and nothing is kept. The
shape of the model is `config.Config`'s business, training it `train`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from autograd import traceable
from transformer.base import Array, Blocks, Cache, Drop, Look, Params, Tokens, Tree
from transformer.config import Config
from transformer.layers import attention, cross_entropy, everywhere, kept, layernorm, mlp, rmsnorm, sinusoids


@traceable
def logits(
    params: Params,
    tokens: Tokens,
    config: Config,
    drop: Drop | None = None,
    cache: Cache | None = None,
    look: Look | None = None,
    blocks: Blocks | None = None,
) -> Array:
    """The scores of every token id as the next one: tokens (..., T) ints -> (..., T, vocab_size).

    >>> config = Config.preset("microgpt")
    >>> logits(init(config, np.random.default_rng(0)), [26, 4, 12, 12, 0], config).shape
    (5, 27)

    drop: `layers.dropout`, where training calls for it. cache: an empty dict, which then holds
    what attention needs of these tokens, so that the next call goes on after them. look: sees what
    each block gives, counted from 1, and the embedding as 0: (..., T, C); what it returns goes on. blocks: runs all
    blocks in the place of the loop here.
    Raises ValueError for ids outside the vocabulary and for more than block_size tokens.
    """
    tokens = _checked(tokens, config, "logits")
    _precise(params, config)
    n_past = cache["h0"]["k"].shape[-2] if cache else 0
    n_time = n_past + tokens.shape[-1]
    if n_time > config.block_size:
        raise ValueError(
            f"logits: {n_time} tokens are more than block_size={config.block_size}; "
            f"pass the last {config.block_size}, or a larger block_size"
        )
    tree = nested(params)
    x = tree["wte"][tokens]  # (..., T, C)
    learned = config.positions == "learned"
    if config.positions != "rotary":  # those come in with attention
        x = x + (tree["wpe"][n_past:n_time] if learned else sinusoids(n_time, config.n_embd, config.dtype)[n_past:])
    drop, look = drop or kept, look or (lambda i, x: x)
    x = drop(x)
    if config.embed_norm:
        x = norm(x, tree.get("embed_norm", {}), config)
    x = look(0, x)
    if blocks is not None:
        x = blocks(x, tree)
    for i in range(config.n_layer if blocks is None else 0):
        x = block(x, tree[f"h{i}"], config, drop, None if cache is None else cache.setdefault(f"h{i}", {}))
        x = look(i + 1, x)
    if config.final_norm:
        x = norm(x, tree.get("final_norm", {}), config)
    return x @ (tree["wte"].swapaxes(0, 1) if config.tied else tree["lm_head"])


def block(x: Array, params: Tree, config: Config, drop: Drop = kept, seen: Params | None = None) -> Array:
    """Attention and MLP, each added to the residual stream x (..., T, C)."""
    norm1, norm2 = params.get("norm1", {}), params.get("norm2", {})
    attn, ffn = params["attn"], params["mlp"]
    base = config.rotary_base if config.positions == "rotary" else None
    if config.norm_position == "pre":
        x = x + drop(attention(norm(x, norm1, config), attn, config.n_head, drop, seen, base))
        return x + drop(mlp(norm(x, norm2, config), ffn, config.activation))
    x = norm(x + drop(attention(x, attn, config.n_head, drop, seen, base)), norm1, config)
    return norm(x + drop(mlp(x, ffn, config.activation)), norm2, config)


NORMS = {"layer": layernorm, "rms": rmsnorm}


def norm(x: Array, params: Tree, config: Config) -> Array:
    """The norm that the config names."""
    return NORMS[config.norm](x, params.get("gain"), params.get("bias"), config.norm_eps)


@traceable
def loss(
    params: Params, tokens: Tokens, config: Config, drop: Drop | None = None, blocks: Blocks | None = None
) -> Array:
    """The mean of -log p(next token), in nats, over tokens (..., T+1) ints.

    >>> config = Config.preset("microgpt")
    >>> params = init(config, np.random.default_rng(0))
    >>> print(round(float(loss(params, [26, 4, 12, 12, 0, 26], config)), 2))  # chance is log 27 = 3.30
    3.42
    >>> value, grads = ag.value_and_grad(loss)(params, [26, 4, 12, 12, 0, 26], config)
    >>> grads["wte"].shape
    (27, 16)

    A next token of -1 is padding, which must stand at the end of a row, and does not count:
    parameters that serve only padding get gradient 0, even if they are nan.
    """
    tokens = _checked(tokens, config, "loss", padding=-1)
    if tokens.shape[-1] < 2:
        raise ValueError(
            f"loss: tokens of shape {tokens.shape}; expected (..., T+1) with at least one token and its successor"
        )
    inputs, targets = tokens[..., :-1], tokens[..., 1:]
    counted = targets >= 0
    all_counted = everywhere(counted)
    # Positions that are padding in every row.
    if not all_counted and isinstance(counted, np.ndarray) and not counted[..., -1].any():
        n_time = int(counted.reshape(-1, counted.shape[-1]).any(axis=0).sum())
        inputs, targets, counted = inputs[..., :n_time], targets[..., :n_time], counted[..., :n_time]
        all_counted = everywhere(counted)
    if not all_counted:
        # What does not count is computed from a token that does, and so adds no nan of its own.
        inputs = inputs * counted + (inputs * counted).max() * ~counted
    return cross_entropy(logits(params, inputs, config, drop, blocks=blocks), targets)


def last_loss(params: Params, tokens: Tokens, config: Config) -> Array:
    """-log p of the last of tokens (..., T+1) after those before it, in nats; its mean, if there are several rows."""
    tokens = _checked(tokens, config, "last_loss")
    return cross_entropy(logits(params, tokens[..., :-1], config)[..., -1, :], tokens[..., -1])


def nested(params: Params) -> Tree:
    """The parameters by the parts of their names: {"h0": {"attn": {"wq": ...}}} of {"h0.attn.wq": ...}."""
    if "h0" in params:
        return params  # they are nested already
    tree: Tree = {}
    for name, p in params.items():
        path, last = _parts(name)
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = p
    return tree


@lru_cache(maxsize=1 << 12)
def _parts(name: str) -> tuple[list[str], str]:
    *path, last = name.split(".")
    return path, last


def _checked(tokens: Tokens, config: Config, where: str, padding: int = 0) -> Array:
    """The tokens as an array; an error for those outside the vocabulary. padding: what may fill the end of a row."""
    if isinstance(tokens, str):
        raise TypeError(f"{where}: tokens must be ints, got the text {tokens!r}; encode it first")
    if not isinstance(tokens, (list, tuple, np.ndarray)):
        # A tracer, whose numbers are not there yet. That of ag.compile lets them be looked at when they are.
        look = partial(_checked, config=config, where=where, padding=padding)
        return tokens.require(look) if hasattr(tokens, "require") else _of_jax(tokens, config, look, padding)
    tokens = np.asarray(tokens)
    if tokens.dtype.kind not in "iu":
        raise TypeError(f"{where}: tokens must be ints, got dtype {tokens.dtype}")
    if tokens.ndim == 0 or not tokens.size:
        raise ValueError(f"{where}: tokens of shape {tokens.shape}; expected (..., T) with T from 1 on")
    numbers = tokens.ravel().tolist() if tokens.size <= 64 else tokens.ravel()  # a few are looked at soonest as numbers
    low, high = (min(numbers), max(numbers)) if isinstance(numbers, list) else (numbers.min(), numbers.max())
    if low < padding or high >= config.vocab_size:
        raise ValueError(
            f"{where}: token id {low if low < padding else high} is outside 0 to {config.vocab_size - 1}, "
            "the vocabulary of this model"
        )
    if low < 0:
        padded = tokens == padding
        if (padded[..., :-1] & ~padded[..., 1:]).any():
            raise ValueError(f"{where}: a token follows padding ({padding}); padding must stand at the end of a row")
        if padded[..., 1:].all():
            raise ValueError(f"{where}: every next token is padding ({padding}), so there is nothing to predict")
    return tokens


def _of_jax(tokens: Array, config: Config, check: Callable[[Array], Array], padding: int) -> Array:
    """Tokens of JAX: looked at where their numbers are there; where not, what is wrong makes the result nan."""
    if tokens.dtype.kind not in "iu":
        return check(np.empty(0, tokens.dtype))
    try:
        numbers = np.asarray(tokens)
    except (TypeError, RuntimeError):  # a tracer, or an array that is spread over processes
        wrong = (tokens < padding) | (tokens >= config.vocab_size)
        if padding < 0:
            resumed = (tokens[..., :-1] == padding) & (tokens[..., 1:] != padding)
            wrong = wrong.at[..., 1:].set(wrong[..., 1:] | resumed)
        return tokens * ~wrong + config.vocab_size * wrong  # a row that the embedding does not have
    return check(numbers)


def _precise(params: Params, config: Config) -> None:
    """ValueError where JAX has made float32 of the float64 that the config promises."""
    p: Array = params.get("wte")
    held = getattr(p, "raw", p)
    if type(held) is np.ndarray or config.dtype != "float64":
        return
    if hasattr(held, "aval") and str(p.dtype) == "float32":
        raise ValueError(
            "the config says float64, and the parameters are float32 arrays of JAX, which computes in float64 only "
            'after jax.config.update("jax_enable_x64", True); do that first, or take a config of dtype="float32"'
        )

"""The shape of a model as data: `Config`, its presets, and the parameters it calls for."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transformer.base import Weights

CHOICES: dict[str, tuple[bool | str, ...]] = {
    "norm": ("layer", "rms"),
    "norm_position": ("pre", "post"),
    "positions": ("learned", "sinusoidal", "rotary"),
    "activation": ("relu", "gelu", "swiglu"),
    "bias": (True, False, "mlp"),
    "dtype": ("float64", "float32"),
}


@dataclass(frozen=True)
class Config:
    """The shape of a decoder-only transformer; the defaults are GPT-2's choices, tiny.

    >>> config = Config.preset("microgpt", n_layer=2)
    >>> config.n_layer, config.n_embd, config.norm
    (2, 16, 'rms')

    vocab_size: number of token ids. n_layer: blocks. n_head: attention heads a block.
    n_embd: width, a multiple of n_head. block_size: longest sequence, in tokens.
    norm: "layer" or "rms". norm_position: "pre" (before attention and MLP) or "post" (after
    their residual sums). embed_norm, final_norm: also norm after embedding, before the logits.
    norm_gain: norms have a learned gain, and a bias where `bias` is True.
    positions: "learned", fixed "sinusoidal", or "rotary": queries and keys are turned.
    activation: "relu" or "gelu", of the MLP, or "swiglu", an MLP with a gate.
    bias: linear layers have a bias: True, False, or "mlp" for those of the MLP only.
    tied: the logits use the token embedding, so that there is no lm_head.
    dtype: "float64" or "float32".
    n_kv_head: heads of keys and values, each for n_head / n_kv_head of queries (default: n_head).
    head_size: width of a head (default: n_embd / n_head). n_hidden: width of the MLP (default:
    4 n_embd, or for swiglu 8/3 n_embd, since it has three matrices instead of two).
    norm_eps: what norms add to the mean square. rotary_base: the slowest pair turns about so
    many times slower than the first.
    Raises ValueError, naming the field, for values that do not fit.
    """

    vocab_size: int = 27
    n_layer: int = 1
    n_head: int = 4
    n_embd: int = 16
    block_size: int = 16
    norm: str = "layer"
    norm_position: str = "pre"
    embed_norm: bool = False
    final_norm: bool = True
    norm_gain: bool = True
    positions: str = "learned"
    activation: str = "gelu"
    bias: bool | str = True
    tied: bool = True
    dtype: str = "float64"
    n_kv_head: int | None = None
    head_size: int | None = None
    n_hidden: int | None = None
    norm_eps: float = 1e-5
    rotary_base: float = 10000.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in CHOICES:
                if not any(value is c or (value == c and isinstance(value, str)) for c in CHOICES[field.name]):
                    raise ValueError(
                        f"Config: {field.name}={value!r}; choose from {', '.join(map(repr, CHOICES[field.name]))}"
                    )
            elif field.type == "bool":
                if not isinstance(value, bool):
                    raise ValueError(f"Config: {field.name}={value!r}; expected True or False")
            elif field.type == "float":
                if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                    raise ValueError(f"Config: {field.name}={value!r}; expected a finite number above 0")
            elif value is None and field.default is None:
                continue
            elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"Config: {field.name}={value!r}; expected a whole number from 1 on")
        if self.head_size is None and self.n_embd % self.n_head:
            raise ValueError(
                f"Config: n_embd={self.n_embd} is not divisible by n_head={self.n_head}; "
                "every head takes an equal share of the width, unless head_size gives it another"
            )
        if self.n_head % self.kv_heads:
            raise ValueError(
                f"Config: n_head={self.n_head} is not a multiple of n_kv_head={self.n_kv_head}; "
                "every head of keys and values serves equally many of queries"
            )
        if self.positions == "rotary" and self.head_width % 2:
            raise ValueError(
                f"Config: heads are {self.head_width} wide; rotary positions turn pairs of numbers, so make it even"
            )

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values a block."""
        return self.n_kv_head or self.n_head

    @property
    def head_width(self) -> int:
        """How wide a head is."""
        return self.head_size or self.n_embd // self.n_head

    @property
    def hidden(self) -> int:
        """How wide the MLP is."""
        return self.n_hidden or (8 * self.n_embd // 3 if self.activation == "swiglu" else 4 * self.n_embd)

    def record(self) -> dict[str, Any]:
        """The fields as JSON, less those of later versions that are at their default: old runs have none of them."""
        late = ("n_kv_head", "head_size", "n_hidden", "norm_eps", "rotary_base")
        fields = dataclasses.asdict(self)
        return {name: x for name, x in fields.items() if name not in late or x != getattr(Config, name)}

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> Config:
        """A published shape by name, with some fields replaced; ValueError for an unknown name or field."""
        if name not in PRESETS:
            raise ValueError(f"no preset {name!r}; choose from {', '.join(PRESETS)}")
        return cls.of({**PRESETS[name], **overrides})

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Config:
        """A Config of the fields given, with defaults for the rest; ValueError for an unknown field."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                raise ValueError(f"Config has no field {name!r}; its fields are {', '.join(known)}")
        return cls(**fields)


_GPT2 = {"vocab_size": 50257, "block_size": 1024, "dtype": "float32"}
_PLAIN = {"final_norm": False, "norm_gain": False, "activation": "relu", "tied": False}

PRESETS: dict[str, dict[str, Any]] = {
    # The decoder of Vaswani et al. 2017, with a width that one can look at.
    "vanilla": {
        **_PLAIN,
        "n_layer": 2,
        "n_embd": 32,
        "norm_position": "post",
        "positions": "sinusoidal",
        "bias": "mlp",
    },
    # Karpathy's scalar GPT of 2026: 4,192 parameters.
    "microgpt": {**_PLAIN, "norm": "rms", "embed_norm": True, "bias": False},
    # nanoGPT's for a CPU: a play of Shakespeare's, letter by letter.
    "nano": {"vocab_size": 65, "n_layer": 4, "n_embd": 128, "block_size": 64, "bias": False, "dtype": "float32"},
    # The choices of Llama (Touvron et al. 2023) and SmolLM2, with a width that one can look at.
    "llama": {
        "n_layer": 2,
        "n_kv_head": 2,
        "norm": "rms",
        "positions": "rotary",
        "activation": "swiglu",
        "bias": False,
    },
    "gpt2": {**_GPT2, "n_layer": 12, "n_head": 12, "n_embd": 768},
    "gpt2-large": {**_GPT2, "n_layer": 36, "n_head": 20, "n_embd": 1280},
    "gpt3": {**_GPT2, "n_layer": 96, "n_head": 96, "n_embd": 12288, "block_size": 2048},
}


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, without making any. Weights are (in, out)."""
    c, h = config.n_embd, config.hidden
    queries, keys = (n * config.head_width for n in (config.n_head, config.kv_heads))
    out: dict[str, tuple[int, ...]] = {}

    def norm(name: str) -> None:
        if config.norm_gain:
            out[f"{name}.gain"] = (c,)
            if config.bias is True and config.norm == "layer":
                out[f"{name}.bias"] = (c,)

    def linear(where: str, x: str, n_in: int, n_out: int, bias: bool) -> None:
        out[f"{where}.w{x}"] = (n_in, n_out)
        if bias:
            out[f"{where}.b{x}"] = (n_out,)

    out["wte"] = (config.vocab_size, c)
    if config.positions == "learned":
        out["wpe"] = (config.block_size, c)
    if config.embed_norm:
        norm("embed_norm")
    for i in range(config.n_layer):
        norm(f"h{i}.norm1")
        for x in "qkv":
            linear(f"h{i}.attn", x, c, queries if x == "q" else keys, config.bias is True)
        linear(f"h{i}.attn", "o", queries, c, config.bias is True)
        norm(f"h{i}.norm2")
        for x in ("g", "1") if config.activation == "swiglu" else ("1",):
            linear(f"h{i}.mlp", x, c, h, bool(config.bias))
        linear(f"h{i}.mlp", "2", h, c, bool(config.bias))
    if config.final_norm:
        norm("final_norm")
    if not config.tied:
        out["lm_head"] = (c, config.vocab_size)
    return out


def fitting(params: Weights, config: Config, path: Path) -> Weights:
    """The parameters in the Config's order, on which sums depend; ValueError for others and for nan or inf."""
    found = {name: p.shape for name, p in params.items()}
    expected = shapes(config) if config.n_layer <= len(found) else {}  # a file may promise any number
    if expected != found or not found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ValueError(
            f"{path} does not fit config.json: {', '.join(odd[:4])} differ; were the files of two runs mixed?"
        )
    for name, p in params.items():
        if p.dtype != config.dtype:
            raise ValueError(f"{path} does not fit config.json: {name} is {p.dtype}, the model {config.dtype}")
        if not np.isfinite(p).all():
            raise ValueError(f"{path} is damaged: {name} holds nan or inf; restore it, or train again")
    return {name: params[name] for name in expected}


def count(config: Config) -> int:
    """The number of parameters, however many layers there are."""
    one, two = (
        sum(map(math.prod, shapes(dataclasses.replace(config, n_layer=n)).values()))
        for n in (1, min(2, config.n_layer))
    )
    return one + (config.n_layer - 1) * (two - one)


def must_fit(config: Config, n_rows: int, n_time: int, scalar: bool = False) -> None:
    """ValueError for a model and a batch (n_rows, n_time) whose gradient is sure to exceed this machine's memory.

    Counted are parameters, gradients, two moments and the next ones of each while they are made;
    the activations that the backward pass needs; and, of single Values, the nodes of the graph.
    """
    n_params, size, width = count(config), np.dtype(config.dtype).itemsize, config.n_embd
    a_token = config.n_layer * (6 * width + 2 * config.hidden + 2 * config.n_head * n_time) + 2 * config.vocab_size
    need = 6 * n_params * size + n_rows * n_time * a_token * size
    if scalar:
        need += 180 * (n_params + 2 * n_rows * n_time * (n_params - config.vocab_size * width))
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
    if need > have:
        values = " as single Values" if scalar else ""
        raise ValueError(
            f"training {n_params:,} parameters on {n_rows:,} x {n_time:,} tokens{values} takes about "
            f"{need // 2**30:,} GiB, and this machine has {have // 2**30:,.0f}; choose a smaller model or batch"
        )


def init(config: Config, rng: np.random.Generator) -> Weights:
    """Fresh parameters: weights from a normal distribution, biases 0, gains 1.

    >>> params = init(Config.preset("microgpt"), np.random.default_rng(0))
    >>> params["h0.attn.wq"].shape, sum(p.size for p in params.values())
    ((16, 16), 4192)

    The deviation is 0.02, GPT-2's, or 0.32 / sqrt(n_embd) where that is more, which is
    microgpt's 0.08 at its width of 16. Layers that write into the residual stream start
    smaller by sqrt(2 n_layer) (Radford et al. 2019). Raises TypeError for an rng of another kind.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"init: rng={rng!r}; expected a generator, such as np.random.default_rng(0)")
    std = max(0.02, 0.32 / config.n_embd**0.5)
    params = {}
    for name, shape in shapes(config).items():
        kind = name.rpartition(".")[2]
        if kind == "gain":
            params[name] = np.ones(shape, config.dtype)
        elif len(shape) == 1:
            params[name] = np.zeros(shape, config.dtype)
        else:
            scale = std / (2 * config.n_layer) ** 0.5 if kind in ("wo", "w2") else std
            params[name] = (rng.standard_normal(shape, np.dtype(config.dtype)) * scale).astype(config.dtype)
    return params

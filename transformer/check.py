"""Gradient checks of the real loss, one parameter tensor at a time.

Like `train`, it joins the model with autograd.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

import autograd as ag
from transformer.base import Array, Weights
from transformer.config import Config
from transformer.model import loss

# What flows through the model: (title, dtype of the parameters, single Values?). A Value is always float64.
KINDS = (("Tensors, float64", "float64", False), ("Tensors, float32", "float32", False), ("Values", "float64", True))

LARGE = 5_000_000  # parameters from which on a trained model is checked by parts


class Checked(NamedTuple):
    """One parameter tensor, in one kind of number."""

    kind: str
    name: str
    shape: tuple[int, ...]
    report: ag.GradcheckReport
    moved: bool = False  # along one direction


def check(params: Weights, tokens: np.ndarray, config: Config) -> Iterator[Checked]:
    """Compare the gradient of every parameter tensor with finite differences, in every kind of number.

    Tensors are checked element by element, up to the size where `gradcheck` turns to random
    probes; Values, whose forward pass is slow, by probes on the first row of tokens.
    """
    for kind, dtype, scalar in KINDS:
        own = dataclasses.replace(config, dtype=dtype)
        cast = {name: p.astype(dtype) for name, p in params.items()}
        for name, p in cast.items():

            def loss_of(
                w: Array,
                name: str = name,
                cast: Weights = cast,
                own: Config = own,
                rows: np.ndarray = tokens[:1] if scalar else tokens,
            ) -> Array:
                return loss({**cast, name: w}, rows, own)

            report = ag.gradcheck(loss_of, p.astype(object) if scalar else p, fast=True if scalar else None)
            yield Checked(kind, name, p.shape, report)


def parts(params: Weights) -> dict[str, list[str]]:
    """The names of the parameters by part, the same of all blocks together: {"h*.attn.wq": ["h0.attn.wq", ...]}."""
    found: dict[str, list[str]] = {}
    for name in params:
        found.setdefault(re.sub(r"^h\d+", "h*", name), []).append(name)
    return found


def check_parts(params: Weights, tokens: np.ndarray, config: Config) -> Iterator[Checked]:
    """The same for a model that is too large for that, as Tensors: each part is moved along one random direction.

    So every parameter counts, in a derivative by a single number, which a handful of evaluations gives.
    """
    for kind, dtype, _ in (k for k in KINDS if not k[2]):
        own = dataclasses.replace(config, dtype=dtype)
        cast = {name: p.astype(dtype) for name, p in params.items()}
        for part, names in parts(params).items():
            rng = np.random.default_rng(len(part))
            way = {name: _direction(cast[name], rng) for name in names}

            def loss_of(t: Array, cast: Weights = cast, way: Weights = way, own: Config = own) -> Array:
                return loss({**cast, **{name: cast[name] + t * v for name, v in way.items()}}, tokens, own)

            shape = cast[names[0]].shape
            report = ag.gradcheck(loss_of, np.zeros((), dtype))
            yield Checked(kind, part, shape if len(names) == 1 else (len(names), *shape), report, moved=True)


def _direction(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random numbers of the size of the parameter's own."""
    v = rng.standard_normal(p.shape, np.float32).astype(p.dtype)
    return v * p.dtype.type(np.sqrt(np.square(p, dtype=np.float64).mean()))


def table(done: Sequence[Checked]) -> str:
    """The verdict on every parameter tensor, the reports of the first that fail, and a line of totals."""
    width = max(len(c.name) for c in done)
    shape = max(12, *(len(" x ".join(map(str, c.shape))) for c in done))
    heads = f"{'shape':>{shape}}  {'checked':>9}  {'largest error':>13}  {'of what is let pass':>19}  verdict"
    lines = []
    for kind in dict.fromkeys(c.kind for c in done):
        lines += [kind, f"  {'tensor':<{width}}  {heads}"]
        for c in (c for c in done if c.kind == kind):
            rows = c.report.rows
            checked = "direction" if c.moved else "probes" if rows[0].probe else f"{len(rows):,}"
            lines.append(
                f"  {c.name:<{width}}  {' x '.join(map(str, c.shape)):>{shape}}  {checked:>9}"
                f"  {c.report.max_error:>13.1e}  {max(row.ratio for row in rows):>19.2g}  {c.report.verdict}"
            )
    failed = [c for c in done if not c.report]
    lines += [f"\n{c.kind}: {c.name}\n{c.report}" for c in failed[:3]]
    elements, evaluations = (sum(getattr(c.report, count) for c in done) for count in ("elements", "evaluations"))
    lines.append(
        f"\n{len(done) - len(failed)} of {len(done)} parameter tensors hold "
        f"({elements:,} elements, {evaluations:,} evaluations)"
    )
    return "\n".join(lines)

"""Gradient checks of the real loss, one parameter tensor at a time.

Like `train`, it joins the model with autograd. Showing the reports is `__main__`'s part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import autograd as ag
from transformer.config import Config
from transformer.model import loss

Params = dict[str, np.ndarray]

# What flows through the model: (title, dtype of the parameters, single Values?). A Value is always float64.
KINDS = (("Tensors, float64", "float64", False), ("Tensors, float32", "float32", False), ("Values", "float64", True))


class Checked(NamedTuple):
    """One parameter tensor, in one kind of number."""

    kind: str
    name: str
    shape: tuple[int, ...]
    report: ag.GradcheckReport


def check(params: Params, tokens: np.ndarray, config: Config) -> Iterator[Checked]:
    """Compare the gradient of every parameter tensor with finite differences, in every kind of number.

    Tensors are checked element by element, up to the size where `gradcheck` turns to random
    probes; Values, whose forward pass is slow, by probes on the first row of tokens.
    """
    for kind, dtype, scalar in KINDS:
        own = dataclasses.replace(config, dtype=dtype)
        cast = {name: p.astype(dtype) for name, p in params.items()}
        for name, p in cast.items():

            def loss_of(
                w: Any,
                name: str = name,
                cast: Params = cast,
                own: Config = own,
                rows: np.ndarray = tokens[:1] if scalar else tokens,
            ) -> Any:
                return loss({**cast, name: w}, rows, own)

            report = ag.gradcheck(loss_of, p.astype(object) if scalar else p, fast=True if scalar else None)
            yield Checked(kind, name, p.shape, report)

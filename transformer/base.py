"""What the parts of a transformer hand to each other, as names for types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

# An ndarray, an array of Values, a Tensor, or a tracer of JAX: the model takes them all.
Array: TypeAlias = Any
# A number of any kind: a float, a Value, a Tensor or an array without axes.
Scalar: TypeAlias = Any
# Parameters by name; Weights are those which are plain arrays.
Params: TypeAlias = dict[str, Array]
Weights: TypeAlias = dict[str, np.ndarray]
# The same by the parts of their names: {"h0": {"attn": {"wq": ...}}}.
Tree: TypeAlias = dict[str, Any]
# What attention has seen, to go on from: {"h0": {"k": ..., "v": ...}}; empty at first, and filled in place.
Cache: TypeAlias = dict[str, dict[str, Array]]
# Token ids (..., T): an array of ints, or nested lists of them.
Tokens: TypeAlias = Any
# A learning rate by the step, counted from 0.
Schedule: TypeAlias = Callable[[int], Scalar]
# Dropout: some numbers set to 0.
Drop: TypeAlias = Callable[[Array], Array]
# What a block gave, counted from 1 (0: the embedding), to what goes on in its place.
Look: TypeAlias = Callable[[int, Array], Array]
# Parameters, tokens and a Config to a loss. The Config is `config.Config`, which stands above.
Loss: TypeAlias = Callable[[Params, Tokens, Any], Scalar]
# Elementwise: the parameter, its gradient and its moments in; the next parameter and moments out.
Rule: TypeAlias = Callable[..., tuple[Array, ...]]
# What runs all blocks: the embedding (..., T, C) and the parameters in, what the last one gives out.
Blocks: TypeAlias = Callable[[Array, Tree], Array]

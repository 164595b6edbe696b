"""Training on JAX: the same model, data, optimizer and run folder, and another kind of array.

step        a training step as one compiled program
mesh        which part of a batch, and of the weights, lies on which device
processes   several processes, on one machine or many, that train together

Nothing here computes a layer or a derivative: that is the model's and autograd's business. JAX is imported
when a function here is called, so that the rest of the package does without it.
"""

from __future__ import annotations

from typing import Any


def jax_for(option: str) -> Any:
    """JAX; ValueError, saying how to get it, where it is not installed. option: what asks for it."""
    try:
        import jax
    except ImportError as error:
        raise ValueError(f"{option} needs JAX, which cannot be imported ({error}): pip install 'jax>=0.9'") from None
    return jax

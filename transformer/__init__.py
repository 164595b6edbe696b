"""A tiny transformer, written once in plain NumPy.

It runs on ndarrays, on object arrays of `autograd.Value` and on `autograd.Tensor`.
`python -m transformer --help` trains one.
"""

from transformer.config import Config, init
from transformer.model import logits, loss
from transformer.sample import generate

__all__ = ["Config", "generate", "init", "logits", "loss"]

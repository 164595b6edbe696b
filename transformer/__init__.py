"""A tiny transformer, written once in plain NumPy.

It runs on ndarrays, on object arrays of `autograd.Value` and on `autograd.Tensor`.
`python -m transformer --help` trains one.
"""

from transformer import alone as alone
from transformer.config import Config, init
from transformer.model import logits, loss
from transformer.models import Model, load
from transformer.pretrained.gpt2 import load_gpt2, save_gpt2
from transformer.sample import generate

__all__ = ["Config", "Model", "generate", "init", "load", "load_gpt2", "logits", "loss", "save_gpt2"]

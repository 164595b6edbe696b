"""Trained models by their folder, with their tokenizers: runs of `train`, and GPT-2's from Hugging Face."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from transformer import gpt2, runs
from transformer.base import Weights
from transformer.config import Config
from transformer.data import Tokenizer


class Model(NamedTuple):
    """Parameters, the Config that they belong to, and the tokenizer they were trained with.

    >>> config = Config.preset("gpt2", vocab_size=11, n_layer=1, n_head=2, n_embd=8, block_size=8)
    >>> save_gpt2("tiny", init(config, np.random.default_rng(0)), config)
    >>> model = load("tiny")
    >>> isinstance(model, Model), model.config == config, model.params["wte"].shape
    (True, True, (11, 8))
    """

    params: Weights
    config: Config
    tokenizer: Tokenizer


def load(folder: str | Path, best: bool = False) -> Model:
    """The model in a run folder of `train`, or in a Hugging Face GPT-2 folder.

    >>> config = Config.preset("gpt2", vocab_size=11, n_layer=1, n_head=2, n_embd=8, block_size=8)
    >>> save_gpt2("tiny", init(config, np.random.default_rng(0)), config)
    >>> load("tiny").config.n_embd
    8

    best: the parameters of the lowest validation loss instead of the last; for runs.
    Raises ValueError, saying what is wrong, for a folder that is missing or damaged.
    """
    if not gpt2.is_gpt2(folder):
        return Model(*runs.load(folder, best))
    if best:
        raise ValueError(f"{folder} is a GPT-2 folder, which has no best parameters; leave it out")
    params, config = gpt2.load_gpt2(folder)
    return Model(params, config, BytePairs(Path(folder), config.vocab_size))


class BytePairs:
    """The tokenizer of a Hugging Face folder, from its tokenizer.json, or from its vocab.json and merges.txt.

    Without either, GPT-2's own from `tiktoken`, for a vocabulary of its size. The libraries are
    asked for only when text is: a model can be loaded without them.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self._made: Any = None
        end = gpt2.facts(folder).get("eos_token_id")
        self.boundary = end if isinstance(end, int) and 0 <= end < size else size - 1

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        ids = self._encoding().encode(text)
        ids = list(getattr(ids, "ids", ids))
        if ids and not 0 <= min(ids) <= max(ids) < self.size:
            raise ValueError(f"{self.folder}: the tokenizer gives id {max(ids)}, the model knows {self.size:,}")
        return ids

    def decode(self, tokens: np.ndarray | list[int]) -> str:
        """The text of the ids, up to the first boundary."""
        ids = [int(t) for t in tokens]
        return self._encoding().decode(ids[: ids.index(self.boundary)] if self.boundary in ids else ids)

    def _encoding(self) -> Any:
        self._made = self._made or self._make()
        return self._made

    def _make(self) -> Any:
        own, pairs = self.folder / "tokenizer.json", (self.folder / "vocab.json", self.folder / "merges.txt")
        try:
            if own.is_file() or all(path.is_file() for path in pairs):
                import tokenizers

                if own.is_file():
                    return tokenizers.Tokenizer.from_file(str(own))
                return tokenizers.ByteLevelBPETokenizer(*map(str, pairs))
            if self.size == 50257:
                import tiktoken

                return tiktoken.get_encoding("gpt2")
        except ImportError as error:
            raise ValueError(
                f"text for {self.folder} needs the {error.name} library: pip install {error.name}"
            ) from None
        except Exception as error:  # the libraries raise Exception itself, and requests' own
            raise ValueError(f"the tokenizer of {self.folder} cannot be read ({error})") from None
        raise ValueError(f"{self.folder} has no tokenizer: neither tokenizer.json nor vocab.json and merges.txt")

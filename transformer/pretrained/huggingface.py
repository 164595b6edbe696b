"""Folders of Hugging Face's transformers library: what config.json says, and the arrays, of one file or several."""

from __future__ import annotations

import json
from pathlib import Path

from transformer import checkpoint
from transformer.base import Weights
from transformer.checkpoint import Json

CONFIG, ARRAYS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
KINDS = {"gpt2": ("GPT-2", "GPT2LMHeadModel"), "llama": ("Llama", "LlamaForCausalLM")}


def is_folder(folder: str | Path) -> bool:
    """Whether a folder is one of theirs, of any model."""
    try:
        return "model_type" in json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, TypeError):
        return False


def facts(folder: Path, *expected: str) -> Json:
    """What config.json says; ValueError where it is missing, or not of a model of an expected type."""
    path = folder / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder} is no {KINDS[expected[0]][0]} folder: it has no {CONFIG}")
    try:
        found = checkpoint.parsed(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    kind, made = found.get("model_type"), found.get("architectures")
    if kind not in expected:
        raise ValueError(f"{path} is of a model of type {kind!r}; expected {' or '.join(map(repr, expected))}")
    if kind == "llama" and made not in (None, [KINDS[kind][1]]):
        raise ValueError(f"{path} is of a model made as {made!r}; expected {KINDS[kind][1]}")
    return found


def arrays(path: Path) -> Weights:
    """All arrays of a safetensors file, or of those in a folder; ValueError where they are missing or do not fit."""
    if path.is_file():
        return checkpoint.read(path)[0]
    index = path / INDEX
    if (path / ARRAYS).is_file() or not index.is_file():
        if not (path / ARRAYS).is_file():
            raise ValueError(
                f"{path} has no {ARRAYS}; in PyTorch, model.save_pretrained(folder, safe_serialization=True) writes it"
            )
        return checkpoint.read(path / ARRAYS)[0]
    try:
        places = checkpoint.parsed(index.read_text(encoding="utf-8"), index)["weight_map"]
        names = sorted(set(places.values()))
        if not all(Path(name).name == name for name in names):
            raise ValueError("it names files elsewhere")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{index} is damaged ({error}); restore it") from None
    found: Weights = {}
    for name in names:
        found |= checkpoint.read(path / name)[0]
    if odd := sorted(found.keys() ^ places.keys()):
        raise ValueError(f"{index} does not fit the files that it names: {', '.join(odd[:4])}")
    return found

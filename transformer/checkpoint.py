"""The state of a training on the disk, whole or not at all, and reading it back.

A file is written beside the one it replaces, synced, and put in its place by one rename, so
that neither a kill nor a full disk leaves a part of one. A checksum over all that belongs
together finds what was damaged, cut or mixed later. What a run folder holds is `runs`' business.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from transformer.base import Tree, Weights

Json: TypeAlias = dict[str, Any]
KEY = "stepgrad"  # of the metadata: a checksum and the record


@dataclass(frozen=True)
class State:
    """All that a training needs to go on to the same bits: it is complete between two steps."""

    step: int  # updates made
    params: Weights
    moments: Tree  # the optimizer's state
    rng: Json  # of the generator that draws batches
    data: Weights  # where the data goes on


def save(path: Path, arrays: Mapping[str, np.ndarray], record: Json, bound_to: Json) -> None:
    """Replace a safetensors file by arrays and a JSON record. bound_to: what it must be read with.

    Raises OSError where it cannot be written; the file that was there is then untouched.
    """
    text = json.dumps(record)
    # One entry, since the order of several is not fixed.
    write(path, arrays, {KEY: f"{_digest(arrays, text, bound_to)} {text}"})


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Replace a safetensors file; OSError where it cannot be written."""
    from safetensors import SafetensorError  # imported where it is used: a model without a file needs none of it
    from safetensors.numpy import save_file

    whole = {name: np.asarray(a, order="C") for name, a in arrays.items()}

    def save(part: Path) -> None:
        part.touch()
        mode = part.stat().st_mode  # the library would make it private
        try:
            save_file(whole, part, metadata)
            part.chmod(mode)
        except SafetensorError as error:
            raise OSError(f"{path} cannot be written: {error}") from None

    replace(path, save)


def load(path: Path, bound_to: Json) -> tuple[Weights, Json]:
    """The arrays and the record of a file that `save` wrote; ValueError, saying what is wrong, if it is not whole."""
    arrays, metadata = read(path)
    checksum, _, text = metadata.get(KEY, "").partition(" ")
    if checksum != _digest(arrays, text, bound_to):
        raise ValueError(
            f"{path} is damaged, or does not belong to the config.json beside it: "
            "the checksum differs; restore both from a copy, or train again"
        )
    return arrays, parsed(text, path)


def bfloat16(a: np.ndarray) -> np.ndarray:
    """Numbers of which uint16 holds the upper half, in float32."""
    return (a.astype(np.uint32) << 16).view(np.float32)


def read(path: Path) -> tuple[Weights, dict[str, str]]:
    """The arrays and the metadata of any safetensors file; bfloat16 as float32. ValueError for what is none."""
    from safetensors import SafetensorError, deserialize, safe_open

    try:
        if path.stat().st_size == 0:
            raise ValueError("it is empty")
        with safe_open(path, framework="numpy") as file:
            kinds, metadata = {name: file.get_slice(name).get_dtype() for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
            arrays = {name: file.get_tensor(name) for name, kind in kinds.items() if kind != "BF16"}
        if len(arrays) < len(kinds):  # NumPy has no bfloat16
            for name, held in deserialize(path.read_bytes()):  # type: ignore[no-untyped-call]
                if kinds[name] == "BF16":
                    arrays[name] = bfloat16(np.frombuffer(held["data"], "<u2")).reshape(held["shape"])
        return arrays, metadata
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError, MemoryError) as error:
        raise ValueError(f"{path} is damaged, or no safetensors file of numbers ({error}); restore it") from None


def parsed(text: str, path: Path) -> Json:
    """A JSON object; ValueError for anything else."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); restore it") from None
    if not isinstance(record, dict):
        raise ValueError(f"{path} is damaged (it holds {type(record).__name__}, not an object); restore it")
    return record


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside the one it replaces, sync it, and rename it into its place."""
    part = path.with_name(path.name + ".part")
    try:
        write(part)
        sync(part)
        os.replace(part, path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(arrays: Mapping[str, np.ndarray], text: str, bound_to: Json) -> str:
    total = hashlib.sha256()
    for part in (text, json.dumps(bound_to, sort_keys=True)):
        total.update(hashlib.sha256(part.encode()).digest())
    for name in sorted(arrays):
        a = arrays[name]
        total.update(hashlib.sha256(f"{name} {a.dtype.str} {a.shape}".encode()).digest())
        total.update(np.ascontiguousarray(a).reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def taken_apart(state: State) -> tuple[Weights, Json]:
    """The arrays of a state by name, parameters by their own, and the rest as JSON."""
    arrays, numbers = dict(state.params), {}
    for group, held in {**state.moments, "data": state.data}.items():
        if isinstance(held, dict):
            arrays |= {f"{group}/{name}": np.asarray(a) for name, a in held.items()}
        else:
            numbers[group] = held
    return arrays, {"step": state.step, "rng": state.rng, "moments": numbers}


def put_together(arrays: Weights, record: Json) -> State:
    """The State of what `taken_apart` gave."""
    groups: dict[str, Weights] = {"": {}, "data": {}}
    for name, a in arrays.items():
        group, _, own = name.rpartition("/")
        groups.setdefault(group, {})[own] = a
    params, data = groups.pop(""), groups.pop("data")
    return State(record["step"], params, {**record["moments"], **groups}, record["rng"], data)

"""A run folder: what a training leaves behind, and reading it back.

config.json  the Config, the vocabulary and the options of the training
params.npz   the parameters, by name
loss.csv     step, training loss, validation loss
loss.png     the same as a picture
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from transformer.base import Weights
from transformer.config import Config, shapes
from transformer.data import Vocabulary

# Step, training loss, and the validation loss or None.
Row: TypeAlias = tuple[int, float, float | None]


def free_folder(out: str | None) -> Path:
    """The folder asked for, or the next free one; ValueError where something is there already."""
    if out is not None:
        if Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
            raise ValueError(
                f"--out {out} is there already and would be overwritten; remove it, or name another folder"
            )
        return Path(out)
    n = 1
    while (folder := Path("runs") / f"{n:03d}").exists():
        n += 1
    return folder


def save(folder: Path, params: Weights, config: Config, vocabulary: Vocabulary, options: Mapping[str, object]) -> None:
    """Write config.json and params.npz, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {"config": dataclasses.asdict(config), "vocabulary": vocabulary.chars, "options": options}
    _replace(
        folder / "config.json",
        lambda path: path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"),
    )

    def write(path: Path) -> None:
        with open(path, "wb") as file:
            np.savez(file, **params)  # type: ignore[arg-type]

    _replace(folder / "params.npz", write)


def load(folder: str | Path) -> tuple[Weights, Config, Vocabulary]:
    """Parameters, Config and vocabulary of a run; ValueError, saying what is wrong, if it is missing or damaged."""
    folder = Path(folder)
    for name in ("config.json", "params.npz"):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} is not a run folder: it has no {name}; python -m transformer train makes one")
    try:
        record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config, vocabulary = Config.of(record["config"]), Vocabulary(record["vocabulary"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'config.json'} is damaged ({error}); train again, or restore the file") from None
    try:
        with open(folder / "params.npz", "rb") as file, np.load(file, allow_pickle=False) as arrays:
            params = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{folder / 'params.npz'} is damaged ({error}); train again, or restore the file") from None
    expected, found = shapes(config), {name: p.shape for name, p in params.items()}
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ValueError(
            f"{folder / 'params.npz'} does not fit config.json: {', '.join(odd[:4])} differ; "
            "were the files of two runs mixed?"
        )
    return params, config, vocabulary


def save_losses(folder: Path, rows: Sequence[Row], baselines: dict[str, float], before: float) -> None:
    """Write loss.csv and loss.png. before: validation loss at step 0."""
    lines = ["step,train_loss,val_loss"] + [
        f"{step},{loss:.6f},{'' if val is None else f'{val:.6f}'}" for step, loss, val in rows
    ]
    _replace(folder / "loss.csv", lambda path: path.write_text("\n".join(lines) + "\n", encoding="utf-8"))
    if rows:
        _replace(folder / "loss.png", lambda path: _draw(path, rows, baselines, before))


def _draw(path: Path, rows: Sequence[Row], baselines: dict[str, float], before: float) -> None:
    from matplotlib.figure import Figure  # takes half a second to import

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    steps, losses = [r[0] for r in rows], [r[1] for r in rows]
    axes.plot(steps, losses, color="#9db8d9", linewidth=0.7, label="training, each batch")
    evaluated = [(0, before)] + [(step, val) for step, _, val in rows if val is not None]
    axes.plot(
        [e[0] for e in evaluated],
        [e[1] for e in evaluated],
        color="#c0392b",
        marker="o",
        markersize=3,
        label="validation",
    )
    for name, value in baselines.items():
        axes.axhline(value, color="#888888", linewidth=0.8, linestyle=":")
        axes.annotate(f"{name} {value:.2f}", (1, value), xycoords=("axes fraction", "data"), xytext=(-4, 2),
                      textcoords="offset points", ha="right", fontsize=8, color="#555555")  # fmt: skip
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats a character")
    axes.set_xlim(0, max(1, steps[-1]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2)
    figure.savefig(path, dpi=120, format="png")


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)

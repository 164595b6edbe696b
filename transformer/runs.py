"""A run folder: what a training leaves behind, and reading it back.

config.json         the Config, the vocabulary and the options of the training; never changed
last.safetensors    the state of the training, to go on from
best.safetensors    the parameters of the lowest validation loss
loss.csv            step, training loss, validation loss
loss.png            the same as a picture
grads.csv           by tensor: the norms of gradient and update, and its dead ReLUs
samples.jsonl       what the model wrote, from step 0 on

A folder appears by one rename, with the state of step 0 in it: it is there whole or not at
all, and of two trainings that start at once each gets its own. Every change of the state is
one rename of one file. Older folders, with params.npz, can be read.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

import numpy as np

from transformer import checkpoint
from transformer.base import Weights
from transformer.checkpoint import Json, State
from transformer.config import Config, fitting
from transformer.data import Vocabulary

CONFIG, LAST, BEST, OLD = "config.json", "last.safetensors", "best.safetensors", "params.npz"


# Step, training loss, and the validation loss or None.
Row: TypeAlias = tuple[int, float, float | None]


class Facts(NamedTuple):
    """What config.json says of a run."""

    config: Config
    vocabulary: Vocabulary
    options: Json

    def record(self) -> Json:
        """As JSON."""
        return {
            "config": self.config.record(), "vocabulary": self.vocabulary.chars, "options": self.options
        }  # fmt: skip


class Run:
    """A run folder that a training writes to; a context, in which no other process trains there.

    `logs` hold what is appended to; a state is saved with their lengths, so that going on from it
    cuts off what was written after it.
    """

    def __init__(self, folder: Path, facts: Facts) -> None:
        self.folder, self.facts = folder, facts
        self._logs: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Run:
        self._lock = open(self.folder / CONFIG, "rb")
        try:
            import fcntl

            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows
            return self
        except OSError:
            self._lock.close()
            raise ValueError(f"{self.folder} is being trained by another process; wait for it, or stop it") from None
        for left in self.folder.glob("*.part"):  # by a process that was killed while it wrote
            left.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()
        for log in self._logs.values():
            log.close()

    def append(self, name: str, text: str) -> None:
        """Add to a log."""
        self._logs[name].write(text.encode())

    def lengths(self) -> dict[str, int]:
        """How long each log is."""
        return {name: log.tell() for name, log in self._logs.items()}

    def cut(self, lengths: dict[str, int]) -> None:
        """Open the logs, each cut to a length; ValueError where one is shorter than that."""
        for name, length in lengths.items():
            path = self.folder / name
            if name in self._logs:
                self._logs.pop(name).close()
            if not path.exists() or path.stat().st_size < length:
                raise ValueError(
                    f"{path} has fewer lines than were saved: it was cut or replaced; restore it from a copy"
                )
            os.truncate(path, length)
            self._logs[name] = open(path, "ab")  # noqa: SIM115 - closed with the run

    def save(self, state: State, record: Json, best: bool = False) -> None:
        """Switch to a state, with the logs as they are now; best: keep its parameters besides."""
        for log in self._logs.values():
            log.flush()
            os.fsync(log.fileno())
        own = self.facts.record()
        if best:
            checkpoint.save(self.folder / BEST, state.params, record, own)
        arrays, rest = checkpoint.taken_apart(state)
        checkpoint.save(self.folder / LAST, arrays, {**record, **rest, "logs": self.lengths()}, own)

    def open(self) -> tuple[State, Json, dict[str, int]]:
        """The state to go on from, the record saved with it, and the lengths of the logs."""
        path = self.folder / LAST
        if not path.is_file():
            old = f"{self.folder} was made by version 0.1, which kept parameters only: sample from it, or train anew"
            raise ValueError(old if (self.folder / OLD).exists() else f"{self.folder} has no {LAST}; restore it")
        arrays, record = checkpoint.load(path, self.facts.record())
        if not {"step", "rng", "moments", "logs"} <= record.keys():
            raise ValueError(
                f"{path} holds parameters and no state to go on from: it is a {BEST}; restore it from a copy, or "
                "sample from it"
            )
        state = checkpoint.put_together(arrays, record)
        state = dataclasses.replace(state, params=fitting(state.params, self.facts.config, path))
        own = {name: x for name, x in record.items() if name not in ("step", "rng", "moments", "logs")}
        return state, own, record["logs"]


def create(out: str | None, facts: Facts, state: State, record: Json, logs: dict[str, str]) -> Run:
    """A new run folder with the state of step 0; logs: their first lines.

    Raises ValueError where `out` is there already, OSError where it cannot be made.
    """
    if out is not None and os.path.exists(out) and not (os.path.isdir(out) and not os.listdir(out)):
        raise ValueError(f"--out {out} is there already and would be overwritten; remove it, or name another folder")
    parent = Path(os.path.realpath(out)).parent if out is not None else Path("runs")
    parent.mkdir(parents=True, exist_ok=True)
    part = _part(parent if out is not None else Path("."), parent)
    try:
        text = json.dumps(facts.record(), indent=2, ensure_ascii=False) + "\n"
        (part / CONFIG).write_text(text, encoding="utf-8")
        for name, head in logs.items():
            (part / name).write_text(head, encoding="utf-8")
        lengths = {name: len(head.encode()) for name, head in logs.items()}
        arrays, rest = checkpoint.taken_apart(state)
        checkpoint.save(part / LAST, arrays, {**record, **rest, "logs": lengths}, facts.record())
        checkpoint.save(part / BEST, state.params, record, facts.record())
        for path in (*part.iterdir(), part):
            checkpoint.sync(path)
        folder = _renamed(part, out)
        checkpoint.sync(parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Run(folder, facts)


def _part(where: Path, target: Path) -> Path:
    """A folder to work in: not among the runs, so that those are whole, unless they are on another disk."""
    where = where if where.stat().st_dev == target.stat().st_dev else target
    for left in where.glob(".stepgrad-*.part"):  # by a process that was killed while it made a run
        with suppress(FileNotFoundError):  # or one that works, and is done by now
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)
    part = where / f".stepgrad-{uuid.uuid4().hex}.part"
    part.mkdir()
    return part


def _renamed(part: Path, out: str | None) -> Path:
    """Move a finished folder to the name asked for, or to the next free number."""
    n = 0
    while True:
        n += 1
        folder = Path("runs") / f"{n:03d}" if out is None else Path(out)
        if out is None and folder.exists():
            continue
        try:
            os.rename(part, folder if out is None else os.path.realpath(out))
            return folder
        except OSError:  # another training was quicker: a folder with something in it cannot be replaced
            if not folder.exists():
                raise
            if out is not None:
                raise ValueError(f"--out {out} was made by another process just now; name another folder") from None


class Onlooker(Run):
    """The run as a process has it that trains along with the one that writes."""

    def __enter__(self) -> Onlooker:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def append(self, name: str, text: str) -> None:
        """Nothing: another process does."""

    def cut(self, lengths: dict[str, int]) -> None:
        """Nothing: another process does."""

    def save(self, state: State, record: Json, best: bool = False) -> None:
        """Nothing: another process does."""


# ---- reading ---------------------------------------------------------------------------


def facts(folder: str | Path) -> Facts:
    """What config.json says; ValueError, saying what is wrong, where it is missing or damaged."""
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder} is not a run folder: it has no {CONFIG}; python -m transformer train makes one")
    try:
        record = checkpoint.parsed(path.read_text(encoding="utf-8"), path)
        if "model_type" in record:
            raise ValueError("it is Hugging Face's, of a model and not of a run")
        chars, options, fields = record["vocabulary"], record.get("options", {}), record["config"]
        if not (isinstance(chars, str) and isinstance(options, dict) and isinstance(fields, dict)):
            raise ValueError("the vocabulary must be text, config and options objects")
        if not chars or len(set(chars)) < len(chars):
            raise ValueError("the vocabulary is empty, or has a character twice")
        config = Config.of(fields)
        if len(chars) + 1 > config.vocab_size:
            raise ValueError(f"the vocabulary has {len(chars) + 1} tokens, the model {config.vocab_size}")
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} is damaged ({error}); train again, or restore the file") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    return Facts(config, Vocabulary(chars), options)


def load(folder: str | Path, best: bool = False) -> tuple[Weights, Config, Vocabulary]:
    """Parameters, Config and vocabulary of a run; ValueError, saying what is wrong, if it is missing or damaged.

    best: the parameters of the lowest validation loss instead of the last.
    """
    folder = Path(folder)
    own = facts(folder)
    name = BEST if best else LAST
    if not best and not (folder / LAST).exists() and (folder / OLD).exists():
        params, name = _load_old(folder / OLD), OLD
    elif (folder / name).is_file():
        arrays, _ = checkpoint.load(folder / name, own.record())
        params = {own_name: a for own_name, a in arrays.items() if "/" not in own_name}
    else:
        raise ValueError(f"{folder} is not a run folder: it has no {name}; python -m transformer train makes one")
    return fitting(params, own.config, folder / name), own.config, own.vocabulary


def _load_old(path: Path) -> Weights:
    """The parameters as version 0.1 saved them."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); train again, or restore the file") from None


# ---- loss.csv and loss.png -------------------------------------------------------------


def read_losses(path: Path) -> list[Row]:
    """The rows of loss.csv."""
    try:
        rows = [line.split(",") for line in lines(path)[1:]]
        return [(int(step), float(loss), float(val) if val else None) for step, loss, val in rows]
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); restore it from a copy") from None


def lines(path: Path) -> list[str]:
    """The whole lines of a log, to which something may be written just now; none where there is no file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return text.rpartition("\n")[0].split("\n") if text else []


def draw_losses(folder: Path, baselines: dict[str, float], before: float) -> None:
    """Write loss.png. before: the validation loss at step 0."""
    if rows := read_losses(folder / "loss.csv"):
        checkpoint.replace(folder / "loss.png", lambda path: _draw(path, rows, baselines, before))


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

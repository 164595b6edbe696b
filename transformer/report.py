"""One page about a run, complete in itself: what it learned, and what happened inside while it did."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from transformer import checkpoint, runs
from transformer.base import Array, Weights
from transformer.charts import curves, heat, histogram, scatter
from transformer.config import Config, count
from transformer.data import Vocabulary, shown
from transformer.model import logits

Row = TypeVar("Row")
SHOWN = 24  # tokens of a text whose attention is shown
KEPT = 8  # steps whose samples are shown
# A page that is rewritten while training goes on reloads itself, and stays where it was scrolled to.
RELOAD = (
    "<script>setTimeout(() => location.reload(), 3000)</script><noscript><meta http-equiv=refresh content=5></noscript>"
)


def write(folder: Path, out: Path, text: str | None = None, live: bool = False) -> Iterator[Path]:
    """Write the page; live: again and again while a training works in the folder. Yields after each time."""
    while True:
        going = live and busy(folder)
        content = page(folder, text, going).encode()
        checkpoint.replace(out, partial(Path.write_bytes, data=content))
        yield out
        if not going:
            return
        time.sleep(2)


def busy(folder: Path) -> bool:
    """Whether a process trains in the folder."""
    try:
        with runs.Run(folder, runs.facts(folder)):
            return False
    except ValueError:
        return True


def page(folder: Path, text: str | None = None, going: bool = False) -> str:
    """The page as HTML. text: whose attention is shown (default: what the model wrote last)."""
    params, config, vocabulary = runs.load(folder)
    options = runs.facts(folder).options
    losses = runs.read_losses(folder / "loss.csv")
    samples = _read(folder / "samples.jsonl", _sample)
    if text is None:
        text = next((t for t in (samples[-1][1] if samples else []) if t.strip()), vocabulary.chars)
    title = escape(folder.name)
    settings = ", ".join(f"{name} {x}" for name, x in options.items() if name not in ("fingerprint", "data") and x)
    parts = [
        f"<h1>Run {title}</h1><p>{count(config):,} parameters: {config.n_layer} layers of {config.n_head} heads, "
        f"{config.n_embd} wide, {config.block_size:,} positions, {config.vocab_size:,} tokens"
        f"{'; training goes on' if going else ''}</p><p class=quiet>{escape(settings)}</p>",
        _losses(folder, losses),
        _gradients(folder, params),
        _attention(params, config, vocabulary, text),
        _embedding(params, vocabulary),
        _samples(samples),
    ]
    return document(title, parts, RELOAD * going)


def document(title: str, parts: Iterable[str], head: str = "") -> str:
    """A page with the style of all pages; title: as HTML."""
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{title}</title>{head}"
    return f"<!doctype html><html lang=en>{head}<style>{style}</style><body>{''.join(parts)}\n"


class Measured(NamedTuple):
    """A line of grads.csv."""

    gradient: float
    update: float
    dead: float | None


def _measured(line: str) -> tuple[tuple[str, str], Measured]:
    step, name, gradient, update, dead = line.split(",")
    return (step, name), Measured(float(gradient), float(update), float(dead) if dead else None)


def _sample(line: str) -> tuple[int, list[str]]:
    sample = json.loads(line)
    return int(sample["step"]), [str(text) for text in sample["texts"]]


def _read(path: Path, parse: Callable[[str], Row], head: int = 0) -> list[Row]:
    """The lines of a log after its head; ValueError where it is damaged."""
    try:
        return [parse(line) for line in runs.lines(path)[head:]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); restore it from a copy, or remove it") from None


def _losses(folder: Path, losses: list[runs.Row]) -> str:
    if not losses:
        return "<h2>Loss</h2><p>no step is made yet</p>"
    try:
        record = runs.Run(folder, runs.facts(folder)).open()[1]
    except ValueError:  # of version 0.1
        record = {}
    every = -(-len(losses) // 1500)
    measured = [(step, val) for step, _, val in losses if val is not None]
    both = {
        "training": [(step, loss) for step, loss, _ in losses[::every]],
        "validation": [(0, record["before"]), *measured] if record else measured,
    }
    best = record.get("best", {})
    told = f"lowest validation loss {best['val']:.4f} at step {best['step']:,}" if best else ""
    return (
        f"<h2>Loss, nats a token</h2><p class=key><span class=training>training, each batch</span>"
        f"<span class=validation>validation</span>{told}</p><figure>"
        f"{curves(both, record.get('levels', {}), 'training and validation loss by step')}</figure>"
    )


def _gradients(folder: Path, params: Weights) -> str:
    table, names = dict(_read(folder / "grads.csv", _measured, head=1)), list(params)
    seen = dict.fromkeys(step for step, _ in table)
    steps = [step for step in seen if all((step, name) in table for name in names)]  # the last may be in the writing
    parts = ["<h2>Inside</h2>"]
    if steps:
        sizes = np.array([[table[step, name].gradient for step in steps] for name in names])
        logs = np.log10(np.maximum(sizes, 1e-30))
        low, high = np.quantile(logs, 0.02), logs.max()
        shade = np.clip((logs - low) / max(high - low, 1e-9), 0, 1)
        parts.append(
            f"<p>The norm of the gradient by tensor and step, from {10**low:.1e} (pale) to {10**high:.1e}:</p><figure>"
            f"{heat(shade, names, steps, 'gradient norms by tensor and step')}</figure>"
        )
        dead = {
            name: [(float(step), table[step, name].dead or 0.0) for step in steps]
            for name in names
            if table[steps[0], name].dead is not None
        }
        if dead:
            parts.append(
                f"<p>ReLUs that no token of the batch woke, of {params[next(iter(dead))].shape[1]} a layer:</p>"
                f"<figure>{curves(dead, {}, 'dead ReLUs by step', named=True)}</figure>"
            )
    parts.append(
        "<div class=wide><table><tr><th>tensor<th>shape<th>mean<th>deviation<th>gradient<th>update / size<th>values"
    )
    for name, p in params.items():
        row = table.get((steps[-1], name)) if steps else None
        size = np.linalg.norm(p.astype(float))
        moved = f"<td>{row.gradient:.2e}<td>{row.update / size if size else 0:.1e}" if row else "<td><td>"
        parts.append(
            f"<tr><td>{escape(name)}<td>{' × '.join(map(str, p.shape))}<td>{p.mean():.2g}<td>{p.std():.2g}{moved}"
            f"<td>{histogram(p, f'histogram of {name}, {p.min():.2g} to {p.max():.2g}')}"
        )
    return "".join([*parts, "</table></div>"])


def _attention(params: Weights, config: Config, vocabulary: Vocabulary, text: str) -> str:
    tokens = [vocabulary.boundary, *vocabulary.encode(text)][: min(SHOWN, config.block_size)]
    maps: list[np.ndarray] = []

    def look(x: Array) -> Array:
        """Stands where dropout does, and so sees the weights of attention (nh, T, T), which alone have three axes."""
        if x.ndim == 3:
            maps.append(x)
        return x

    logits(params, tokens, config, drop=look)
    names = [shown(vocabulary, t) for t in tokens]
    return (
        "<h2>Attention</h2><p>Where each token (row) looks back to (column), by layer and head:</p>"
        f"<div class=maps>{''.join(attention_map(x, names, i) for i, x in enumerate(maps))}</div>"
    )


def attention_map(layer: np.ndarray, names: Sequence[str], i: int) -> str:
    """The weights of attention (nh, T, T) of layer i, a figure a head."""
    return "".join(
        f"<figure>{heat(x, names, names, f'attention of layer {i}, head {j}')}"
        f"<figcaption>layer {i}, head {j}</figcaption></figure>"
        for j, x in enumerate(layer)
    )


def _embedding(params: Weights, vocabulary: Vocabulary) -> str:
    wte = params["wte"][: vocabulary.size][:200].astype(float)
    centred = wte - wte.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    places = (u * s)[:, :2] if s.size > 1 else np.pad(centred, ((0, 0), (0, 1)))
    share = (s[:2] ** 2).sum() / max((s**2).sum(), 1e-30)
    names = [shown(vocabulary, t) for t in range(len(wte))]
    return (
        f"<h2>Embedding</h2><p>Tokens by the two main axes of wte, which hold {share:.0%} of its variance:</p>"
        f"<figure>{scatter(places, names, 'tokens by their embeddings')}</figure>"
    )


def _samples(samples: list[tuple[int, list[str]]]) -> str:
    if not samples:
        return ""
    chosen = {round(i) for i in np.linspace(0, len(samples) - 1, KEPT)}
    items = (
        f"<dt>step {step:,}<dd>{escape(chr(10).join(texts))}" for i, (step, texts) in enumerate(samples) if i in chosen
    )
    return f"<h2>Samples</h2><dl>{''.join(items)}</dl>"


def default_out(folder: Path) -> Path:
    """Where the page goes if nothing else is asked."""
    return folder / "report.html" if os.access(folder, os.W_OK) else Path("report.html")

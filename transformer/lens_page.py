"""The page about one text: what `lens` finds, as tables and maps, complete in itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from transformer import checkpoint, lens
from transformer.charts import heat
from transformer.data import Tokenizer, shown
from transformer.lens import Patched, Reading
from transformer.models import Model
from transformer.report import attention_map, document

MOST = 32  # tokens: the replacements grow with the cube of their number
TOLD = 0.05  # changes below it are not written out


class Question(NamedTuple):
    """Tokens (T,), the next one that is asked for, and as many of another text that outputs are taken from.

    nothing: those of a text that says nothing. told: what the other text is.
    """

    tokens: np.ndarray
    token: int
    nothing: np.ndarray
    other: np.ndarray
    told: str


def ask(model: Model, text: str, token: str | None, source: str | None, at: Callable[..., int]) -> Question:
    """The question of a page. token: of the text, to be predicted, found by `at`; by default the likeliest after it.

    source: the text that outputs are taken from; by default boundaries only. Raises ValueError where it is too
    short, and for a text that is too long.
    """
    params, config, tokenizer = model
    opening = tokenizer.opening
    own = tokenizer.encode(text)
    ids = [*opening, *own]
    most = min(MOST, config.block_size) - len(opening)
    if not 1 <= len(own) <= most:
        raise ValueError(f"the text has {len(own)} tokens; a page shows 1 to {most} of this model")
    if token is not None:
        n = at(token, ids, len(opening), tokenizer)
        tokens, asked = np.array(ids[:n]), ids[n]
    else:
        tokens = np.array(ids)
        asked = int(lens.read(params, tokens, config).ids[-1, -1, 0])
    nothing = np.array([*opening, *[tokenizer.boundary] * (len(tokens) - len(opening))])
    if source is None:
        return Question(tokens, asked, nothing, nothing, f"nothing but {shown(tokenizer, tokenizer.boundary)}")
    other = [*opening, *tokenizer.encode(source)]
    if len(other) < len(tokens):
        pieces = ", ".join(repr(tokenizer.piece(t)) for t in other[len(opening) :])
        raise ValueError(
            f"--patch-from: {source!r} has {len(other) - len(opening)} tokens, {pieces}; "
            f"{len(tokens) - len(opening)} are needed, one for each of the text"
        )
    return Question(tokens, asked, nothing, np.array(other[: len(tokens)]), f"“{source}”")


def write(out: Path, name: str, model: Model, question: Question, progress: Callable[..., Sequence[Patched]]) -> None:
    """Write the page. progress: passes on what is computed layer by layer, and shows it."""
    params, config, tokenizer = model
    tokens, token = question.tokens, question.token
    reading = lens.read(params, tokens, config)
    pulls = [np.linalg.norm(g, axis=-1) for g in lens.pulls(params, tokens, reading, config, token)]
    nothing = lens.read(params, question.nothing, config).streams
    without = next(lens.patched(params, tokens, nothing, config, token)).change
    theirs = lens.read(params, question.other, config).streams
    patches = list(progress(lens.patched(params, tokens, theirs, config, token)))
    names = [shown(tokenizer, int(t)) for t in tokens]
    text = tokenizer.decode(tokens[len(tokenizer.opening) :])
    said = shown(tokenizer, token)
    parts = [
        f"<h1>{escape(name)} reads “{escape(text)}”</h1>{_summary(reading, tokenizer, said, token)}",
        _layers(reading, tokenizer, names),
        _predicted(reading, tokenizer, names[-1]),
        _pulls(np.stack(pulls), without, names, said, shown(tokenizer, tokenizer.boundary)),
        _patches(patches, tokenizer, names, said, question.told),
        _attention(reading, names),
    ]
    page = document(f"{escape(name)} reads", parts).encode()
    checkpoint.replace(out, partial(Path.write_bytes, data=page))


def _summary(reading: Reading, tokenizer: Tokenizer, said: str, token: int) -> str:
    likeliest = ", ".join(
        f"<b>{escape(shown(tokenizer, int(t)))}</b> {p:.1%}"
        for t, p in zip(reading.ids[-1, -1], reading.chances[-1, -1], strict=True)
    )
    found = np.flatnonzero(reading.ids[-1, -1] == token)
    rank = "" if found.size else ", which is not among these"
    return (
        f"<p>Next, it holds likely: {likeliest}.</p><p>This page is about its prediction of "
        f"<b>{escape(said)}</b>{rank}. Layer 0 is the embedding, layer 1 the output of block h0. "
        f"␣ is a space, {escape(shown(tokenizer, tokenizer.boundary))} the end of a text.</p>"
    )


def grid(head: Sequence[str], rows: Sequence[str], cells: Sequence[Sequence[tuple[str, float, str]]]) -> str:
    """A table of short texts, each with a shade from -1 (red) to 1 (blue), and what it says when pointed at."""
    lines = ["<tr><th>" + "".join(f"<th>{escape(name)}" for name in head)]
    for name, row in zip(rows, cells, strict=True):
        line = "".join(
            f'<td class="{"low" if shade < 0 else "high"}" style="--s:{min(abs(shade), 1) * 60:.0f}%" '
            f'title="{escape(said)}">{escape(text)}'
            for text, shade, said in row
        )
        lines.append(f"<tr><td>{escape(name)}{line}")
    return f"<div class=wide><table class=grid>{''.join(lines)}</table></div>"


def _layers(reading: Reading, tokenizer: Tokenizer, names: Sequence[str]) -> str:
    cells = []
    for ids, chances in zip(reading.ids, reading.chances, strict=True):
        row = []
        for likeliest, shares in zip(ids, chances, strict=True):
            each = [f"{shown(tokenizer, int(t))} {p:.1%}" for t, p in zip(likeliest, shares, strict=True)]
            row.append((shown(tokenizer, int(likeliest[0])), float(shares[0]), ", ".join(each)))
        cells.append(row)
    return (
        "<h2>What it would say after every layer</h2><p>The likeliest token after each token of the text (column), "
        "if the layers after this one (row) were left out; the darker, the surer. Point at a cell for the five "
        "likeliest.</p>" + grid(names, [f"{i}" for i in range(len(cells))], cells)
    )


def _predicted(reading: Reading, tokenizer: Tokenizer, last: str) -> str:
    cells = [
        [
            (f"{shown(tokenizer, int(t))} {p:.0%}", float(p), f"{p:.3%}")
            for t, p in zip(ids[-1], chances[-1], strict=True)
        ]
        for ids, chances in zip(reading.ids, reading.chances, strict=True)
    ]
    head = ["likeliest", *(f"{i}." for i in range(2, len(cells[0]) + 1))]
    return f"<h2>The five likeliest after {escape(last)}</h2>" + grid(head, [f"{i}" for i in range(len(cells))], cells)


def _pulls(pulls: np.ndarray, without: np.ndarray, names: Sequence[str], said: str, nothing: str) -> str:
    shares = pulls[0] / max(pulls[0].sum(), 1e-30)
    rows = "".join(
        f'<tr><td>{escape(name)}<td>{change:+.2f}<td>{x:.3g}<td class=bar style="--s:{share:.1%}"><i></i>{share:.0%}'
        for name, change, x, share in zip(names, without, pulls[0], shares, strict=True)
    )
    most = pulls.max(axis=1, keepdims=True)
    shade = pulls / np.where(most > 0, most, 1)
    return (
        f"<h2>Which token made it say {escape(said)}</h2><p>How log p of {escape(said)} changes if the embedding of a "
        f"token is replaced by that of {escape(nothing)}; and the norm of the gradient that the embedding receives "
        "from it, which speaks of small changes only.</p><div class=wide><table><tr><th>token<th>without it<th>gradient"
        f"<th>share{rows}</table></div><p>The gradient of what every layer (row) gives at each token (column), the "
        "darker the larger among those of its layer:</p><figure>"
        f"{heat(shade, [f'{i}' for i in range(len(pulls))], names, 'norms of gradients by layer and token')}</figure>"
    )


def _patches(patches: Sequence[Patched], tokenizer: Tokenizer, names: Sequence[str], said: str, told: str) -> str:
    largest = max((float(np.abs(p.change).max()) for p in patches), default=0.0) or 1.0
    cells = [
        [
            (
                f"{shown(tokenizer, int(t))} {c:+.1f}" if abs(c) >= TOLD else shown(tokenizer, int(t)),
                float(c) / largest,
                f"log p of {said} {c:+.3f}",
            )
            for c, t in zip(p.change, p.said, strict=True)
        ]
        for p in patches
    ]
    return (
        f"<h2>What if a part of it were of another text?</h2><p>Here the output of a layer (row) at a token (column) "
        f"is replaced by that of {escape(told)}. The cell has what is likeliest then, and the change of log p of "
        f"{escape(said)}: red where it becomes less likely.</p>"
        + grid(names, [f"{i}" for i in range(len(cells))], cells)
    )


def _attention(reading: Reading, names: Sequence[str]) -> str:
    rows = [f"{i}" for i in range(1, len(reading.attention) + 1)]
    last = np.stack([layer[:, -1].mean(axis=0) for layer in reading.attention])
    layers = "".join(
        f"<details><summary>layer {i} (h{i - 1})</summary><div class=maps>{attention_map(x, names, i)}</div></details>"
        for i, x in enumerate(reading.attention, 1)
    )
    return (
        "<h2>Attention</h2><p>Where the last token looks back to (column), by layer, the mean over the heads:</p>"
        f"<figure>{heat(last, rows, names, 'attention of the last token by layer')}</figure>"
        f"<p>Where each token (row) looks back to (column), by layer and head:</p>{layers}"
    )

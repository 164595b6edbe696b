"""Text in, batches of token ids out: vocabulary, split, batches, and the entropy of simple baselines."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

NAMES = Path(__file__).parent / "corpus" / "names.txt"
HELD_OUT = 0.1  # the share of documents, or of a text, kept for validation
ALL = slice(None)
MAX_HELD_OUT = 1024  # rows of validation at most, evenly spaced, so that validating stays quick


class Tokenizer(Protocol):
    """Text to token ids and back."""

    @property
    def boundary(self) -> int:
        """The token before and after a text."""

    @property
    def size(self) -> int:
        """How many token ids there are."""

    @property
    def opening(self) -> list[int]:
        """The tokens before every text."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text; ValueError for what they cannot say."""

    def decode(self, tokens: np.ndarray | list[int]) -> str:
        """The text of the ids, up to the first that ends it."""

    def piece(self, token: int) -> str:
        """The text of one token; of a token that is no text, a name for it."""

    def ends(self, token: int) -> bool:
        """Whether a text ends with this token."""


@dataclass(frozen=True)
class Vocabulary:
    """The characters of a text, sorted, as token ids 0, 1, ..., and one more id, the boundary of documents."""

    chars: str

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        """The characters of a text."""
        return cls("".join(sorted(set(text))))

    @property
    def boundary(self) -> int:
        """The token before and after every document."""
        return len(self.chars)

    @property
    def size(self) -> int:
        """How many token ids there are."""
        return len(self.chars) + 1

    @property
    def opening(self) -> list[int]:
        """The boundary."""
        return [self.boundary]

    def piece(self, token: int) -> str:
        """The character of a token; a dot for the boundary."""
        return "·" if self.ends(token) else self.chars[token]

    def ends(self, token: int) -> bool:
        """Whether it is the boundary, or an id that no text has."""
        return token >= self.boundary

    def encode(self, text: str) -> list[int]:
        """The ids of its characters; ValueError for a character that the vocabulary lacks."""
        if unknown := sorted(set(text) - set(self.chars)):
            known = self.chars if len(self.chars) <= 100 else self.chars[:99] + "…"
            near = ", ".join(f"{self._nearest(c)!r} for {c!r}" for c in unknown[:4])
            raise ValueError(
                f"the vocabulary has no {', '.join(map(repr, unknown[:20]))}; it knows {known!r}; nearest are {near}"
            )
        return [self._ids[c] for c in text]

    def decode(self, tokens: np.ndarray | list[int]) -> str:
        """The characters of the ids, up to the first boundary or padding."""
        text = ""
        for t in tokens:
            if not 0 <= t < self.boundary:
                break
            text += self.chars[t]
        return text

    def _nearest(self, char: str) -> str:
        """A character that it knows: one that differs by accent or case only, or else the next in Unicode's order."""
        plain = unicodedata.normalize("NFKD", char)[0]
        same = (c for c in (plain, plain.lower(), plain.upper()) if c in self._ids)
        return next(same, min(self.chars, key=lambda c: abs(ord(c) - ord(plain))))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.chars)}


def read(path: str | Path) -> str:
    """The text of a file; ValueError where it is missing, empty or not UTF-8."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text (byte {error.start} is {error.object[error.start]:#04x}); convert it first"
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if not text.strip():
        raise ValueError(f"{path} is empty; give a file with text in it")
    return text


class Documents:
    """One document a line: each a row of boundary, characters, boundary, padded with -1."""

    def __init__(self, text: str, block_size: int, rng: np.random.Generator) -> None:
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        if len(lines) < 2:
            raise ValueError("the data holds one document; give one document a line, or --as text for one long text")
        self.vocabulary = Vocabulary.of("".join(lines))
        self.cut = sum(len(line) + 1 > block_size for line in lines)  # documents longer than the model sees
        order = rng.permutation(len(lines))
        n_held_out = max(1, round(HELD_OUT * len(lines)))
        self.seen = {lines[i] for i in order[n_held_out:]}
        rows = encoded([lines[i] for i in order], self.vocabulary, block_size)
        self.train, held_out = rows[n_held_out:], rows[:n_held_out]
        self.held_out = _trimmed(_some(held_out))
        self.n_lengths = len(np.unique((self.train >= 0).sum(axis=1)))  # of rows, and so of batches at most
        self._order = rng.permutation(len(self.train))
        self._at = 0

    @cached_property
    def fingerprint(self) -> str:
        """A checksum of all rows and of which are held out."""
        return _checksum(self.train, self.held_out)

    def position(self) -> dict[str, np.ndarray]:
        """Where `batch` goes on: the order of this round and the place in it."""
        return {"order": self._order, "at": np.array(self._at)}

    def seek(self, position: dict[str, np.ndarray]) -> None:
        """Go on from a position; ValueError for one of other data."""
        order, at = position.get("order"), position.get("at")
        if order is None or at is None or not np.array_equal(np.sort(order), np.arange(len(self.train))):
            raise ValueError("the state is of other data: its order of documents does not fit these")
        self._order, self._at = order, int(at)

    def batch(self, size: int, rng: np.random.Generator, part: slice = ALL) -> np.ndarray:
        """The next `size` documents in an order shuffled anew at every round: (size, T+1). part: only these of them."""
        picked: list[int] = []
        while len(picked) < size:
            if self._at == len(self._order):
                self._order, self._at = rng.permutation(len(self.train)), 0
            picked.append(self._order[self._at])
            self._at += 1
        return _trimmed(self.train[picked[part]])


class Text:
    """One long text: rows are windows of it. The last part is held out."""

    def __init__(self, text: str, block_size: int, rng: np.random.Generator) -> None:
        self.vocabulary = Vocabulary.of(text)
        self.cut, self.seen = 0, set[str]()
        tokens = np.array(self.vocabulary.encode(text))
        split = len(tokens) - max(block_size + 1, round(HELD_OUT * len(tokens)))
        if split < block_size + 1:
            raise ValueError(
                f"the text has {len(text)} characters, too few for windows of block_size={block_size}; "
                "give more text or a smaller block_size"
            )
        windows = np.lib.stride_tricks.sliding_window_view
        self.train, self.n_lengths = windows(tokens[:split], block_size + 1), 1
        self.held_out = _some(windows(tokens[split:], block_size + 1)[::block_size])

    @cached_property
    def fingerprint(self) -> str:
        """A checksum of the text and of which part is held out."""
        return _checksum(self.train[:, 0], self.held_out)

    def position(self) -> dict[str, np.ndarray]:
        """Where `batch` goes on: nowhere in particular, since windows are drawn."""
        return {}

    def seek(self, position: dict[str, np.ndarray]) -> None:
        """Go on from a position."""

    def batch(self, size: int, rng: np.random.Generator, part: slice = ALL) -> np.ndarray:
        """Windows from anywhere in the text: (size, T+1). part: only these of them."""
        return self.train[rng.integers(len(self.train), size=size)[part]]


def encoded(lines: Sequence[str], tokenizer: Tokenizer, block_size: int) -> np.ndarray:
    """A row of opening, tokens, boundary for each line, cut to block_size + 1 and padded with -1."""
    cut = [[*tokenizer.opening, *tokenizer.encode(line), tokenizer.boundary][: block_size + 1] for line in lines]
    rows = np.full((len(cut), max(map(len, cut))), -1)
    for row, tokens in zip(rows, cut, strict=True):
        row[: len(tokens)] = tokens
    return rows


def shown(tokenizer: Tokenizer, token: int) -> str:
    """A token in visible characters."""
    signs = {"\n": "⏎", " ": "␣", "\t": "⇥"}
    return "".join(signs.get(c, c if c.isprintable() else "�") for c in tokenizer.piece(token))


def baselines(data: Documents | Text) -> dict[str, float]:
    """Nats a token that tables reach on the held-out rows: uniform, unigram and bigram.

    Tables are counted on the training rows, each count plus one (Laplace).
    """
    n = data.vocabulary.size
    rows = data.train if isinstance(data, Documents) else data.train[:: data.train.shape[1] - 1]
    pairs = np.ones((n, n))
    here, then = rows[:, :-1], rows[:, 1:]
    np.add.at(pairs, (here[then >= 0], then[then >= 0]), 1)
    unigram = 1 + (pairs - 1).sum(axis=0)
    here, then = data.held_out[:, :-1], data.held_out[:, 1:]
    here, then = here[then >= 0], then[then >= 0]
    return {
        "uniform": float(np.log(n)),
        "unigram": float(-np.log(unigram[then] / unigram.sum()).mean()),
        "bigram": float(-np.log(pairs[here, then] / pairs.sum(axis=1)[here]).mean()),
    }


def _checksum(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a, "<i8").tobytes() for a in arrays)).hexdigest()


def _trimmed(rows: np.ndarray) -> np.ndarray:
    """Without the columns that are padding in every row."""
    return rows[:, : int((rows >= 0).sum(axis=1).max())]


def _some(rows: np.ndarray) -> np.ndarray:
    return rows[:: -(-len(rows) // MAX_HELD_OUT)]

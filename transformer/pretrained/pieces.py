"""Text as pieces of words: the byte-pair tokenizers of trained models.

The libraries that know them are asked for only when text is: a model can be loaded without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from transformer.pretrained.gguf import Facts

CONTROL, OWN = 3, 4  # kinds of token in GGUF: those that no text is cut into, and those that it is cut at
# How a text is cut before pairs are joined: digit by digit and by GPT-2's expression, or by an expression.
GPT2 = ("gpt-2", "gpt2", "default", None)
DIGITS = ("smollm",)
LLAMA3 = ("llama-bpe", "llama3", "llama-v3")
EXPRESSION = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class BytePairs:
    """A tokenizer that is made when first it is used.

    source: whose it is. size: how many ids the model knows. stops: tokens that end a text, first the one
    that is put there; by default the last id. make: the library's own. opening: the tokens before a text;
    by default those that the library puts there, and "boundary" for the one that ends it.
    """

    def __init__(
        self, source: Path, size: int, stops: Sequence[object], make: Callable[[], Any], opening: list[int] | str = ""
    ) -> None:
        self.source, self.size = source, size
        self.stops = [t for t in stops if isinstance(t, int) and 0 <= t < size] or [size - 1]
        self._make, self._opening = make, opening
        self._made: Any = None

    @property
    def boundary(self) -> int:
        """The token after a text."""
        return self.stops[0]

    @property
    def opening(self) -> list[int]:
        """The tokens before every text."""
        if isinstance(self._opening, list):
            return self._opening
        return [self.boundary] if self._opening else list(self._encoding().encode("").ids)

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{text[:40]!r} is no text: character {error.start} is half of one") from None
        encoding = self._encoding()
        whole = hasattr(encoding, "id_to_token")  # the library tokenizers; tiktoken adds nothing by itself
        ids = encoding.encode(text, add_special_tokens=False).ids if whole else _of_tiktoken(encoding, text)
        if ids and not 0 <= min(ids) <= max(ids) < self.size:
            raise ValueError(f"{self.source}: the tokenizer gives id {max(ids)}, the model knows {self.size:,}")
        return list(ids)

    def decode(self, tokens: np.ndarray | list[int]) -> str:
        """The text of the ids, up to the first that ends it."""
        return str(self._encoding().decode(list(takewhile(lambda t: not self.ends(t), map(int, tokens)))))

    def ends(self, token: int) -> bool:
        """Whether a text ends with this token."""
        return token in self.stops or token >= self.size

    def piece(self, token: int) -> str:
        """The text of one token as it stands in others; of a token that is not text, its name."""
        encoding = self._encoding()
        name = getattr(encoding, "id_to_token", lambda token: None)(token)
        return str(encoding.decode([token])) or str(name or f"<{token}>")

    def _encoding(self) -> Any:
        if self._made is None:
            try:
                self._made = self._make()
            except ImportError as error:
                raise ValueError(
                    f"text for {self.source} needs the {error.name} library: pip install {error.name}"
                ) from None
            except ValueError:
                raise
            except Exception as error:  # the libraries raise Exception itself, and requests' own
                raise ValueError(f"the tokenizer of {self.source} cannot be read ({error})") from None
        return self._made


def _of_tiktoken(encoding: Any, text: str) -> list[int]:
    """The ids of a text, in which <|endoftext|> is what it says, as for the library tokenizers."""
    return list(encoding.encode(text, allowed_special="all"))


def of_folder(folder: Path, size: int, stops: object, opening: list[int] | str = "") -> BytePairs:
    """That of a Hugging Face folder, from its tokenizer.json, or from its vocab.json and merges.txt.

    Without either, GPT-2's own from `tiktoken`, for a vocabulary of its size.
    """
    own, pairs = folder / "tokenizer.json", (folder / "vocab.json", folder / "merges.txt")

    def make() -> Any:
        if own.is_file() or all(path.is_file() for path in pairs):
            import tokenizers

            if own.is_file():
                return tokenizers.Tokenizer.from_file(str(own))
            return tokenizers.ByteLevelBPETokenizer(*map(str, pairs))
        if size == 50257:
            import tiktoken

            return tiktoken.get_encoding("gpt2")
        raise ValueError(f"{folder} has no tokenizer: neither tokenizer.json nor vocab.json and merges.txt")

    return BytePairs(folder, size, stops if isinstance(stops, list) else [stops], make, opening)


def of_gguf(path: Path, size: int, facts: Facts) -> BytePairs:
    """That of a GGUF file, whose vocabulary and pairs are in the file."""
    own = {name.removeprefix("tokenizer.ggml."): x for name, x in facts.items() if name.startswith("tokenizer.ggml.")}
    begin, kinds = own.get("bos_token_id"), own.get("token_type", [])
    opening = [begin] if own.get("add_bos_token") is True and isinstance(begin, int) else []
    stops = [own.get("eos_token_id"), *np.flatnonzero(np.asarray(kinds) == CONTROL).tolist()]
    return BytePairs(path, size, stops, lambda: _made(path, own), opening)


def _made(path: Path, own: Facts) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    if own.get("model") != "gpt2":
        raise ValueError(f"{path}: its tokenizer is {own.get('model')!r}; 'gpt2', byte-level byte pairs, is known")
    names, kinds = own["tokens"], own.get("token_type", [])
    pairs = [tuple(pair.split(" ")) for pair in own["merges"]]
    cut, llama3 = own.get("pre"), own.get("pre") in LLAMA3
    made = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, pairs, ignore_merges=llama3))
    if llama3:
        first = pre_tokenizers.Split(Regex(EXPRESSION), "isolated")
        steps = [first, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    elif cut in (*GPT2, *DIGITS):
        steps = [pre_tokenizers.Digits(individual_digits=True)] * (cut in DIGITS)
        steps = [*steps, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    else:
        known = ", ".join(str(name) for name in (*GPT2, *DIGITS, *LLAMA3) if name)
        raise ValueError(f"{path}: its tokenizer cuts texts as {cut!r}; known are {known}")
    made.pre_tokenizer = pre_tokenizers.Sequence(steps)
    made.decoder = decoders.ByteLevel()
    for kind, add in ((CONTROL, made.add_special_tokens), (OWN, made.add_tokens)):
        add([AddedToken(name, normalized=False, special=kind == CONTROL) for name, k in zip(names, kinds) if k == kind])
    return made

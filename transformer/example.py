"""What `debug` and `draw` look at: a model, the tokens of one text, and a loss of them."""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from transformer.base import Array, Loss, Weights
from transformer.config import Config, init, must_fit
from transformer.data import Tokenizer, Vocabulary, encoded
from transformer.model import last_loss, loss
from transformer.models import Model, load
from transformer.options import config_of, shape_given
from transformer.steps import replayed

PROMPT, TEXT, NAME = "The capital of France is", "The capital of France is Paris", "emma"


class Example(NamedTuple):
    """A model, the tokens of a text, the loss of them that is looked at, and what to say of it."""

    config: Config
    params: Weights
    tokens: Array
    loss: Loss
    told: str


def example(args: argparse.Namespace) -> Example:
    """A model, fresh or trained, and one text."""
    if args.model is None:
        return _fresh(args)
    model = loaded(args)
    params = model.params if args.step is None else replayed(args.model, args.step)[0].params
    pretrained = not isinstance(model.tokenizer, Vocabulary)
    text = args.text or (TEXT if pretrained else NAME)
    ids = [*model.tokenizer.opening, *model.tokenizer.encode(text)]
    n_given = len(model.tokenizer.opening)
    if not pretrained:
        ids = encoded([text], model.tokenizer, model.config.block_size)[0].tolist()
    return _of(Model(params, model.config, model.tokenizer), ids, n_given, args, -1 if pretrained else None)


def _fresh(args: argparse.Namespace) -> Example:
    if args.step is not None:
        raise ValueError("--step chooses a step of a run; name its folder")
    vocabulary = Vocabulary.of(args.text) if args.text else Vocabulary("abcdefghijklmnopqrstuvwxyz")
    config = config_of(args, args.vocab_size or vocabulary.size)
    ids = encoded([args.text or NAME], vocabulary, config.block_size)[0].tolist()
    must_fit(config, 1, len(ids), args.scalar)
    return _of(Model(init(config, np.random.default_rng(args.seed)), config, vocabulary), ids, 1, args, None)


def _of(model: Model, ids: list[int], n_given: int, args: argparse.Namespace, token: int | None) -> Example:
    """The loss of all tokens, or of one. n_given: tokens before the text. token: which, if nothing else is asked."""
    params, config, tokenizer = model
    ids = ids[: config.block_size + 1]
    must_fit(config, 1, len(ids), args.scalar)
    if token is None and args.token is None:
        return Example(config, params, np.array(ids), loss, "")
    at = position(str(token) if args.token is None else args.token, ids, n_given, tokenizer)
    before = tokenizer.decode(ids[n_given:at])
    told = (
        f"The loss is that of one token of the text, {at - n_given}: {tokenizer.piece(ids[at])!r} after {before!r}. "
        f"--token takes another; there are {listed(ids[n_given:], tokenizer)}"
    )
    return Example(config, params, np.array(ids[: at + 1]), last_loss, told)


def position(token: str, ids: list[int], n_given: int, tokenizer: Tokenizer) -> int:
    """Where a token stands among the ids: told by its number in the text, or by its own text."""
    text = ids[n_given:]
    try:
        n = range(len(text))[int(token)]
    except ValueError:
        found = [i for i, t in enumerate(text) if tokenizer.piece(t).strip() == token.strip()]
        if not found:
            raise ValueError(f"--token {token}: the text has {listed(text, tokenizer)}") from None
        n = found[-1]
    except IndexError:
        raise ValueError(f"--token {token}: the text has {listed(text, tokenizer)}") from None
    if n + n_given == 0:
        raise ValueError("the first token of a text has nothing before it to be predicted from; give a longer text")
    return n + n_given


def listed(ids: list[int], tokenizer: Tokenizer) -> str:
    """Tokens by their numbers, the last ones of many."""
    each = [f"{i} {tokenizer.piece(t)!r}" for i, t in enumerate(ids)]
    return ", ".join(each[:12] + ["..."] * (len(each) > 24) + each[max(12, len(each) - 12) :])


def loaded(args: argparse.Namespace) -> Model:
    """The model of a folder or a file; ValueError for options that would give it another shape."""
    if given := shape_given(args):
        option = f"--{next(iter(given)).replace('_', '-')}"
        raise ValueError(f"{option} is for a fresh model; {args.model} has a shape of its own: leave out one of them")
    return load(args.model)

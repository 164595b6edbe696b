"""The command line: `python -m transformer {train,sample,check,draw,debug,params}`."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
import sys

import numpy as np
from tqdm import tqdm

import autograd as ag
from transformer import checkpoint
from transformer.base import Array, Weights
from transformer.check import KINDS, Checked, table
from transformer.check import check as check_gradients
from transformer.config import Config, count, init, must_fit, shapes
from transformer.data import NAMES, Documents, Text, Vocabulary, baselines, read
from transformer.interrupt import Interrupt
from transformer.model import loss
from transformer.options import config_of, parser
from transformer.sample import write
from transformer.train import DivergedError, Step, fit, validate


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit status is 0, 1 where training diverged, 2 for bad input, 130 after Ctrl-C."""
    args = parser().parse_args(argv)
    try:
        status = COMMANDS[args.command](args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as in `... | head`: whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ag.RenderError) as error:
        print(f"python -m transformer {args.command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


# ---- train and sample ------------------------------------------------------------------


def train(args: argparse.Namespace) -> int:
    """Train a model, show how it goes, and leave a run folder."""
    rng = np.random.default_rng(args.seed)
    config = config_of(args)
    text = read(args.data or NAMES)
    data = Text(text, config.block_size, rng) if args.text else Documents(text, config.block_size, rng)
    n_vocab = data.vocabulary.size
    if args.vocab_size is not None and args.vocab_size < n_vocab:
        raise ValueError(
            f"--vocab-size {args.vocab_size} is too small: the data has {n_vocab} tokens, its characters and a boundary"
        )
    config = dataclasses.replace(config, vocab_size=args.vocab_size or n_vocab)
    folder = checkpoint.free_folder(args.out)
    must_fit(config)
    params = init(config, rng)
    options = {k: getattr(args, k) for k in ("data", "text", "scalar", "steps", "batch_size", "lr", "seed", "preset")}

    kind = "windows of a text" if args.text else "documents"
    print(
        f"{len(data.train):,} {kind} to train on, {len(data.held_out):,} held out; "
        f"{n_vocab} tokens; {count(config):,} parameters"
    )
    if data.cut:
        print(
            f"{data.cut:,} documents are longer than block_size={config.block_size} and are cut; --block-size sets it"
        )
    before = validate(params, data, config)
    levels = baselines(data)
    steps: list[Step] = []
    val, status = before, 0
    with Interrupt() as interrupt:
        try:
            with tqdm(total=args.steps, unit="step", dynamic_ncols=True) as bar:
                tokens = 0
                for done in fit(params, data, config, rng, args.steps, args.batch_size, args.lr, args.scalar):
                    params, tokens = done.params, tokens + done.tokens
                    steps.append(done._replace(params={}))
                    if done.val_loss is not None:
                        val = done.val_loss
                        checkpoint.save(folder, params, config, data.vocabulary, options)
                    speed = tokens / max(1e-9, bar.format_dict["elapsed"])
                    bar.set_postfix_str(f"loss {done.loss:.3f}, val {val:.3f}, {speed:,.0f} tokens/s", refresh=False)
                    bar.update()
                    if interrupt.asked:
                        break
        except DivergedError as error:
            params, status = error.params, 1
            val = validate(params, data, config)
            print(f"python -m transformer train: {error}\nThe last good parameters are kept.", file=sys.stderr)
        except (KeyboardInterrupt, SystemError):  # pressed twice; NumPy turns it into a SystemError among Values
            if not interrupt.asked:
                raise
        interrupt.hold()
        if interrupt.asked and len(steps) < args.steps:
            print(f"\nstopped after {len(steps)} of {args.steps} steps; what was learned is kept", file=sys.stderr)
            val, status = validate(params, data, config), 130
        checkpoint.save(folder, params, config, data.vocabulary, options)
        checkpoint.save_losses(folder, [(s.step, s.loss, s.val_loss) for s in steps], levels, before)
    print(f"\nvalidation loss, nats a character: {before:.4f} before, {val:.4f} after {len(steps):,} steps")
    print("on the same held-out text:  " + "  ".join(f"{name} {x:.4f}" for name, x in levels.items()) + "\n")
    with np.errstate(all="ignore"):
        show_samples(params, config, data, rng)
    print(f"\nrun folder: {folder}  (config.json, params.npz, loss.csv{', loss.png' if steps else ''})")
    print(f"next: python -m transformer sample {folder} --temperature 0.5")
    return status


def show_samples(params: Weights, config: Config, data: Documents | Text, rng: np.random.Generator) -> None:
    """Print twenty documents, marked where they were in the training data; or a stretch of a text."""
    if isinstance(data, Text):
        chars = data.vocabulary.chars
        print(write(params, config, data.vocabulary, "\n" if "\n" in chars else chars[0], 300, rng, 0.8))
        return
    names = [write(params, config, data.vocabulary, "", config.block_size, rng, 0.8) for _ in range(20)]
    width = max(map(len, names)) + 8
    marked = [f"{name} ({'seen' if name in data.seen else 'new'})".ljust(width) for name in names]
    print("\n".join("  " + " ".join(marked[i : i + 4]).rstrip() for i in range(0, 20, 4)))


def sample(args: argparse.Namespace) -> int:
    """Write texts with a trained model."""
    params, config, vocabulary = checkpoint.load(args.folder)
    rng = np.random.default_rng(args.seed)
    length = args.length or config.block_size
    for _ in range(args.n):
        print(write(params, config, vocabulary, args.prompt, length, rng, args.temperature, args.top_k))
    return 0


# ---- check and params ------------------------------------------------------------------


def check(args: argparse.Namespace) -> int:
    """Compare every gradient of the loss with finite differences, and print a table."""
    rng = np.random.default_rng(args.seed)
    config = config_of(args)
    data = Documents(read(args.data or NAMES), config.block_size, rng)
    config = dataclasses.replace(config, vocab_size=max(args.vocab_size or 0, data.vocabulary.size))
    must_fit(config)
    params = init(config, rng)
    tokens = data.batch(args.batch_size, rng)
    done: list[Checked] = []
    with tqdm(total=len(KINDS) * len(params), unit="tensor", dynamic_ncols=True, leave=False) as bar:
        for checked in check_gradients(params, tokens, config):
            bar.set_postfix_str(f"{checked.kind}: {checked.name}", refresh=False)
            bar.update()
            done.append(checked)
    print(table(done))
    return 0 if all(c.report for c in done) else 1


def params(args: argparse.Namespace) -> int:
    """Print every parameter tensor with its shape and size, without making any."""
    config = config_of(args, args.vocab_size)
    print(
        f"{args.preset}: {config.n_layer} layers of {config.n_head} heads, {config.n_embd} wide, "
        f"{config.block_size:,} positions, {config.vocab_size:,} tokens"
    )
    sizes = shapes(config)
    width = max(map(len, sizes))
    for name, shape in sizes.items():
        print(f"{name:<{width}}  {' x '.join(map(str, shape)):>14}  {math.prod(shape):>15,}")
    print(f"{'total':<{width}}  {'':>14}  {count(config):>15,}")
    return 0


# ---- debug and draw --------------------------------------------------------------------


def debug(args: argparse.Namespace) -> int:
    """Step through the backward pass of the loss on one text."""
    config, params, tokens = example(args)
    ag.debug(loss, {k: p.astype(object) for k, p in params.items()} if args.scalar else params, tokens, config)
    return 0


def draw(args: argparse.Namespace) -> int:
    """Draw the graph of the loss on one text, after its backward pass, or write the page that plays it."""
    config, params, tokens = example(args)
    if args.play and (args.zoom or args.derivatives):
        raise ValueError("--zoom and --derivatives are for drawings; --play writes the page without them")
    if args.index is not None and not args.zoom:
        raise ValueError("--index chooses an element of what --zoom shows; give both")
    with ag.record_source():
        root = loss(
            {name: ag.values(p, name) if args.scalar else ag.Tensor(p, name) for name, p in params.items()},
            tokens,
            config,
        )
    root = root.item() if isinstance(root, np.ndarray) else root
    root.backward()
    shown = {name: getattr(args, name) for name in ("depth", "open", "top", "limit", "around")}
    out = args.out or ("backprop.html" if args.play else "graph.svg")
    try:
        if args.play:
            made = ag.play(root, **shown)
            print(f"{made.save(out)}: open it in a browser" + (f"\n{made.note}" if made.note else ""))
        else:
            zoom = args.zoom if args.index is None else (args.zoom, args.index)
            print(ag.draw_dot(root, zoom=zoom, derivatives=args.derivatives, **shown).save(out))
    except ValueError as error:  # who calls draw_dot has not typed it: its arguments are options here
        said = re.sub(r"^(?:draw_dot|play): ", "", str(error))
        raise ValueError(re.sub(r"\b(depth|open|top|limit|around|zoom)(?==|: | says)", r"--\1", said)) from None
    return 0


def example(args: argparse.Namespace) -> tuple[Config, Weights, Array]:
    """A fresh model and the tokens of one text."""
    config = config_of(args)
    vocabulary = Vocabulary("".join(sorted(set(args.text))) if args.text else "abcdefghijklmnopqrstuvwxyz")
    config = dataclasses.replace(config, vocab_size=args.vocab_size or vocabulary.size)
    tokens = [vocabulary.boundary, *vocabulary.encode(args.text or "emma"), vocabulary.boundary]
    return config, init(config, np.random.default_rng(args.seed)), np.array(tokens[: config.block_size + 1])


COMMANDS = {"train": train, "sample": sample, "check": check, "draw": draw, "debug": debug, "params": params}

if __name__ == "__main__":
    sys.exit(main())

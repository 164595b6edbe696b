"""The command line: `python -m transformer {train,sample,check,draw,debug,params}`."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import autograd as ag
from transformer import checkpoint
from transformer.check import KINDS, Checked
from transformer.check import check as check_gradients
from transformer.config import CHOICES, PRESETS, Config, init, shapes
from transformer.data import NAMES, Documents, Text, Vocabulary, baselines, read
from transformer.interrupt import Interrupt
from transformer.model import loss
from transformer.sample import generate
from transformer.train import DivergedError, fit, validate


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit status is 0, 1 where training diverged, 2 for bad input, 130 after Ctrl-C."""
    args = _parser().parse_args(argv)
    try:
        status = args.run(args)
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


# ---- train -----------------------------------------------------------------------------


def train(args: argparse.Namespace) -> int:
    """Train a model, show how it goes, and leave a run folder."""
    rng = np.random.default_rng(args.seed)
    config = _config(args)
    text = read(args.data or NAMES)
    data = Text(text, config.block_size, rng) if args.text else Documents(text, config.block_size, rng)
    n_vocab = data.vocabulary.size
    if args.vocab_size is not None and args.vocab_size < n_vocab:
        raise ValueError(
            f"--vocab-size {args.vocab_size} is too small: the data has {n_vocab} tokens, its characters and a boundary"
        )
    config = dataclasses.replace(config, vocab_size=args.vocab_size or n_vocab)
    folder = _free_folder(args.out)
    _fits_in_memory(config)
    params = init(config, rng)
    options = {k: getattr(args, k) for k in ("data", "text", "scalar", "steps", "batch_size", "lr", "seed", "preset")}

    n_params = sum(p.size for p in params.values())
    kind = "windows of a text" if args.text else "documents"
    print(
        f"{len(data.train):,} {kind} to train on, {len(data.held_out):,} held out; {n_vocab} tokens; {n_params:,} parameters"
    )
    if data.cut:
        print(
            f"{data.cut:,} documents are longer than block_size={config.block_size} and are cut; --block-size sets it"
        )
    before = validate(params, data, config)
    levels = baselines(data)
    rows: list[tuple[int, float, float | None]] = []
    val, status = before, 0
    with Interrupt() as interrupt:
        try:
            with tqdm(total=args.steps, unit="step", dynamic_ncols=True) as bar:
                tokens = 0
                for done in fit(params, data, config, rng, args.steps, args.batch_size, args.lr, args.scalar):
                    params, tokens = done.params, tokens + done.tokens
                    rows.append((done.step, done.loss, done.val_loss))
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
        except (
            KeyboardInterrupt,
            SystemError,
        ):  # pressed twice; NumPy makes a SystemError of it within arrays of Values
            if not interrupt.asked:
                raise
        interrupt.hold()
        if interrupt.asked and len(rows) < args.steps:
            print(f"\nstopped after {len(rows)} of {args.steps} steps; what was learned is kept", file=sys.stderr)
            val, status = validate(params, data, config), 130
        checkpoint.save(folder, params, config, data.vocabulary, options)
        checkpoint.save_losses(folder, rows, levels, before)
    print(f"\nvalidation loss, nats a character: {before:.4f} before, {val:.4f} after {len(rows):,} steps")
    print("on the same held-out text:  " + "  ".join(f"{name} {x:.4f}" for name, x in levels.items()) + "\n")
    with np.errstate(all="ignore"):
        _show_samples(params, config, data, rng)
    print(f"\nrun folder: {folder}  (config.json, params.npz, loss.csv{', loss.png' if rows else ''})")
    print(f"next: python -m transformer sample {folder} --temperature 0.5")
    return status


def _show_samples(
    params: dict[str, np.ndarray], config: Config, data: Documents | Text, rng: np.random.Generator
) -> None:
    if isinstance(data, Text):
        print(
            _write(
                params,
                config,
                data.vocabulary,
                "\n" if "\n" in data.vocabulary.chars else data.vocabulary.chars[0],
                300,
                0.8,
                None,
                rng,
            )
        )
        return
    names = [_write(params, config, data.vocabulary, "", config.block_size, 0.8, None, rng) for _ in range(20)]
    width = max(map(len, names)) + 8
    marked = [f"{name} ({'seen' if name in data.seen else 'new'})".ljust(width) for name in names]
    print("\n".join("  " + " ".join(marked[i : i + 4]).rstrip() for i in range(0, 20, 4)))


def _free_folder(out: str | None) -> Path:
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


def _fits_in_memory(config: Config) -> None:
    """ValueError for a model whose training is sure to exceed this machine's memory."""
    n_params = sum(map(math.prod, shapes(config).values()))
    need = (
        6 * n_params * np.dtype(config.dtype).itemsize
    )  # parameters, gradients, two moments, and the next ones of each while they are made
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf
    if need > have:
        raise ValueError(
            f"training {n_params:,} parameters takes about {need / 2**30:,.0f} GiB, and this machine has {have / 2**30:,.0f}; choose a smaller model"
        )


# ---- check -----------------------------------------------------------------------------


def check(args: argparse.Namespace) -> int:
    """Compare every gradient of the loss with finite differences, and print a table."""
    rng = np.random.default_rng(args.seed)
    config = _config(args)
    data = Documents(read(args.data or NAMES), config.block_size, rng)
    config = dataclasses.replace(config, vocab_size=max(args.vocab_size or 0, data.vocabulary.size))
    params = init(config, rng)
    tokens = data.batch(args.batch_size, rng)
    done: list[Checked] = []
    with tqdm(total=len(KINDS) * len(params), unit="tensor", dynamic_ncols=True, leave=False) as bar:
        for checked in check_gradients(params, tokens, config):
            bar.set_postfix_str(f"{checked.kind}: {checked.name}", refresh=False)
            bar.update()
            done.append(checked)
    width = max(len(c.name) for c in done)
    for kind in dict.fromkeys(c.kind for c in done):
        print(
            f"{kind}\n  {'tensor':<{width}}  {'shape':>12}  {'checked':>9}  {'largest error':>13}  {'of what is let pass':>19}  verdict"
        )
        for c in (c for c in done if c.kind == kind):
            rows, probes = c.report.rows, c.report.rows[0].probe
            ratio = max(row.ratio for row in rows)
            print(
                f"  {c.name:<{width}}  {' x '.join(map(str, c.shape)):>12}  {'probes' if probes else f'{len(rows):,}':>9}"
                f"  {c.report.max_error:>13.1e}  {ratio:>19.2g}  {c.report.verdict}"
            )
    failed = [c for c in done if not c.report]
    for c in failed[:3]:
        print(f"\n{c.kind}: {c.name}\n{c.report}")
    elements = sum(c.report.elements for c in done)
    print(
        f"\n{len(done) - len(failed)} of {len(done)} parameter tensors hold ({elements:,} elements, {sum(c.report.evaluations for c in done):,} evaluations)"
    )
    return 1 if failed else 0


# ---- debug and draw --------------------------------------------------------------------


def debug(args: argparse.Namespace) -> int:
    """Step through the backward pass of the loss on one text."""
    config, params, tokens = _example(args)
    if args.scalar:
        params = {name: p.astype(object) for name, p in params.items()}
    ag.debug(loss, params, tokens, config)
    return 0


def draw(args: argparse.Namespace) -> int:
    """Draw the graph of the loss on one text, after its backward pass, or write the page that plays it."""
    config, params, tokens = _example(args)
    if args.play and (args.zoom or args.derivatives):
        raise ValueError("--zoom and --derivatives are for drawings; --play writes the page without them")
    if args.index is not None and not args.zoom:
        raise ValueError("--index chooses an element of what --zoom shows; give both")
    kind: Any = ag.values if args.scalar else ag.Tensor
    with ag.record_source():
        root = loss({name: kind(p, name) for name, p in params.items()}, tokens, config)
    root = root.item() if isinstance(root, np.ndarray) else root
    root.backward()
    shown: dict[str, Any] = {
        "depth": args.depth,
        "open": tuple(args.open),
        "top": args.top,
        "limit": args.limit,
        "around": args.around,
    }
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


def _example(args: argparse.Namespace) -> tuple[Config, dict[str, Any], np.ndarray]:
    """A fresh model and the tokens of one text."""
    config = _config(args)
    vocabulary = Vocabulary("".join(sorted(set(args.text))) if args.text else "abcdefghijklmnopqrstuvwxyz")
    config = dataclasses.replace(config, vocab_size=args.vocab_size or vocabulary.size)
    tokens = np.array([vocabulary.boundary, *vocabulary.encode(args.text or "emma"), vocabulary.boundary])[
        : config.block_size + 1
    ]
    return config, init(config, np.random.default_rng(args.seed)), tokens


# ---- sample and params -----------------------------------------------------------------


def sample(args: argparse.Namespace) -> int:
    """Write texts with a trained model."""
    params, config, vocabulary = checkpoint.load(args.folder)
    rng = np.random.default_rng(args.seed)
    for _ in range(args.n):
        print(
            _write(
                params,
                config,
                vocabulary,
                args.prompt,
                args.length or config.block_size,
                args.temperature,
                args.top_k,
                rng,
            )
        )
    return 0


def _write(
    params: Any,
    config: Config,
    vocabulary: Any,
    prompt: str,
    length: int,
    temperature: float,
    top_k: int | None,
    rng: Any,
) -> str:
    """A text that begins with the prompt and goes on for `length` characters or to its end."""
    tokens = [vocabulary.boundary, *vocabulary.encode(prompt)]
    for _ in range(length):
        tokens = generate(params, config, tokens, 1, rng, temperature, top_k).tolist()
        if tokens[-1] >= vocabulary.boundary:
            break
    return vocabulary.decode(tokens[1:])


def params(args: argparse.Namespace) -> int:
    """Print every parameter tensor with its shape and size, without making any."""
    config = _config(args, args.vocab_size)
    table = shapes(config)
    print(
        f"{args.preset}: {config.n_layer} layers of {config.n_head} heads, {config.n_embd} wide, {config.block_size:,} positions, {config.vocab_size:,} tokens"
    )
    width = max(map(len, table))
    for name, shape in table.items():
        print(f"{name:<{width}}  {' x '.join(map(str, shape)):>14}  {math.prod(shape):>15,}")
    print(f"{'total':<{width}}  {'':>14}  {sum(map(math.prod, table.values())):>15,}")
    return 0


# ---- options ---------------------------------------------------------------------------


def _config(args: argparse.Namespace, vocab_size: int | None = None) -> Config:
    names = [f.name for f in dataclasses.fields(Config) if f.name != "vocab_size"]
    overrides = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if vocab_size is not None:
        overrides["vocab_size"] = vocab_size
    return Config.preset(args.preset, **overrides)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m transformer", description="A tiny transformer to train, and to look into."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    p = commands.add_parser(
        "train",
        help="train a model and leave a run folder",
        description="Train a model. Without options: microgpt's 4,192 parameters on the 5,163 first names that come with it, in seconds.",
        epilog="Ctrl-C ends the training and keeps what was learned.",
    )
    p.set_defaults(run=train)
    p.add_argument("--data", metavar="FILE", help="your own UTF-8 text, one document a line (default: first names)")
    p.add_argument("--text", action="store_true", help="FILE is one long text rather than one document a line")
    p.add_argument(
        "--scalar",
        action="store_true",
        help="compute with single Values instead of Tensors: slower, same losses; try --batch-size 1",
    )
    p.add_argument("--steps", type=_count, default=1500, help="updates to make (default: %(default)s)")
    p.add_argument("--batch-size", type=_count, default=32, help="documents, or windows, a step (default: %(default)s)")
    p.add_argument(
        "--lr",
        type=_rate,
        default=0.01,
        help="learning rate of Adam at the start; it falls to zero (default: %(default)s)",
    )
    p.add_argument(
        "--seed", type=_seed, default=0, help="seed of split, parameters, batches and samples (default: %(default)s)"
    )
    p.add_argument("--out", metavar="FOLDER", help="a new run folder (default: the next free runs/001, runs/002, ...)")
    _add_config(p)

    p = commands.add_parser(
        "sample", help="write texts with a trained model", description="Write texts with a trained model."
    )
    p.set_defaults(run=sample)
    p.add_argument("folder", metavar="RUN", help="a run folder that train made")
    p.add_argument("--prompt", default="", help="how every text begins")
    p.add_argument("-n", type=_count, default=10, help="how many texts (default: %(default)s)")
    p.add_argument("--length", type=_count, help="characters to add at most (default: the model's block_size)")
    p.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        help="below 1 plays safe, 0 takes the likeliest (default: %(default)s)",
    )
    p.add_argument("--top-k", type=_count, help="draw among the k likeliest characters only")
    p.add_argument("--seed", type=_seed, default=0, help="seed of the draws (default: %(default)s)")

    p = commands.add_parser(
        "check",
        help="compare the gradients with finite differences",
        description="Compare the gradient of every parameter tensor of the loss with finite differences: as Tensors of "
        "float64 and of float32, and as single Values. Exit status 0: all hold; 1: not all do.",
    )
    p.set_defaults(run=check)
    p.add_argument("--data", metavar="FILE", help="UTF-8 text, one document a line (default: first names)")
    p.add_argument(
        "--batch-size", type=_count, default=2, help="documents to compute the loss on (default: %(default)s)"
    )
    p.add_argument("--seed", type=_seed, default=0, help="seed of parameters and batch (default: %(default)s)")
    _add_config(p)

    p = commands.add_parser(
        "debug",
        help="step through backprop at a prompt",
        description="Build the loss of a fresh tiny model on one text and step through its backward pass, forth and back; h at the prompt lists the commands.",
    )
    p.set_defaults(run=debug)
    _add_example(p)
    _add_config(p, preset="vanilla", n_layer=1, n_head=2, n_embd=4, block_size=8)

    p = commands.add_parser(
        "draw",
        help="draw the computation graph, or write a page that plays backprop",
        description="Build the loss of a fresh tiny model on one text, run its backward pass, and draw the graph as SVG, "
        "folded so that it fits a screen; or, with --play, write one HTML page that plays the backward pass over the drawing.",
    )
    p.set_defaults(run=draw)
    p.add_argument(
        "--out",
        metavar="FILE",
        help="what to write: .svg, .gv or, with Graphviz installed, .png and .pdf (default: graph.svg, or backprop.html)",
    )
    p.add_argument("--play", action="store_true", help="write the page that plays backprop")
    p.add_argument("--depth", type=_seed, help="open every scope down to this level and fold what is deeper")
    p.add_argument(
        "--open",
        action="append",
        default=[],
        metavar="SCOPE",
        help="open this scope, as attention or block#2; may be given again",
    )
    p.add_argument(
        "--top", type=_count, help="only so many nodes: those that receive the largest gradient contributions"
    )
    p.add_argument(
        "--limit", type=_count, default=40, help="fold a graph of more nodes than this (default: %(default)s)"
    )
    p.add_argument(
        "--around", metavar="NAME", help="only what is near a node, by its name in the drawing, as h0.attn.wq or %%44"
    )
    p.add_argument(
        "--zoom", metavar="WHAT", help="one scope, as softmax, or one operation, as op:matmul, as single Values"
    )
    p.add_argument(
        "--index",
        type=_index,
        help="the element of the result to zoom into, as 0,4,1 (default: that of the largest gradient)",
    )
    p.add_argument("--derivatives", action="store_true", help="write local derivatives on the edges")
    _add_example(p)
    _add_config(p, preset="vanilla", n_layer=4, n_head=2, n_embd=4, block_size=8)

    p = commands.add_parser(
        "params",
        help="print the table of parameters",
        description="Print every parameter tensor of a model, its shape and its size.",
    )
    p.set_defaults(run=params)
    _add_config(p)
    return parser


def _add_example(p: argparse.ArgumentParser) -> None:
    p.add_argument("--text", help="the document (default: emma)")
    p.add_argument("--scalar", action="store_true", help="a graph of single Values instead of Tensors")
    p.add_argument("--seed", type=_seed, default=0, help="seed of the parameters (default: %(default)s)")


def _add_config(p: argparse.ArgumentParser, preset: str = "microgpt", **defaults: Any) -> None:
    group = p.add_argument_group("the shape of the model", "Each option replaces a field of the preset.")
    group.add_argument(
        "--preset",
        choices=PRESETS,
        default=preset,
        help="where to start from: %(choices)s (default: %(default)s)",
        metavar="NAME",
    )
    for field in dataclasses.fields(Config):
        choices = [_spelled(c) for c in CHOICES.get(field.name, ("true", "false") if field.type == "bool" else ())]
        convert = _choice(choices) if choices else _count
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=convert,
            metavar="|".join(choices) or "N",
            default=defaults.get(field.name),
            help=_HELP[field.name],
        )


_FLAGS = {"true": True, "false": False}

_HELP = {
    "vocab_size": "number of token ids (train takes it from the data)",
    "n_layer": "blocks",
    "n_head": "attention heads a block",
    "n_embd": "width, a multiple of n_head",
    "block_size": "longest sequence, in tokens",
    "norm": "LayerNorm or RMSNorm",
    "norm_position": "norm before attention and MLP, or after their residual sums",
    "embed_norm": "also norm after the embedding",
    "final_norm": "also norm before the logits",
    "norm_gain": "norms have a learned gain",
    "positions": "learned positions or fixed sinusoids",
    "activation": "the nonlinearity of the MLP",
    "bias": "biases in linear layers, or in those of the MLP only",
    "tied": "the logits use the token embedding",
    "dtype": "the type of the numbers",
}


def _spelled(choice: Any) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def _choice(choices: list[str]) -> Any:
    def convert(text: str) -> Any:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(choices)}")
        return _FLAGS.get(text, text)

    return convert


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _index(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no index: whole numbers with commas, as 0,4,1") from None


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a learning rate: a finite number from 0 on")
    return rate


if __name__ == "__main__":
    sys.exit(main())

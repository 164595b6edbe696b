"""The command line: `python -m transformer COMMAND`, with the commands of `COMMANDS` below."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

import autograd as ag
from transformer import runs, threads
from transformer.check import KINDS, LARGE, Checked, check_parts, parts, table
from transformer.check import check as check_gradients
from transformer.checkpoint import State
from transformer.config import count, init, must_fit, shapes
from transformer.data import NAMES, Tokenizer, Vocabulary, encoded, read
from transformer.example import NAME, PROMPT, example, loaded, position
from transformer.models import load
from transformer.options import config_of, parser
from transformer.report import default_out
from transformer.report import write as write_report
from transformer.sample import write
from transformer.session import train
from transformer.steps import replayed, walked, weight_of
from transformer.train import Recipe

PIECES = 40  # what a language model writes if nothing else is asked


def main(argv: list[str] | None = None, prog: str = "python -m transformer") -> int:
    """Run a command; the exit status is 0, 1 where training diverged, 2 for bad input, 130 or 143 when interrupted."""
    name = prog
    for stream in ("stdout", "stderr"):  # closed by the shell, as in `... >&-`
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: SIM115 - to the end of the process
    try:
        args = parser(prog).parse_args(argv)
        name = f"{prog} {args.command}"
        status = COMMANDS[args.command](args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # as in `... | head`: whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ag.RenderError) as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def sample(args: argparse.Namespace) -> int:
    """Write texts with a trained model."""
    model = load(args.model, args.best)
    params, config, tokenizer = model
    pretrained = not isinstance(tokenizer, Vocabulary)
    n = args.n or (1 if pretrained else 10)
    length = args.length or min(config.block_size, PIECES if pretrained else config.block_size)
    usual = 0.0 if args.greedy or (pretrained and n == 1) else 1.0
    temperature = usual if args.temperature is None or args.greedy else args.temperature
    how = (temperature, args.top_k, args.top_p, not args.no_cache)
    rng = np.random.default_rng(args.seed)
    with threads.limited(threads.chosen(config, 1)):
        for _ in range(n):
            print(write(params, config, tokenizer, args.prompt, length, rng, *how))
    return 0


def report(args: argparse.Namespace) -> int:
    """Write a page about a run, once or while it is trained."""
    folder = Path(args.model)
    out = Path(args.out) if args.out else default_out(folder)
    for n, path in enumerate(write_report(folder, out, args.text, args.live)):
        if n == 0:
            print(f"{path}: open it in a browser", flush=True)
    return 0


def lens(args: argparse.Namespace) -> int:
    """Write a page about what goes on in a model that reads a text."""
    from transformer import lens_page  # the other commands do without it

    model = load(args.model)
    text = (NAME if isinstance(model.tokenizer, Vocabulary) else PROMPT) if args.text is None else args.text
    bar = partial(tqdm, total=model.config.n_layer + 1, unit="layer", dynamic_ncols=True, leave=False)
    with threads.limited(threads.chosen(model.config, lens_page.MOST)):
        question = lens_page.ask(model, text, args.token, args.patch_from, position)
        lens_page.write(Path(args.out), str(args.model), model, question, bar)
    print(f"{args.out}: open it in a browser")
    return 0


# ---- check and params ------------------------------------------------------------------


def check(args: argparse.Namespace) -> int:
    """Compare every gradient of the loss with finite differences, and print a table."""
    rng = np.random.default_rng(args.seed)
    lines = [line.strip() for line in read(args.data or NAMES).split("\n") if line.strip()]
    if args.model is None:
        tokenizer: Tokenizer = Vocabulary.of("".join(lines))
        config = dataclasses.replace(config_of(args), vocab_size=max(args.vocab_size or 0, tokenizer.size))
    else:
        model = loaded(args)
        tokenizer, config = model.tokenizer, model.config
    some = [lines[i] for i in rng.permutation(len(lines))[: args.batch_size]]
    tokens = encoded(some, tokenizer, config.block_size)
    must_fit(config, *tokens.shape)
    large = args.model is not None and count(config) > LARGE
    if not large:
        must_fit(config, 1, tokens.shape[1], scalar=True)  # the third kind takes the first row
    params = init(config, rng) if args.model is None else model.params
    done: list[Checked] = []
    made = check_parts(params, tokens, config) if large else check_gradients(params, tokens, config)
    total = 2 * len(parts(params)) if large else len(KINDS) * len(params)
    with (
        threads.limited(threads.chosen(config, tokens.size)),
        tqdm(total=total, unit="tensor", dynamic_ncols=True, leave=False) as bar,
    ):
        for checked in made:
            bar.set_postfix_str(f"{checked.kind}: {checked.name}", refresh=False)
            bar.update()
            done.append(checked)
    print(table(done))
    return 0 if all(c.report for c in done) else 1


def params(args: argparse.Namespace) -> int:
    """Print every parameter tensor with its shape and size, without making any."""
    config = config_of(args, args.vocab_size) if args.model is None else loaded(args).config
    print(
        f"{args.model or args.preset}: {config.n_layer} layers of {config.n_head} heads, {config.n_embd} wide, "
        f"{config.block_size:,} positions, {config.vocab_size:,} tokens"
    )
    sizes = shapes(config)
    width = max(map(len, sizes))
    for name, shape in sizes.items():
        print(f"{name:<{width}}  {' x '.join(map(str, shape)):>14}  {math.prod(shape):>15,}")
    print(f"{'total':<{width}}  {'':>14}  {count(config):>15,}")
    return 0


def plan(args: argparse.Namespace) -> int:
    """Say what a training would take on a mesh of devices."""
    from transformer.xla.plan import main as planned  # the other commands do without JAX

    print(planned(args, config_of(args, args.vocab_size)))
    return 0


# ---- debug and draw --------------------------------------------------------------------


def debug(args: argparse.Namespace) -> int:
    """Step through the loss on one text, its backward pass, the update, and on into the next step."""
    config, params, tokens, loss_of, told = example(args)
    recipe = Recipe(scalar=args.scalar)
    state = State(0, params, {}, {}, {})  # the moments come with the first update
    if args.model is not None and os.path.exists(os.path.join(args.model, runs.LAST)):
        state, _, recipe, _ = replayed(args.model, args.step)
        recipe = dataclasses.replace(recipe, scalar=args.scalar, steps=max(recipe.steps, state.step + 1000))
    weight = weight_of(args.weight, params) if args.weight else None
    print(told) if told else None
    with threads.limited(threads.chosen(config, len(tokens))):
        ag.debug(walked(state, tokens, config, recipe, weight, loss_of), forward=args.forward)
    return 0


def draw(args: argparse.Namespace) -> int:
    """Draw the graph of the loss on one text, after its backward pass, or write the page that plays it."""
    config, params, tokens, loss_of, told = example(args)
    if args.play and (args.zoom or args.derivatives):
        raise ValueError("--zoom and --derivatives are for drawings; --play writes the page without them")
    if args.index is not None and not args.zoom:
        raise ValueError("--index chooses an element of what --zoom shows; give both")
    with ag.record_source():
        root = loss_of(
            {name: ag.values(p, name) if args.scalar else ag.Tensor(p, name) for name, p in params.items()},
            tokens,
            config,
        )
    root = root.item() if isinstance(root, np.ndarray) else root
    root.backward()
    shown = {name: getattr(args, name) for name in ("depth", "open", "top", "limit", "around")}
    out = args.out or ("backprop.html" if args.play else "graph.svg")
    print(told) if told else None
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


def lesson(args: argparse.Namespace) -> int:
    """Write the page that teaches how the weights learn."""
    from transformer.lesson.page import write as write_lesson  # the other commands do without it

    write_lesson(args.out)
    print(f"{args.out}: open it in a browser")
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Say what the installation consists of."""
    from transformer.doctor import main as examine  # the other commands do without it

    return examine()


COMMANDS = {
    "train": train, "sample": sample, "report": report, "lens": lens, "check": check, "draw": draw, "debug": debug,
    "params": params, "plan": plan, "lesson": lesson, "doctor": doctor,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())

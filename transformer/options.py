"""The options of the command line, and what they say of model and training. What commands do is `__main__`'s part."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable
from typing import Any, NoReturn

import autograd as ag
from transformer.config import CHOICES, PRESETS, Config
from transformer.train import RECIPES, SCHEDULES, Recipe

DEFAULT = " (default: %(default)s)"
NUMBERED = "its text, or its number, counted from 0, or as -1 from the end"
FLAGS = {"true": True, "false": False}
# What a graph is drawn or debugged of: small enough to look at.
SMALL = {"n_head": 2, "n_embd": 4, "block_size": 8}
DEFAULTS = {"debug": ("vanilla", {"n_layer": 1, **SMALL}), "draw": ("vanilla", {"n_layer": 4, **SMALL}),
            "plan": ("gpt3", {})}  # fmt: skip
FIELDS = {
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
    "positions": "learned positions, fixed sinusoids, or queries and keys turned",
    "activation": "the nonlinearity of the MLP; swiglu has a gate",
    "bias": "biases in linear layers, or in those of the MLP only",
    "tied": "the logits use the token embedding",
    "dtype": "the type of the numbers",
    "n_kv_head": "heads of keys and values a block (default: n_head)",
    "head_size": "width of a head (default: n_embd / n_head)",
    "n_hidden": "width of the MLP (default: 4 n_embd; for swiglu 8/3)",
    "norm_eps": "what norms add to the mean square",
    "rotary_base": "how much slower the slowest pair of rotary positions turns than the first",
}
TRAINING = {
    "steps": "updates to make",
    "batch_size": "documents, or windows, a batch",
    "accumulate": "batches a step, whose gradients are taken together",
    "lr": "the highest learning rate of AdamW",
    "schedule": "how the learning rate falls",
    "warmup": "steps in which the learning rate rises",
    "floor": "the learning rate at the end",
    "beta1": "how slowly the mean of gradients forgets",
    "beta2": "how slowly the mean of their squares forgets",
    "weight_decay": "how fast matrices shrink by themselves",
    "clip": "the most that the norm of all gradients may be; 0: no bound",
    "dropout": "the share of activations left out at random",
    "scalar": "compute with single Values instead of Tensors: slower, same losses; try --batch-size 1",
}


def config_of(args: argparse.Namespace, vocab_size: int | None = None) -> Config:
    """The preset, with the fields that options replace."""
    preset, fields = DEFAULTS.get(args.command, ("microgpt", {}))
    given = {name: x for name, x in shape_given(args).items() if name not in ("preset", "vocab_size")}
    vocab = {} if vocab_size is None else {"vocab_size": vocab_size}
    return Config.preset(args.preset or preset, **{**fields, **given, **vocab})


def shape_given(args: argparse.Namespace) -> dict[str, Any]:
    """The options on the shape of the model that were given."""
    names = ("preset", *(field.name for field in dataclasses.fields(Config)))
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe of the preset, with the fields that options replace; ValueError for those that do not fit."""
    given = {f.name: getattr(args, f.name) for f in dataclasses.fields(Recipe) if getattr(args, f.name) is not None}
    recipe = RECIPES.get(args.preset, Recipe())
    if "steps" in given and "warmup" not in given:  # what the preset brings is cut to a short training
        given["warmup"] = min(recipe.warmup, given["steps"])
    return dataclasses.replace(recipe, **given)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are a line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave."""
        self.exit(2, f"{self.prog}: error: {message}; {self.prog} --help lists what there is\n")

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        """The arguments, of which the model is named with or without its option."""
        found, rest = super().parse_known_args(*args, **options)
        if getattr(found, "named", None) is not None:
            if found.model is not None:
                self.error(f"the model is named twice, {found.model} and --model {found.named}")
            found.model, found.named = found.named, None
        if getattr(found, "needed", False) and found.model is None:
            self.error("the model is required: RUN, or --model RUN")
        return found, rest


def parser(prog: str = "python -m transformer") -> argparse.ArgumentParser:
    """The parser of all commands; the name of the one chosen is in `command`."""
    parser = Parser(prog=prog, description="A tiny transformer to train, and to look into.")
    parser.add_argument("--version", action="version", version=f"stepgrad {ag.__version__}")
    parser.set_defaults(prog=prog)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_train, _sample, _report, _lens, _check, _debug, _draw, _params, _plan, _lesson, _doctor):
        add(commands)
    return parser


Commands = argparse._SubParsersAction


def _train(commands: Commands) -> None:
    p = commands.add_parser(
        "train",
        help="train a model and leave a run folder",
        description="Train a model. Without options: microgpt's 4,192 parameters on the 5,163 first names that come "
        "with it, in seconds.",
        epilog="Ctrl-C ends the training and keeps what was learned; --resume goes on with it.",
    )
    add = p.add_argument
    add("file", metavar="FILE", nargs="?", help="your own UTF-8 text (default: first names)")
    add("--data", metavar="FILE", help="the same")
    kinds = "what FILE is: a document a line, or one long text (default: documents)"
    add("--as", dest="kind", type=choice(["documents", "text"]), metavar="documents|text", help=kinds)
    add("--text", dest="kind", action="store_const", const="text", help=argparse.SUPPRESS)  # of version 0.1
    add("--seed", type=whole, help="seed of split, parameters, batches and samples (default: 0)")
    add("--out", metavar="FOLDER", help="a new run folder (default: the next free runs/001, runs/002, ...)")
    add("--resume", metavar="RUN", help="go on with a run that was stopped, to the same bits; --steps may be raised")
    add("--threads", type=count, metavar="N", help="threads for products of matrices (default: what pays for the size)")
    _machine(p)
    group = p.add_argument_group("how to train", "A preset may have defaults of its own: nano has nanoGPT's.")
    types: dict[str, Callable[[str], Any]] = {"int": count, "float": rate, "str": choice(list(SCHEDULES))}
    for field in dataclasses.fields(Recipe):
        flag, about = f"--{field.name.replace('_', '-')}", TRAINING[field.name]
        if field.type == "bool":
            group.add_argument(flag, action="store_true", default=None, help=about)
            continue
        kind = whole if field.name == "warmup" else types[str(field.type)]
        metavar = "|".join(SCHEDULES) if field.type == "str" else "N" if field.type == "int" else "X"
        group.add_argument(flag, type=kind, metavar=metavar, help=f"{about} (default: {field.default})")
    _shape(p)


def _machine(p: argparse.ArgumentParser) -> None:
    """The options on what computes, which a run does not remember: it can go on on another machine."""
    about = "A run begun on one goes on on another, with the same losses to rounding."
    add = p.add_argument_group("what computes", about).add_argument
    arrays = "NumPy, or JAX: compiled, and on a GPU where there is one (default: numpy)"
    add("--array", type=choice(["numpy", "jax"]), metavar="numpy|jax", help=arrays)
    rounding = "what products of matrices round their operands to, on JAX (default: float32)"
    add("--matmul", type=choice(["float32", "bfloat16"]), metavar="float32|bfloat16", help=rounding)
    mesh = "devices that share the batch and the weights (data), the heads and the MLP (model), on JAX"
    add("--mesh", metavar="data=N,model=N", help=mesh)
    add("--replicated", action="store_true", default=None, help="all weights on every device of data, not a part each")
    add("--coordinator", metavar="HOST:PORT", help="where process 0 listens, if several processes train together")
    add("--process", type=whole, metavar="I", help="which of them this is, counted from 0")
    add("--processes", type=count, metavar="N", help="how many they are")


MACHINE = ("array", "matmul", "mesh", "replicated", "coordinator", "process", "processes")


def _sample(commands: Commands) -> None:
    about = "write texts with a trained model"
    p = commands.add_parser("sample", help=about, description=f"{about.capitalize()}.")
    add = p.add_argument
    _model(p, needed=True)
    add("--best", action="store_true", help="the parameters of the lowest validation loss instead of the last")
    add("--prompt", type=encodable, default="", help="how every text begins")
    add("-n", type=count, help="how many texts (default: 10; with a language model 1)")
    add("--length", type=count, help="tokens to add at most (default: the block_size; with a language model 40)")
    likeliest = "below 1 plays safe, 0 takes the likeliest (default: 1; for one text of a language model 0)"
    add("--temperature", type=float, help=likeliest)
    add("--greedy", action="store_true", help="always take the likeliest, as temperature 0 does")
    add("--top-k", type=count, help="draw among the k likeliest tokens only")
    add("--top-p", type=rate, help="draw among the fewest tokens whose probabilities reach p")
    add("--no-cache", action="store_true", help="compute every position anew for every token: slow, same texts")
    add("--seed", type=whole, default=0, help="seed of the draws" + DEFAULT)


def _report(commands: Commands) -> None:
    p = commands.add_parser(
        "report",
        help="write a page about a run",
        description="Write one HTML page, complete in itself: losses, gradients by tensor, dead ReLUs, attention, the "
        "embedding, what the model wrote at several steps, and its parameters.",
    )
    add = p.add_argument
    add("model", metavar="RUN", help="a run folder that train made")
    add("--out", metavar="FILE", help="what to write (default: report.html in RUN)")
    add("--text", type=words, help="whose attention is shown (default: what the model wrote last)")
    add("--live", action="store_true", help="write it anew while training goes on; the page reloads itself")


def _lens(commands: Commands) -> None:
    p = commands.add_parser(
        "lens",
        help="write a page about what goes on in a model that reads a text",
        description="Write one HTML page, complete in itself: the likeliest next tokens after every layer, attention "
        "by layer and head, the gradient that each token receives from a prediction, and what changes where the output "
        "of a layer at a token is replaced by that of another text.",
    )
    add = p.add_argument
    _model(p, needed=True)
    add("--text", type=words, help="what it reads (default: The capital of France is; of a run emma)")
    add(
        "--token",
        metavar="TOKEN",
        help=f"ask for this token of the text: {NUMBERED} (default: what comes next)",
    )
    patch = "the text whose outputs replace, token by token (default: one that says nothing)"
    add("--patch-from", type=words, metavar="TEXT", help=patch)
    add("--out", default="lens.html", metavar="FILE", help="what to write" + DEFAULT)


def _check(commands: Commands) -> None:
    p = commands.add_parser(
        "check",
        help="compare the gradients with finite differences",
        description="Compare the gradient of every parameter tensor of the loss with finite differences: as Tensors of "
        "float64 and of float32, and as single Values. Exit status 0: all hold; 1: not all do.",
    )
    add = p.add_argument
    _model(p)
    add("--data", metavar="FILE", help="UTF-8 text, one document a line (default: first names)")
    add("--batch-size", type=count, default=2, help="documents to compute the loss on" + DEFAULT)
    add("--seed", type=whole, default=0, help="seed of parameters and batch" + DEFAULT)
    _shape(p)


def _debug(commands: Commands) -> None:
    p = commands.add_parser(
        "debug",
        help="step through backprop at a prompt",
        description="Build the loss of a model on one text and step through its backward pass, then through the "
        "update of a weight, and into the next step; forth and back. h at the prompt lists the commands.",
    )
    p.add_argument("--forward", action="store_true", help="begin before the first operation, and step forward, too")
    update = "the weight whose update is told, as wte[5,0] (default: that of the largest gradient)"
    p.add_argument("--weight", metavar="NAME[INDEX]", help=update)
    _example(p)
    _shape(p, "vanilla")


def _draw(commands: Commands) -> None:
    p = commands.add_parser(
        "draw",
        help="draw the computation graph, or write a page that plays backprop",
        description="Build the loss of a model on one text, run its backward pass, and draw the graph as SVG, folded "
        "so that it fits a screen; or, with --play, write one HTML page that plays the backward pass over the drawing.",
    )
    add = p.add_argument
    formats = ".svg, .gv or, with Graphviz installed, .png and .pdf (default: graph.svg, or backprop.html)"
    add("--out", metavar="FILE", help=f"what to write: {formats}")
    add("--play", action="store_true", help="write the page that plays backprop")
    add("--depth", type=whole, help="open every scope down to this level and fold what is deeper")
    scope = "open this scope, as attention or block#2; may be given again"
    add("--open", action="append", default=[], metavar="SCOPE", help=scope)
    add("--top", type=count, help="only so many nodes: those that receive the largest gradient contributions")
    add("--limit", type=count, help="fold a graph of more nodes than this (default: what a screen does not hold)")
    near = "only what is near a node, by its name in the drawing, as h0.attn.wq or %%44"
    add("--around", metavar="NAME", help=near)
    add("--zoom", metavar="WHAT", help="one scope, as softmax, or one operation, as op:matmul, as single Values")
    element = "the element of the result to zoom into, as 0,4,1 (default: that of the largest gradient)"
    add("--index", type=index, help=element)
    add("--derivatives", action="store_true", help="write local derivatives on the edges")
    _example(p)
    _shape(p, "vanilla")


def _params(commands: Commands) -> None:
    p = commands.add_parser(
        "params",
        help="print the table of parameters",
        description="Print every parameter tensor of a model, its shape and its size.",
    )
    _model(p)
    _shape(p)


def _plan(commands: Commands) -> None:
    p = commands.add_parser(
        "plan",
        help="say what a training would take on many devices, which need not be there",
        description="Trace a training step by the shapes of its arrays alone, and count, for a mesh of devices: "
        "parameters, operations, bytes on a device, what is sent, and days. Needs JAX, and seconds on any machine.",
    )
    add = p.add_argument
    add("--mesh", default="data=1", metavar="data=N,model=N", help="the devices" + DEFAULT)
    add("--replicated", action="store_true", help="all weights on every device of data, not a part each")
    add("--batch", type=count, default=32, metavar="N", help="rows of a batch, on all devices together" + DEFAULT)
    add("--accumulate", type=count, default=1, metavar="N", help="batches a step" + DEFAULT)
    add("--tokens", type=rate, default=300e9, metavar="X", help="tokens to train on (default: 300e9)")
    reached = "operations a second that a device reaches in products of matrices (default: 1e14)"
    add("--flops", type=rate, default=1e14, metavar="X", help=reached)
    _shape(p, "gpt3")


def _lesson(commands: Commands) -> None:
    p = commands.add_parser(
        "lesson",
        help="write the lesson: how the weights learn, as one page",
        description="Train a tiny model, and write the lesson that follows its weights, as one HTML page.",
    )
    p.add_argument("--out", default="lesson.html", metavar="FILE.html", help="where to write it" + DEFAULT)


def _doctor(commands: Commands) -> None:
    about = "say what this installation consists of, and what is wrong with it"
    commands.add_parser("doctor", help=about, description=f"{about.capitalize()}. Exit status 1: something is.")


def _model(p: argparse.ArgumentParser, needed: bool = False) -> None:
    places = "a run folder, a GPT-2 or Llama folder from Hugging Face, a GGUF file, or smollm2"
    about = places if needed else f"{places} (default: a fresh model of the shape below)"
    p.add_argument("model", metavar="RUN", nargs="?", help=about)
    p.add_argument("--model", dest="named", metavar="RUN", help="the same")
    p.set_defaults(needed=needed)


def _example(p: argparse.ArgumentParser) -> None:
    _model(p)
    text = "the document (default: emma; of a language model: The capital of France is Paris)"
    p.add_argument("--text", type=words, help=text)
    token = f"take the loss of one token: {NUMBERED} (default: of a language model the last)"
    p.add_argument("--token", metavar="TOKEN", help=token)
    p.add_argument("--step", type=whole, metavar="K", help="a run as it was after K steps (default: at its end)")
    p.add_argument("--scalar", action="store_true", help="a graph of single Values instead of Tensors")
    p.add_argument("--seed", type=whole, default=0, help="seed of the parameters" + DEFAULT)


def _shape(p: argparse.ArgumentParser, preset: str = "microgpt") -> None:
    group = p.add_argument_group("the shape of the model", "Each option replaces a field of the preset.")
    names = f"where to start from: %(choices)s (default: {preset})"
    group.add_argument("--preset", choices=PRESETS, help=names, metavar="NAME")
    for field in dataclasses.fields(Config):
        choices = [spelled(c) for c in CHOICES.get(field.name, tuple(FLAGS.values()) if field.type == "bool" else ())]
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=choice(choices) if choices else rate if field.type == "float" else count,
            metavar="|".join(choices) or ("X" if field.type == "float" else "N"),
            help=FIELDS[field.name],
        )


# ---- how a word becomes a value -------------------------------------------------------


def spelled(choice: bool | str) -> str:
    """A choice as it is typed."""
    return str(choice).lower() if isinstance(choice, bool) else choice


def choice(choices: list[str]) -> Callable[[str], bool | str]:
    """One of a few words; true and false are flags."""

    def convert(text: str) -> bool | str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(choices)}")
        return FLAGS.get(text, text)

    return convert


def encodable(text: str) -> str:
    """Any text; what a shell passes on may be bytes that are none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not UTF-8 text, at character {error.start}") from None
    return text


def words(text: str) -> str:
    """A text that is not empty."""
    if not text:
        raise argparse.ArgumentTypeError("the text is empty; give one, or leave the option out for the default")
    return encodable(text)


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1 on")
    return int(text)


def whole(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 0 on")
    return int(text)


def index(text: str) -> tuple[int, ...]:
    """Whole numbers with commas."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no index: whole numbers with commas, as 0,4,1") from None


def rate(text: str) -> float:
    """A finite number from 0 on."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number from 0 on")
    return rate

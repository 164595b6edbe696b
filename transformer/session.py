"""A training at the terminal: begun or gone on with, shown as it goes, interrupted, and kept.

The loop itself is `train`'s, the files are `runs`'.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from transformer import parallel, runs, threads
from transformer.base import Weights
from transformer.checkpoint import Json, State
from transformer.config import Config, count, init, must_fit
from transformer.data import NAMES, Documents, Text, baselines, read
from transformer.interrupt import Interrupt
from transformer.options import MACHINE, config_of, recipe_of
from transformer.runs import Facts, Onlooker, Run
from transformer.sample import NothingToDrawError, write
from transformer.train import DivergedError, LostError, Machine, Plain, Recipe, Step, fit, start

KINDS: dict[str, Callable[[str, int, np.random.Generator], Documents | Text]] = {"documents": Documents, "text": Text}
HEADS = {"loss.csv": "step,train_loss,val_loss\n", "grads.csv": "step,tensor,gradient,update,dead\n"}


@dataclasses.dataclass
class Session:
    """A run with its data and recipe, from the state on."""

    run: Run
    data: Documents | Text
    recipe: Recipe
    state: State
    record: Json  # before, val, best, steps: what is saved beside the state
    logs: dict[str, int]  # their lengths at that state
    threads: int
    at_once: bool  # halves of a batch, where they pay
    machine: Machine
    asked: int = 0  # the signal that asked to stop

    def go(self) -> int:
        """Train to the end or to an interruption; the exit status."""
        begun, status = self.state.step, 0
        with self.run, threads.limited(self.threads, self.at_once), Interrupt() as interrupt:
            self.run.cut(self.logs)
            try:
                self._steps(interrupt)
            except LostError as error:
                raise LostError(
                    f"{error}; what {self.run.folder} holds is kept, and train --resume {self.run.folder} goes on with "
                    "it, in one process or several"
                ) from error
            except DivergedError as error:
                status = 1
                print(f"python -m transformer train: {error}\nThe last good parameters are kept.", file=sys.stderr)
                self.state = error.state or (self.run.open()[0] if self.machine.writes else self.state)
            except (KeyboardInterrupt, SystemError):  # pressed twice; NumPy turns it into a SystemError among Values
                if not interrupt.asked:
                    raise
                self.asked = interrupt.asked
                interrupt.hold()
                self.run.cut(self.logs)  # a step may have been written in part
            interrupt.hold()
            if self.asked and self.state.step < self.recipe.steps:
                made = f"{self.state.step} of {self.recipe.steps} steps"
                print(f"\nstopped after {made}; what was learned is kept", file=sys.stderr)
                self.record["val"] = self.machine.validate(self.state.params, self.data)
                status = 128 + self.asked
            self.state = hosted(self.state, self.machine)
            if status != 1 and self.state.step > begun:
                self.run.save(self.state, self.record)
        if self.machine.writes:
            runs.draw_losses(self.run.folder, self.record["levels"], self.record["before"])
        return status

    def _steps(self, interrupt: Interrupt) -> None:
        how = {"initial": self.state.step, "unit": "step", "disable": not self.machine.writes}
        with tqdm(total=self.recipe.steps, dynamic_ncols=True, **how) as bar:
            tokens, since = 0, time.perf_counter()
            for done in fit(self.state, self.data, self.run.facts.config, self.recipe, self.machine):
                if done.val_loss is not None:
                    done = self._looked_at(done)
                self._write(done)
                self.state, self.logs = done.state, self.run.lengths()
                if done.val_loss is not None:
                    self.record["val"] = done.val_loss
                    if best := done.val_loss < self.record["best"]["val"]:
                        self.record["best"] = {"val": done.val_loss, "step": done.step}
                    self.run.save(self.state, self.record, best)
                tokens += done.tokens
                speed = tokens / max(1e-9, time.perf_counter() - since)
                bar.set_postfix_str(
                    f"loss {done.loss:.3f}, val {self.record['val']:.3f}, {speed:,.0f} tokens/s", refresh=False
                )
                bar.update()
                self.asked = self.machine.agreed(interrupt.asked)
                if self.asked:
                    break

    def _looked_at(self, done: Step) -> Step:
        """The step with arrays of NumPy, and so the state before it."""
        self.state = hosted(self.state, self.machine)
        return done._replace(state=hosted(done.state, self.machine), grads=self.machine.host(done.grads))

    def _write(self, done: Step) -> None:
        """Add a step to the logs."""
        if not self.machine.writes:
            return
        val = "" if done.val_loss is None else f"{done.val_loss:.6f}"
        text = "" if done.val_loss is None else self._sampled(done)
        self.run.append("loss.csv", f"{done.step},{done.loss:.6f},{val}\n")
        if done.val_loss is None:
            return
        relu = self.run.facts.config.activation == "relu"
        for name, p in done.state.params.items():
            g, update = done.grads[name], p - self.state.params[name]
            dead = f"{(~g.any(axis=0)).sum()}" if relu and name.endswith(".w1") else ""  # a unit that never was above 0
            self.run.append("grads.csv", f"{done.step},{name},{norm(g):.5g},{norm(update):.5g},{dead}\n")
        self.run.append("samples.jsonl", text)

    def _sampled(self, done: Step) -> str:
        """What the model writes after a step; DivergedError where it can write nothing."""
        try:
            return sampled(done.state, self.run.facts, self.data)
        except NothingToDrawError as error:
            raise DivergedError(diverged(error, done.step), None) from None


def hosted(state: State, machine: Machine) -> State:
    """A state with arrays of NumPy."""
    moments = {name: machine.host(x) if isinstance(x, dict) else x for name, x in state.moments.items()}
    return dataclasses.replace(state, params=machine.host(state.params), moments=moments)


def machine_of(args: argparse.Namespace, config: Config, recipe: Recipe) -> Machine:
    """What computes the steps; ValueError for options that do not fit each other, the model or the devices."""
    given = [name for name in MACHINE if getattr(args, name) is not None and name != "array"]
    if args.array == "jax" or (args.array is None and given):
        if args.threads:
            raise ValueError("--threads is for NumPy: JAX takes the threads that it needs; leave it out")
        from transformer.xla.begin import machine  # training with NumPy does without it

        return machine(args, config, recipe)
    if given:
        raise ValueError(f"--{given[0]} is for JAX: leave out --array numpy")
    return Plain(config, recipe)


def diverged(error: NothingToDrawError, step: int) -> str:
    """What to say of a model that has become none in a training whose losses were finite."""
    said = str(error).removeprefix("generate: ")
    return f"the training diverged, by step {step}: {said}; a smaller learning rate helps"


def norm(x: np.ndarray) -> float:
    """The root of the sum of squares."""
    with np.errstate(over="ignore"):  # of a training that diverges
        return float(np.linalg.norm(x.ravel().astype(np.float64, copy=False)))


def sampled(state: State, facts: Facts, data: Documents | Text) -> str:
    """A line of samples.jsonl: what the model writes at a step. Its draws are not the training's."""
    rng = np.random.default_rng([facts.options["seed"], state.step])
    prompt, n, length = (_opening(data), 1, 120) if isinstance(data, Text) else ("", 5, facts.config.block_size)
    with np.errstate(all="ignore"):
        texts = [write(state.params, facts.config, facts.vocabulary, prompt, length, rng, 0.8) for _ in range(n)]
    return json.dumps({"step": state.step, "texts": texts}, ensure_ascii=False) + "\n"


def _opening(data: Text) -> str:
    chars = data.vocabulary.chars
    return "\n" if "\n" in chars else chars[0]


def begin(args: argparse.Namespace) -> Session:
    """A new training: data, fresh parameters, and a run folder that holds them."""
    if args.file is not None and args.data is not None:
        raise ValueError(f"the data is given twice: {args.file}, and --data {args.data}; give one")
    path, kind, seed = args.file or args.data, args.kind or "documents", args.seed or 0
    rng = np.random.default_rng(seed)
    config, recipe = config_of(args), recipe_of(args)
    data = KINDS[kind](read(path or NAMES), config.block_size, rng)
    n_vocab = data.vocabulary.size
    if args.vocab_size is not None and args.vocab_size < n_vocab:
        raise ValueError(
            f"--vocab-size {args.vocab_size} is too small: the data has {n_vocab} tokens, its characters and a boundary"
        )
    config = dataclasses.replace(config, vocab_size=args.vocab_size or n_vocab)
    n_time = data.train.shape[1] - 1
    must_fit(config, recipe.batch_size, n_time, recipe.scalar)
    state = start(init(config, rng), data, recipe, rng)
    machine = machine_of(args, config, recipe)
    before = machine.validate(state.params, data)
    record: Json = {"steps": recipe.steps, "before": before, "val": before, "best": {"step": 0, "val": before}}
    record["levels"] = baselines(data)
    source = {"data": path and os.path.abspath(path), "as": kind, "fingerprint": data.fingerprint}
    n_threads = args.threads or threads.chosen(config, recipe.batch_size * n_time)
    how = {"preset": args.preset or "microgpt", "seed": seed, "threads": n_threads, **dataclasses.asdict(recipe)}
    facts = Facts(config, data.vocabulary, {**source, **how})
    logs = {**HEADS, "samples.jsonl": sampled(state, facts, data)}
    run = (
        runs.create(args.out, facts, state, record, logs)
        if machine.writes
        else Onlooker(Path(args.out or "RUN"), facts)
    )
    lengths = {name: len(x.encode()) for name, x in logs.items()}
    return Session(run, data, recipe, state, record, lengths, n_threads, args.threads != 1, machine)


def resume(args: argparse.Namespace) -> Session:
    """A training that goes on from its last state; ValueError for options that would change what it computes."""
    own = runs.facts(args.resume)
    run = Run(Path(args.resume), own)
    state, record, logs = run.open()
    config, options = own.config, own.options
    recipe = Recipe(**{field.name: options[field.name] for field in dataclasses.fields(Recipe)})
    recipe = dataclasses.replace(recipe, steps=record["steps"])
    if args.out is not None:
        raise ValueError(f"--out {args.out}: the run goes on in its own folder, {run.folder}; leave --out out")
    known = {**dataclasses.asdict(config), **options, "kind": options["as"]}
    for name, x in vars(args).items():
        may_differ = name in ("command", "prog", "resume", "data", "file", "steps", "threads", *MACHINE)
        if not may_differ and x is not None and x != known.get(name):
            option = f"--{'as' if name == 'kind' else name.replace('_', '-')} {x}"
            begun = "its default" if known.get(name) is None else known[name]
            raise ValueError(f"{option}: this run was begun with {begun}; only --steps can be raised")
    if args.steps is not None and args.steps < recipe.steps:
        raise ValueError(f"--steps {args.steps} is less than the run's {recipe.steps:,}; it can only be raised")
    recipe = dataclasses.replace(recipe, steps=args.steps or recipe.steps)
    path = args.file or args.data or options["data"]
    data = KINDS[options["as"]](read(path or NAMES), config.block_size, np.random.default_rng(options["seed"]))
    if data.fingerprint != options["fingerprint"]:
        raise ValueError(f"{path or NAMES} is not the data that {run.folder} was trained on")
    record = {**record, "steps": recipe.steps}
    machine = machine_of(args, config, recipe)
    run = run if machine.writes else Onlooker(run.folder, own)
    n_threads = args.threads or options["threads"]
    return Session(run, data, recipe, state, record, logs, n_threads, args.threads != 1, machine)


def train(args: argparse.Namespace) -> int:
    """Train a model, show how it goes, and leave a run folder."""
    try:
        return trained(args)
    except (ValueError, OSError) as error:
        if not args.processes:
            raise
        print(f"{args.prog} train: error: {error}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(2)  # on a way out of another kind JAX would wait for the others, and abort


def trained(args: argparse.Namespace) -> int:
    """The same, alone or as one of several processes."""
    session = begin(args) if args.resume is None else resume(args)
    if not session.machine.writes:
        return session.go()
    data, config = session.data, session.run.facts.config
    kind = "windows of a text" if isinstance(data, Text) else "documents"
    print(
        f"{len(data.train):,} {kind} to train on, {len(data.held_out):,} held out; "
        f"{data.vocabulary.size} tokens; {count(config):,} parameters"
    )
    if data.cut:
        print(
            f"{data.cut:,} documents are longer than block_size={config.block_size} and are cut; --block-size sets it"
        )
    if session.state.step:
        print(f"going on from step {session.state.step:,}")
    many = f"{session.threads} thread{'s' * (session.threads > 1)} for products of matrices"
    chosen = "" if args.threads else ", what pays at this size; --threads sets it"
    halved = threads.halved(config, session.recipe.batch_size, data.train.shape[1] - 1) and parallel.cores() > 1
    chosen += ", and two for the halves of a batch" if halved and session.at_once else ""
    print(session.machine.about or many + chosen)
    status = session.go()
    state, record, folder = session.state, session.record, session.run.folder
    print(
        f"\nvalidation loss, nats a character: {record['before']:.4f} before, "
        f"{record['val']:{'.4f' if record['val'] < 1e4 else '.4g'}} after {state.step:,} steps"
    )
    levels = record["levels"]
    print("on the same held-out text:  " + "  ".join(f"{name} {x:.4f}" for name, x in levels.items()))
    best = record["best"]
    if record["val"] > best["val"]:
        print(
            f"it was lowest at step {best['step']:,}, {best['val']:.4f}, and rose since; sample --best uses that step"
            + "; nothing was learned: a smaller --lr may help" * (best["step"] == 0)
        )
    print()
    rng = np.random.default_rng()
    rng.bit_generator.state = state.rng
    try:
        show_samples(state.params, config, data, rng)
    except NothingToDrawError as error:
        print(diverged(error, state.step))
    print(f"\nrun folder: {folder}  ({', '.join(sorted(path.name for path in folder.iterdir()))})")
    name = shlex.quote(f"./{folder}" if str(folder).startswith("-") else str(folder))
    unfinished = status and state.step < session.recipe.steps
    print(f"next: {args.prog} " + (f"train --resume {name}" if unfinished else f"sample {name} --temperature 0.5"))
    return status


def show_samples(params: Weights, config: Config, data: Documents | Text, rng: np.random.Generator) -> None:
    """Print twenty documents, marked where they were in the training data; or a stretch of a text."""
    if isinstance(data, Text):
        print(write(params, config, data.vocabulary, _opening(data), 300, rng, 0.8))
        return
    names = [write(params, config, data.vocabulary, "", config.block_size, rng, 0.8) for _ in range(20)]
    width = max(map(len, names)) + 8
    marked = [f"{name} ({'seen' if name in data.seen else 'new'})".ljust(width) for name in names]
    print("\n".join("  " + " ".join(marked[i : i + 4]).rstrip() for i in range(0, 20, 4)))

"""Random programs over the whole table, right and with a wrong rule in it: what gradcheck says of them.

    python -m tests.checking.search --programs 1000

prints each program that is called wrong though it is right, or passed though a rule in it is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import autograd as ag
from autograd.engine import primitives as p
from autograd.engine import rows
from tests.fuzz import Program, program

SKEWS: dict[str, Callable[[Any], Any]] = {
    "doubled": lambda c: 2.0 * c,
    "flipped": lambda c: -c,
    "a little too large": lambda c: 1.01 * c,
    "cut": lambda c: 0.0 * c,
    "halved": lambda c: 0.5 * c,
}
OPTIONS: list[dict[str, Any]] = [{}, {"fast": True}, {"order": 2}, {"method": "richardson"}, {"method": "forward"}]


def function(made: Program) -> Callable[..., Any]:
    """The program as a function of its inputs."""

    def f(*inputs: Any) -> Any:
        return made.run(inputs, "ours")

    return f


def used(made: Program) -> list[str]:
    """The rows of the table that the program's gradient goes through."""
    out = function(made)(*map(ag.Tensor, made.inputs))
    names, todo = set(), [out]
    while todo:
        for node in todo.pop().inputs:
            if node.op in p.TABLE and node.op not in names:
                names.add(node.op)
            todo.append(node)
    return sorted(names)


@contextmanager
def skewed(name: str, skew: Callable[[Any], Any]) -> Iterator[None]:
    """A row whose rules are all wrong in one way."""
    row = p.TABLE[name]
    vjps = row.vjps

    def wrong(rule: Any) -> Any:
        return rule and (lambda g, out, *args: skew(rule(g, out, *args)))

    try:
        if isinstance(vjps, rows.Variadic):
            row.vjps = rows.Variadic(lambda i, *given: skew(vjps[i](*given)))  # type: ignore[misc]
        else:
            row.vjps = tuple(map(wrong, vjps))
        yield
    finally:
        row.vjps = vjps


JUMPS = {
    "pow", "sign", "floor", "ceil", "trunc", "rint", "heaviside", "copysign", "remainder", "fmod", "floor_divide",
    "arctan2",
}  # fmt: skip


def differentiable(made: Program) -> bool:
    """Whether the program and its gradient are finite, and no operation in it jumps or ends."""
    value, slopes = ag.value_and_grad(function(made), tuple(range(len(made.inputs))))(*made.inputs)
    names = {op.name for op, _ in made.steps}
    return bool(np.isfinite(value)) and all(np.isfinite(g).all() for g in slopes) and not names & JUMPS


def false_alarms(made: Program, rng: np.random.Generator) -> list[str]:
    """What is said of a right program that should not be."""
    found = []
    f = function(made)
    for options in OPTIONS:
        report = ag.gradcheck(f, *made.inputs, **options)
        if not report:
            found.append(f"{options} {report}")
    narrow = [x.astype(np.float32) for x in made.inputs]
    for options in OPTIONS[:2]:
        report = ag.gradcheck(f, *narrow, **options)
        if not report:
            found.append(f"float32 {options} {report}")
    return found


def misses(made: Program, rng: np.random.Generator) -> list[str]:
    """What passes though a rule is wrong."""
    found = []
    f = function(made)
    names = used(made)
    name = str(rng.choice(names))
    skew = str(rng.choice(list(SKEWS)))
    right = np.concatenate([np.ravel(g) for g in ag.grad(f, tuple(range(len(made.inputs))))(*made.inputs)])
    with skewed(name, SKEWS[skew]):
        wrong = np.concatenate([np.ravel(g) for g in ag.grad(f, tuple(range(len(made.inputs))))(*made.inputs)])
        off = np.abs(wrong - right) > 1e-5 * np.abs(right) + 1e-9 * np.abs(right).max(initial=0.0)
        if not off.any():
            return []
        for options in (OPTIONS[0], OPTIONS[1], OPTIONS[3], OPTIONS[4]):
            report = ag.gradcheck(f, *made.inputs, **options)
            if report.verdict != "wrong":
                found.append(f"{name} {skew} {options} {report}")
            elif not options:
                said = [row for row in report.rows if row.verdict == "wrong"]
                if len(said) < off.sum() or any(row.error <= 1e-6 * abs(row.numeric) for row in said):
                    found.append(f"{name} {skew}: {len(said)} of {off.sum()} found {np.flatnonzero(off)} {report}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    count = 0
    for seed in range(args.seed, args.seed + args.programs):
        for odd in (False, True):
            rng = np.random.default_rng([seed, odd])
            made = program(seed, odd=odd)
            with np.errstate(all="ignore"):
                if odd and not differentiable(made):
                    continue
                found = false_alarms(made, rng) + ([] if odd else misses(made, rng))
            for text in found:
                count += 1
                print(f"--- {seed} odd={odd}: {text}\n{made}")
    print(f"{count} faults")


if __name__ == "__main__":
    main()

"""Check the vjp of every recorded operation by itself, to name the one that is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from autograd.checking.differences import TELLING, TOP, Line, look, norm
from autograd.checking.inputs import letter
from autograd.checking.point import Point
from autograd.engine.graph import Node, ScalarNode, contribution, operations
from autograd.engine.kinds import limits, single
from autograd.engine.modes import no_grad, record_source
from autograd.engine.recording import Mode


def guilty_operations(point: Point) -> list[str]:
    """The recorded operations whose own vjp differs from finite differences of their own forward."""
    rng = np.random.default_rng(0)
    with record_source(), Mode(fused=True):  # the operations that were checked
        out = single(point.scalar(*point.wrapped(point.given(point.x))))
    guilty = []
    with no_grad():
        for node in operations(out) if isinstance(out, Node) else []:
            assert node.primitive is not None
            for i, (parent, rule) in enumerate(zip(node.parents, node.primitive.vjps)):
                if parent is not None and rule is not None and not check_vjp(node, i, parent, rule, rng).holds:
                    which = f"argument {i}" + (f", {parent.label}" if parent.label else "")
                    guilty.append(f"{node.op} ({which})" + (f" at {node.source}" if node.source else ""))
    return guilty


class Checked(NamedTuple):
    """A vjp against finite differences, along the random direction where they differ most."""

    holds: bool
    analytic: float
    numeric: float
    error: float


NOTHING = Checked(True, math.nan, math.nan, math.inf)  # nothing to compare with


def check_vjp(
    node: Node,
    i: int,
    parent: Node,
    rule: Callable[..., Any],
    rng: np.random.Generator,
    out: Any = None,
    saved: Any = None,
) -> Checked:
    """Compare the vjp of one argument of one operation with its forward, along random directions.

    out, saved: other data than the node's and its arguments' own. Where something is not
    finite there is nothing to compare, and the error is inf.
    """
    out = np.asarray(node.raw if out is None else out)
    saved = node.saved if saved is None else saved
    scalar = isinstance(node, ScalarNode)
    # The forward is compared in float64, whatever the vjp was computed in.
    args = saved if scalar else [np.asarray(a, float) if letter(a) == "f" else a for a in saved]
    x = np.asarray(args[i])
    w = np.ones(()) if scalar else rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape)
    seed: Any = 1.0 if scalar else w.astype(out.dtype)
    w = np.asarray(seed, float)

    def forward(moved: np.ndarray) -> np.ndarray:
        return np.asarray(node.primitive(*args[:i], float(moved) if scalar else moved, *args[i + 1 :]))  # type: ignore[misc]

    with no_grad(), np.errstate(all="ignore"):
        c = np.asarray(contribution(rule, parent, seed, float(out) if scalar else out, saved), float)
        exact = forward(x)
        if not all(np.isfinite(a).all() for a in (out, x, c, exact)):
            return NOTHING
        start = float((w * exact).sum())

        def sample(u: np.ndarray, t: float) -> tuple[float, float]:
            moved = (x + t * u).astype(x.dtype)
            return float((w * forward(moved)).sum()) - start, float((c * (moved.astype(float) - x)).sum())

        eps = float(limits(exact.dtype).eps)
        floor = eps * float(np.abs(w * exact).sum())
        rounding = 100 * float(limits(out.dtype).eps)  # of the vjp
        unit: Any = 1.0 if scalar else np.maximum(1, np.abs(x))
        checked = []
        for u in rng.choice([-1.0, 1.0], (1 if scalar else 3, *x.shape)) * unit:
            size = norm(c * u)
            slack = rounding * (size + abs(start))
            r = Line(partial(sample, u), eps, floor, 1e3 * floor)
            slope = look(r, TOP, 4 * float(limits(x.dtype).eps), slack, TELLING * size)
            if slope is not None:
                analytic = float((c * u).sum())
                checked.append(Checked(slope.vanishes(slack), analytic, analytic + slope.value, slope.error))
    return min(checked, key=lambda c: (c.holds, -abs(c.analytic - c.numeric)), default=NOTHING)

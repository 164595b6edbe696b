"""Check the vjp of every recorded operation by itself, to name the one that is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd.checking import differences
from autograd.checking.point import Point, one
from autograd.engine.graph import Node, ScalarNode, contribution, operations
from autograd.engine.modes import no_grad, record_source

MARGIN = 10  # how many times its estimated error a finite difference may be off


def guilty_operations(point: Point, rng: np.random.Generator) -> list[str]:
    """The recorded operations whose own vjp differs from finite differences of their own forward."""
    with record_source(), np.errstate(all="ignore"):
        args, _ = point.wrapped(point.given())
        out = one(point.scalar(*args))
    guilty = []
    with no_grad(), np.errstate(all="ignore"):
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
    args = [
        np.asarray(a, float)
        if not scalar and getattr(a, "dtype", np.dtype(int)).kind == "f" and hasattr(a, "shape")
        else a
        for a in saved
    ]
    x = np.asarray(args[i])
    w = np.ones(()) if scalar else rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape)
    seed: Any = 1.0 if scalar else w.astype(out.dtype)
    w = np.asarray(seed, float)
    with no_grad(), np.errstate(all="ignore"):
        c = np.asarray(contribution(rule, parent, seed, float(out) if scalar else out, saved), float)
        exact = np.asarray(node.primitive(*args))  # type: ignore[misc]
    if not all(np.isfinite(a).all() for a in (out, x, c, exact)):
        return Checked(True, math.nan, math.nan, math.inf)  # nothing to compare with
    rounding = 100 * float(np.finfo(out.dtype).eps)  # of the vjp
    start = float((w * exact).sum())
    noise = 4 * float(np.finfo(exact.dtype).eps) * float(np.abs(w * exact).sum())

    def along(u: np.ndarray) -> Checked:
        def r(t: float) -> float:
            moved = (x + t * u).astype(x.dtype)
            new = node.primitive(*args[:i], float(moved) if scalar else moved, *args[i + 1 :])  # type: ignore[misc]
            return float((w * np.asarray(new, float)).sum()) - start - float((c * (moved.astype(float) - x)).sum())

        slope = differences.richardson(r, noise)
        analytic = float((c * u).sum())
        holds = abs(slope.value) <= MARGIN * slope.error + rounding * (float(np.linalg.norm(c * u)) + abs(start))
        if not holds:
            corner = differences.kink(r, differences.step_of(x.dtype, "central"), noise)
            holds = (
                corner is not None
                and min(corner.left, corner.right) <= MARGIN * corner.error
                and max(corner.left, corner.right) >= -MARGIN * corner.error
            )
        return Checked(holds, analytic, analytic + slope.value, slope.error)

    with no_grad(), np.errstate(all="ignore"):
        directions = rng.choice([-1.0, 1.0], (1 if scalar else 3, *x.shape)) * (
            1.0 if scalar else np.maximum(1, np.abs(x))
        )
        return min(
            map(along, directions), key=lambda checked: (checked.holds, -abs(checked.analytic - checked.numeric))
        )

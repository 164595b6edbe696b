"""Functions whose gradients are right, at every scale and beside every corner, and errors to plant in them.

    python -m tests.checking.battery --cases 5000 --seed 1

draws more of them than the suite does, and prints what gradcheck gets wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd as ag

D = ag.detach


@dataclass(frozen=True)
class Case:
    """A function and where to check it. at: the array or arrays. passes: the verdicts of a right gradient.

    slopes: elements with a slope that finite differences can tell, in which an error can be planted; none by default.
    twice: whether to check the second order, too. analytic: for the complex step. narrow: in float32, too.
    """

    name: str
    f: Callable[..., Any]
    at: np.ndarray
    passes: tuple[str, ...] = ("ok",)
    slopes: tuple[int, ...] | None = None
    twice: bool = True
    analytic: bool = True
    narrow: bool = True
    values: bool = True

    def planted(self, factors: np.ndarray) -> Callable[..., Any]:
        """The same function, whose gradient comes out so many times too large."""
        return lambda x: self.f(x + (factors - 1).astype(_dtype(x)) * (x - D(x)))


def _dtype(x: Any) -> np.dtype:
    return x.dtype if x.dtype != object else np.dtype(float)


# ---- families: each draws one case -------------------------------------------------------

Rng = np.random.Generator
Family = Callable[[Rng], Case]


def scales(rng: Rng) -> Case:
    """Elementary functions on every scale of x and of f."""
    s, t = 10.0 ** rng.integers(-150, 151), 10.0 ** rng.integers(-100, 101)
    name, f = CURVES[rng.integers(len(CURVES))]
    x = rng.uniform(0.2, 1.5, 3) * rng.choice([-1, 1], 3)
    if rng.random() < 0.3:
        x[rng.integers(3)] = 0.0
    slopes = tuple(i for i in range(3) if x[i])
    twice = bool(1e-200 < t / s / s < 1e200)
    return Case(f"{t:g} {name}(x / {s:g})", lambda x: (f(x / s) * t).sum(), x * s, ("ok",), slopes, twice, narrow=False)


CURVES: list[tuple[str, Callable[[Any], Any]]] = [
    ("sin", lambda x: np.sin(x) * 1.0 + 0.3 * x),
    ("tanh", np.tanh),
    ("exp", np.exp),
    ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    ("cube", lambda x: x * x * x + x),
    ("line", lambda x: 1.5 * x),
    ("log", lambda x: np.log(x * x + 1) + x),
    ("root", lambda x: np.sqrt(x * x + 0.3) + 0.1 * x),
]


def offsets(rng: Rng) -> Case:
    """Sums with something large, that is taken off again."""
    c = 10.0 ** rng.integers(2, 9)
    x = rng.uniform(0.1, 1.2, 3) * rng.choice([-1, 1], 3)
    name, f, most = [
        ("square", lambda x: ((x + c) ** 2).sum() - 3 * c * c, 1e8),
        ("log", lambda x: (np.log(c + x) - np.log(c)).sum(), 1e8),
        ("variance", lambda x: (((x + c) - (x + c).mean()) ** 2).mean(), 1e7),
        ("there and back", lambda x: np.sin((x + c) - c).sum(), 1e8),
        ("large beside", lambda x: np.sin(x).sum() + c, 1e8),
        ("large sum", lambda x: (np.sin(x) * x + c).sum() - 3 * c, 1e8),
    ][rng.integers(6)]  # type: ignore[misc]
    c = min(c, most)
    return Case(f"{name} at {c:g}", f, x, slopes=tuple(i for i in range(3) if abs(x[i]) > 0.3), narrow=False)


def sizes(rng: Rng) -> Case:
    """Where the estimate of an error may overflow though the function does not."""
    name, f, at = [
        ("exp", lambda x: np.exp(x).sum(), rng.uniform(300, 600, 2)),
        ("exp of minus", lambda x: np.exp(x).sum(), -rng.uniform(300, 600, 2)),
        ("square", lambda x: (x * x).sum(), rng.uniform(1, 9, 2) * 10.0 ** rng.integers(50, 150)),
        ("small square", lambda x: (x * x).sum(), rng.uniform(1, 9, 2) * 10.0 ** -rng.integers(50, 140)),
        ("cube", lambda x: (x**3).sum(), rng.uniform(1, 9, 2) * 10.0 ** rng.integers(50, 98)),
        ("reciprocal", lambda x: (1 / x).sum(), rng.uniform(1, 9, 2) * 10.0 ** rng.integers(-100, 100)),
        ("log", lambda x: np.log(x).sum(), rng.uniform(1, 9, 2) * 10.0 ** rng.integers(-100, 100)),
        ("root", lambda x: np.sqrt(x).sum(), rng.uniform(1, 9, 2) * 10.0 ** rng.integers(-100, 100)),
        ("both", lambda x: x[0] * x[1], np.array([10.0 ** rng.integers(-100, 100), 10.0 ** rng.integers(-100, 100)])),
    ][rng.integers(9)]  # type: ignore[misc]
    at = at if name == "both" else at[:1]  # of several, the largest would hide the others
    return Case(f"{name} at {at}", f, at, slopes=(0,), narrow=False)


def cancelling(rng: Rng) -> Case:
    """Gradients that are 0 but for rounding."""
    x = rng.normal(size=4) * 10.0 ** rng.integers(-1, 3)
    w = rng.normal(size=4)

    def normal(x: Any) -> Any:
        x = x - x.mean()
        return x / ((x * x).mean() + 1e-5) ** 0.5

    def soft(x: Any) -> Any:
        e = np.exp(x - float(np.max(x.data if isinstance(x, ag.Tensor) else np.array([float(v) for v in _plain(x)]))))
        return e / e.sum()

    name, f = [
        ("layernorm", lambda x: normal(x).mean()),
        ("softmax", lambda x: soft(x).sum()),
        ("norm of layernorm", lambda x: (normal(x) ** 2).mean()),
        ("x - x", lambda x: ((x - x) * w).sum()),
        ("times 0", lambda x: np.sin(x).sum() * 0),
    ][rng.integers(5)]
    return Case(name, f, x, passes=("ok", "unused"), narrow=True)


def _plain(x: Any) -> list[float]:
    return [v.data if isinstance(v, ag.Value) else v for v in x]


def near(rng: Rng) -> Case:
    """Corners, at a point and at any distance from it."""
    gap = rng.choice([0.0, *10.0 ** -np.arange(1.0, 13.0, 2.0)]) * rng.choice([-1, 1])
    slope, height = rng.uniform(0.5, 3), rng.normal()
    name, f = [
        ("maximum", lambda x: np.maximum(x, 0).sum()),
        ("abs", lambda x: abs(x).sum()),
        ("where", lambda x: np.where(x > 0, 2 * x, x).sum()),
        ("leaky", lambda x: np.where(x > 0, x, 0.1 * x).sum()),
        ("minimum of curves", lambda x: np.minimum(np.sin(x), x * x).sum()),
        ("hinge", lambda x: np.maximum(1 - slope * x - 1, 0).sum()),
        ("shifted", lambda x: np.maximum(x + height, height).sum()),
        ("clip", lambda x: np.minimum(np.maximum(x, 0), 1).sum()),
        ("absolute of a product", lambda x: abs(slope * x).sum() + (x * x).sum()),
    ][rng.integers(9)]
    x = np.array([gap, 0.7, -0.6])
    return Case(f"{name} at {gap:g}", f, x, passes=("ok", "kink"), twice=True, analytic=False)


def flats(rng: Rng) -> Case:
    """Functions that do not move near the point, and do beyond."""
    gap = 10.0 ** -rng.integers(2, 13)
    name, f, x = [
        ("log of clip", lambda x: np.log(np.maximum(x, gap)).sum(), [0.0, 0.5]),
        ("floor", lambda x: (np.floor(x) * 1.0).sum(), [1 + 10 * gap, 2.5]),
        ("step", lambda x: np.where(x > gap, 1.0, 0.0 * x).sum(), [0.0, 0.5]),
        ("shrinkage", lambda x: (np.maximum(x - gap, 0) - np.maximum(-x - gap, 0)).sum(), [0.0, 0.5]),
        ("flat then line", lambda x: np.where(abs(x) < gap, 0.0 * x, x).sum(), [0.0, 0.5]),
        ("clip", lambda x: np.minimum(np.maximum(x, -gap), gap).sum(), [3 * gap, 0.5]),
    ][rng.integers(6)]  # type: ignore[misc]
    return Case(
        f"{name} of {gap:g}", f, np.array(x), ("ok", "unused"), twice=True, analytic=False, narrow=False, values=False
    )


def ties(rng: Rng) -> Case:
    """Extremes that several elements share."""
    x = rng.normal(size=4)
    x[1] = x[3] = x.max() + 0.2
    name, f = [
        ("max", lambda x: np.max(x)),
        ("maximum", lambda x: np.maximum(x[1], x[3]) + x[0]),
        ("minus min", lambda x: -np.min(-x)),
        ("max and more", lambda x: np.max(x) * 3 + np.sin(x).sum()),
    ][rng.integers(4)]
    return Case(name, f, x, passes=("kink",), twice=True, analytic=False)


def mixed(rng: Rng) -> Case:
    """A corner, a dead element and two with a slope, of very different sizes."""
    a, b = 10.0 ** rng.integers(-3, 4), 10.0 ** rng.integers(-3, 4)
    x = np.array([0.0, rng.uniform(1, 3), rng.uniform(-3, -1), -1.0])
    order = rng.permutation(4)

    def f(x: Any) -> Any:
        p, q, r, s = (x[i] for i in order)
        return a * np.maximum(p, 0) + b * np.sin(q) * q + r * r + np.maximum(s, 0)

    at = np.empty(4)
    at[order] = x
    slopes = (int(order[1]), int(order[2]))
    return Case(f"mixed {a:g} {b:g}", f, at, ("kink",), slopes, twice=True, analytic=False)


def nets(rng: Rng) -> Case:
    """Two layers at random, all weights of which are one vector."""
    n, m = int(rng.integers(2, 4)), int(rng.integers(2, 5))
    inputs, target = rng.normal(size=(3, n)), rng.normal(size=(3, 1))
    k = rng.integers(4)
    act = [np.tanh, lambda h: np.maximum(h, 0), lambda h: h / (1 + np.exp(-h)), lambda h: np.log(1 + np.exp(h))][k]

    def f(x: Any) -> Any:
        w, b, v = x[: n * m].reshape((n, m)), x[n * m : n * m + m], x[n * m + m :].reshape((m, 1))
        d = act(inputs @ w + b) @ v - target
        return (d * d).mean()

    x = rng.normal(size=n * m + 2 * m) * 10.0 ** rng.uniform(-1, 1)
    narrow = bool(k != 1)
    return Case(f"net {n}x{m} {k}", f, x, ("ok", "kink", "unused"), twice=True, analytic=bool(k != 1), narrow=narrow)


NOTHING = ("layernorm", "softmax", "norm of layernorm")  # whose slopes are rounding
FAMILIES: list[Family] = [scales, offsets, sizes, cancelling, near, flats, ties, mixed, nets]


# ---- what may go wrong -------------------------------------------------------------------


def variants(case: Case, rng: Rng) -> list[tuple[Any, dict[str, Any]]]:
    """The inputs in their kinds, and options for gradcheck."""
    ways: list[tuple[Any, dict[str, Any]]] = [(case.at, {}), (case.at, {"fast": True})]
    ways.append((case.at, {"method": str(rng.choice(["central", "forward", "backward", "richardson"]))}))
    if case.analytic:
        ways.append((case.at, {"method": "complex"}))
    if case.twice:
        ways.append((case.at, {"order": 2}))
    if case.values:
        ways.append((ag.values(case.at), {}))
    if case.narrow:
        ways.append((case.at.astype(np.float32), {}))
        ways.append((case.at.astype(np.float32), {"fast": True}))
    return ways


def false_alarms(case: Case, rng: Rng) -> list[str]:
    """What gradcheck says of a right gradient where it should not."""
    found = []
    for x, options in variants(case, rng):
        report = ag.gradcheck(case.f, x, **options)
        if not report or not (report.verdict in case.passes or (x.dtype == np.float32 and report.verdict == "kink")):
            found.append(f"{case.name}, {x.dtype} {options}: {report}")
    return found


def misses(case: Case, rng: Rng) -> list[str]:
    """What gradcheck does not find among planted errors."""
    if not case.slopes:
        return []
    found = []
    i = int(rng.choice(case.slopes))
    factor = float(rng.choice([2.0, -1.0, 0.5, 0.0, 1.01, 1.3]))
    factors = np.ones(case.at.shape)
    factors[i] = factor
    f = case.planted(factors)
    for x, options in variants(case, rng):
        if options.get("order") == 2:
            continue
        report = ag.gradcheck(f, x, **options)
        wrong = {row.index for row in report.rows if row.verdict == "wrong" and row.index}
        if report.verdict != "wrong" or wrong != {(i,)}:
            found.append(f"{case.name}, times {factor} at {i}, {x.dtype} {options}: {report}")
    return found


def additions(case: Case, rng: Rng) -> list[str]:
    """What gradcheck does not find of slopes too many, at corners and where there is no slope, too."""
    rows = {row.index: row for row in ag.gradcheck(case.f, case.at).rows}
    i = (int(rng.integers(case.at.size)),)
    sides = [x for x in (rows[i].numeric, rows[i].left, rows[i].right) if np.isfinite(x)] if i in rows else [0.0]
    largest = max(abs(x) for x in [*sides, *(row.analytic for row in rows.values())]) + np.ptp(sides)
    if case.name in NOTHING:
        largest = 1.0
    more = float(rng.choice([-1, 1]) * rng.uniform(3, 5) * (largest or 1.0))

    def f(x: Any) -> Any:
        return case.f(x) + (x[i] - D(x[i])) * _dtype(x).type(more)

    found = []
    for x, options in variants(case, rng):
        if options.get("order") == 2 or options.get("method") == "complex":
            continue
        report = ag.gradcheck(f, x, **options)
        wrong = {row.index for row in report.rows if row.verdict == "wrong" and row.index}
        if report.verdict != "wrong" or wrong != {i}:
            found.append(f"{case.name}, {more:+g} at {i}, {x.dtype} {options}: {report}")
    return found


def faults(case: Case, rng: Rng) -> list[str]:
    """All that gradcheck gets wrong about a function."""
    alone = case.at.size == 1 or case.passes != ("ok",)  # of several scales in one vector, the largest hides others
    return false_alarms(case, rng) + misses(case, rng) + (additions(case, rng) if alone else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", default="")
    args = parser.parse_args()
    families = [f for f in FAMILIES if args.family in f.__name__]
    counts = dict.fromkeys((f.__name__ for f in families), 0)
    for k in range(args.cases):
        rng = np.random.default_rng([args.seed, k])
        family = families[k % len(families)]
        case = family(rng)
        found = faults(case, rng)
        counts[family.__name__] += len(found)
        for text in found:
            print(f"--- {family.__name__} {k}: {text}")
    print(counts)


if __name__ == "__main__":
    main()

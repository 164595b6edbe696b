"""Random programs over the whole table: Values, Tensors, compiled or not, the stepper and PyTorch must agree on them.

`python -m tests.fuzz --programs 10000` runs many and prints each that fails, as lines of its operations;
`--seed 17 --programs 1` runs one again. Programs keep away from corners and from large numbers, so that
every engine owes the same answer; with `odd`, inputs lie on corners, and the engines of this project alone compare.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autograd as ag
from autograd import Tensor
from autograd.engine import linalg as L
from autograd.engine import primitives as p
from autograd.engine.kinds import raw
from transformer import layers

try:
    import torch
except ImportError:
    torch = None

Fits = Callable[..., Any]
MARGIN = 1e-2  # how far from a corner


@dataclass(frozen=True)
class Op:
    """An operation in three dialects: on Tensors, on arrays of Values (None: it has none) and on PyTorch's."""

    name: str
    ours: Callable[..., Any]
    values: Callable[..., Any] | None
    theirs: Callable[..., Any]
    arity: int = 1
    fits: Fits = lambda *xs: True  # by shape
    safe: Fits = lambda *xs: True  # away from corners, in the domain
    of: frozenset[str] = frozenset()  # the rows it stands for, where that is not its name


# ---- rows of numbers ---------------------------------------------------------------------


def _apart(a: Any, b: Any) -> Any:
    return np.abs(a - b) > MARGIN


def _whole(x: Any) -> Any:
    """How far from a whole number."""
    return np.abs(x - np.rint(x))


def _small(x: Any) -> Any:
    return np.abs(x) < 4


def _quotient(a: Any, b: Any) -> Any:
    return (np.abs(b) > 0.2) & (_whole(a / np.where(b == 0, 1.0, b)) > MARGIN)


SAFE: dict[str, Fits] = {
    "div": lambda a, b: np.abs(b) > 0.2,
    "pow": lambda a, b: (a > 0.2) & _small(b),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), _apart),
    **dict.fromkeys(("remainder", "fmod", "floor_divide"), _quotient),
    **dict.fromkeys(("hypot", "arctan2"), lambda a, b: np.hypot(a, b) > 0.2),
    "copysign": lambda a, b: (np.abs(a) > MARGIN) & (np.abs(b) > MARGIN),
    "heaviside": lambda a, b: np.abs(a) > MARGIN,
    **dict.fromkeys(("exp", "exp2", "expm1", "sinh", "cosh", "square"), _small),
    **dict.fromkeys(("log", "log2", "log10", "sqrt"), lambda x: x > 0.2),
    "log1p": lambda x: x > -0.8,
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), lambda x: np.abs(x) < 0.9),
    "arccosh": lambda x: x > 1.1,
    "tan": lambda x: np.abs(np.cos(x)) > 0.3,
    "cbrt": lambda x: np.abs(x) > 0.2,
    **dict.fromkeys(("abs", "relu", "sign"), lambda x: np.abs(x) > MARGIN),
    **dict.fromkeys(("floor", "ceil", "trunc"), lambda x: _whole(x) > MARGIN),
    "rint": lambda x: np.abs(_whole(x) - 0.5) > MARGIN,
}

THEIRS: dict[str, Callable[..., Any]] = {
    "identity": lambda x: x * 1.0,
    "cbrt": lambda x: x.sign() * x.abs() ** (1 / 3),
    "rint": lambda x: x.round(),
    "fmod": lambda a, b: a - torch.trunc((a / b).detach()) * b,
    "floor_divide": lambda a, b: torch.floor((a / b).detach()),
    "heaviside": lambda a, b: torch.heaviside(a.detach(), b.detach() + 0 * a.detach()),
}


def _numeric(row: Any) -> Op:
    n = len(row.local)
    theirs = THEIRS.get(row.name) or (lambda *xs: getattr(torch, row.name)(*xs))
    return Op(row.name, row, np.frompyfunc(row, n, 1), theirs, n, safe=SAFE.get(row.name, lambda *xs: True))


# ---- rows of arrays ------------------------------------------------------------------------


def _same(f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {"values": f, "theirs": f}


def _axes(x: Any) -> bool:
    return x.ndim > 0


def _gapped(x: Any) -> bool:
    """No two elements tie."""
    return x.size > 0 and bool((np.diff(np.sort(x, axis=None)) > MARGIN).all())


def _extreme(name: str, row: Any) -> Op:
    return Op(
        name,
        lambda x: row(x, -1, False),
        lambda x: getattr(x, name)(axis=-1),
        lambda x: getattr(x, f"a{name}")(dim=-1),
        fits=_axes,
        safe=_gapped,
    )


def _matrices(*xs: Any) -> bool:
    return all(x.ndim == 2 for x in xs)


def _index(x: Any) -> Any:
    """An index that takes some elements twice."""
    return np.arange(x.shape[0] + 1)[::-1] % x.shape[0]


def _scattered(x: Any) -> Any:
    return torch.zeros(3, *x.shape[1:], dtype=x.dtype).index_add(0, torch.arange(x.shape[0]) % 2, x)


def _scattered_values(x: Any) -> Any:
    out = np.full((3, *x.shape[1:]), 0.0, object)
    for i, part in enumerate(x):
        out[i % 2] = out[i % 2] + part
    return out


ARRAY_OPS = [
    Op("sum", lambda x: p.total(x, None, False), lambda x: np.asarray(x.sum()), lambda x: x.sum()),
    Op("sum", lambda x: p.total(x, 0, True), lambda x: x.sum(axis=0, keepdims=True), lambda x: x.sum(0, True),
       fits=_axes),
    Op(
        "mean",
        lambda x: p.mean(x, -1, False),
        lambda x: x.sum(axis=-1) / x.shape[-1],
        lambda x: x.mean(-1),
        fits=lambda x: x.ndim > 0 and x.size,
    ),
    _extreme("max", p.amax),
    _extreme("min", p.amin),
    Op("prod", lambda x: p.prod(x, 0, False), lambda x: x.prod(axis=0), lambda x: x.prod(0), fits=_axes),
    Op("prod", lambda x: p.prod(x, None, False), lambda x: np.asarray(x.prod()), lambda x: x.prod()),
    Op("cumsum", lambda x: p.cumsum(x, 0), lambda x: x.cumsum(axis=0), lambda x: x.cumsum(0), fits=_axes),
    Op("cumprod", lambda x: p.cumprod(x, -1), lambda x: x.cumprod(axis=-1), lambda x: x.cumprod(-1), fits=_axes),
    Op("matmul", lambda a, b: p.matmul(a, p.swapaxes(b, 0, 1)), lambda a, b: a @ b.T, lambda a, b: a @ b.T, 2,
       lambda a, b: _matrices(a, b) and a.shape[1] == b.shape[1], of=frozenset({"matmul", "swapaxes"})),
    Op("matmul", p.matmul, lambda a, b: a @ b, lambda a, b: a @ b, 2,
       lambda a, b: a.ndim == 2 and b.ndim == 1 and a.shape[1] == b.shape[0]),
    Op("einsum", lambda a, b: p.einsum("ij,ij->j", a, b), lambda a, b: (a * b).sum(axis=0),
       lambda a, b: torch.einsum("ij,ij->j", a, b), 2, lambda a, b: _matrices(a, b) and a.shape == b.shape),
    Op("einsum", lambda a: p.einsum("ii->i", a[:2, :2]), lambda a: np.array([a[0, 0], a[1, 1]]),
       lambda a: torch.einsum("ii->i", a[:2, :2]), fits=lambda a: a.ndim == 2 and min(a.shape) >= 2),
    Op("reshape", lambda x: p.reshape(x, (-1,)), lambda x: x.reshape(-1), lambda x: x.reshape(-1)),
    Op("transpose", lambda x: p.transpose(x, (1, 0)), lambda x: x.T, lambda x: x.T, fits=_matrices),
    Op("broadcast_to", lambda x: p.broadcast_to(x, (2, *x.shape)), lambda x: np.broadcast_to(x, (2, *x.shape)),
       lambda x: x.expand(2, *x.shape), fits=lambda x: x.ndim < 2),
    Op("getitem", lambda x: p.getitem(x, _index(x)), lambda x: x[_index(x)], lambda x: x[_index(x).copy()], fits=_axes,
       of=frozenset({"getitem", "scatter_add"})),
    Op("getitem", lambda x: p.getitem(x, slice(None, None, -1)), lambda x: x[::-1], lambda x: x.flip(0), fits=_axes),
    Op("scatter_add", lambda x: p.scatter_add(x, np.arange(x.shape[0]) % 2, (3, *x.shape[1:])), _scattered_values,
       _scattered, fits=_axes),
    Op("concatenate", lambda a, b: p.concatenate(0, a, b), lambda a, b: np.concatenate([a, b]),
       lambda a, b: torch.cat([a, b]), 2, lambda a, b: a.ndim == b.ndim > 0 and a.shape[1:] == b.shape[1:]),
    Op("where", lambda a, b: p.where(raw(a) > raw(b), a, b * 2.0), lambda a, b: np.where(a > b, a, b * 2.0),
       lambda a, b: torch.where(a > b, a, b * 2.0), 2, safe=_apart),
    Op("astype", lambda x: p.astype(x, np.float64), None, lambda x: x.double()),
]  # fmt: skip


# ---- linear algebra ------------------------------------------------------------------------


def _near(x: Any) -> Any:
    """A matrix near the diagonal one of 1, 2, 3, of the first elements of x."""
    n = min(x.shape)
    tanh, diagonal = (p.tanh, np.diag) if not torch or not isinstance(x, torch.Tensor) else (torch.tanh, torch.diag)
    ends = np.arange(1.0, n + 1) if tanh is p.tanh else torch.arange(1.0, n + 1, dtype=x.dtype)
    return tanh(x[:n, :n]) * 0.1 + diagonal(ends)


def _linear(name: str, ours: Callable[..., Any], theirs: Callable[..., Any], *of: str) -> Op:
    return Op(
        name, lambda x: ours(_near(x)), None, lambda x: theirs(_near(x)), fits=_matrices, of=frozenset(of or (name,))
    )


def _symmetric(a: Any) -> Any:
    return torch.tril(a) + torch.tril(a, -1).T


def _joined(parts: Any, squared: bool = True) -> Any:
    """All elements in a line; squared, since the signs of vectors are free."""
    lines = [x.reshape(-1) for x in parts]
    joined = torch.cat(lines) if torch and isinstance(lines[0], torch.Tensor) else p.concatenate(0, *lines)
    return joined * joined if squared else joined


LINEAR = [
    _linear("inv", L.inv, lambda a: torch.linalg.inv(a)),
    _linear("solve", lambda a: L.solve(a, a @ a), lambda a: torch.linalg.solve(a, a @ a)),
    _linear("det", L.det, lambda a: torch.linalg.det(a), "det", "cofactors"),
    _linear("logabsdet", lambda a: L.slogdet(a)[1], lambda a: torch.linalg.slogdet(a)[1]),
    _linear("pinv", lambda a: L.pinv(a[:1]), lambda a: torch.linalg.pinv(a[:1])),
    _linear("cholesky", L.cholesky, lambda a: torch.linalg.cholesky(_symmetric(a))),
    _linear("eigh", lambda a: _joined(L.eigh(a)), lambda a: _joined(torch.linalg.eigh(_symmetric(a)))),
    _linear("svd", lambda a: _joined(L.svd(a)), lambda a: _joined(torch.linalg.svd(a, full_matrices=False))),
    _linear("qr", lambda a: _joined(L.qr(a)), lambda a: _joined(torch.linalg.qr(a))),
]

# ---- fused rows ----------------------------------------------------------------------------


def _layer(name: str, theirs: Callable[..., Any], arity: int = 1, fits: Fits = _axes) -> Op:
    """A function of the transformer's layers, whose row is fused."""
    ours = getattr(layers, name)
    return Op(name, ours, ours, theirs, arity, fits)


def _width(x: Any, *_: Any) -> list[int]:
    return [x.shape[-1]]


def _targets(x: Any) -> Any:
    """Ids that fit the last axis, the last of which does not count."""
    ids = np.arange(x.shape[0]) % x.shape[1]
    ids[-1] = -1
    return ids


def _future(scores: Any) -> Any:
    """0 where a position may look, -inf at the future."""
    n_time, n_all = scores.shape[-2:]
    return torch.triu(torch.full((n_time, n_all), -torch.inf, dtype=scores.dtype), 1 + n_all - n_time)


FUSED = [
    _layer("softmax", lambda x: torch.softmax(x, -1)),
    _layer("rmsnorm", lambda x: torch.nn.functional.rms_norm(x, _width(x), eps=1e-5)),
    _layer("layernorm", lambda x: torch.nn.functional.layer_norm(x, _width(x))),
    _layer("gelu", lambda x: torch.nn.functional.gelu(x, approximate="tanh"), fits=lambda x: True),
    _layer("linear", lambda x, w, b: x @ w + b, 3,
           lambda x, w, b: _matrices(x, w) and b.ndim == 1 and x.shape[1] == w.shape[0] and w.shape[1] == b.shape[0]),
    Op("causal", lambda x: layers.softmax(layers.causal(x)), lambda x: layers.softmax(layers.causal(x)),
       lambda x: torch.softmax(x + _future(x), -1), fits=lambda x: x.ndim >= 2 and x.shape[-1] >= x.shape[-2]),
    Op("causal_attention", *2 * (lambda x, y: layers.causal_attention(x[None], y[None], x[None]),),
       lambda x, y: torch.softmax(x @ y.T * x.shape[1] ** -0.5 + _future(x @ y.T), -1) @ x, 2,
       lambda x, y: x.ndim == 2 and x.shape == y.shape),
    Op("split_heads", *2 * (lambda x: layers.split_heads(x, 1 if x.shape[-1] % 2 else 2),),
       lambda x: x.unflatten(-1, (-1, 1 if x.shape[-1] % 2 else 2)).transpose(-2, -3), fits=lambda x: x.ndim == 2),
    Op("join_heads", layers.join_heads, layers.join_heads, lambda x: x.transpose(-2, -3).flatten(-2),
       fits=lambda x: x.ndim >= 3),
    Op("cross_entropy", lambda x: layers.cross_entropy(x, _targets(x)),
       lambda x: np.asarray(layers.cross_entropy(x, _targets(x)), object),
       lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(_targets(x)), ignore_index=-1),
       fits=lambda x: x.ndim == 2 and x.shape[0] > 1),
]  # fmt: skip

OPS = [_numeric(row) for row in p.TABLE.values() if row.scalar is not None] + ARRAY_OPS + LINEAR + FUSED


VALUES = type(ag.values([1.0]))  # in which plain numbers may stand among Values

# ---- programs --------------------------------------------------------------------------------


@dataclass
class Program:
    """Inputs, and operations on what there is so far: `steps` hold an operation and the places of its arguments."""

    inputs: list[np.ndarray]
    steps: list[tuple[Op, tuple[int, ...]]] = field(default_factory=list)

    def run(self, inputs: Any, dialect: str) -> Any:
        """One number, to which every result adds."""
        found = list(inputs)
        for op, places in self.steps:
            y = getattr(op, dialect)(*(found[i] for i in places))
            found.append(np.asarray(y, object).view(VALUES) if dialect == "values" else y)
        total: Any = 0.0
        for k, x in enumerate(found[len(self.inputs) :]):
            size = int(np.prod(x.shape))
            weights = np.cos(np.arange(size) + k).reshape(tuple(x.shape)) + 1.5
            weighted = x * (torch.tensor(weights) if dialect == "theirs" else weights)
            total = total + (np.asarray(weighted, object) if dialect == "values" else weighted).sum()
        return total

    def __str__(self) -> str:
        lines = [f"x{i} = np.array({x.tolist()})" for i, x in enumerate(self.inputs)]
        for k, (op, places) in enumerate(self.steps, len(self.inputs)):
            lines.append(f"x{k} = {op.name}({', '.join(f'x{i}' for i in places)})")
        return "\n".join(lines)


def _identical(a: Any, b: np.ndarray) -> bool:
    return np.asarray(a, float).tobytes() == b.tobytes()


def program(seed: int, length: int = 7, odd: bool = False) -> Program:
    """A random program; operations that do not fit what there is are passed over."""
    rng = np.random.default_rng(seed)
    shapes = [(2, 3), (3,), (2, 1), ()]
    drawn = [np.asarray(rng.normal(size=s) * 1.5) for s in rng.permutation(np.array(shapes, object))[:3]]
    if odd:
        drawn = [rng.choice([0.0, -0.0, 1.0, -1.0, 0.5, 2.0], size=x.shape) for x in drawn]
    made = Program([np.asarray(x, float) for x in drawn])
    found = list(made.inputs)
    # Of Values that tie NumPy's max takes the first, and of Tensors each has its share.
    ops = [op for op in OPS if not odd or (op.values is not None and op.safe is not _gapped)]
    for _ in range(40 * length):
        if len(made.steps) == length:
            break
        op = ops[rng.integers(len(ops))]
        # The last result more often than others, so that programs are deep.
        places = tuple(len(found) - 1 if rng.random() < 0.4 else int(rng.integers(len(found))) for _ in range(op.arity))
        args = [found[i] for i in places]
        try:
            if not op.fits(*args) or not (odd or np.all(op.safe(*args))):
                continue
            result = np.asarray(raw(op.ours(*map(Tensor, args))))
            if odd and op.values is not None and not _identical(op.values(*(x.astype(object) for x in args)), result):
                continue  # a last digit, or the sign of a 0, would send the engines to two sides of a corner
        except (ValueError, IndexError, TypeError, AttributeError):  # shapes that do not go together
            continue
        if result.size <= 24 and (odd or (np.isfinite(result).all() and np.abs(result).max(initial=0.0) < 30)):
            made.steps.append((op, places))
            found.append(result)
    return made


def _differs(a: Any, b: Any, rtol: float) -> bool:
    a, b = np.asarray(a, float), np.asarray(b, float)
    fine = np.isfinite(b)  # beside inf and nan it matters in which order numbers are added
    scale = np.abs(b[fine]).max(initial=1.0)
    return a.shape != b.shape or not np.allclose(a[fine], b[fine], rtol=rtol, atol=rtol * scale)


def _of_torch(made: Program, vectors: list[np.ndarray]) -> tuple[list[Any], list[Any]]:
    xs = [torch.tensor(x, requires_grad=True) for x in made.inputs]

    def by(y: Any) -> list[Any]:
        if not isinstance(y, torch.Tensor) or not y.requires_grad:
            return [torch.zeros_like(x) for x in xs]
        found = torch.autograd.grad(y, xs, create_graph=True, allow_unused=True)
        return [torch.zeros_like(x) if g is None else g + torch.zeros_like(x) for g, x in zip(found, xs, strict=True)]

    slopes = by(made.run(xs, "theirs"))
    along = sum((g * torch.tensor(v)).sum() for g, v in zip(slopes, vectors, strict=True))
    return [g.tolist() for g in slopes], [g.tolist() for g in by(along)]


def _stepped(root: Any, leaves: list[Any]) -> list[Any]:
    """The gradients at the end of the stepper; 0 where nothing arrives."""
    stepper = ag.Stepper(root)
    stepper.end()
    return [0.0 if (g := stepper.grad(x)) is None else g for x in leaves]


def faults(made: Program, odd: bool = False) -> list[str]:
    """Who disagrees on a program, or fails; nothing where all agree."""
    rng = np.random.default_rng(5)
    vectors = [np.asarray(rng.normal(size=x.shape)) for x in made.inputs]
    try:
        slopes = ag.grad(lambda xs: made.run(xs, "ours"))(made.inputs)
        seconds = ag.hvp(lambda xs: made.run(xs, "ours"), made.inputs, vectors)
        found = _of_stepper(made) + _of_compiled(made, vectors, slopes, seconds)
        if all(op.values is not None for op, _ in made.steps):
            found += _of_values(made, vectors, slopes, seconds)
        if torch and not odd:
            theirs = _of_torch(made, vectors)
            found += _unlike("PyTorch, first order", theirs[0], slopes, 1e-6)
            found += _unlike("PyTorch, second order", theirs[1], seconds, 1e-6)
    except Exception as error:  # whatever it is, it is to be reported with the program
        return [f"{type(error).__name__}: {error}"]
    return found


def _unlike(what: str, got: Any, want: Any, rtol: float) -> list[str]:
    pairs = enumerate(zip(got, want, strict=True))
    return [f"{what}, x{i}: {raw(g)} against {raw(w)}" for i, (g, w) in pairs if _differs(raw(g), raw(w), rtol)]


def _of_values(made: Program, vectors: list[np.ndarray], slopes: Any, seconds: Any) -> list[str]:
    def run(xs: Any) -> Any:
        return made.run(xs, "values")

    inputs = [ag.values(x) for x in made.inputs]
    found = _unlike("Values, first order", ag.grad(run)(inputs), slopes, 1e-9)
    found += _unlike("Values, second order", ag.hvp(run, inputs, vectors), seconds, 1e-9)
    root, leaves = run(inputs), [v for x in inputs for v in x.flat]
    root.backward()
    return found + _unlike("the stepper on Values", _stepped(root, leaves), [v.grad for v in leaves], 0.0)


def _of_compiled(made: Program, vectors: list[np.ndarray], slopes: Any, seconds: Any) -> list[str]:
    """Recorded elsewhere, so that no number of the recording can pass for one of the replay."""

    def both(xs: Any, vs: Any) -> Any:
        return ag.grad(lambda xs: made.run(xs, "ours"))(xs), ag.hvp(lambda xs: made.run(xs, "ours"), xs, vs)

    compiled = ag.compile(both)
    try:
        compiled([np.asarray(1.3 - 0.7 * x) for x in made.inputs], vectors)
    except np.linalg.LinAlgError:  # what decomposes a matrix refuses the nan of an operation before it
        compiled([np.asarray(1.001 * x) for x in made.inputs], vectors)
    first, second = compiled(made.inputs, vectors)
    found = _unlike("compiled, first order", first, slopes, 1e-9)
    found += _unlike("compiled, second order", second, seconds, 1e-9)
    return found + ([] if compiled.recordings == 1 else [f"compiled: {compiled.recordings} recordings"])


def _of_stepper(made: Program) -> list[str]:
    leaves = [Tensor(x) for x in made.inputs]
    root = made.run(leaves, "ours")
    root.backward()
    ends = [np.broadcast_to(raw(g), x.shape) for g, x in zip(_stepped(root, leaves), leaves, strict=True)]
    return _unlike("the stepper on Tensors", ends, [x.grad for x in leaves], 0.0)


def shortest(made: Program, odd: bool) -> Program:
    """A program with fewer steps that fails as well."""
    for k in range(len(made.steps)):
        fewer = Program(made.inputs, made.steps[: k + 1])
        if faults(fewer, odd):
            return fewer
    return made


def fuzz(programs: int, seed: int = 0, odd: bool = False) -> tuple[list[str], set[str]]:
    """The reports of programs that fail, and the rows that took part."""
    reports, used = [], set()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        for k in range(seed, seed + programs):
            made = program(k, odd=odd)
            used |= {name for op, _ in made.steps for name in op.of or {op.name}}
            if faults(made, odd):
                small = shortest(made, odd)
                reports.append(f"seed {k}{' odd' if odd else ''}\n{small}\n" + "\n".join(faults(small, odd)))
    return reports, used


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    reports, used = [], set()
    for odd in (False, True):
        more, names = fuzz(options.programs, options.seed, odd)
        reports += more
        used |= names
    print("\n\n".join(reports[:20]))
    print(f"{2 * options.programs} programs over {len(used)} rows: {len(reports)} fail")
    sys.exit(bool(reports))


if __name__ == "__main__":
    main()

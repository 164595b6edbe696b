"""SGD and Adam: pure functions of parameters, gradients and state.

`init(params)` gives a state and `update(params, grads, state)` new parameters and a new
state, over dicts. The rules are written in plain operators, so they run on numbers,
arrays, Values and Tensors and can themselves be differentiated. `SGD` and `Adam` are
shells for those who write `loss.backward(); opt.step()`.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from autograd import traceable
from transformer.base import Array, Params, Rule, Scalar, Schedule, Tree
from transformer.blocks import BLOCK, Numbers, adam_in_blocks, packed, squares, suits, unpacked


class Optimizer(NamedTuple):
    """init(params) -> state; update(params, grads, state) -> (new_params, new_state)."""

    init: Callable[[Params], Tree]
    update: Callable[[Params, Params, Tree], tuple[Params, Tree]]


def sgd(lr: Scalar | Schedule, momentum: Scalar = 0.0) -> Optimizer:
    """p - lr * m, with m = momentum * m + g, or just g without momentum.

    lr: a number, or a function of the step, counted from 0.
    Raises ValueError for a learning rate that is negative or nan.
    """
    schedule = _schedule(lr, "sgd")
    _in_range(momentum, "sgd: momentum")

    def init(params: Params) -> Tree:
        _named("sgd", params=params)
        return {"step": 0, "m": _zeros("sgd", params) if momentum else {}}

    def update(params: Params, grads: Params, state: Tree) -> tuple[Params, Tree]:
        inputs = _matching("sgd", params, grads, state, ("m",) if momentum else ())
        rate = schedule(state["step"])
        if not momentum:
            (new,) = _elementwise(lambda p, g: (p - rate * g,), inputs)
            return new, {"step": state["step"] + 1, "m": {}}

        def rule(p: Array, g: Array, m: Array) -> tuple[Array, ...]:
            m = momentum * m + g
            return p - rate * m, m

        new, m = _elementwise(rule, inputs)
        return new, {"step": state["step"] + 1, "m": m}

    return Optimizer(init, update)


def adam(
    lr: Scalar | Schedule,
    betas: tuple[Scalar, Scalar] = (0.9, 0.999),
    eps: float = 1e-8,
    eps_root: float = 0.0,
    weight_decay: float = 0.0,
    decays: Callable[[str, Array], bool] = lambda name, p: True,
    in_place: bool = False,
) -> Optimizer:
    """Adam (Kingma and Ba 2015, algorithm 1), with decoupled weight decay (Loshchilov and Hutter 2019).

    lr: a number, or a function of the step, counted from 0. eps is added to the root of the
    second moment, eps_root under it: to differentiate through an update, give eps_root more
    than 0, since the root of a zero gradient has no slope. decays(name, p): whether weight
    decay acts on a parameter; `matrices` leaves out gains and biases. in_place: write the new
    parameters and moments over the old ones where these are large plain arrays, which takes half
    the time and memory; who looks at the old ones afterwards sees the new.
    Raises ValueError for a learning rate that is negative or nan.
    """
    schedule = _schedule(lr, "adam")
    b1, b2 = betas
    _in_range(b1, "adam: betas[0]")
    _in_range(b2, "adam: betas[1]")
    for name, x in (("eps", eps), ("eps_root", eps_root), ("weight_decay", weight_decay)):
        if not x >= 0:
            raise ValueError(f"adam: {name}={x}; expected a number from 0 on")

    def init(params: Params) -> Tree:
        return {"step": 0, "m": _zeros("adam", params), "v": _zeros("adam", params)}

    def update(params: Params, grads: Params, state: Tree) -> tuple[Params, Tree]:
        inputs = _matching("adam", params, grads, state, ("m", "v"))
        step = state["step"]
        rate = schedule(step)
        # The bias corrections of both moments, moved out of the loop over elements.
        c1 = _through(step, lambda n: 1 - b1 ** (n + 1), b1)
        c2 = _through(step, lambda n: (1 - b2 ** (n + 1)) ** 0.5, b2)
        size, floor, root_floor = rate * (c2 / c1), eps * c2, eps_root * (c2 * c2)
        if isinstance(rate, float) and isinstance(b1, float) and isinstance(b2, float) and suits(inputs):
            shrinks = {}
            if weight_decay:
                shrinks = {k: 1 - rate * weight_decay for k, p in params.items() if decays(k, p)}
            told = Numbers(b1, b2, size, floor, root_floor, shrinks)
            new, m, v = adam_in_blocks(params, grads, state["m"], state["v"], told, in_place)
            return new, {"step": step + 1, "m": m, "v": v}

        def rule(p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * (g * g)
            root = (v + root_floor if eps_root else v) ** 0.5
            return p - size * m / (root + floor), m, v

        if weight_decay:
            shrunk = {k: p * (1 - rate * weight_decay) if decays(k, p) else p for k, p in params.items()}
            inputs = [shrunk, *inputs[1:]]
        new, m, v = _elementwise(rule, inputs)
        return new, {"step": step + 1, "m": m, "v": v}

    return Optimizer(init, update)


def matrices(name: str, p: Array) -> bool:
    """Whether a parameter has two axes or more, as weights and embeddings have; gains and biases have one."""
    return len(np.shape(p)) >= 2


def clip(optimizer: Optimizer, max_norm: Scalar) -> Optimizer:
    """The optimizer, given gradients of a global norm of at most max_norm (Pascanu et al. 2013).

    All gradients together are scaled by min(1, max_norm / (norm + 1e-6)), as PyTorch scales them.
    Raises ValueError for a max_norm that is not above 0.
    """
    if isinstance(max_norm, numbers.Real) and not float(max_norm) > 0:
        raise ValueError(f"clip: max_norm={max_norm}; expected a number above 0")

    def update(params: Params, grads: Params, state: Tree) -> tuple[Params, Tree]:
        _named("clip", params=params, grads=grads)
        factor = _at_most_1(max_norm / (norm(grads) + 1e-6))
        if isinstance(factor, np.floating):
            factor = float(factor)  # beside arrays of other floats it gives way
        return optimizer.update(params, {k: g * factor for k, g in grads.items()}, state)

    return Optimizer(optimizer.init, update)


@traceable
def _at_most_1(x: Scalar) -> Scalar:
    return np.minimum(1.0, x)


def norm(tree: Params) -> Scalar:
    """The root of the sum of all squares, with a slope also where all are 0."""
    return (sum(map(_square, tree.values())) + 1e-30) ** 0.5


def _square(g: Array) -> Scalar:
    """The sum of squares."""
    if type(g) is np.ndarray and g.size > BLOCK and g.dtype != object:
        return g.dtype.type(squares(g))
    return (g * g).sum() if np.shape(g) else g * g


def cosine(lr: Scalar, warmup: int, steps: int, floor: Scalar = 0.0) -> Schedule:
    """A learning rate that rises in a line to lr, and falls along half a cosine to floor (Loshchilov and Hutter 2017).

    warmup: steps before lr is reached, the first of which is lr / (warmup + 1). From step `steps` on it is `floor`.
    Raises ValueError for numbers that make no schedule.
    """
    return _falling("cosine", lr, warmup, steps, floor, lambda part: 0.5 * (1 + math.cos(math.pi * part)))


def linear(lr: Scalar, warmup: int, steps: int, floor: Scalar = 0.0) -> Schedule:
    """A learning rate that rises in a line to lr, and falls in a line to `floor`: see `cosine`."""
    return _falling("linear", lr, warmup, steps, floor, lambda part: 1 - part)


def _falling(
    where: str, lr: Scalar, warmup: int, steps: int, floor: Scalar, shape: Callable[[float], float]
) -> Schedule:
    lr, floor = _rate(lr, f"{where}: lr"), _rate(floor, f"{where}: floor")
    if not 0 <= warmup <= steps or steps < 1:
        raise ValueError(
            f"{where}: warmup={warmup}, steps={steps}; expected warmup from 0 to steps, and a step or more"
        )

    def schedule(step: int) -> Scalar:
        if step < warmup:
            return lr * ((step + 1) / (warmup + 1))
        part = min(1.0, (step - warmup) / max(1, steps - warmup))
        return floor + (lr - floor) * shape(part)

    return schedule


def _zeros(where: str, params: Params) -> Params:
    """Zeros like every parameter."""
    _named(where, params=params)
    return {name: 0.0 * p for name, p in params.items()}


def _matching(where: str, params: Params, grads: Params, state: Tree, moments: Sequence[str]) -> list[Params]:
    """Parameters, gradients and the moments of the state; an error where names or shapes differ."""
    if not isinstance(state, dict) or not {"step", *moments} <= state.keys():
        raise ValueError(f"{where}: the state is not one of {where}; begin with what its init(params) gives")
    given = {"params": params, "grads": grads, **{f"state[{name!r}]": state[name] for name in moments}}
    _named(where, **given)
    return list(given.values())


def _named(where: str, *, params: Params, **others: Params) -> None:
    """TypeError or ValueError where one is no dict of numbers and arrays with the names and shapes of params."""
    shapes = _shapes(params, params)
    for what, given in {"params": params, **others}.items():
        if shapes and (given is params or _shapes(given, params) == shapes):
            continue
        if not isinstance(given, dict):
            raise TypeError(f"{where}: {what} must be a dict of arrays by name, got {type(given).__name__}")
        if given.keys() != params.keys():
            odd = {"lacks": params.keys() - given.keys(), "has besides": given.keys() - params.keys()}
            told = (f"it {verb} {', '.join(map(repr, sorted(names)[:4]))}" for verb, names in odd.items() if names)
            raise ValueError(f"{where}: {what} must have the names of params; {' and '.join(told)}")
        for name, p in params.items():
            a = given[name]
            if a is None or isinstance(a, (dict, list, tuple, str)):
                raise TypeError(f"{where}: {what}[{name!r}] must be a number or an array, got {type(a).__name__}")
            if np.shape(a) != np.shape(p):
                raise ValueError(
                    f"{where}: {name!r} has shape {np.shape(p)}, but its gradient or state has shape {np.shape(a)}"
                )


def _shapes(tree: Params, like: Params) -> list[tuple[int, ...]]:
    """The shapes of arrays in the order of another dict; none where one is no array, or the names differ."""
    if not isinstance(tree, dict) or len(tree) != len(like):
        return []
    try:
        return [tree[name].shape for name in like]
    except (AttributeError, KeyError):
        return []


def _elementwise(rule: Rule, inputs: Sequence[Params]) -> list[Params]:
    """Apply an elementwise rule, (p, g, ...) -> (p, ...), to every parameter: a dict per result.

    A tiny model goes through it as one vector, since a call costs more than its arithmetic;
    large arrays go block by block.
    """
    names = list(inputs[0])
    arrays = [d[k] for d in inputs for k in names]
    if names and _alike(arrays) and sum([a.size for a in arrays]) <= len(inputs) * BLOCK:
        return unpacked(rule(*(packed(d, names) for d in inputs)), inputs[0])
    each = {k: _blockwise(rule, *(d[k] for d in inputs)) for k in names}
    return [{k: out[i] for k, out in each.items()} for i in range(len(inputs) - 1)]


def _alike(arrays: Sequence[Array]) -> bool:
    """Whether all are arrays of floats of one dtype that `np.concatenate` takes; those of a tracer may be."""
    dtype = getattr(arrays[0], "dtype", None)
    if dtype not in (np.float32, np.float64):
        return False
    return all((type(a) is np.ndarray or hasattr(a, "__array_function__")) and a.dtype == dtype for a in arrays)


def _blockwise(rule: Rule, *arrays: Array) -> tuple[Array, ...]:
    """Apply an elementwise rule; to large arrays, block by block."""
    first = arrays[0]
    if not isinstance(first, np.ndarray) or first.size <= BLOCK or first.dtype == object:
        return rule(*arrays)
    flat = [np.ascontiguousarray(a).reshape(-1) for a in arrays]
    out: list[np.ndarray] = []
    for i in range(0, first.size, BLOCK):
        parts = rule(*(a[i : i + BLOCK] for a in flat))
        out = out or [np.empty(first.size, part.dtype) for part in parts]
        for whole, part in zip(out, parts, strict=True):
            whole[i : i + BLOCK] = part
    return tuple(whole.reshape(first.shape) for whole in out)


def _schedule(lr: Scalar | Schedule, where: str) -> Schedule:
    if callable(lr):

        def rate(step: int) -> Scalar:
            return _rate(lr(step), f"{where}: lr({step})")

        def scheduled(step: Scalar) -> Scalar:
            if hasattr(step, "aval"):
                raise TypeError(
                    f"{where}: a schedule chooses by the number of the step, which JAX traces here; make the optimizer "
                    f"inside the traced function with the learning rate of the step as a number: {where}(lr=rate)"
                )
            return _through(step, rate)

        return scheduled
    fixed = _rate(lr, f"{where}: lr")
    return lambda step: fixed


def _through(step: Scalar, function: Callable[[int], Scalar], other: Scalar = 0.0) -> Scalar:
    """What a function makes of the step, and of another number, which may be a node.

    A step that is traced has no number yet: the function is called when it has.
    """
    later = hasattr(step, "through") and isinstance(other, numbers.Real)
    return step.through(function) if later else function(step)


def _rate(lr: Scalar, where: str) -> Scalar:
    """Check a learning rate that is a number; a node or a tracer goes through."""
    if isinstance(lr, str) or lr is None:
        raise TypeError(f"{where}={lr!r}; expected a number, or a function of the step")
    if isinstance(lr, numbers.Real) or (isinstance(lr, np.ndarray) and lr.ndim == 0 and lr.dtype != object):
        if not 0 <= float(lr) < math.inf:
            raise ValueError(f"{where}={lr}; a learning rate is a finite number from 0 on")
        return float(lr)  # a plain number leaves float32 parameters float32
    return lr


def _in_range(x: Scalar, where: str) -> None:
    if isinstance(x, numbers.Real) and not 0 <= float(x) < 1:
        raise ValueError(f"{where}={x}; expected a number from 0 up to, not including, 1")


class Node(Protocol):
    """What the shells need of a parameter: a Value or a Tensor has it."""

    data: Array
    grad: Array

    def zero_grad(self) -> None: ...


class _Shell:
    """Holds parameters (Values or Tensors) and updates their data from their gradients."""

    def __init__(self, parameters: Iterable[Node], optimizer: Optimizer) -> None:
        if hasattr(parameters, "backward"):
            raise TypeError(
                "optimizer: parameters must be a list of Values or Tensors, "
                f"got one {type(parameters).__name__}; write [p]"
            )
        self.parameters = list(parameters)
        if len({id(p) for p in self.parameters}) < len(self.parameters):
            raise ValueError("optimizer: a parameter is given twice, and would be moved twice; give each once")
        if not self.parameters:
            raise ValueError("optimizer: no parameters given")
        for p in self.parameters:
            if not (hasattr(p, "data") and hasattr(p, "grad") and hasattr(p, "zero_grad")):
                raise TypeError(
                    f"optimizer: parameters must be Values or Tensors, got {type(p).__name__}; "
                    "for dicts of arrays use sgd or adam"
                )
        self.optimizer = optimizer
        self.state = optimizer.init({str(i): p.data for i, p in enumerate(self.parameters)})

    def step(self) -> None:
        """Move every parameter by its gradient."""
        named = {str(i): p for i, p in enumerate(self.parameters)}
        new, self.state = self.optimizer.update(
            {k: p.data for k, p in named.items()}, {k: p.grad for k, p in named.items()}, self.state
        )
        for k, p in named.items():
            p.data = new[k]

    def zero_grad(self) -> None:
        """Set every parameter's gradient to zero."""
        for p in self.parameters:
            p.zero_grad()


class SGD(_Shell):
    """`sgd` over a list of Values or Tensors: `opt = SGD(ps, lr=0.1); loss.backward(); opt.step()`."""

    def __init__(self, parameters: Iterable[Node], lr: Scalar | Schedule, momentum: float = 0.0) -> None:
        super().__init__(parameters, sgd(lr, momentum))


class Adam(_Shell):
    """`adam` over a list of Values or Tensors."""

    def __init__(
        self,
        parameters: Iterable[Node],
        lr: Scalar | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        eps_root: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, adam(lr, betas, eps, eps_root, weight_decay))

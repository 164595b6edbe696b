"""What our gradcheck and PyTorch's say of the same ten functions; their time is a row of the table."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag
from autograd.engine.graph import Primitive
from tests.benchmarks.race import Contender

A = np.random.default_rng(0).normal(size=(8, 6))
BIG = np.random.default_rng(1).normal(size=3_000)
FACTOR = np.ones(3_000)
FACTOR[1234] += 1e-4
ZERO = np.zeros(3)
F32 = A.astype(np.float32)
EXPECTED = {
    "smooth, float64": "ok",
    "smooth, float32": "ok",
    "softmax": "ok",
    "relu at 0": "kink",
    "twice too large": "wrong",
    "float32, 1 % off": "wrong",
    "1 of 3,000 off by 1e-4": "wrong",
    "dice": "nondeterministic",
    "gradient cut": "wrong",
    "second order": "ok",
}
Checks = dict[str, Callable[[], str]]


def ours_checks() -> Checks:
    """What gradcheck says of each."""
    dice = np.random.default_rng(1)

    def op(vjp: Any) -> Any:
        return Primitive("op", None, np.sin, (vjp,))

    def softmax(x: Any) -> Any:
        return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)

    def check(f: Any, x: np.ndarray, **options: Any) -> Callable[[], str]:
        return lambda: ag.gradcheck(f, x, **options).verdict

    return dict(zip(EXPECTED, (
        check(lambda x: np.tanh(x).sum(), A),
        check(lambda x: np.tanh(x).sum(), F32),
        check(softmax, A),
        check(lambda x: np.maximum(x, 0).sum(), ZERO),
        check(op(lambda g, o, x: 2 * g * np.cos(x)), A),
        check(op(lambda g, o, x: np.float32(1.01) * g * np.cos(x)), F32),
        check(op(lambda g, o, x: g * np.cos(x) * FACTOR), BIG),
        check(lambda x: (x * dice.normal()).sum(), A),
        check(lambda x: (x * ag.detach(x)).sum(), A),
        check(lambda x: (np.sin(x) * x).sum(), A[:3], order=2),
    ), strict=True))  # fmt: skip


def torch_checks() -> Checks:
    """What PyTorch's says: passes or fails. Of the 3,000 in its fast mode, as its users would for that many."""
    import torch
    from torch.autograd import gradcheck, gradgradcheck

    dice, factor = np.random.default_rng(1), torch.tensor(FACTOR)

    def op(backward: Any) -> Any:
        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                ctx.save_for_backward(x)
                return torch.sin(x)

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return backward(g, *ctx.saved_tensors)

        return Function.apply

    def check(f: Any, x: np.ndarray, by: Any = gradcheck, **options: Any) -> Callable[[], str]:
        def run() -> str:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch warns of float32
                passes = by(f, torch.tensor(x, requires_grad=True), raise_exception=False, **options)
            return "passes" if passes else "fails"

        return run

    return dict(zip(EXPECTED, (
        check(lambda x: torch.tanh(x).sum(), A),
        check(lambda x: torch.tanh(x).sum(), F32),
        check(lambda x: torch.softmax(x, -1), A),
        check(lambda x: torch.relu(x).sum(), ZERO),
        check(op(lambda g, x: 2 * g * torch.cos(x)), A),
        check(op(lambda g, x: 1.01 * g * torch.cos(x)), F32),
        check(op(lambda g, x: g * torch.cos(x) * factor), BIG, fast_mode=True),
        check(lambda x: (x * dice.normal()).sum(), A),
        check(lambda x: (x * x.detach()).sum(), A),
        check(lambda x: (torch.sin(x) * x).sum(), A[:3], gradgradcheck),
    ), strict=True))  # fmt: skip


def contender(checks: Checks) -> Contender:
    return Contender(lambda: [check() for check in checks.values()], {})


def ours() -> Contender:
    return contender(ours_checks())


def torch() -> Contender:
    return contender(torch_checks())


def run() -> None:
    """Both verdicts on each."""
    here, peer = ours_checks(), torch_checks()
    print(f"gradcheck: {'function':<24}{'should say':<18}{'ours':<18}PyTorch")
    for name, expected in EXPECTED.items():
        print(f"           {name:<24}{expected:<18}{here[name]():<18}{peer[name]()}")

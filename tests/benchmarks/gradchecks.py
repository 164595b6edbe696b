"""What our gradcheck and PyTorch's say of the same ten functions, and how long each takes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag
from autograd.engine.graph import Primitive

RNG = np.random.default_rng(0)
A = RNG.normal(size=(8, 6))
BIG = RNG.normal(size=3_000)
FACTOR = np.ones(3_000)
FACTOR[1234] += 1e-4
ZERO = np.zeros(3)


def softmax(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def timed(f: Callable[[], Any]) -> tuple[Any, float]:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        result = f()
        times.append(time.perf_counter() - start)
    return result, float(np.median(times))


def run() -> None:
    try:
        import torch
    except ImportError:
        print("gradcheck: PyTorch is not installed: pip install '.[peers]'")
        return

    def torch_function(forward: Any, backward: Any) -> Any:
        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                ctx.save_for_backward(x)
                return forward(x)

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return backward(g, *ctx.saved_tensors)

        return Function.apply

    def ours(forward: Any, vjp: Any) -> Any:
        return Primitive("op", None, forward, (vjp,))

    dice = np.random.default_rng(1)
    factor = torch.tensor(FACTOR)

    def thrown(x: Any) -> Any:
        return (x * dice.normal()).sum()

    f32 = A.astype(np.float32)
    # what, what it should say, ours and PyTorch's: function, input, options
    cases: list[tuple[str, str, Any, Any, Any, Any, dict[str, Any], dict[str, Any]]] = [
        ("smooth, float64", "ok", lambda x: np.tanh(x).sum(), A, lambda x: torch.tanh(x).sum(), A, {}, {}),
        ("smooth, float32", "ok", lambda x: np.tanh(x).sum(), f32, lambda x: torch.tanh(x).sum(), f32, {}, {}),
        ("softmax", "ok", softmax, A, lambda x: torch.softmax(x, -1), A, {}, {}),
        ("relu at 0", "kink", lambda x: np.maximum(x, 0).sum(), ZERO, lambda x: torch.relu(x).sum(), ZERO, {}, {}),
        (
            "twice too large", "wrong",
            ours(np.sin, lambda g, o, x: 2 * g * np.cos(x)), A,
            torch_function(torch.sin, lambda g, x: 2 * g * torch.cos(x)), A, {}, {},
        ),
        (
            "float32, 1 % off", "wrong",
            ours(np.sin, lambda g, o, x: np.float32(1.01) * g * np.cos(x)), f32,
            torch_function(torch.sin, lambda g, x: 1.01 * g * torch.cos(x)), f32, {}, {},
        ),
        (
            "1 of 3,000 off by 1e-4", "wrong",
            ours(np.sin, lambda g, o, x: g * np.cos(x) * FACTOR), BIG,
            torch_function(torch.sin, lambda g, x: g * torch.cos(x) * factor), BIG, {}, {"fast_mode": True},
        ),
        ("dice", "nondeterministic", thrown, A, thrown, A, {}, {}),
        ("gradient cut", "wrong", lambda x: (x * ag.detach(x)).sum(), A, lambda x: (x * x.detach()).sum(), A, {}, {}),
        (
            "second order", "ok",
            lambda x: (np.sin(x) * x).sum(), A[:3],
            lambda x: (torch.sin(x) * x).sum(), A[:3], {"order": 2}, {"second": True},
        ),
    ]  # fmt: skip
    print(f"gradcheck: {'function':<24}{'should say':<18}{'ours':<18}{'ms':>7}  {'PyTorch':<9}{'ms':>7}")
    for name, expected, f, x, g, y, more, torch_more in cases:
        report, seconds = timed(lambda f=f, x=x, more=more: ag.gradcheck(f, x, **more))
        options = dict(torch_more)
        check = torch.autograd.gradgradcheck if options.pop("second", False) else torch.autograd.gradcheck

        def peer(g: Any = g, y: Any = y, check: Any = check, options: Any = options) -> bool:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch warns of float32
                return bool(check(g, torch.tensor(y, requires_grad=True), raise_exception=False, **options))

        says, peer_seconds = timed(peer)
        said = (
            f"{report.verdict:<18}{1e3 * seconds:>7.1f}  {'passes' if says else 'fails':<9}{1e3 * peer_seconds:>7.1f}"
        )
        print(f"           {name:<24}{expected:<18}{said}")

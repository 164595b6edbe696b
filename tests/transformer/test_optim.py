"""SGD and Adam on numbers, arrays, Values and Tensors; and derivatives through their updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from transformer import blocks, optim
from transformer.optim import SGD, Adam, adam, sgd

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 2))
GRADS = [RNG.normal(size=(3, 2)) for _ in range(4)]


def run(optimizer: Any, w: Any, grads: list[Any]) -> Any:
    params, state = {"w": w}, optimizer.init({"w": w})
    for g in grads:
        params, state = optimizer.update(params, {"w": g}, state)
    assert state["step"] == len(grads)
    return params["w"]


CASES = [
    (sgd(0.1), lambda torch, p: torch.optim.SGD(p, lr=0.1)),
    (sgd(0.1, momentum=0.9), lambda torch, p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    (adam(0.1), lambda torch, p: torch.optim.Adam(p, lr=0.1)),
    (adam(0.1, betas=(0.5, 0.7), eps=1e-3), lambda torch, p: torch.optim.Adam(p, lr=0.1, betas=(0.5, 0.7), eps=1e-3)),
    (adam(0.1, weight_decay=0.2), lambda torch, p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.2)),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_pytorch_agrees(case: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    ours, theirs = CASES[case]
    t = torch.tensor(W, requires_grad=True)
    optimizer = theirs(torch, [t])
    for g in GRADS:
        t.grad = torch.tensor(g)
        optimizer.step()
    np.testing.assert_allclose(run(ours, W, GRADS), t.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("optimizer", [c[0] for c in CASES], ids=range(len(CASES)))
def test_every_kind_of_number(optimizer: Any) -> None:
    want = run(optimizer, W, GRADS)
    tensors = run(optimizer, Tensor(W), [Tensor(g) for g in GRADS])
    scalars = run(optimizer, ag.values(W), [ag.values(g) for g in GRADS])
    np.testing.assert_allclose(tensors.data, want, rtol=1e-14)
    np.testing.assert_allclose([v.data for v in scalars.flat], want.ravel(), rtol=1e-14)
    assert run(optimizer, float(W[0, 0]), [float(g[0, 0]) for g in GRADS]) == pytest.approx(want[0, 0], rel=1e-14)


def test_large_arrays_go_block_by_block_to_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    w, grads = RNG.normal(size=(70, 50)), [RNG.normal(size=(70, 50)) for _ in range(3)]
    for optimizer in (sgd(0.1, 0.9), adam(0.1, weight_decay=0.1)):
        whole = run(optimizer, w, grads)
        monkeypatch.setattr(optim, "BLOCK", 999)
        np.testing.assert_array_equal(run(optimizer, w, grads), whole)
        monkeypatch.undo()


@pytest.mark.parametrize(("wrap", "lr"), [(np.asarray, 0.1), (np.asarray, np.array(0.1)), (ag.values, 0.1)])
def test_differentiate_through_three_steps_of_adam(wrap: Any, lr: Any) -> None:
    x = np.array([1.0, -2.0, 0.0])  # the last gradient is zero: hence eps_root

    def after_three_steps(lr: Any) -> Any:
        optimizer = adam(lr, eps_root=1e-8)
        params = {"x": wrap(x)}
        state = optimizer.init(params)
        for _ in range(3):
            grads = ag.grad(lambda p: (p["x"] ** 4).sum())(params)
            params, state = optimizer.update(params, grads, state)
        return (params["x"] ** 2).sum()

    h = 1e-6
    high, low = (ag.detach(after_three_steps(float(lr) + d)) for d in (h, -h))
    high, low = (v.item() for v in (high, low))
    assert ag.grad(after_three_steps)(lr) == pytest.approx((high - low) / (2 * h), rel=1e-6)


@pytest.mark.parametrize(
    "shell", [lambda ps: SGD(ps, lr=0.05), lambda ps: SGD(ps, lr=0.02, momentum=0.8), lambda ps: Adam(ps, lr=0.2)]
)
@pytest.mark.parametrize("kind", [Value, Tensor])
def test_shells(shell: Any, kind: type) -> None:
    a, b = kind(2.0), kind(-1.0)
    optimizer = shell([a, b])
    for _ in range(60):
        y = (a - 1) ** 2 + (a * b - 3) ** 2
        optimizer.zero_grad()
        y.backward()
        optimizer.step()
    assert ((a - 1) ** 2 + (a * b - 3) ** 2).item() < 0.1
    optimizer.zero_grad()
    assert a.grad == 0.0


def test_the_articles_updates() -> None:
    """lr 0.0001 and gradient 0.023 move a weight by 0.0000023; Adam steps further where gradients agree."""
    moved = run(sgd(0.0001), 0.5, [0.023])
    assert 0.5 - moved == pytest.approx(0.0000023)
    consistent, noisy = (
        run(adam(0.001, betas=(0.9, 0.99)), 0.0, [0.1 * s for s in signs]) for signs in ([1] * 20, [1, -1] * 10)
    )
    assert consistent == pytest.approx(-0.02, rel=1e-6) and abs(noisy) < abs(consistent) / 10


@pytest.mark.parametrize("lr", [np.float64(0.1), np.array(0.1), lambda step: np.float64(0.1)])
def test_float32_stays_float32(lr: Any) -> None:
    for optimizer in (sgd(lr), adam(lr)):
        assert run(optimizer, np.float32(W), [np.float32(g) for g in GRADS]).dtype == np.float32


def test_schedules_count_steps_from_zero() -> None:
    seen: list[int] = []
    run(sgd(lambda step: seen.append(step) or 0.1), 1.0, [1.0, 1.0, 1.0])
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "make", [sgd, adam, lambda lr: run(sgd(lambda step: lr), 1.0, [1.0]), lambda lr: Adam([Value(1.0)], lr=lr)]
)
def test_bad_learning_rates(make: Any, lr: float) -> None:
    with pytest.raises(ValueError, match="a learning rate is a finite number from 0 on"):
        make(lr)


def test_other_bad_input() -> None:
    with pytest.raises(TypeError, match="lr='fast'"):
        adam("fast")
    with pytest.raises(ValueError, match=r"betas\[1\]=1.0"):
        adam(0.1, betas=(0.9, 1.0))
    with pytest.raises(ValueError, match=r"'w' has shape \(3, 2\), but its gradient or state has shape \(2, 3\)"):
        run(adam(0.1), W, [GRADS[0].T])
    with pytest.raises(TypeError, match="one Tensor"):
        SGD(Tensor(W), lr=0.1)
    with pytest.raises(ValueError, match="given twice"):
        SGD([w := Value(1.0), w], lr=0.1)
    with pytest.raises(ValueError, match="no parameters"):
        SGD([], lr=0.1)
    with pytest.raises(TypeError, match="must be Values or Tensors, got ndarray"):
        Adam([W])


@pytest.mark.parametrize(("make", "name"), [(sgd, "sgd"), (lambda lr: sgd(lr, 0.9), "sgd"), (adam, "adam")])
def test_structures_that_do_not_fit(make: Any, name: str) -> None:
    optimizer = make(0.1)
    params, state = {"w": W, "b": 1.0}, optimizer.init({"w": W, "b": 1.0})
    grads = {"b": 0.5, "w": GRADS[0]}  # in another order
    new, _ = optimizer.update(params, grads, state)
    assert list(new) == ["w", "b"] and new["b"] < 1
    empty, none = optimizer.update({}, {}, optimizer.init({}))
    assert empty == {} and none["step"] == 1
    for given, message in (
        ({"w": GRADS[0]}, f"{name}: grads must have the names of params; it lacks 'b'"),
        ({**grads, "c": 1.0, "d": 2.0}, "it has besides 'c', 'd'"),
        ({"w": GRADS[0], "bias": 1.0}, "it lacks 'b' and it has besides 'bias'"),
        ({}, "it lacks 'b', 'w'"),
        ({**grads, "b": None}, r"grads\['b'\] must be a number or an array, got NoneType"),
        ({**grads, "w": {"x": W}}, r"grads\['w'\] must be a number or an array, got dict"),
        ({**grads, "w": GRADS[0][0]}, r"'w' has shape \(3, 2\), but its gradient or state has shape \(2,\)"),
        ([GRADS[0], 0.5], "grads must be a dict of arrays by name, got list"),
        (None, "grads must be a dict of arrays by name, got NoneType"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            optimizer.update(params, given, state)
    for given, message in (
        ([W], "got list"),
        ({"h": {"w": W}}, r"params\['h'\] must be a number or an array, got dict"),
    ):
        with pytest.raises(TypeError, match=message):
            optimizer.init(given)
    for given in ({}, None, {"m": {}, "v": {}}):
        with pytest.raises(ValueError, match=f"the state is not one of {name}"):
            optimizer.update(params, grads, given)


def test_a_state_of_other_parameters_does_not_fit() -> None:
    for optimizer in (sgd(0.1, 0.9), adam(0.1)):
        with pytest.raises(ValueError, match=r"state\['m'\] must have the names of params; it lacks 'w'"):
            optimizer.update({"w": W}, {"w": W}, optimizer.init({}))
        with pytest.raises(ValueError, match=r"'w' has shape \(3, 2\), but .* state has shape \(2, 3\)"):
            optimizer.update({"w": W}, {"w": W}, optimizer.init({"w": W.T}))
    with pytest.raises(ValueError, match="the state is not one of adam"):
        adam(0.1).update({"w": W}, {"w": W}, sgd(0.1).init({"w": W}))
    for wrong in (Tensor(W[:, 0]), Tensor(np.ones(())), ag.values(W[:1])):  # would broadcast without a word
        with pytest.raises(ValueError, match=r"has shape \(3, 2\)"):
            sgd(0.1).update({"w": Tensor(W)}, {"w": wrong}, sgd(0.1).init({"w": Tensor(W)}))


BIAS = [RNG.normal(size=2) for _ in range(5)]


def test_decay_on_matrices_only_as_pytorch_with_two_groups() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    optimizer = adam(0.1, weight_decay=0.2, decays=optim.matrices)
    params = {"b": BIAS[0], "w": W}
    w, b = (torch.tensor(p, requires_grad=True) for p in (W, BIAS[0]))
    theirs = torch.optim.AdamW([{"params": [w], "weight_decay": 0.2}, {"params": [b], "weight_decay": 0.0}], lr=0.1)
    state = optimizer.init(params)
    for g, h in zip(GRADS, BIAS[1:], strict=True):
        params, state = optimizer.update(params, {"w": g, "b": h}, state)
        w.grad, b.grad = torch.tensor(g), torch.tensor(h)
        theirs.step()
    np.testing.assert_allclose(params["w"], w.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(params["b"], b.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("max_norm", [0.3, 2.0, 1e3])
def test_clipping_as_pytorch(max_norm: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    optimizer = optim.clip(sgd(0.1, 0.9), max_norm)
    params: Any = {"w": W, "b": BIAS[0]}
    w, b = (torch.tensor(p, requires_grad=True) for p in (W, BIAS[0]))
    theirs = torch.optim.SGD([w, b], lr=0.1, momentum=0.9)
    state = optimizer.init(params)
    for g, h in zip(GRADS, BIAS[1:], strict=True):
        params, state = optimizer.update(params, {"w": g, "b": h}, state)
        w.grad, b.grad = torch.tensor(g), torch.tensor(h)
        torch.nn.utils.clip_grad_norm_([w, b], max_norm)
        theirs.step()
    np.testing.assert_allclose(params["w"], w.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(params["b"], b.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", [np.asarray, Tensor, ag.values])
def test_clipping_every_kind_of_number(kind: Any) -> None:
    optimizer = optim.clip(adam(0.1), 0.5)
    want = run(optimizer, W, GRADS)
    got = run(optimizer, kind(W), [kind(g) for g in GRADS])
    got = np.array([v.data for v in got.flat]).reshape(W.shape) if kind is ag.values else getattr(got, "data", got)
    np.testing.assert_allclose(got, want, rtol=1e-13)
    assert run(optimizer, 1.0, [3.0]) == pytest.approx(0.9) and run(optimizer, W, [0 * W]).tolist() == W.tolist()


@pytest.mark.parametrize("at", [[3.0, 4.0], [0.1, 0.2], [0.0, 0.0]])
def test_clipping_has_a_derivative(at: list[float]) -> None:
    def moved(g: Any) -> Any:
        optimizer = optim.clip(sgd(0.5), 1.0)
        return (optimizer.update({"w": np.ones(2)}, {"w": g}, optimizer.init({"w": np.ones(2)}))[0]["w"] ** 2).sum()

    assert ag.gradcheck(moved, np.array(at))


@pytest.mark.parametrize(("warmup", "steps", "floor"), [(0, 10, 0.0), (3, 12, 0.01), (5, 5, 0.0), (1, 40, 0.1)])
def test_schedules_as_pytorch(warmup: int, steps: int, floor: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    s = torch.optim.lr_scheduler
    for ours, make in (
        (optim.cosine, lambda o: s.CosineAnnealingLR(o, max(1, steps - warmup), eta_min=floor)),
        (optim.linear, lambda o: s.LinearLR(o, 1.0, floor / 0.3, max(1, steps - warmup))),
    ):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
        falls: Any = make(optimizer)
        if warmup:
            optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
            rises = s.LinearLR(optimizer, 1 / (warmup + 1), 1.0, warmup)
            falls = s.SequentialLR(optimizer, [rises, make(optimizer)], [warmup])
        schedule = ours(0.3, warmup, steps, floor)
        for step in range(steps):
            assert schedule(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12), step
            optimizer.step()
            falls.step()
        assert schedule(steps) == pytest.approx(floor if steps > warmup else 0.3) or steps == warmup
        assert schedule(10 * steps) == schedule(steps + 1) == pytest.approx(floor)


def test_a_schedule_can_be_differentiated() -> None:
    def end(lr: Any) -> Any:
        return run(sgd(optim.cosine(lr, 1, 4, 0.1 * lr)), 1.0, [0.5, 0.25, -1.0, 0.5])

    assert ag.gradcheck(end, 0.3)


def test_bad_schedules_and_bounds() -> None:
    for make, message in (
        (lambda: optim.cosine(0.1, 5, 4), "warmup=5, steps=4"),
        (lambda: optim.cosine(-0.1, 0, 4), "cosine: lr=-0.1"),
        (lambda: optim.linear(0.1, 0, 0), "steps=0"),
        (lambda: optim.linear(0.1, -1, 4), "warmup=-1"),
        (lambda: optim.linear(0.1, 0, 4, float("nan")), "linear: floor=nan"),
        (lambda: optim.clip(sgd(0.1), 0.0), "max_norm=0.0; expected a number above 0"),
        (lambda: optim.clip(sgd(0.1), float("nan")), "max_norm=nan"),
        (lambda: run(optim.clip(sgd(0.1), 1.0), W, [GRADS[0][0]]), "gradient or state has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


ADAMS: list[dict[str, Any]] = [
    {}, {"weight_decay": 0.1, "decays": optim.matrices}, {"eps_root": 1e-9}, {"weight_decay": 0.3, "betas": (0.5, 0.9)},
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", ADAMS)
def test_large_arrays_in_blocks_or_in_place_have_the_bits_of_the_rule(
    options: dict[str, Any], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    monkeypatch.setattr(blocks, "SHARED", 1)  # on two threads

    def drawn() -> dict[str, np.ndarray]:
        return {name: rng.normal(size=s).astype(dtype) for name, s in (("a", (300, 200)), ("b", 40_000), ("c", 3))}

    params = drawn()
    states = {}
    for way in ("rule", "blocks", "in place"):
        optimizer = adam(lambda step: 0.01 / (step + 1), in_place=way == "in place", **options)
        own = {k: p.copy() for k, p in params.items()}
        states[way] = [optimizer, own, optimizer.init(own)]
    for _ in range(3):
        grads = drawn()
        for way, (optimizer, own, state) in states.items():
            given = [*own.values(), *state["m"].values(), *state["v"].values()]
            before = [a.copy() for a in given]
            monkeypatch.setattr(optim, "suits", (lambda _: False) if way == "rule" else blocks.suits)
            states[way][1:] = new, after = optimizer.update(own, grads, state)
            made = [*new.values(), *after["m"].values(), *after["v"].values()]
            if way == "in place":
                assert all(a is b for a, b in zip(given, made, strict=True))
            else:
                assert all((a == b).all() for a, b in zip(given, before, strict=True))
        for way in ("blocks", "in place"):
            for name, p in states["rule"][1].items():
                np.testing.assert_array_equal(states[way][1][name], p)
                np.testing.assert_array_equal(states[way][2]["m"][name], states["rule"][2]["m"][name])
                np.testing.assert_array_equal(states[way][2]["v"][name], states["rule"][2]["v"][name])
                assert states[way][1][name].dtype == dtype


def test_the_norm_of_large_gradients_is_that_of_all_numbers() -> None:
    g = {"a": np.random.default_rng(0).normal(size=(300, 200)).astype(np.float32), "b": np.ones(3, np.float32)}
    want = np.sqrt(sum((x.astype(np.float64) ** 2).sum() for x in g.values()))
    assert optim.norm(g) == pytest.approx(want, rel=1e-6) and optim.norm(g).dtype == np.float32

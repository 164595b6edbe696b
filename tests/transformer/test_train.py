"""Data, training, checkpoints and sampling."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from transformer import Config, generate, init, logits, parallel, sample, slopes, threads, train
from transformer.data import NAMES, Documents, Text, Vocabulary, baselines, read
from transformer.layers import dropout, softmax
from transformer.model import loss
from transformer.train import DivergedError, Recipe, fit, start, validate

WORDS = "\n".join(["ab", "ba", "abba", "baab", "a", "b", "aa", "bb", "abab", "baba", "aab", "bba"])
TINY = Config.preset("microgpt", vocab_size=3, n_embd=4, n_head=2, block_size=6)


def setup(seed: int = 0) -> tuple[dict[str, np.ndarray], Documents, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return init(TINY, rng), Documents(WORDS, 6, rng), rng


def go(params: Any, data: Any, rng: Any, steps: int, batch_size: int, lr: float, **options: Any) -> Any:
    recipe = Recipe(steps, batch_size, lr=lr, **options)
    return fit(start(params, data, recipe, rng), data, TINY, recipe)


def test_vocabulary() -> None:
    v = Vocabulary("abc")
    assert v.decode([*v.encode("cab"), v.boundary, 0]) == "cab" and (v.size, v.boundary) == (4, 3)
    with pytest.raises(ValueError, match="the vocabulary has no 'x', 'y'; it knows 'abc'"):
        v.encode("xay")


def test_documents_are_split_once_and_for_all() -> None:
    _, data, rng = setup()
    _, again, _ = setup()
    assert data.seen == again.seen and len(data.train) + len(data.held_out) == 12
    held = {data.vocabulary.decode(row[1:]) for row in data.held_out}
    assert not held & data.seen and len(held | data.seen) == 12
    batch = data.batch(4, rng)
    assert (batch[:, 0] == 2).all() and ((batch >= -1) & (batch < 3)).all() and (batch != -1).any(axis=0).all()
    once = np.sort(
        [data.vocabulary.decode(row[1:]) for row in data.batch(len(data.train) - 4, rng)]
        + [data.vocabulary.decode(r[1:]) for r in batch]
    )
    assert once.tolist() == sorted(data.seen)  # a round shows every document once
    assert Documents(WORDS, 3, rng).cut == 6


def test_long_text() -> None:
    rng = np.random.default_rng(0)
    data = Text("hello world, " * 30, 8, rng)
    batch = data.batch(5, rng)
    assert batch.shape == (5, 9) and (batch >= 0).all() and data.held_out.shape[1] == 9
    assert data.vocabulary.decode(batch[0]) in "hello world, " * 30
    with pytest.raises(ValueError, match="too few for windows of block_size=8"):
        Text("hello", 8, rng)


def test_baselines() -> None:
    data = Documents(read(NAMES), 16, np.random.default_rng(0))
    levels = baselines(data)
    assert levels["uniform"] == pytest.approx(np.log(27)) and levels["bigram"] == pytest.approx(2.37, abs=0.03)
    assert levels["bigram"] < levels["unigram"] < levels["uniform"]


def test_a_byte_order_mark_and_line_separators_are_no_lines(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("\ufeffab\u2028c\r\nba\n".encode())
    data = Documents(read(tmp_path / "text"), 8, np.random.default_rng(0))
    assert data.vocabulary.chars == "abc\u2028" and len(data.train) + len(data.held_out) == 2


def test_bad_files(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "latin").write_bytes("Zoë".encode("latin-1"))
    for name, message in (("empty", "is empty"), ("latin", "not UTF-8.*byte 2 is 0xeb"), ("none", "cannot be read")):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="one document"):
        Documents("abc", 4, np.random.default_rng(0))


def test_scalar_training_has_the_same_losses() -> None:
    losses = []
    for scalar in (False, True):
        params, data, rng = setup()
        losses.append([s.loss for s in go(params, data, rng, 3, 2, 0.05, scalar=scalar)])
    assert losses[0] == pytest.approx(losses[1], abs=1e-12) and len(set(losses[0])) == 3


def test_training_learns() -> None:
    params, data, rng = setup()
    steps = list(go(params, data, rng, 40, 8, 0.05))
    assert steps[-1].val_loss is not None and steps[-1].val_loss < validate(params, data, TINY)
    assert steps[-1].val_loss == validate(steps[-1].state.params, data, TINY)


def test_a_loss_that_becomes_nan_stops_training() -> None:
    params, data, rng = setup()
    with pytest.raises(DivergedError, match=r"loss became (nan|inf) at step \d+; it began") as info:
        list(go(params, data, rng, 30, 4, 1e300))
    assert all(np.isfinite(p).all() for p in info.value.state.params.values())
    broken = {**params, "lm_head": np.full((4, 3), 1e308)}
    with pytest.raises(DivergedError, match=r"at step 0; it began here: .*inf in the forward pass(.|\n)*made at"):
        list(go(broken, data, rng, 1, 4, 0.1))


def test_generate() -> None:
    params, _, _ = setup()
    params = {k: p * 8 for k, p in params.items()}

    def write(**options: Any) -> list[int]:
        return generate(params, TINY, [2, 0], 12, np.random.default_rng(5), **options).tolist()

    greedy = write(temperature=0)
    assert greedy[:2] == [2, 0] and len(greedy) == 14 and greedy == write(top_k=1)
    assert greedy[2] == logits(params, [2, 0], TINY)[-1].argmax()
    assert write() == write() and write() != greedy
    many = generate(params, TINY, [[2]] * 4000, 1, np.random.default_rng(0), temperature=2.0)[:, 1]
    np.testing.assert_allclose(
        np.bincount(many, minlength=3) / 4000, softmax(logits(params, [2], TINY)[0] / 2), atol=0.03
    )
    two = generate(params, TINY, [[2]] * 500, 1, np.random.default_rng(0), temperature=50.0, top_k=2)[:, 1]
    assert set(two) == set(np.argsort(logits(params, [2], TINY)[0])[-2:])
    zeros = {k: 0 * p for k, p in params.items()}
    assert set(generate(zeros, TINY, [2], 20, np.random.default_rng(0), top_k=1)[1:].tolist()) == {0}, (
        "exactly k, also where they tie"
    )
    assert write(temperature=1e-310) == greedy
    for kind in (Tensor, ag.values):
        assert (
            generate(
                {k: kind(p) for k, p in params.items()}, TINY, [2, 0], 3, np.random.default_rng(5), temperature=0
            ).tolist()
            == greedy[:5]
        )
    with pytest.raises(TypeError, match="is text"):
        generate(params, TINY, "ab", 3, np.random.default_rng(0))
    for bad, message in (
        ({"top_k": 2.5}, "top_k=2.5"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_p": 1.1}, "top_p=1.1"),
        ({"top_p": float("nan")}, "top_p=nan"),
        ({"temperature": -1}, "temperature=-1"),
        ({"top_k": 0}, "top_k=0"),
    ):
        with pytest.raises(ValueError, match=message):
            write(**bad)
    for bad, message in (((-1, 2), "n=-1"), ((1.5, 2), "n=1.5"), ((3, None), "rng=None")):
        with pytest.raises((ValueError, TypeError), match=message):
            generate(params, TINY, [2], bad[0], bad[1] and np.random.default_rng(bad[1]))
    with pytest.raises(ValueError, match="the prompt is empty"):
        generate(params, TINY, [], 3, np.random.default_rng(0))


@pytest.mark.parametrize("temperature", [0, 1.0])
@pytest.mark.parametrize("odd", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, Tensor, ag.values])
def test_generate_refuses_to_draw_from_nan(kind: Any, odd: float, temperature: float) -> None:
    params, _, rng = setup()
    params["h0.mlp.w2"][0, 0] = odd
    with pytest.raises(ValueError, match=r"nan or inf.*'h0\.mlp\.w2'"):
        generate({k: kind(p) for k, p in params.items()}, TINY, [2, 0], 3, rng, temperature=temperature)
    params, _, _ = setup()
    params["lm_head"] = np.where(params["lm_head"] > 0, 1e308, -1e308)
    with pytest.raises(ValueError, match=r"nan or inf.*the parameters are finite, but too large"):
        generate({k: kind(p) for k, p in params.items()}, TINY, [2, 0], 3, rng, temperature=temperature)


@pytest.mark.parametrize("kind", [Documents, Text])
def test_accumulated_batches_equal_one_that_is_larger(kind: Any) -> None:
    ends = []
    for options in ({"batch_size": 8, "accumulate": 1}, {"batch_size": 2, "accumulate": 4}):
        rng = np.random.default_rng(0)
        params, data = init(TINY, rng), kind(WORDS * 9, 6, rng)
        config = dataclasses.replace(TINY, vocab_size=data.vocabulary.size)
        params = init(config, rng)
        recipe = Recipe(6, lr=0.05, clip=0.7, **options)
        ends.append(list(fit(start(params, data, recipe, rng), data, config, recipe)))
    for whole, parts in zip(*ends, strict=True):
        assert parts.loss == pytest.approx(whole.loss, rel=1e-12) and parts.tokens == whole.tokens
    for name, p in ends[0][-1].state.params.items():
        np.testing.assert_allclose(ends[1][-1].state.params[name], p, rtol=1e-9, atol=1e-12)


def test_dropout_keeps_the_mean_and_is_drawn_anew() -> None:
    x, rng = np.ones((40, 50)), np.random.default_rng(0)
    once, again = dropout(0.3, rng)(x), dropout(0.3, rng)(x)
    assert set(np.unique(once)) == {0.0, 1 / 0.7} and (once != again).any()
    assert once.mean() == pytest.approx(1, abs=0.05)
    assert dropout(0.3, rng)(np.ones(3, np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match=r"rate=1\.0"):
        dropout(1.0, rng)


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_dropout_acts_where_gpt2_has_it_as_pytorch(norm_position: str) -> None:
    """The same masks on both sides: on embeddings, attention weights, and both branches of a block."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    F = torch.nn.functional
    config = dataclasses.replace(TINY, norm_position=norm_position, embed_norm=False, vocab_size=5, activation="gelu")
    params, tokens = init(config, np.random.default_rng(1)), np.array([[1, 2, 3, 0], [4, 0, 1, 1]])
    value, slopes = ag.value_and_grad(loss)(params, tokens, config, dropout(0.4, np.random.default_rng(7)))
    assert value != loss(params, tokens, config)
    masks, t = np.random.default_rng(7), {k: torch.tensor(p, requires_grad=True) for k, p in params.items()}

    def drop(x: Any) -> Any:
        return x * torch.tensor((masks.random(tuple(x.shape)) >= 0.4) / 0.6)

    def norm(x: Any) -> Any:
        return x * (x.square().mean(-1, keepdim=True) + 1e-5) ** -0.5

    def attend(x: Any) -> Any:
        q, k, v = ((x @ t[f"h0.attn.w{c}"]).reshape(2, 3, 2, 2).transpose(1, 2) for c in "qkv")
        scores = q @ k.transpose(-1, -2) / 2**0.5 + torch.triu(torch.full((3, 3), -torch.inf), 1)
        return (drop(scores.softmax(-1)) @ v).transpose(1, 2).reshape(2, 3, 4) @ t["h0.attn.wo"]

    def think(x: Any) -> Any:
        return F.gelu(x @ t["h0.mlp.w1"], approximate="tanh") @ t["h0.mlp.w2"]

    x = drop(t["wte"][tokens[:, :-1]] + t["wpe"][:3])
    if norm_position == "pre":
        x = x + drop(attend(norm(x)))
        x = x + drop(think(norm(x)))
    else:
        x = norm(x + drop(attend(x)))
        x = norm(x + drop(think(x)))
    want = F.cross_entropy((x @ t["lm_head"]).reshape(6, 5), torch.tensor(tokens[:, 1:].reshape(6)))
    want.backward()
    assert value == pytest.approx(want.item(), rel=1e-12)
    for name, g in slopes.items():
        np.testing.assert_allclose(g, t[name].grad.numpy(), rtol=1e-9, atol=1e-14)


def test_dropout_is_the_same_on_single_values() -> None:
    params, data, rng = setup()
    batch = data.batch(2, rng)
    want, slopes = ag.value_and_grad(loss)(params, batch, TINY, dropout(0.4, np.random.default_rng(7)))
    scalars = {k: p.astype(object) for k, p in params.items()}
    got, scalar_slopes = ag.value_and_grad(loss)(scalars, batch, TINY, dropout(0.4, np.random.default_rng(7)))
    assert got == pytest.approx(want, rel=1e-12)
    for name, g in slopes.items():
        np.testing.assert_allclose(scalar_slopes[name], g, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "lr=-1.0"),
        ({"beta1": 1.0}, "beta1=1.0"),
        ({"warmup": 9, "steps": 3}, "warmup=9"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"clip": -1.0}, "clip=-1.0"),
        ({"schedule": "step"}, "schedule='step'"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"steps": 1.5}, "steps=1.5"),
    ],
)
def test_recipes_that_do_not_fit(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**options)


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"top_k": 2}, {"top_p": 0.6, "temperature": 1.5}])
@pytest.mark.parametrize("shape", [(1,), (4,), (2, 3), (2, 2, 9)])
def test_the_cache_changes_nothing_but_the_time(options: Any, shape: tuple[int, ...]) -> None:
    """Also when the window is full, and when the prompt is longer than it: block_size is 6."""
    params = {k: p * 8 for k, p in setup()[0].items()}
    prompt = np.random.default_rng(0).integers(3, size=shape)
    with_it, without = (
        generate(params, TINY, prompt, 40, np.random.default_rng(5), cache=cache, **options) for cache in (True, False)
    )
    np.testing.assert_array_equal(with_it, without)
    assert with_it.shape == (*shape[:-1], shape[-1] + 40) and (with_it[..., : shape[-1]] == prompt).all()


def test_a_token_costs_one_position_and_a_full_window_starts_again_from_its_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, int]] = []

    def counted(params: Any, tokens: Any, config: Any, cache: Any) -> Any:
        seen.append((cache["h0"]["k"].shape[-2] if cache else 0, tokens.shape[-1]))
        return logits(params, tokens, config, cache=cache)

    monkeypatch.setattr(sample, "logits", counted)
    generate(setup()[0], TINY, [2, 0], 11, np.random.default_rng(0))
    assert seen == [(0, 2), (2, 1), (3, 1), (4, 1), (5, 1), (0, 3), (3, 1), (4, 1), (5, 1), (0, 3), (3, 1)]


def test_top_p_draws_among_the_fewest_that_reach_p() -> None:
    chances = np.array([0.1, 0.5, 0.05, 0.3, 0.05])
    for p, kept in ((0.01, {1}), (0.5, {1}), (0.51, {1, 3}), (0.79, {1, 3}), (0.81, {0, 1, 3}), (1.0, {0, 1, 2, 3, 4})):
        drawn = sample._drawn(np.tile(np.log(chances), (3000, 1)), np.random.default_rng(0), 1.0, None, p)
        counts = np.bincount(drawn, minlength=5)
        assert set(np.flatnonzero(counts)) == kept
        share = np.where(np.isin(np.arange(5), list(kept)), chances, 0)
        np.testing.assert_allclose(counts / 3000, share / share.sum(), atol=0.03)


def test_top_p_and_top_k_as_the_transformers_library() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[peers]'")
    hf = pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[peers]'")
    scores = np.random.default_rng(0).normal(size=(20, 30)) * 2
    for temperature, k, p in ((1.0, 30, 0.5), (0.7, 8, 0.9), (2.0, 3, 0.99), (1.0, 30, 0.05)):
        t = torch.tensor(scores) / temperature
        t = hf.TopPLogitsWarper(p)(None, hf.TopKLogitsWarper(k)(None, t))
        want = t.softmax(-1).numpy()
        drawn = [sample._drawn(scores, np.random.default_rng(i), temperature, k, p) for i in range(200)]
        for row, chances in zip(np.transpose(drawn), want, strict=True):
            assert not set(row) - set(np.flatnonzero(chances))
            assert len(set(row)) >= min(2, np.count_nonzero(chances > 0.05))


def trained(config: Config, **options: Any) -> list[Any]:
    """The steps of a short training on a text."""
    rng = np.random.default_rng(0)
    data = Text(WORDS * 30, config.block_size, rng)
    config = dataclasses.replace(config, vocab_size=data.vocabulary.size)
    recipe = Recipe(3, lr=0.05, **options)
    return list(fit(start(init(config, rng), data, recipe, rng), data, config, recipe))


@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"scalar": True, "batch_size": 2}, {"accumulate": 2}])
def test_a_recorded_step_is_that_of_the_model(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with dropout, whose masks are the same ones."""
    config = dataclasses.replace(TINY, block_size=5)
    given = {"batch_size": 4, **options}
    recorded = trained(config, **given)
    monkeypatch.setattr(slopes, "LENGTHS", 0)
    for a, b in zip(recorded, trained(config, **given), strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-12)
        for name, g in b.grads.items():
            np.testing.assert_allclose(a.grads[name], g, rtol=1e-9, atol=1e-13)


def test_halves_of_a_batch_make_the_whole_on_one_thread_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(TINY, batch_size=5, dropout=0.2)
    monkeypatch.setattr(threads, "HALF", 1)
    assert threads.halved(TINY, 5, 6) and not threads.halved(TINY, 1, 6)
    ends = []
    for n_cores in (1, 2):
        monkeypatch.setattr(parallel, "cores", lambda n=n_cores: n)
        ends.append(trained(TINY, batch_size=5, dropout=0.2))
        with threads.limited(1, at_once=False):
            ends.append(trained(TINY, batch_size=5, dropout=0.2))
    for steps in ends:
        for a, b, c in zip(steps, ends[0], whole, strict=True):
            assert a.loss == b.loss and a.loss == pytest.approx(c.loss, rel=1e-12)
            for name, g in c.grads.items():
                np.testing.assert_array_equal(a.grads[name], b.grads[name])
                np.testing.assert_allclose(a.grads[name], g, rtol=1e-9, atol=1e-12)


def test_what_fails_in_the_second_half_is_raised_and_threads_are_as_before() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def pools() -> list[int]:
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    def fails() -> float:
        assert set(pools()) == {1}
        raise ArithmeticError("second")

    before = pools()
    with np.errstate(divide="ignore"):
        assert threads.both(lambda: 1.0, lambda: float(np.float64(1.0) / 0.0)) == (1.0, np.inf)
    for work in ((lambda: 1.0, fails), (fails, lambda: 1.0)):
        with pytest.raises(ArithmeticError, match="second"):
            threads.both(*work)
    assert pools() == before


def test_a_row_that_is_shorter_has_its_part_in_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    params, data, rng = setup()
    batch = data.batch(4, rng)
    batch = batch[np.argsort((batch >= 0).sum(axis=1))]
    assert (batch[:2] >= 0).sum() != (batch[2:] >= 0).sum()
    monkeypatch.setattr(threads, "HALF", 1)
    value, grads = slopes.slopes(TINY, 0.0, False, 3)(params, batch, rng)
    expected, want = ag.value_and_grad(loss)(params, batch, TINY)
    assert value == pytest.approx(expected, rel=1e-13)
    for name, g in want.items():
        np.testing.assert_allclose(grads[name], g, rtol=1e-9, atol=1e-13)


def test_a_large_model_s_step_writes_over_what_nobody_holds_and_over_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def states(keep: bool) -> tuple[list[Any], list[bool]]:
        rng = np.random.default_rng(0)
        data = Text(WORDS * 30, 6, rng)
        config = dataclasses.replace(TINY, vocab_size=data.vocabulary.size, n_embd=96)
        recipe = Recipe(100, 2, lr=0.01, weight_decay=0.1)
        steps = fit(start(init(config, rng), data, recipe, rng), data, config, recipe)
        kept, copies, same, last = [], [], [], 0
        for _ in range(6):
            step = next(steps)
            params = step.state.params
            same.append(params["h0.mlp.w1"].__array_interface__["data"][0] == last)
            last = params["h0.mlp.w1"].__array_interface__["data"][0]
            copies.append({k: p.copy() for k, p in params.items()})
            if keep:
                kept.append(step)
            del step, params
        for step, copy in zip(kept, copies):
            assert all((p == step.state.params[k]).all() for k, p in copy.items()), "a state that is held has changed"
        return copies, same

    plain, _ = states(keep=True)
    monkeypatch.setattr(train, "TINY", 0)
    held, same = states(keep=True)
    assert not any(same)
    free, same = states(keep=False)
    assert sum(same) >= 4  # the first one may be held as the last that was good
    for a, b, c in zip(plain, held, free, strict=True):
        for name, p in a.items():
            np.testing.assert_allclose(b[name], p, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(c[name], b[name])


def test_a_large_model_that_diverges_keeps_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "SMALL", 0)
    params, data, rng = setup()
    with pytest.raises(DivergedError, match=r"it began here: (.|\n)*made at") as info:
        list(go({**params, "lm_head": np.full((4, 3), 1e308)}, data, rng, 1, 4, 0.1))
    assert info.value.state is None

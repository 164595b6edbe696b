"""The plan of a training, beside formulas derived by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from tests.helpers import ROOT
from transformer import Config
from transformer.__main__ import main
from transformer.config import count

pytest.importorskip("jax", reason="JAX is not installed: pip install '.[jax]'")

from transformer.xla.plan import Plan, plan

BLOCK = 64  # queries that attention takes at a time

PLANS: dict[str, tuple[str, dict[str, Any], dict[str, int], int, int, bool]] = {
    "gpt3": ("gpt3", {}, {"data": 64, "model": 16}, 1536, 1, True),
    "gpt3 in batches": ("gpt3", {}, {"data": 64, "model": 16}, 64, 24, True),
    "gpt2, fully sharded": ("gpt2", {}, {"data": 8}, 32, 1, True),
    "gpt2, data parallel": ("gpt2", {}, {"data": 8}, 32, 2, False),
    "gpt2, tensor parallel": ("gpt2", {}, {"model": 4}, 8, 1, True),
    "gpt2-large on one device": ("gpt2-large", {}, {"data": 1}, 4, 1, True),
}


@pytest.fixture(scope="module", params=PLANS)
def made(request: Any) -> Plan:
    preset, fields, sizes, batch, accumulate, sharded = PLANS[request.param]
    return plan(Config.preset(preset, **fields), sizes, batch, accumulate, sharded)


def near(x: float) -> Any:
    return pytest.approx(x, rel=0.02)


def test_parameters_and_operations(made: Plan) -> None:
    c, model = made.config, made.sizes.get("model", 1)
    width, tokens = c.n_embd, made.batch * made.accumulate * c.block_size
    assert made.parameters == count(c) and made.tokens == tokens
    # Forth 2 operations a weight, back 4, and again the products that the way back needs: all but that with w2.
    blocks = c.n_layer * (6 * 12 * width**2 + 2 * 8 * width**2)
    # Two products of T x T numbers forth, and again, and five back, of which blocks of queries leave out half.
    seen = (c.block_size + BLOCK) / 2
    attention = c.n_layer * (2 + 2 + 5) * 2 * seen * width
    logits = 6 * c.vocab_size * width * model  # by every device of model for itself
    assert made.operations == near(blocks + attention + logits)
    assert made.operations > 6 * made.parameters
    days = 300e9 * made.operations / (made.devices * 1e14) / 86400
    assert made.days(300e9, 1e14) == near(days)


def test_bytes_on_a_device(made: Plan) -> None:
    c, data, model = made.config, made.sizes.get("data", 1), made.sizes.get("model", 1)
    blocks = 12 * c.n_layer * c.n_embd**2 / model
    embedding = (c.vocab_size + c.block_size) * c.n_embd  # on every device of model
    weights = 4 * (blocks + embedding) / (data if made.sharded else 1)
    assert made.held["parameters"] == made.held["gradients"] == near(weights)
    assert made.held["optimizer state"] == near(2 * weights)
    inputs = 4 * c.n_layer * made.batch / data * c.block_size * c.n_embd  # of every block
    assert made.held["activations"] == near(inputs)
    logits = 4 * made.batch / data * c.block_size * c.vocab_size
    assert made.cost.largest == near(max(logits, 4 * c.vocab_size * c.n_embd))


def test_what_is_sent(made: Plan) -> None:
    c, data, model, sent = made.config, made.sizes.get("data", 1), made.sizes.get("model", 1), made.cost.bytes
    matrices = 4 * 12 * c.n_layer * c.n_embd**2 / model
    embedding = 4 * (c.vocab_size + c.block_size) * c.n_embd
    kinds = set(made.cost.sent)
    if data > 1 and made.sharded:  # weights are put together forth and back, and in every batch; gradients cut in parts
        n = made.accumulate
        assert sent["all-gather", "data"] == near(2 * n * matrices + embedding)
        assert sent["reduce-scatter", "data"] == near(n * (matrices + embedding))
    elif data > 1:
        assert sent["all-reduce", "data"] == near(made.accumulate * (matrices + embedding))
    else:
        assert not any(axis == "data" for _, axis in kinds)
    if model > 1:  # after attention and the MLP forth, before them back, and after attention again
        activation = 4 * made.batch * c.block_size * c.n_embd / data
        assert sent["all-reduce", "model"] == near(5 * c.n_layer * made.accumulate * activation)
        assert made.cost.sent["all-reduce", "model"] == pytest.approx(5 * c.n_layer * made.accumulate, abs=20)
    else:
        assert not any(axis == "model" for _, axis in kinds)


# ---- the command -------------------------------------------------------------------------------


def test_the_command_says_it(capsys: Any) -> None:
    command = ["plan", "--preset", "gpt3", "--mesh", "data=64,model=16", "--batch", "1536", "--flops", "2e14"]
    assert main(command) == 0
    said = capsys.readouterr().out
    for words in ("1,024 devices", "174,604,259,328", "times 6N", "optimizer state", "activations", "all-gather",
                  "reduce-scatter", "all-reduce", "23.0 days for 300 billion tokens, at 2e+14"):  # fmt: skip
        assert words in said


@pytest.mark.parametrize(("tokens", "flops", "said"), [
    ("1e6", "1e14", "seconds for 1,000,000 tokens"), ("1e9", "1e11", "minutes for 1 billion tokens"),
    ("1e9", "1e9", "hours for 1 billion tokens"),
])  # fmt: skip
def test_a_short_time_is_told_in_a_unit_that_fits(tokens: str, flops: str, said: str, capsys: Any) -> None:
    assert main(["plan", "--preset", "microgpt", "--batch", "1", "--tokens", tokens, "--flops", flops]) == 0
    found = re.search(r"([\d.]+) " + said, capsys.readouterr().out)
    assert found and float(found[1]) > 0


WRONG = {
    "--mesh data=7 --batch 8": "data=7 does not divide the batch of 8 rows",
    "--mesh model=7": "model=7 does not divide n_head=96",
    "--mesh pipe=2": "no axis of a mesh",
    "--flops 0": "--flops 0: expected a number above 0",
    "--tokens 0": "--tokens 0: expected a number above 0",
    "--batch 0": "not a whole number from 1 on",
    "--preset gpt5": "gpt5",
}


@pytest.mark.parametrize("options", WRONG)
def test_options_that_do_not_fit(options: str, capsys: Any) -> None:
    try:
        status = main(["plan", *options.split()])
    except SystemExit as error:
        status = int(str(error.code))
    assert status == 2 and WRONG[options] in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux for the memory of a process")
def test_gpt3_is_planned_in_a_gigabyte() -> None:
    # What getrusage says counts the process that this one was forked from, too.
    lines = ["from transformer.__main__ import main",
             "main(['plan', '--mesh', 'data=64,model=16', '--batch', '1536'])",
             "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) < 1_000_000  # kilobytes


def test_an_operation_without_a_rule_is_an_error_and_no_wrong_figure() -> None:
    import jax

    from transformer.xla.counting import cost_of

    program = jax.make_jaxpr(lambda x: jax.numpy.sort(x @ x)[::-1].cumsum())(jax.ShapeDtypeStruct((8, 8), "float32"))
    with pytest.raises(ValueError, match="there is no rule for"):
        cost_of(program, [("data", None)], {"data": 2})

"""The lesson as a page: its figures computed again from what stands in it, and its exercises in a real Chromium."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value, primitives
from tests.chromium import calm, chromium
from tests.helpers import dinner, dinners
from transformer import Config, loss
from transformer.__main__ import main
from transformer.config import count
from transformer.layers import cross_entropy
from transformer.lesson.dinner import (
    EVENING,
    ROWS,
    WORDS,
    P,
    encode,
    forward,
    plane,
    probabilities,
    saying,
)
from transformer.lesson.page import page
from transformer.optim import adam, sgd


class Read:
    """The page as a program reads it: its figures, the weights and the record in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.figures = re.findall(r'<data data-n="([^"]+)" value="([^"]+)">(.*?)</data>', text)
        self.record = self._json("record")
        weights = self._json("weights")
        self.config = Config.preset(
            "vanilla",
            vocab_size=len(weights["words"]),
            n_layer=weights["layers"],
            n_head=weights["heads"],
            n_embd=weights["width"],
            block_size=16,
        )
        self.words = weights["words"]
        self.params = {
            int(step): {
                k: np.frombuffer(base64.b64decode(data), "<f8").reshape(shape) for k, (shape, data) in w.items()
            }
            for step, w in weights["steps"].items()
        }

    def _json(self, name: str) -> Any:
        found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', self.text, re.S)
        assert found
        return json.loads(found[1])


@pytest.fixture(scope="module")
def read() -> Read:
    return Read(page())


TOKENS = encode(f". {EVENING} .")
FRANK = encode(". frank")


def recomputed(read: Read) -> dict[str, float]:
    """Every figure that the page may hold, from the weights and the shape that stand in it."""
    params, config = read.params[1000], read.config
    found: dict[str, float] = {}
    x1, x2, w1, w2, b = (Value(x) for x in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432))
    n = x1 * w1 + x2 * w2 + b
    o = n.tanh()
    o.backward()
    found |= {f"do.{k}": v.grad for k, v in {"x1": x1, "x2": x2, "w1": w1, "w2": w2, "b": b}.items()}
    moved = math.tanh(2.001 * -3 + b.data) - o.data
    found |= {"neuron.n": n.data, "neuron.o": o.data, "neuron.slope": n.grad}
    found |= {"neuron.moved": moved, "neuron.foretold": 0.001 * x1.grad}
    # L = (a b + c) a, by hand
    a_, b_, c_ = 2.0, -3.0, 4.0
    e_, d_ = a_ * b_, a_ * b_ + c_
    found |= {"riddle.e": e_, "riddle.d": d_, "riddle.L": d_ * a_}
    found |= {"riddle.first": d_, "riddle.second": a_ * b_, "riddle.both": d_ + a_ * b_}
    guesses = [  # upstream, local, before, after
        (1, a_, None, a_), (1, d_, None, d_), (a_, 1, None, a_), (a_, 1, None, a_),
        (a_, b_, d_, d_ + a_ * b_), (a_, a_, None, a_ * a_),
    ]  # fmt: skip
    for k, guess in enumerate(guesses):
        for name, x in zip(("upstream", "local", "before", "after"), guess, strict=True):
            found |= {} if x is None else {f"guess.{k}.{name}": x}
    # sizes
    for name in ("gpt2", "gpt2-large", "gpt3"):
        c = Config.preset(name)
        found |= {f"count.{name}": count(c), f"layers.{name}": c.n_layer, f"width.{name}": c.n_embd}
    found["count.gpt1"] = 40478 * 768 + 512 * 768 + 12 * (12 * 768**2 + 13 * 768)
    found["count.lesson"] = sum(p.size for p in params.values())
    found |= {"lesson.words": len(read.words), "lesson.evenings": len(ROWS), "lesson.width": params["wte"].shape[1]}
    found |= {"gpt3.tokens": 300e9, "gpt3.operations": 6 * 174_604_259_328 * 300e9}
    # loss
    learned, exact = (probabilities(w, FRANK)[-1] for w in (params, saying(params, FRANK, P)))
    for word, p in P.items():
        at = read.words.index(word)
        found |= {f"share.{word}": 100 * (ROWS[:, 2] == at).mean(), f"learned.{word}": learned[at]}
        found |= {f"p.{word}": exact[at], f"price.{word}": -math.log(p), f"onehot.{word}": p - (word == "spicy")}
    found |= {f"price.{p:.2f}": -math.log(p) for p in (0.02, 0.45, 0.8, 0.99)}
    next_p = probabilities(params, TOKENS[:-1])[np.arange(14), TOKENS[1:]]
    found |= {f"next.{t}": p for t, p in enumerate(next_p)} | {f"cost.{t}": -math.log(p) for t, p in enumerate(next_p)}
    found |= {"loss.evening": float(loss(params, TOKENS, config)), "loss.chance": math.log(16)}
    found["loss.best"] = (4 * -sum(p * math.log(p) for p in P.values()) + math.log(4)) / 14
    # the way of the gradient
    nodes = {name: Tensor(p) for name, p in params.items()}
    stages = forward(nodes, TOKENS[:-1])
    cross_entropy(stages["logits"], TOKENS[1:]).backward()
    grads = {name: node.grad for name, node in nodes.items()}
    for layer in ("lm_head", "h1.mlp", "h1.attn", "h0.mlp", "h0.attn", "wte"):
        found[f"norm.{layer}"] = math.sqrt(sum((g**2).sum() for name, g in grads.items() if name.startswith(layer)))
    off = stages["h1.hidden"].data <= 0
    found |= {"relu.off": off.sum(), "relu.all": 14 * 64, "relu.gradient": np.abs(stages["h1.hidden"].grad[off]).max()}

    def tried(name: str, i: tuple[int, ...]) -> float:
        raised = {k: p.copy() for k, p in params.items()}
        raised[name][i] += 0.001
        return float(loss(raised, TOKENS, config)) - found["loss.evening"]

    name, i = min(
        ((k, i) for k, g in grads.items() for i in np.ndindex(g.shape)), key=lambda at: abs(grads[at[0]][at[1]] - 0.023)
    )
    g = grads[name][i]
    found |= {
        "weight.gradient": g,
        "weight.promise": 0.001 * g,
        "weight.change": tried(name, i),
        "weight.move": -0.0001 * g,
    }
    for key in {n.partition(".")[2] for n, _, _ in read.figures if n.startswith("changes.")}:
        name, at = key.split("[")
        i = tuple(int(k) for k in at.strip("]").split(","))
        found |= {f"matter.value.{key}": params[name][i], f"matter.gradient.{key}": grads[name][i]}
        found[f"changes.{key}"] = tried(name, i)
    # the update
    coin = np.random.default_rng(0).choice([-1.0, 1.0], size=1000)
    for title, optimizer in (("sgd", sgd(0.0001)), ("adam", adam(0.0001))):
        w = {"w": np.zeros(2)}
        state, path = optimizer.init(w), []
        for toss in coin:
            w, state = optimizer.update(w, {"w": 0.023 * np.array([1, toss])}, state)
            path.append(w["w"])
        steps = np.abs(np.diff(path, axis=0)).mean(axis=0)
        found |= {f"{title}.consistent": steps[0], f"{title}.noisy": steps[1]}
    # over training
    for step, w in read.params.items():
        e = w["wte"][1:5] / np.linalg.norm(w["wte"][1:5], axis=1, keepdims=True)
        found |= {
            f"training.{step}.loss": dinner(step).loss,
            f"training.{step}.norm": math.sqrt(sum((g * g).sum() for g in dinner(step).grads.values())),
            f"training.{step}.look": forward(w, TOKENS[:-1])["h1.A"][0, 11, 4],
            f"training.{step}.cheap": probabilities(w, TOKENS)[11, read.words.index("cheap")],
            f"training.{step}.cosine": (e @ e.T)[~np.eye(4, dtype=bool)].mean(),
        }
    return found


# ---- the page as text --------------------------------------------------------------------


def test_every_figure_of_the_page_is_computed_again(read: Read) -> None:
    again = recomputed(read)
    names = {name for name, _, _ in read.figures}
    assert len(names) > 120
    assert names <= set(again)
    for name, value, _ in read.figures:
        assert float(value) == pytest.approx(float(again[name]), rel=1e-6, abs=1e-10), name


def test_what_is_written_is_the_value_rounded(read: Read) -> None:
    for name, value, text in read.figures:
        if name in ("gpt3.tokens", "gpt3.operations"):
            continue
        said = text.replace("−", "-").replace(",", "")
        unit = 10.0 ** -len(said.partition(".")[2])
        assert abs(float(said) - float(value)) <= unit / 2 * (1 + 1e-9), name
    assert {n: t for n, _, t in read.figures}["gpt3.operations"] == "3.14 · 10<sup>23</sup>"


def test_the_article_s_figures_stand_on_it(read: Read) -> None:
    said = {name: text.replace("−", "-") for name, _, text in read.figures}
    assert [said[f"p.{word}"] for word in ("spicy", "vibe")] == ["0.45", "0.02"]
    assert [said[f"learned.{word}"] for word in P] == ["0.45", "0.30", "0.15", "0.05", "0.03", "0.02"]
    assert [said[f"onehot.{word}"] for word in P] == ["-0.55", "+0.30", "+0.15", "+0.05", "+0.03", "+0.02"]
    assert [said[f"price.{p}"] for p in ("0.02", "0.45", "0.80", "0.99")] == ["3.912", "0.799", "0.223", "0.010"]
    assert said["weight.gradient"], said["weight.change"] == ("+0.023", "+0.000023")
    assert said["weight.move"] == "-0.0000023"
    assert said["count.gpt2"] == "124,439,808"


def prose(text: str) -> str:
    """What is read as text: without scripts, drawings, figures, formulas, graphs and gradcheck's tables."""
    for part in ("script", "style", "svg", "data", "math", "pre"):
        text = re.sub(rf"<{part}\b.*?</{part}>", "", text, flags=re.S)
    text = re.sub(r'<section class="stepgrad".*?</section>', "", text, flags=re.S)
    return unescape(re.sub(r"<[^>]*>", " ", text))


def test_no_other_number_stands_in_the_text(read: Read) -> None:
    """But those that are given: what the neuron and the riddle start from, steps, rates, and counts of things."""
    given = {str(n) for n in range(11)} | {"−3", "20", "100", "200", "500", "1,000", "117", "09"}
    given |= {"0.0001", "0.001", "0.02", "0.45", "0.80", "0.99", "+0.023", "−0.023"}
    numbers = re.findall(r"(?<!GPT)[−+-]?\d[\d,.]*", prose(read.text).replace("GPT-", "GPT"))
    assert {number.rstrip(".,") for number in numbers} <= given


def test_one_file_without_network(read: Read) -> None:
    assert not re.search(
        r'(?:src|href)="(?!data:|#)|@import|url\(|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/)', read.text
    )
    assert len(read.text.encode()) < 1_500_000
    assert "{{" not in read.text


def test_the_record_is_the_training(read: Read) -> None:
    moments, record = dinners(), read.record
    assert record["losses"][::10] == [round(m.loss, 4) for m in moments.values()]
    assert len(record["losses"]) == len(record["norms"]) == 1001
    lower = np.tril_indices(14)
    final = moments[1000].params["wte"]
    for k, step in enumerate(range(0, 1001, record["every"])):
        params = moments[step].params
        stages = forward(params, TOKENS[:-1])
        weights = np.concatenate([stages[f"h{i}.A"][:, lower[0], lower[1]].ravel() for i in (0, 1)])
        packed = np.array([int(record["attention"][k][i : i + 2]) for i in range(0, 840, 2)])
        assert np.abs(packed / 99 - weights).max() <= 0.5 / 99 + 1e-9
        np.testing.assert_allclose(record["places"][k], plane(params["wte"], final), atol=0.0006)
        said = probabilities(params, FRANK)[-1, [WORDS.index(word) for word in P]]
        np.testing.assert_allclose(record["frank"][k], said, atol=0.00006)
    assert len(record["stories"]) == 101 and all(story.startswith("frank ") for story in record["stories"])
    cheap = {step: probabilities(moments[step].params, TOKENS)[11, WORDS.index("cheap")] for step in (200, 500)}
    assert cheap[200] < 0.7 and cheap[500] > 0.9, "as the text says"
    for step, params in read.params.items():
        assert all(np.array_equal(p, moments[step].params[name]) for name, p in params.items()), "bit for bit"


def test_it_reads_without_a_script(read: Read) -> None:
    text = re.sub(r"\s+", " ", prose(read.text))
    for title in ("chain rule", "The five steps", "The parameters", "The loss", "From noise to structure"):
        assert title in text
    stills = read.text[read.text.index('class="stills"') :]
    assert [stills.count(f"<h3>Step {step}</h3>") for step in ("0", "100", "1,000")] == [1, 1, 1]
    assert read.text.count("<summary>Answer</summary>") == 6 + 1 + 3, "every exercise has its answer in the text"
    assert re.search(r'<div class="live" data-script hidden>', read.text), "what needs the script shows with it only"


def test_the_right_answers_are_right(read: Read) -> None:
    again = recomputed(read)
    right = re.search(r'<div data-answer="([^"]*)"><p>A hint', read.text)
    assert right
    changes = {n.removeprefix("changes."): abs(x) for n, x in again.items() if n.startswith("changes.")}
    assert max(changes, key=lambda k: changes[k]) == right[1]
    assert changes["wte[10, 3]"] == 0, "the hint: a word that nobody said"
    largest = max(changes, key=lambda k: abs(again[f"matter.value.{k}"]))
    assert largest != right[1], "the largest weight is not the one that matters most"


def test_the_broken_rules_make_these_tables(read: Read) -> None:
    rng = np.random.default_rng(0)
    x, w, b, v = rng.normal(size=3), rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=2)
    cases = re.findall(r'<div data-answer="(\w+)"><p>Case \d.*?<pre>(.*?)</pre>', read.text, re.S)
    assert [op for op, _ in cases] == ["tanh", "mul", "add"]

    def net(w: Any, b: Any, v: Any) -> Any:
        return np.exp(v * np.tanh(x @ w + b)).sum()

    wrong = {
        "tanh": (lambda g, out, a: g * (1 - out),),
        "mul": (lambda g, out, a, b: g, primitives.mul.vjps[1]),
        "add": (primitives.add.vjps[0], lambda g, out, a, b: -g),
    }
    for op, table in cases:
        row = getattr(primitives, op)
        kept, row.vjps = row.vjps, wrong[op]
        try:
            report = ag.gradcheck(net, w, b, v)
        finally:
            row.vjps = kept
        said = {
            line.split()[0]: line.split() for line in unescape(table).splitlines() if re.search(r"(wrong|ok)$", line)
        }
        assert {r.name: r.verdict for r in report.rows} == {name: line[-1] for name, line in said.items()}
        for r in report.rows:
            assert float(said[r.name][1]) == pytest.approx(r.analytic, rel=1e-6)
    assert ag.gradcheck(net, w, b, v), "and with the right rules it holds"


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson", "--out", str(tmp_path / "lesson.txt")]) == 2
    assert "is no name of a page" in capsys.readouterr().err
    assert main(["lesson", "--out", str(tmp_path / "nowhere" / "lesson.html")]) == 2
    assert "there is no folder" in capsys.readouterr().err


# ---- in a browser ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from chromium(tmp_path_factory.mktemp("chromium"))


@pytest.fixture
def visit(browser: Any, read: Read, tmp_path: Path) -> Iterator[Any]:
    """Opens the lesson at a width, light or dark, with or without scripts."""
    path = tmp_path / "lesson.html"
    path.write_text(read.text, encoding="utf-8")

    def open_(width: int = 1280, scheme: str = "light", script: bool = True) -> Any:
        cdp = browser.execute_cdp_cmd
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        cdp("Emulation.setDeviceMetricsOverride", size)
        features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]
        cdp("Emulation.setEmulatedMedia", {"features": [{"name": n, "value": v} for n, v in features]})
        cdp("Emulation.setScriptExecutionDisabled", {"value": not script})
        browser.get("about:blank")
        browser.get(f"file://{path}")
        return browser

    yield open_
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    calm(browser)


def ask(browser: Any, script: str, *args: Any) -> Any:
    return browser.execute_script(script, *args)


def keys(browser: Any, *codes: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(browser, duration=0)
    for code in codes:
        chain.send_keys(code)
    chain.perform()


def contrast(ink: str, paper: str) -> float:
    """How well two colours can be told apart: WCAG 2.1's contrast ratio."""

    def light(colour: str) -> float:
        parts = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
        linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    dark, bright = sorted((light(ink), light(paper)))
    return (bright + 0.05) / (dark + 0.05)


STATE = """
    const live = document.querySelector('.live');
    return {
      reading: live.querySelector('.reading').textContent,
      cells: [...live.querySelectorAll('.heats .cell')].map((c) => +c.getAttribute('fill-opacity')),
      words: [...live.querySelectorAll('svg.map .word')].map((w) => w.getAttribute('transform')),
      frank: [...live.querySelectorAll('.side .amount')].map((a) => a.textContent),
      writes: live.querySelector('.writes q').textContent,
      mark: live.querySelector('.mark').getAttribute('transform'),
    }"""


def test_loss_attention_map_and_samples_move_together_by_keyboard(visit: Any, read: Read) -> None:
    from selenium.webdriver.common.keys import Keys

    page = visit()
    ask(page, "document.querySelector('.moment').focus()")
    before: dict[str, Any] = {}
    for key, step in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 10), (Keys.END, 1000), (Keys.ARROW_LEFT, 990)):
        keys(page, key)
        state, record, k = ask(page, STATE), read.record, step // 10
        assert state["reading"] == (
            f"step {step:,}: loss {record['losses'][step]:.3f}, gradient {record['norms'][step]:.3f}"
        )
        packed = [int(record["attention"][k][i : i + 2]) / 99 for i in range(0, 840, 2)]
        assert state["cells"] == pytest.approx(packed, abs=1e-6)
        assert [float(p) for p in state["frank"]] == pytest.approx(record["frank"][k], abs=0.0051)
        assert state["writes"] == record["stories"][k]
        moves = ("reading", "mark") if step == 990 else ("reading", "cells", "words", "mark")  # at the end little moves
        assert all(state[part] != before.get(part) for part in moves)
        before = state
    assert ask(page, "return document.querySelector('.stills').hidden")


def test_the_training_plays_and_pauses(visit: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    page = visit()
    go = page.find_element("css selector", ".go")
    ask(page, "arguments[0].click()", go)
    assert go.get_attribute("aria-pressed") == "true"
    WebDriverWait(page, 10).until(lambda p: int(ask(p, "return document.querySelector('.moment').value")) >= 30)
    ask(page, "arguments[0].click()", go)
    assert go.text == "Play"
    at = ask(page, "return document.querySelector('.moment').value")
    assert ask(page, "return document.querySelector('.reading').textContent").startswith(f"step {at}:")


def test_the_next_gradient_is_asked_before_it_is_shown(visit: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page = visit()
    lines = page.find_elements("css selector", "#predict li")
    shown = (
        "return [...document.querySelectorAll('#predict li')].map((l) => [l.hidden, l.querySelector('details').hidden])"
    )
    assert ask(page, shown) == [[False, True]] + [[True, True]] * 5
    ask(page, "document.querySelector('#predict input').focus()")
    verdict = "return document.querySelectorAll('#predict .verdict')[arguments[0]].textContent"
    keys(page, "no", Keys.ENTER)
    assert ask(page, verdict, 0) == "a number, please"
    keys(page, *[Keys.BACKSPACE] * 2, "-2", Keys.ENTER)
    assert ask(page, verdict, 0) == "not yet: the sign is wrong"
    assert ask(page, shown)[0] == [False, True]
    keys(page, *[Keys.BACKSPACE] * 2, "2", Keys.ENTER)
    assert ask(page, verdict, 0) == "right"
    assert ask(page, shown)[:2] == [[False, False], [False, True]]
    for answer in ("-2", "2", "2,0"):  # the keyboard is in the next field by itself
        keys(page, answer, Keys.ENTER)
    keys(page, "-6", Keys.ENTER)
    assert ask(page, verdict, 4) == "not yet: that is what comes by this way; what came before is added"
    keys(page, *[Keys.BACKSPACE] * 2, "−8", Keys.ENTER)
    assert ask(page, verdict, 4) == "right"
    ask(page, "arguments[0].querySelectorAll('button')[1].click()", lines[5])  # Show
    assert "4" in lines[5].find_element("css selector", "details p").text


def test_a_choice_is_answered_and_explained(visit: Any) -> None:
    page = visit()
    for question in page.find_elements("css selector", "[data-answer]"):
        buttons = question.find_elements("css selector", ".choices button")
        assert len(buttons) == 4
        answer = question.find_element("css selector", "details")
        verdicts = []
        for button in buttons:
            ask(page, "arguments[0].click()", button)
            verdicts.append(question.find_element("css selector", ".verdict").text)
            assert answer.get_attribute("open") is not None or "right" not in verdicts
        assert sorted(verdicts) == ["not yet"] * 3 + ["right"]
        assert answer.is_displayed()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(width: int, scheme: str, visit: Any) -> None:
    page = visit(width, scheme)
    assert ask(page, "return document.documentElement.scrollWidth") <= width
    small = """
        const wide = [];
        for (const e of document.querySelectorAll('p, li, h2, figure, table, svg, input, button')) {
          if (e.closest('.stepgrad, .scroll, pre') || !e.checkVisibility()) continue;
          const box = e.getBoundingClientRect();
          if (box.right > innerWidth + 1) wide.push(e.outerHTML.slice(0, 80));
        }
        return wide"""
    assert ask(page, small) == []
    colour = "return [...document.querySelectorAll('body, a, figcaption')].map((e) => getComputedStyle(e).color)"
    paper = ask(page, "return getComputedStyle(document.body).backgroundColor")
    assert min(contrast(ink, paper) for ink in ask(page, colour)) >= 4.5
    dark = ask(page, "return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("width", [390, 1280])
def test_without_a_script_it_is_a_text(width: int, visit: Any) -> None:
    page = visit(width, script=False)
    found = page.find_element("css selector", "body").text
    for words in (
        "Step 100",
        "What is the gradient of the loss by the scores",
        "Case 3. Which rule is broken?",
        "L has received",
    ):
        assert words in found
    assert not page.find_element("css selector", ".live").is_displayed()
    assert page.find_element("css selector", ".stills").is_displayed()
    assert page.find_element("css selector", "math").is_displayed()
    assert all(d.is_displayed() for d in page.find_elements("css selector", ".exercise details"))


def test_space_scrolls_the_page_and_plays_a_graph_once_it_is_chosen(visit: Any) -> None:
    page = visit()
    playing = "return [...document.querySelectorAll('.stepgrad .play')].map((b) => b.textContent)"
    keys(page, " ")
    assert ask(page, playing) == ["Play", "Play"]
    ask(page, "document.querySelector('.stepgrad').focus()")
    keys(page, " ")
    assert ask(page, playing) == ["Pause", "Play"]
    keys(page, " ")

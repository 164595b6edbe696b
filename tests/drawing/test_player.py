"""The page that plays backprop: what stands in it, and, in a real Chromium, that it shows what the stepper shows."""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.drawing import rendering
from autograd.drawing.labels import numbers
from autograd.drawing.selection import Selection
from autograd.drawing.sheets import sheets
from autograd.drawing.view import view
from autograd.stepping.text import Show
from tests.drawing.pictures import chain, transformer


def neuron() -> Value:
    with ag.record_source():
        x1, x2, w1, w2 = Value(2.0, "x1"), Value(0.0, "x2"), Value(-3.0, "w1"), Value(1.0, "w2")
        b = Value(6.8813735870195432, "b")
        x1w1 = x1 * w1
        x2w2 = x2 * w2
        s = x1w1 + x2w2
        n = s + b
        o = n.tanh()
    return o


def random_graph(n: int) -> Value:
    rng = np.random.default_rng(0)
    nodes = [Value(float(x), f"x{i}") for i, x in enumerate(rng.normal(size=10))]
    with ag.record_source():
        while len(nodes) < n:
            a, b = (nodes[int(i)] for i in rng.integers(max(0, len(nodes) - 12), len(nodes), 2))
            nodes.append((a * b).tanh() if rng.random() < 0.3 else a + b)
        return sum(nodes[-12:], Value(0.0, "start"))


def steps_of(root: Any) -> list[tuple[str, str, str]]:
    """Header, rule and sum of every contribution, from the stepper itself."""
    stepper = ag.Stepper(root)
    show = Show(stepper)
    found = []
    while (c := stepper.step()) is not None:
        rule, total = show.contribution(c)
        found.append((show.header(c.node), rule.strip(), total.strip()))
    return found


# ---- the page as text --------------------------------------------------------------------


def test_one_file_without_network(tmp_path: Path) -> None:
    made = ag.play(neuron(), tmp_path / "backprop.html")
    text = (tmp_path / "backprop.html").read_text(encoding="utf-8")
    assert text == made.html
    assert not re.search(
        r'(?:src|href)="(?!data:)|@import|url\(|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/)', text
    )
    assert made.title == "Backprop of o"


def test_readable_without_a_script() -> None:
    """The final drawing and every step stand in the page itself."""
    root = neuron()
    text = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", ag.play(root).fragment, flags=re.S)
    top = ElementTree.fromstring(_xml(text))
    drawn = {
        tuple(t.text for t in g.iter() if t.tag.endswith("text")) for g in top.iter() if "node" in g.get("class", "")
    }
    assert ("x1", "data 2.0", "grad -1.5") in drawn
    listed = [["".join(span.itertext()) for span in li] for li in top.iter("li") if li.get("data-p")]
    assert [(head, rule, total) for head, _, rule, total in listed] == steps_of(root)
    assert listed[0][0].endswith("o = n.tanh()")


def _xml(text: str) -> str:
    """Enough of HTML's shorthand written out to parse it as XML."""
    text = re.sub(r"<(input|meta|link)([^>]*)>", r"<\1\2/>", text)
    return re.sub(r"\s(hidden|selected|open|data-script)(?=[\s/>])", r' \1=""', text)


def test_a_script_in_a_label_stays_text() -> None:
    evil = '</script><script>document.title = "pwned"</script><img src=x onerror=alert(1)>"\'&'
    text = ag.play(Value(1.0, evil) * Value(2.0, evil)).html
    assert text.count("<script") == 1
    assert "<img" not in text
    assert "&lt;/script&gt;" in text


def test_nothing_in_a_label_turns_the_text_of_the_page() -> None:
    text = ag.play(Value(1.0, "a\u202egpj\x1b[2J") * Value(2.0, "\u2066b\ud800\x00")).html
    text.encode()  # as a file holds it
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", text)
    assert "a\\u202egpj\\x1b[2J" in text


def test_three_hundred_nodes_take_less_than_a_megabyte() -> None:
    made = ag.play(random_graph(300))
    alone = re.findall(r'class="node n\d+ (?:operation|leaf)', made.fragment)
    assert len(alone) >= 300  # each in a drawing, of the whole or of what is in a fold
    assert len(made.html.encode()) < 1_000_000


def test_a_page_without_graphviz_has_the_same_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which are laid out together, one after another."""
    root = transformer(layers=1)

    def said(html: str) -> list[list[str]]:
        drawings = html.split('<div class="sheet"')[1:]
        return [sorted(re.findall(r"<text[^>]*>(.*?)</text>", drawing)) for drawing in drawings]

    there = said(ag.play(root).fragment)
    monkeypatch.setattr(rendering.shutil, "which", lambda name: None)
    assert said(ag.play(root).fragment) == there and len(there) > 5


def test_what_if_is_played_too_and_the_stepper_comes_back() -> None:
    x = Value(3.0, "x")
    h = x * 2.0
    h.label = "h"
    y = h * h
    stepper = ag.Stepper(y)
    stepper.step()
    stepper.set_grad(h, 100.0)
    here = stepper.position
    from autograd.drawing.player import player

    text = player(Show(stepper)).fragment
    assert stepper.position == here
    assert stepper.grad(h) == 100.0
    assert "h.grad = 100.0 (set)" in text
    assert "h.grad: 100.0 + 1.0 * 6.0 = 106.0" in text


def test_too_many_steps_are_refused_with_a_remedy() -> None:
    x = Value(1.0, "x")
    for _ in range(6000):
        x = x + 1.0
    with pytest.raises(ValueError, match="has 6,000 steps, more than 5,000"):
        ag.play(x)
    assert ag.play(x, around=x, down=5).count == 5


def test_a_part_shows_the_gradients_of_the_whole() -> None:
    """Also those that come from operations left out of the drawing."""
    x = Value(0.7, "x")
    a = x * 2.0
    c = a.exp()
    f = (c * a.tanh() + a) * x
    stepper = ag.Stepper(f)
    stepper.end()
    show = Show(stepper)
    text = ag.play(f, top=4).fragment
    last: dict[str, str] = {}
    for box, grad in re.findall(r'<li [^>]*?data-p="(\d+)" data-g="([^"]*)"', text):
        last[box] = grad
    drawn = dict(re.findall(r'<g class="node n(\d+) [^>]*>\s*<rect[^>]*>\s*<text[^>]*>([^<]*)</text>', text))
    for box, grad in last.items():
        node = show.names.by_name[drawn[box].split(" = ")[0]]
        assert grad == numbers("grad ", [stepper.grad(node)])
    assert len(last) == 3


def test_a_gradient_that_was_larger_than_it_is_at_the_end() -> None:
    a = Value(1.0, "a")
    text = ag.play(a - a, around=a, up=0, down=0).fragment
    assert re.findall(r'data-g="([^"]*)" data-h="(\d)"', text) == [("grad 1.0", "5"), ("grad 0.0", "0")]


def test_labels_with_backslashes() -> None:
    t = Tensor(np.ones((2, 2)), r"\lambda") @ np.ones((2, 2))
    t.label = r"\N \sigma"
    assert r"\sigma" in ag.play((t * t).sum()).fragment
    assert "sigma" in ag.draw_dot((t * t).sum(), derivatives=True).source


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="expected a Value or a Tensor"):
        ag.play(3.0)
    with pytest.raises(ValueError, match="no single gradient to start from"):
        ag.play(Tensor([1.0, 2.0]))
    with pytest.raises(TypeError, match="path is the file to write"):
        ag.play(neuron(), path=("x1", "o"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is no name of a page"):
        ag.play(neuron(), "backprop.svg")
    assert (
        repr(ag.play(neuron(), between=("x1", "o")))
        == "<Player: Backprop of o, 4 steps; .save('backprop.html') writes it>"
    )
    with pytest.raises(ValueError, match="play: depth=-1"):
        ag.play(neuron(), depth=-1)
    assert "<li data-" in ag.play(Tensor([1.0, 2.0]) * 2.0, gradient=[1.0, 1.0]).fragment


# ---- in a browser ------------------------------------------------------------------------

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
WHOLE = """
    const f = document.querySelector('figure');
    return f.scrollWidth <= f.clientWidth && f.scrollHeight <= f.clientHeight"""
HEAD = "<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        reason = "needs Chromium and ChromeDriver on the PATH (Debian: chromium chromium-driver)"
        (pytest.fail if "chromium" in os.environ.get("STEPGRAD_REQUIRE", "") else pytest.skip)(reason)
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS.split(), "--window-size=1300,1000", f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield found
    found.quit()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens HTML from disk; at the end no error stands in the console, and nothing was fetched."""

    def open_(html: str, state: str = "") -> Any:
        path = tmp_path / "page.html"
        path.write_text(html, encoding="utf-8")
        browser.get("about:blank")
        browser.get(f"file://{path}{state}")
        return browser

    yield open_
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)") == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def press(browser: Any, key: str, shift: bool = False) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    code = getattr(Keys, key, key)
    chain = ActionChains(browser, duration=0)
    (chain.key_down(Keys.SHIFT).send_keys(code).key_up(Keys.SHIFT) if shift else chain.send_keys(code)).perform()


def now(browser: Any) -> list[str]:
    return list(browser.execute_script("return [...document.querySelectorAll('.now span')].map((s) => s.textContent)"))


def drawn(browser: Any) -> dict[str, str]:
    """First line and gradient of every box."""
    script = """
        const lines = [...document.querySelectorAll('.sheet:not([hidden]) .node text.grad')];
        return lines.map((t) => [t.parentNode.querySelector('text').textContent, t.textContent])"""
    return dict(browser.execute_script(script))


def step(browser: Any) -> int:
    return int(browser.execute_script("return document.querySelector('.scrub').value"))


def test_every_step_by_keys_shows_what_the_stepper_shows(visit: Any) -> None:
    root = neuron()
    page = visit(ag.play(root).html, "#step=0")
    stepper = ag.Stepper(root)
    show = Show(stepper)
    nodes = {n.id: n for k in stepper.nodes for n in (k, *k.inputs)}.values()

    def expected() -> dict[str, str]:
        grads = {n: stepper.grad(n) for n in nodes}
        made = {n: f" = {show.names.expression(n)}" if n.op else "" for n in nodes}
        return {show.names[n] + made[n]: numbers("grad ", [g]) for n, g in grads.items()}

    states = [expected()]
    assert drawn(page) == states[0]
    for head, rule, total in steps_of(root):
        press(page, "ARROW_RIGHT")
        assert stepper.step() is not None
        states.append(expected())
        assert now(page)[0] == head
        assert now(page)[2:] == [rule, total]
        assert drawn(page) == states[-1]
        assert len(page.find_elements("css selector", "svg .edge.lit")) == 1
    press(page, "ARROW_RIGHT")  # nothing beyond the end
    assert step(page) == 9
    for state in states[-2::-1]:
        press(page, "ARROW_LEFT")
        assert drawn(page) == state
    press(page, "END")
    assert drawn(page) == states[-1]
    press(page, "t")  # to where the way back begins
    assert drawn(page) == states[0]
    press(page, "ARROW_RIGHT", shift=True)
    press(page, "ARROW_RIGHT", shift=True)
    assert step(page) == 3  # tanh passes on one contribution, + two
    press(page, "ARROW_LEFT", shift=True)
    assert step(page) == 1


def test_a_folded_transformer_plays_to_its_end(visit: Any) -> None:
    root = transformer()
    page = visit(ag.play(root).html, "#step=0")
    assert len(page.find_elements("css selector", ".sheet:not([hidden]) .node")) <= 40
    for k, (head, rule, total) in enumerate(steps_of(root)[:40]):
        press(page, "ARROW_RIGHT")
        assert now(page)[0] == head
        assert now(page)[2:] == [rule, total]
        assert step(page) == k + 1
    press(page, "END")
    assert step(page) == len(steps_of(root))
    stepper = ag.Stepper(root)
    wte = next(n for k in stepper.nodes for n in k.inputs if n.label == "wte")
    assert drawn(page)["wte"] == numbers("grad ", [wte._grad])


def test_it_plays_and_stops_at_the_end(visit: Any) -> None:
    page = visit(ag.play(neuron()).html, "#speed=20")
    press(page, " ")
    assert page.find_element("css selector", ".play").text == "Pause"
    assert page.find_element("css selector", ".now").get_attribute("aria-live") == "off"
    until = time.monotonic() + 10
    while step(page) < 9 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)
    assert step(page) == 9
    assert page.find_element("css selector", ".play").text == "Play"
    assert drawn(page)["x1"] == "grad -1.5"
    press(page, " ")  # from the end it starts again
    assert step(page) < 9
    press(page, " ")
    stopped = step(page)
    time.sleep(0.3)
    assert step(page) == stopped
    assert page.find_element("css selector", ".now").get_attribute("aria-live") == "polite"


def test_buttons_and_scrubber(visit: Any) -> None:
    page = visit(ag.play(neuron()).html, "#step=0")
    for name, at in (
        ("step", 1), ("node", 3), ("back", 2), ("back-node", 1), ("end", 9), ("turn", 0), ("start", -5), ("node", -4),
        ("step", -3), ("back-node", -4), ("back", -5), ("back", -5),
    ):  # fmt: skip
        page.find_element("css selector", f".{name}").click()
        assert step(page) == at
    page.execute_script("const s = document.querySelector('.scrub'); s.value = 4; s.dispatchEvent(new Event('input'))")
    assert page.find_element("css selector", ".count").text == "4 / 9"
    page.find_elements("css selector", ".steps > li")[6].click()
    assert step(page) == 7
    assert page.find_element("css selector", "[aria-current=step]").get_attribute("data-n") is not None
    unnamed = """
        const controls = [...document.querySelectorAll('button, input, select')];
        return controls.filter((e) => !(e.ariaLabel || e.textContent.trim())).length"""
    assert page.execute_script(unnamed) == 0


def test_a_large_drawing_opens_at_the_root_and_takes_other_sizes(visit: Any) -> None:
    page = visit(ag.play(chain(200), limit=300).html, "#step=0")
    inside = """
        const a = document.querySelector('figure').getBoundingClientRect();
        const b = document.querySelector('.sheet:not([hidden]) .node.root').getBoundingClientRect();
        return b.left >= a.left && b.right <= a.right && b.top >= a.top && b.bottom <= a.bottom"""
    assert page.execute_script(inside)
    width = "return document.querySelector('.sheet:not([hidden]) svg').getBoundingClientRect().width"
    before = page.execute_script(width)
    press(page, "+")
    assert page.execute_script(width) == pytest.approx(1.25 * before, rel=0.01)
    page.find_element("css selector", ".smaller").click()
    assert page.execute_script(width) == pytest.approx(before, rel=0.01)
    page.find_element("css selector", ".fit").click()  # at once
    assert page.execute_script(WHOLE)


def test_a_click_pins_the_history_of_a_node(visit: Any) -> None:
    x = Value(3.0, "x")
    page = visit(ag.play((x * x) + x).html, "#step=0")
    page.find_element("css selector", "svg .node.leaf").click()
    panel = page.find_element("css selector", ".pin")
    assert panel.is_displayed()
    received = [b.text for b in page.find_elements("css selector", ".pin .got button")]
    assert received == [
        "2: x.grad: 0 + 1.0 * 1.0 = 1.0",
        "3: x.grad: 1.0 + 1.0 * 3.0 = 4.0",
        "4: x.grad: 4.0 + 1.0 * 3.0 = 7.0",
    ]
    page.find_elements("css selector", ".pin .got button")[1].click()
    assert step(page) == 3
    assert drawn(page)["x"] == "grad 4.0"
    press(page, "ESCAPE")
    assert not panel.is_displayed()


def test_nodes_are_reached_and_pinned_by_keys(visit: Any) -> None:
    page = visit(ag.play(neuron()).html, "#step=0")
    page.execute_script("document.querySelector('figure').focus()")
    press(page, "TAB")
    assert page.execute_script("return document.activeElement.getAttribute('role')") == "button"
    press(page, "ENTER")
    assert page.find_element("css selector", ".pin h3").text == "x1"
    press(page, "ARROW_RIGHT")  # stepping goes on from there
    assert step(page) == 1
    press(page, "ENTER")
    assert not page.find_element("css selector", ".pin").is_displayed()
    for key, name in (("]", "x1w1 = x1*w1"), ("]", "w1"), ("[", "x1w1 = x1*w1")):  # from box to box
        press(page, key)
        focused = "return document.activeElement.querySelector('text').textContent"
        assert page.execute_script(focused) == name


def test_search_finds_nodes_by_name(visit: Any) -> None:
    page = visit(ag.play(neuron()).html, "#step=0")
    press(page, "/")
    field = page.switch_to.active_element
    assert "search" in field.get_attribute("class")
    field.send_keys("w2")
    assert page.find_element("css selector", ".hits").text == "3 found"  # w2, x2w2, and s, which is made of that
    assert {g.find_element("css selector", "text").text for g in page.find_elements("css selector", "svg .match")} == {
        "w2",
        "x2w2 = x2*w2",
        "s = x1w1+x2w2",
    }
    field.send_keys("\n")
    assert page.find_element("css selector", ".pin h3").text in ("w2", "x2w2 = x2*w2", "s = x1w1+x2w2")
    assert step(page) == 0  # keys belong to the field while it has the focus


def test_the_address_holds_the_state(visit: Any) -> None:
    html = ag.play(neuron()).html
    page = visit(html)
    press(page, "t")
    for _ in range(3):
        press(page, "ARROW_RIGHT")
    page.find_element("css selector", "svg .node.n0").click()
    time.sleep(0.4)  # it is written four times a second at most
    state = page.execute_script("return location.hash")
    shown = drawn(page)
    again = visit(html, state)
    assert step(again) == 3
    assert drawn(again) == shown
    assert again.find_element("css selector", ".pin").is_displayed()
    assert step(visit(html, "#step=99&pin=n77&speed=never")) == 9
    assert step(visit(html, "#step=<b>")) == -5
    assert step(visit(html, "#step=-77&sheet=4&by=x")) == -5


def test_many_steps_at_once_are_no_trouble(visit: Any) -> None:
    page = visit(ag.play(transformer()).html, "#step=0")
    page.execute_script("for (let k = 0; k < 600; k++) document.querySelector(k % 3 ? '.step' : '.back').click()")
    assert step(page) == 200


def test_the_rest_of_a_page_keeps_its_keys(visit: Any) -> None:
    page = visit(f"{HEAD}{ag.play(neuron()).fragment}<textarea></textarea>")
    field = page.find_element("css selector", "textarea")
    field.send_keys("a b/c")
    assert field.get_attribute("value") == "a b/c"
    assert step(page) == -5


def test_a_wrong_number_cries_out_at_every_step(visit: Any) -> None:
    page = visit(ag.play(Value(0.0, "x").log() * 2.0).html)
    bad = "return [...document.querySelectorAll('svg .node.bad text:first-of-type')].map((t) => t.textContent)"
    press(page, "t")
    for _ in range(3):
        assert page.execute_script(bad) == ["%0 = log"]
        press(page, "ARROW_RIGHT")


def test_two_in_one_page(visit: Any) -> None:
    x = Value(2.0, "x")
    first, second = ag.play(neuron()), ag.play(x * x)
    page = visit(f"{HEAD}{first.fragment}<hr>{second.fragment}")
    at = "return [...document.querySelectorAll('.scrub')].map((s) => +s.value)"
    sections = page.find_elements("css selector", ".stepgrad")
    page.execute_script("arguments[0].focus()", sections[1])
    press(page, "ARROW_RIGHT")
    assert page.execute_script(at) == [-5, 0]
    page.execute_script("arguments[0].focus()", sections[0])
    press(page, "END")
    assert page.execute_script(at) == [9, 0]
    time.sleep(0.4)
    assert page.execute_script("return location.hash") == "#step1=0&speed1=1&step=9&speed=1"
    ids = page.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_an_injected_script_does_not_run(visit: Any) -> None:
    evil = '</script><script>document.title = "pwned"</script><img src=x onerror="document.title=1">'
    page = visit(ag.play(Value(1.0, evil) * Value(2.0, evil + "2")).html, "#step=1&pin=0")
    assert page.title.startswith("Backprop of %0")
    assert page.find_elements("css selector", "img") == []
    assert "</script><script>" in page.find_element("css selector", ".now").text


def test_light_dark_and_reduced_motion(visit: Any) -> None:
    page = visit(ag.play(neuron()).html, "#step=1")
    paper = "return getComputedStyle(document.querySelector('.stepgrad')).backgroundColor"
    moving = "return getComputedStyle(document.querySelector('.edge.lit path')).animationName"
    assert page.execute_script(paper) == "rgb(255, 255, 255)"
    assert page.execute_script(moving) == "stepgrad-flow"
    features = [
        {"name": "prefers-color-scheme", "value": "dark"},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert page.execute_script(paper) == "rgb(13, 17, 23)"
    assert page.execute_script(moving) == "none"


def test_without_a_script_nothing_promises_to_play(visit: Any, browser: Any) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page = visit(ag.play(neuron()).html)
        assert not page.find_element("css selector", ".bar").is_displayed()
        assert not page.find_element("css selector", ".keys").is_displayed()
        assert "9 steps, listed below" in page.find_element("css selector", ".now").text
        assert page.find_element("css selector", ".steps > li").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_in_a_frame_as_jupyter_shows_it(visit: Any) -> None:
    page = visit(f"{HEAD}{ag.play(neuron())._repr_html_()}")
    page.switch_to.frame(page.find_element("css selector", "iframe"))
    page.find_element("css selector", ".step").click()
    assert step(page) == -4
    page.switch_to.default_content()


# ---- forward, folds, and what a screen shows -----------------------------------------------


def titles(browser: Any) -> list[str]:
    """First line of every box of the drawing that is shown."""
    first = ".sheet:not([hidden]) .node text:first-of-type"
    script = f"return [...document.querySelectorAll('{first}')].map((t) => t.textContent)"
    return list(browser.execute_script(script))


def test_it_begins_before_the_first_operation_and_computes_forward(visit: Any) -> None:
    page = visit(ag.play(neuron()).html)
    ahead = "return [...document.querySelectorAll('svg .node.ahead text:first-of-type')].map((t) => t.textContent)"
    made = ["x1w1 = x1*w1", "x2w2 = x2*w2", "s = x1w1+x2w2", "n = s+b", "o = n.tanh()"]
    assert step(page) == -5 and "5 operations to come" in page.find_element("css selector", ".now").text
    assert sorted(page.execute_script(ahead)) == sorted(made)
    sums = []
    for k in range(5):
        press(page, "ARROW_RIGHT")
        assert sorted(page.execute_script(ahead)) == sorted(made[k + 1 :])
        sums.append(now(page)[-1] if k < 4 else page.find_element("css selector", ".now").text)
        if k < 4:
            assert len(page.find_elements("css selector", "svg .edge.lit.on")) == 2  # into the one computed
    assert sums[:2] == ["x1w1 = x1*w1 = 2.0 * -3.0 = -6.0", "x2w2 = x2*w2 = 0.0 * 1.0 = 0.0"]
    assert sums[3] == "n = s+b = -6.0 + 6.881 = 0.8814"
    assert step(page) == 0 and "dL/do = 1.0: the gradient of the root" in sums[4]
    press(page, "ARROW_RIGHT")
    assert step(page) == 1
    press(page, "HOME")
    assert step(page) == -5


def test_folds_open_by_a_click_and_there_is_a_way_back(visit: Any) -> None:
    page = visit(ag.play(transformer()).html, "#step=100")
    outer = titles(page)
    assert "block × 4 ▸" in outer
    for name in ("block × 4 ▸", "block#2 ▸", "attention ▸"):
        opened = """
            const g = [...document.querySelectorAll('.sheet:not([hidden]) .opens')];
            const there = g.find((g) => g.querySelector('text').textContent === arguments[0]);
            there.dispatchEvent(new MouseEvent('click'))"""
        if name in titles(page):
            page.execute_script(opened, name)
            assert name not in titles(page)
    trail = [part.text for part in page.find_elements("css selector", ".trail > *")]
    assert len(trail) >= 3 and trail[1] == "block × 4"
    assert step(page) == 100
    # Each operation stands there by itself, with its own gradient, once one has gone down far enough.
    assert "scores = q@k.swapaxes(-1,-2)*head_s…" in titles(page) or "scores" in " ".join(titles(page))
    press(page, "u")
    assert [part.text for part in page.find_elements("css selector", ".trail > *")] == trail[:-1]
    page.find_element("css selector", ".trail button").click()
    assert titles(page) == outer
    press(page, "ARROW_RIGHT")
    assert step(page) == 101


def test_the_drawing_goes_up_to_where_the_step_can_be_seen(visit: Any) -> None:
    page = visit(ag.play(transformer()).html, "#step=1&sheet=1")
    seen = "return document.querySelectorAll('.sheet:not([hidden]) :is(.lit, .from)').length"
    for _ in range(60):
        press(page, "ARROW_RIGHT")
        assert page.execute_script(seen) > 0


def test_every_operation_of_a_transformer_has_a_box_of_its_own() -> None:
    root = transformer(layers=2)
    show = Show(ag.Stepper(root))
    alone = {
        box.nodes[0].id
        for sheet in sheets(show, view(show, Selection()))
        for box in sheet.view.boxes
        if len(box.nodes) == 1
    }
    assert {node.id for node in show.stepper.nodes} <= alone


def test_an_arrow_points_as_the_gradient_runs(visit: Any) -> None:
    page = visit(ag.play(neuron()).html, "#step=3")
    ends = """
        const middle = (e) => { const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; };
        return ['.tip', '.node.lit', '.node.from'].map((s) => middle(document.querySelector('.sheet ' + s)))"""
    tip, to, from_ = page.execute_script(ends)
    assert math.dist(tip, to) < math.dist(tip, from_)
    head = "return getComputedStyle(document.querySelector('.edge.lit > polygon:not(.tip)')).visibility"
    assert page.execute_script(head) == "hidden"


@pytest.mark.parametrize(("by", "least"), [("k", 1), ("n", 2), ("s", 2), ("l", 10)])
def test_steps_by_operation_box_scope_and_layer(visit: Any, by: str, least: int) -> None:
    page = visit(ag.play(transformer()).html, f"#step={1 if by == 'n' else 60}&by={by}")
    unit = "return document.querySelector('[aria-current=step]').dataset[arguments[0]]"
    name = {"n": "n"}.get(by, by)
    press(page, "ARROW_RIGHT", shift=True)
    at, here = step(page), page.execute_script(unit, name)
    press(page, "ARROW_RIGHT", shift=True)
    assert step(page) - at >= least and (by == "n" or page.execute_script(unit, name) != here)
    press(page, "ARROW_LEFT", shift=True)
    assert step(page) == at
    press(page, "ARROW_RIGHT")
    assert by == "n" or page.execute_script(unit, name) != here  # it had come to the end of what was under way


def size_of(page: Any, width: int, height: int) -> None:
    mobile = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", mobile)


def test_controls_drawing_and_line_are_seen_without_scrolling(visit: Any, browser: Any) -> None:
    try:
        for html, (width, height) in (
            (ag.play(transformer()).html, (1280, 900)),
            (ag.play(neuron()).html, (1000, 700)),
        ):
            size_of(browser, width, height)
            page = visit(html, "#step=20")
            assert page.execute_script("return document.documentElement.scrollHeight <= innerHeight")
            assert page.execute_script(WHOLE)
            inside = """
                return [...arguments].every((s) => {
                  const r = document.querySelector(s).getBoundingClientRect();
                  return r.width > 0 && r.height > 0 && r.top >= 0 && r.bottom <= innerHeight && r.right <= innerWidth;
                })"""
            assert page.execute_script(inside, ".bar", "figure", ".node.lit", ".now .sum", "[aria-current=step]")
        size_of(browser, 390, 844)
        page = visit(html, "#step=3")
        tops = "return ['figure', '.now', '.bar'].map((s) => document.querySelector(s).getBoundingClientRect().top)"
        figure, line, bar = page.execute_script(tops)
        assert figure < 100 and figure < line < bar < 844  # the drawing first, and Play on the same screen
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_fit_never_enlarges(visit: Any) -> None:
    page = visit(ag.play(Value(1.0, "x") * 2.0).html)
    width = "return document.querySelector('svg').getBoundingClientRect().width"
    natural = page.execute_script(width)
    press(page, "-")
    press(page, "0")
    assert page.execute_script(width) == pytest.approx(natural, rel=0.01)
    assert page.execute_script(WHOLE)


def test_a_map_of_what_is_larger_than_its_frame(visit: Any) -> None:
    small = visit(ag.play(neuron()).html)
    assert not small.find_element("css selector", ".map").is_displayed()
    page = visit(ag.play(chain(200), limit=1000).html, "#step=0")
    assert page.find_element("css selector", ".map").is_displayed()
    assert len(page.find_elements("css selector", ".map [data-box]")) == 402
    before = page.execute_script("return document.querySelector('figure').scrollTop")
    click = """
        const r = document.querySelector('.map').getBoundingClientRect();
        const at = { clientX: r.x + r.width / 2, clientY: r.y + 5, bubbles: true };
        document.querySelector('.map').dispatchEvent(new PointerEvent('pointerdown', at))"""
    page.execute_script(click)
    assert page.execute_script("return document.querySelector('figure').scrollTop") < before


def test_few_stops_of_the_tab_key(visit: Any) -> None:
    page = visit(ag.play(transformer()).html, "#step=5")
    stops = """
        const all = [...document.querySelectorAll('a, button, input, select, summary, [tabindex]')];
        return all.filter((e) => e.tabIndex >= 0 && e.checkVisibility()).length"""
    assert page.execute_script(stops) <= 10


def test_small_arrays_are_seen(visit: Any) -> None:
    w = Tensor(np.array([[1.0, -2.0], [np.inf, np.nan]]), "w")
    page = visit(ag.play((w * 2.0).sum()).html)
    image = page.find_elements("css selector", "svg image")
    assert len(image) == 2  # w, and what it is made to; their sum is a number
    pixels = """
        const done = arguments[arguments.length - 1], img = new Image();
        img.onload = () => {
          const c = Object.assign(document.createElement('canvas'), { width: img.width, height: img.height });
          c.getContext('2d').drawImage(img, 0, 0);
          done([...c.getContext('2d').getImageData(0, 0, img.width, img.height).data].join());
        };
        img.src = document.querySelector('svg image').getAttribute('href')"""
    data = list(map(int, page.execute_async_script(pixels).split(",")))
    above, below, black, red = (tuple(data[4 * k : 4 * k + 3]) for k in range(4))
    assert above[0] > above[2] and below[2] > below[0]  # orange, blue
    assert max(black) < 50 and red[0] > 200 > 60 > red[1]
    page.find_element("css selector", "svg .node.leaf").click()
    assert page.find_element("css selector", ".pin img").is_displayed()

"""The lesson as one self-contained page: the text of `page/lesson.html`, filled with figures, pictures and graphs.

What is computed is `figures`'s, how it is drawn `pictures`'s. A figure in the text is a `data` element that carries
its name and its value, so that whoever reads the file, a test for one, can compute it again.
"""

from __future__ import annotations

import base64
import json
import os
import re
from html import escape
from pathlib import Path

import numpy as np

import autograd as ag
from transformer.lesson import figures as f
from transformer.lesson.dinner import BATCH, CONFIG, DINNER, EVENING, NAMES, STEPS, WORDS, P, encode
from transformer.lesson.formulas import FORMULAS
from transformer.lesson.pictures import bars, curve, heat, points, scatter
from transformer.optim import adam

__all__ = ["page", "write"]

PAGE = Path(__file__).parent / "page"
SEEN = encode(f". {EVENING}")  # what the model sees of the evening, (T,)
KINDS = ["name" if word in NAMES else "said" if word in P else "" for word in WORDS]


# How figures are written, by the beginnings of their names; the longest that fits counts.
WRITTEN = {
    "{:g}": "riddle guess",
    "{:.0f}": "layers lesson relu share",
    "{:,.0f}": "count width",
    "{:.1f}": "do neuron.slope",
    "{:.2f}": "learned p next training",
    "{:+.2f}": "onehot",
    "{:.3f}": "price cost loss norm",
    "{:+.3f}": "weight.gradient",
    "{:.4f}": "neuron",
    "{:+.4f}": "matter.value",
    "{:+.5f}": "matter.gradient",
    "{:.6f}": "weight.promise",
    "{:+.6f}": "neuron.moved neuron.foretold weight.change",
    "{:.7f}": "sgd adam",
    "{:+.7f}": "weight.move",
    "{:+.8f}": "changes",
}
FORMATS = {name: form for form, names in WRITTEN.items() for name in names.split()}


def written(name: str, x: float) -> str:
    """A figure as the text shows it."""
    if name == "gpt3.tokens":
        return f"{x / 1e9:,.0f} billion"
    if name == "gpt3.operations":
        mantissa, _, exponent = f"{x:.2e}".partition("e")
        return f"{mantissa} · 10<sup>{int(exponent)}</sup>"
    if not x:
        return "0"  # exactly: nothing was rounded away
    begin = max((b for b in FORMATS if name == b or name.startswith(f"{b}.")), key=len)
    return FORMATS[begin].format(x).replace("-", "−")


class _Page:
    """The parts of the page, each by the name that stands for it in the text."""

    def __init__(self) -> None:
        self.record = f.record()
        self.params = self.record.params[STEPS]
        self.walked = f.walked(self.params)
        self.guesses = f.guesses()
        self.figures = f.figures(self.record)

    def n(self, name: str, value: float | None = None) -> str:
        """A figure, as it is written in the text."""
        x = float(self.figures[name] if value is None else value)
        return f'<data data-n="{name}" value="{x!r}">{written(name, x)}</data>'

    def fill(self) -> str:
        """The whole page."""
        text = (PAGE / "lesson.html").read_text(encoding="utf-8")
        return re.sub(r"\{\{([^{}]+)\}\}", lambda m: self.part(m[1]), text)

    def part(self, name: str) -> str:
        """What stands for a name in braces: a figure, a formula or a part made here."""
        if name in self.figures:
            return self.n(name)
        kind, _, which = name.partition(" ")
        if kind == "FORMULA":
            return FORMULAS[which]
        made: str = getattr(self, f"_{kind.lower()}")(*([which] if which else []))
        return made

    # ---- files, words and small parts ----

    def _css(self) -> str:
        return (PAGE / "lesson.css").read_text(encoding="utf-8")

    def _js(self) -> str:
        return (PAGE / "lesson.js").read_text(encoding="utf-8")

    def _words(self) -> str:
        return escape(" ".join(WORDS))

    def _evenings(self) -> str:
        lines = DINNER.read_text(encoding="utf-8").splitlines()[:3]
        return "".join(f"<p>{escape(line)}</p>" for line in lines)

    def _batch(self) -> str:
        return str(BATCH)

    def _last(self) -> str:
        return str(STEPS)

    def _every(self) -> str:
        return str(f.EVERY)

    def _weight(self) -> str:
        name, i = f.the_weight(self.walked)
        return f"<code>{named(name, i)}</code>"

    def _play(self, which: str) -> str:
        root = f.neuron() if which == "neuron" else f.scores_graph(self.params)
        return ag.play(root).fragment

    # ---- tables and bars ----

    def _sizes(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{title}</th><td class="n">{self.n(f"layers.{name}")}</td>'
            f'<td class="n">{self.n(f"width.{name}")}</td><td class="n">{self.n(f"count.{name}")}</td></tr>'
            for name, title in (("gpt2", "GPT-2 small"), ("gpt2-large", "GPT-2 large"), ("gpt3", "GPT-3"))
        )
        own = (
            f'<tr><th scope="row">this lesson</th><td class="n">{CONFIG.n_layer}</td>'
            f'<td class="n">{self.n("lesson.width")}</td><td class="n">{self.n("count.lesson")}</td></tr>'
        )
        head = '<tr><th></th><th class="n">layers</th><th class="n">width</th><th class="n">parameters</th></tr>'
        return f'<div class="scroll"><table>{head}{own}{rows}</table></div>'

    def _positions(self) -> str:
        head = '<tr><th>after</th><th>comes</th><th class="n">P of it</th><th class="n">−log P</th></tr>'
        rows = "".join(
            f"<tr{' class=person' * (WORDS[here] in NAMES)}><td>{WORDS[here]}</td><td>{WORDS[then]}</td>"
            f'<td class="n">{self.n(f"next.{t}")}</td><td class="n">{self.n(f"cost.{t}")}</td></tr>'
            for t, (here, then) in enumerate(zip(f.TOKENS, f.TOKENS[1:], strict=False))
        )
        return f'<div class="scroll"><table>{head}{rows}</table></div>'

    def _bars(self, prefix: str, names: dict[str, str], title: str) -> str:
        """Figures of a prefix as bars; names: how each is labelled."""
        figures = {label: f"{prefix}.{name}" for name, label in names.items()}
        return bars([(label, self.figures[name], self.n(name)) for label, name in figures.items()], title)

    def _learned(self) -> str:
        return self._bars("learned", {word: word for word in P}, "P of the next word after “frank”, as learned")

    def _onehot(self) -> str:
        return self._bars("onehot", {word: word for word in P}, "gradient of the loss by each word’s score: P − onehot")

    def _norms(self) -> str:
        return self._bars("norm", f.LAYERS, "length of the gradient by the weights of each layer")

    def _steps(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{title}</th><td class="n">{self.n(f"{name}.consistent")}</td>'
            f'<td class="n">{self.n(f"{name}.noisy")}</td></tr>'
            for name, title in (("sgd", "SGD"), ("adam", "Adam"))
        )
        head = '<tr><th>mean step</th><th class="n">gradients agree</th><th class="n">gradients contradict</th></tr>'
        return f'<div class="scroll"><table>{head}{rows}</table></div>'

    # ---- drawings ----

    def _prices(self) -> str:
        names = [(p, f"price.{p:.2f}") for p in f.PRICED]
        told = [(p, self.figures[name], f"{self.figures[name]:.3f}") for p, name in names]
        listed = "".join(f"<li>P = {p:.2f}: loss {self.n(name)}</li>" for p, name in names)
        return points(told, "−log P over P, from 0 to 1") + f'<ul class="prices">{listed}</ul>'

    def _paths(self) -> str:
        path = f.tossed(adam(f.RATE))
        lines = [("gradients contradict", path[:, 1].tolist()), ("gradients agree", path[:, 0].tolist())]
        return curve(lines, "Two weights over the updates of Adam: one falls steadily, one wanders", (0, -0.05, -0.1))

    def _curve(self) -> str:
        levels = [(self.figures["loss.chance"], "chance"), (self.figures["loss.best"], "the best on unseen evenings")]
        label = "The loss over the steps of the training"
        return curve([("loss", self.record.losses)], label, (0.4, 0.6, 1, 2), levels, log=True)

    def _heat(self, step: str) -> str:
        params = self.record.params[STEPS if step == "final" else int(step)]
        return self._head(f.looks(params)[1, 0], "layer 2, head 1")

    def _head(self, weights: np.ndarray, where: str) -> str:
        looked = int(weights[f.WHO].argmax())
        label = f"Attention of {where}; the second emma looks most at {WORDS[SEEN[looked]]}"
        return heat(weights, [WORDS[t] for t in SEEN], where, label, f.WHO)

    def _map(self, k: int) -> str:
        extent = max(float(np.abs(places).max()) for places in self.record.places)
        label = "The words on a map of W_embed"
        return scatter(self.record.places[k], WORDS, KINDS, extent, label)

    def _live(self, which: str) -> str:
        if which == "heats":
            looks = self.record.attention[0]
            heats = [
                self._head(w, f"layer {i + 1}, head {k + 1}") for i, a in enumerate(looks) for k, w in enumerate(a)
            ]
            return f'<div class="heats">{"".join(heats)}</div>'
        if which == "map":
            return self._map(0)
        return bars([(word, 0.0, "") for word in P], "P after “frank”")

    def _stills(self) -> str:
        parts = []
        for step in f.STILLS:
            k = step // f.EVERY
            parts.append(
                f"<div><h3>Step {step:,}</h3><p>loss {self.n(f'training.{step}.loss')}, "
                f"gradient {self.n(f'training.{step}.norm')}</p>"
                f"{self._heat(str(step))}<p>The second emma looks at cheap with {self.n(f'training.{step}.look')}, "
                f"and says it with {self.n(f'training.{step}.cheap')}.</p>{self._map(k)}"
                f"<p>It writes: <q>{escape(self.record.stories[k])}</q></p></div>"
            )
        return f'<div class="stills">{"".join(parts)}</div>'

    # ---- exercises ----

    def _predict(self) -> str:
        items = []
        for k, g in enumerate(self.guesses):
            asked = f"what is dL/d{g.parent}?"
            names = ("upstream", "local", "before", "after")
            said = {name: self.n(f"guess.{k}.{name}", x) for name in names if (x := getattr(g, name)) is not None}
            whole = f"{said['upstream']} · {said['local']} = {said['after']}"
            if g.before is not None:
                whole = f"{said['before']} + {whole}"
                asked = f"what is dL/d{g.parent} now, by both ways together?"
            elif g.parent == "a":
                asked = "what does a receive by this way?"
            items.append(
                f'<li data-of="{g.parent}" data-value="{g.after!r}" data-local="{g.local!r}" '
                f'data-part="{g.upstream * g.local!r}">{g.node} has received {said["upstream"]}. '
                f"From {g.node} to {g.parent}: {asked}<details><summary>Answer</summary>"
                f"<p>What {g.node} has received, times the slope of {g.node} by {g.parent}: "
                f"{whole}</p></details></li>"
            )
        return f"<ol>{''.join(items)}</ol>"

    def _matter(self) -> str:
        options, rows = [], []
        chosen = f.choices(self.walked)
        for c in chosen:
            name = escape(named(c.name, c.at))
            key = f"{c.name}{list(c.at)}"
            options.append(f'<li data-name="{key}">{name} = {self.n(f"matter.value.{key}", c.value)}</li>')
            rows.append(
                f'<tr><td>{name}</td><td class="n">{self.n(f"matter.gradient.{key}", c.gradient)}</td>'
                f'<td class="n">{self.n(f"changes.{key}", c.change)}</td></tr>'
            )
        most = max(chosen, key=lambda c: abs(c.change))
        head = '<tr><th>weight</th><th class="n">its gradient</th><th class="n">the loss changes by</th></tr>'
        return (
            f'<div data-answer="{most.name}{list(most.at)}">'
            "<p>A hint: <em>vibe</em> was not said on this evening.</p>"
            f'<ul class="options">{"".join(options)}</ul><details><summary>Answer</summary>'
            f"<p>Not the largest weight, but the one with the largest gradient, whatever its sign:</p>"
            f'<div class="scroll"><table>{head}{"".join(rows)}</table></div></details></div>'
        )

    def _broken(self) -> str:
        broken = f.broken_rules()
        names = {"tanh": "tanh", "mul": "·, the product with v", "add": "+, the sum with b"}
        why = {
            "tanh": "W and b are wrong, v is right. So the fault is on the way to W and b, not on that to v: tanh.",
            "mul": "Only v is wrong. W and b, which lie behind the same product, are right, so the product gives "
            "tanh(...) the right thing and v the wrong one.",
            "add": "Only b is wrong, by its sign. b is reached by one operation of its own, the sum.",
        }
        options = "".join(f'<li data-name="{op}">{name}</li>' for op, name in names.items()) + (
            '<li data-name="exp">exp</li>'
        )
        parts = []
        for k, b in enumerate(broken, 1):
            parts.append(
                f'<div data-answer="{b.op}"><p>Case {k}. Which rule is broken?</p><pre>{escape(b.table)}</pre>'
                f'<ul class="options">{options}</ul><details><summary>Answer</summary><p>{escape(why[b.op])} It had '
                f"<code>{escape(b.wrong)}</code> in place of <code>{escape(b.right)}</code>.</p></details></div>"
            )
        return "".join(parts)

    # ---- what stands in the page as data ----

    def _json(self, which: str) -> str:
        r = self.record
        if which == "weights":
            data = {
                "words": WORDS, "layers": CONFIG.n_layer, "heads": CONFIG.n_head, "width": CONFIG.n_embd,
                "order": "little-endian float64, base64, rows first",
                "steps": {s: {k: [p.shape, _packed(p)] for k, p in w.items()} for s, w in r.params.items()},
            }  # fmt: skip
        else:
            lower = np.tril_indices(len(SEEN))
            data = {
                "every": f.EVERY, "last": STEPS,
                "losses": [round(x, 4) for x in r.losses], "norms": [round(x, 4) for x in r.norms],
                "attention": [_digits(a[..., lower[0], lower[1]]) for a in r.attention],
                "places": [np.round(p, 3).tolist() for p in r.places],
                "frank": [np.round(p, 4).tolist() for p in r.frank],
                "stories": r.stories,
            }  # fmt: skip
        return json.dumps(data, separators=(",", ":")).replace("</", "<\\/")


def named(name: str, index: tuple[int, ...]) -> str:
    """A weight, as the lesson calls it: with the word where it belongs to one."""
    i, j = index[0], index[-1]
    if name == "wte":
        return f"W_embed[{WORDS[i]}, {j}]"
    if name == "lm_head":
        return f"W_vocab[{i}, {WORDS[j]}]"
    layer, _, array = name.partition(".")
    spelled = {"wq": "W_Q", "wk": "W_K", "wv": "W_V", "wo": "W_O"}.get(
        array[-2:], array[-2:].upper().replace("W", "W_")
    )
    return f"{spelled}[{', '.join(map(str, index))}] of layer {int(layer[1:]) + 1}"


def _digits(shares: np.ndarray) -> str:
    """Numbers from 0 to 1 as two digits each, of 99."""
    return "".join(f"{x:02.0f}" for x in 99 * shares.ravel())


def _packed(p: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(p, "<f8").tobytes()).decode("ascii")


def page() -> str:
    """The lesson: HTML, all of it."""
    return _Page().fill()


def write(path: str | os.PathLike[str]) -> None:
    """Write the lesson into a file. Raises ValueError for one that is no .html, OSError where it cannot be written."""
    file = Path(path)
    if file.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{os.fspath(path)!r} is no name of a page: it is HTML, as in lesson.html")
    if not file.parent.is_dir():
        raise ValueError(f"there is no folder {os.fspath(file.parent)!r} to write {file.name} into")
    file.write_text(page(), encoding="utf-8")

"""The graph, as pictures and as a page that plays.

`draw_dot` draws what a Value or a Tensor was computed from. Each box holds a name, the data
and the gradient; its outline is the heavier the larger the gradient. Small graphs are drawn
whole. Large ones are folded by the calls that made them, as recorded inside `record_source()`:
so a transformer of 220 nodes fits a screen, and four blocks that ran the same code are one
"block × 4". `zoom` goes the other way, into a single operation.

The pictures go to the folder named on the command line, or to ./pictures.
Those in the README were made by `python demos/11_see_the_graph.py demos/pictures`.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import autograd as ag
from autograd import Tensor, Value
from transformer import Config, init, loss

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
folder.mkdir(parents=True, exist_ok=True)

# A neuron, drawn whole, with the local derivative on each edge: a gradient on the left is the
# product of the derivatives on its way to the root, which has 1.
with ag.record_source():
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    x1w1 = x1 * w1
    x2w2 = x2 * w2
    s = x1w1 + x2w2
    n = s + b
    o = n.tanh()
o.backward()
neuron = ag.draw_dot(o, derivatives=True)
print("a neuron:", neuron.save(folder / "neuron.svg"))

# The same as a page: Space plays it, the arrow keys step forth and back.
ag.play(o, folder / "backprop.html")
print("its backward pass, to play in a browser:", folder / "backprop.html")

# A photograph of that page at its fifth step, where there is a Chromium to take it.
chromium = shutil.which("chromium")
if chromium:
    photo, address = folder.resolve() / "player.png", f"{(folder / 'backprop.html').resolve().as_uri()}#step=5&pin=0"
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
    flags += " --hide-scrollbars --window-size=1100,620"
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [chromium, *flags.split(), f"--user-data-dir={profile}", f"--screenshot={photo}", address],
            check=True,
            capture_output=True,
        )
    print("what it looks like:", folder / "player.png")

# A transformer of four blocks. A fold says how much it hides, and what `open` shows it.
config = Config.preset("vanilla", vocab_size=27, n_layer=4, n_head=2, n_embd=4, block_size=8)
params = {name: Tensor(p, label=name) for name, p in init(config, np.random.default_rng(0)).items()}
emma = np.array([26, 4, 12, 12, 0, 26])  # boundary, e, m, m, a, boundary
with ag.record_source():
    value = loss(params, emma, config)
value.backward()
whole = ag.draw_dot(value)
print("a transformer:", whole.save(folder / "transformer.svg"))

# One element of its first softmax, as the single Values that it is.
softmax = ag.draw_dot(value, zoom=("softmax", (0, 4, 1)))
print("one element of its first softmax:", softmax.save(folder / "softmax.svg"))

# A hundred thousand numbers: counts and ranges by operation.
x = Value(0.5, label="x")
for _ in range(50_000):
    x = (x * 1.01).tanh()
x.backward()
print("a chain of 100,000:", ag.draw_dot(x).save(folder / "chain.svg"))

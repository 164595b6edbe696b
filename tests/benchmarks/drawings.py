"""Drawings of growing graphs: folded, beside the same graph laid out flat, as micrograd's draw_dot would."""

from __future__ import annotations

import time

import numpy as np

import autograd as ag
from autograd import Value
from autograd.drawing.rendering import render

FLAT = 1000  # nodes from which draw_dot refuses to draw all of them


def network(n: int) -> Value:
    """A chain of small layers of some n nodes."""
    rng = np.random.default_rng(0)
    h = [Value(float(x)) for x in rng.normal(size=4)]
    made = 0
    with ag.record_source():
        while made < n:
            h = [sum((a * float(w) for a, w in zip(h, row)), Value(0.0)).tanh() for row in rng.normal(size=(4, 4))]
            made += 36
        root = sum(h, Value(0.0))
    root.backward()
    return root


def run() -> None:
    print(
        "drawing: nodes, seconds to fold and write DOT, to lay it out; "
        "seconds for all of it flat, times slower, bytes of SVG folded and flat"
    )
    for n in (100, 1000, 10_000, 100_000, 500_000):
        root = network(n)
        start = time.perf_counter()
        drawing = ag.draw_dot(root)
        folded = time.perf_counter() - start
        svg = render(drawing.source)
        laid_out = time.perf_counter() - start - folded
        line = f"  {n:>7,}  {folded:6.2f}  {laid_out:6.2f}"
        if n <= FLAT:
            start = time.perf_counter()
            flat = render(ag.draw_dot(root, limit=10 * n).source, seconds=600)
            seconds = time.perf_counter() - start
            line += f"  {seconds:6.2f}  {seconds / (folded + laid_out):5.1f}  {len(svg):>9,}  {len(flat):>9,}"
        print(line)
    page = ag.play(network(260)).html
    nodes, steps = page.count('class="node n'), page.count("<li data-")
    print(f"  a page that plays {nodes:,} nodes in {steps:,} steps: {len(page.encode()):,} bytes")

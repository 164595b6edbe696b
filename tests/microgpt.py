"""microgpt's documents and initial weights, to reproduce its losses. Needs the names file beside the checkout."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

NAMES = Path(__file__).parents[2] / "shared" / "data" / "names.txt"


def setup() -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """(documents as token ids, of 17 at most; parameters in this project's names and (in, out) layout)."""
    rng = random.Random(42)
    names = [line.strip() for line in NAMES.read_text().splitlines() if line.strip()]
    rng.shuffle(names)

    def matrix(n_out: int, n_in: int) -> np.ndarray:
        return np.array([[rng.gauss(0, 0.08) for _ in range(n_in)] for _ in range(n_out)])

    params = {"wte": matrix(27, 16), "wpe": matrix(16, 16), "lm_head": matrix(27, 16).T.copy()}
    for name in ("attn.wq", "attn.wk", "attn.wv", "attn.wo"):
        params[f"h0.{name}"] = matrix(16, 16).T.copy()
    params["h0.mlp.w1"] = matrix(64, 16).T.copy()
    params["h0.mlp.w2"] = matrix(16, 64).T.copy()
    documents = [np.array([26, *(ord(c) - ord("a") for c in name), 26])[:17] for name in names]
    return documents, params

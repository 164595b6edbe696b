"""The engine: a graph of numbers and arrays, and the chain rule through it.

It records (`graph`, `recording`, `modes`) and knows the operations (`primitives` and `linalg`, one row each). What
people hold are `nodes`, and what NumPy's functions mean is `numpy_api`.
"""

from pathlib import Path as _Path

# The package of that name on PyPI (HIPS's) installs into the same folder. Every module of ours comes by here.
_FOLDER = _Path(__file__).parents[1]
if (_FOLDER / "tracer.py").exists():
    raise ImportError(
        f"{_FOLDER} holds two packages named autograd, stepgrad's and that of PyPI, and neither works in it: "
        "pip uninstall autograd stepgrad, and then install one of them; virtual environments keep both"
    )

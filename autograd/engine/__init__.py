"""The engine: a graph of numbers and arrays, and the chain rule through it.

It records (`graph`, `value`, `tensor`), knows the operations (`primitives`, one row each),
answers to NumPy (`numpy_api`) and differentiates functions (`functional`). It neither
checks, steps, draws nor prompts: the other rooms do, with what is recorded here.
"""

from pathlib import Path as _Path

# The package of that name on PyPI (HIPS's) installs into the same folder. Every module of ours comes by here.
_FOLDER = _Path(__file__).parents[1]
if (_FOLDER / "tracer.py").exists():
    raise ImportError(
        f"{_FOLDER} holds two packages named autograd, stepgrad's and that of PyPI, and neither works in it: "
        "pip uninstall autograd stepgrad, and then install one of them; virtual environments keep both"
    )

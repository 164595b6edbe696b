"""The package of PyPI named autograd (HIPS's) installs into the folder of ours: found before anything runs on it."""

import sys
from pathlib import Path

_REMEDY = "pip uninstall autograd stepgrad, and then pip install stepgrad; virtual environments keep both"


def _found() -> str:
    """What is wrong with the `autograd` beside this package; nothing where it is ours."""
    try:
        import autograd
    except ImportError as error:
        return str(error)  # the engine's own word about a folder of two
    if hasattr(autograd, "Value"):
        return ""
    if autograd.__file__ is None:
        folder = next(iter(autograd.__path__))
        return f"{folder} is only a part of stepgrad's autograd, on which transformer builds: {_REMEDY}"
    return f"{autograd.__file__} is the autograd of PyPI, not stepgrad's, on which transformer builds: {_REMEDY}"


if _said := _found():
    if Path(sys.argv[0]).stem == "stepgrad":
        sys.exit(f"stepgrad: {_said}")  # at the command line a traceback says nothing more
    raise ImportError(_said)

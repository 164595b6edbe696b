"""The package of PyPI named autograd (HIPS's) installs into the folder of ours: found before anything runs on it."""

import autograd

if not hasattr(autograd, "Value"):
    raise ImportError(
        f"{autograd.__file__} is the autograd of PyPI, not stepgrad's, which transformer builds on: "
        "pip uninstall autograd stepgrad, and then install stepgrad; virtual environments keep both"
    )

"""What the tests of NumPy's functions share: arrays where most functions are smooth, results as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor, Value

X = np.array([[0.62, 0.27, 0.83], [0.41, 0.94, 0.18]])
Y = np.array([[1.3, 0.2, -0.7], [0.5, 2.4, -1.6]])
V = np.array([0.3, -0.5, 1.7])
Z = np.stack([X, Y * 0.3 + 1, X[::-1] * 2])
NAN = np.array([[True, False, False], [False, False, False]])


def spd(x: Any) -> Any:
    """A matrix that is symmetric and positive, with eigenvalues apart."""
    return x.T @ x + np.diag(np.array([1.0, 2.0, 4.0]))


def square(x: Any) -> Any:
    """A square matrix that has an inverse."""
    return x.T @ Y + 2 * np.eye(3)


def holes(x: Any) -> Any:
    """With a nan in it."""
    return np.where(NAN, np.nan, x)


def numbers(x: Any) -> Any:
    """A result as plain numbers."""
    if isinstance(x, np.ndarray) and x.dtype == object:
        return np.array([v.data if isinstance(v, Value) else v for v in x.flat], float).reshape(x.shape)
    return x.data if isinstance(x, Value | Tensor) else x


NAMES = {"np": np, "X": X, "Y": Y, "V": V, "Z": Z, "spd": spd, "square": square, "holes": holes}

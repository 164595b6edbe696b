"""A scalar and tensor autograd engine to look into.

>>> import autograd as ag
>>> x = ag.Value(2.0, label="x")
>>> y = x**3
>>> y.backward()
>>> x.grad
12.0
"""

from autograd.functional import detach, grad, hessian, hvp, jacobian, value_and_grad
from autograd.modes import AnomalyError, detect_anomaly, no_grad, record_source
from autograd.tensor import Tensor
from autograd.value import Value, values

__all__ = [
    "AnomalyError",
    "Tensor",
    "Value",
    "detach",
    "detect_anomaly",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "no_grad",
    "record_source",
    "value_and_grad",
    "values",
]

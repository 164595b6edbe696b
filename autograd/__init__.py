"""A scalar and tensor autograd engine to look into.

>>> import autograd as ag
>>> x = ag.Value(2.0, label="x")
>>> y = x**3
>>> y.backward()
>>> x.grad
12.0
"""

from autograd.cards import card
from autograd.drawing import draw_dot
from autograd.functional import detach, grad, hessian, hvp, jacobian, value_and_grad
from autograd.gradcheck import gradcheck, taylor_test
from autograd.modes import AnomalyError, detect_anomaly, no_grad, record_source
from autograd.player import play
from autograd.rendering import RenderError
from autograd.report import GradcheckError, GradcheckReport
from autograd.sessions import debug, pm, set_trace
from autograd.stepper import Stepper
from autograd.tensor import Tensor
from autograd.value import Value, values

__all__ = [
    "AnomalyError",
    "GradcheckError",
    "GradcheckReport",
    "RenderError",
    "Stepper",
    "Tensor",
    "Value",
    "card",
    "debug",
    "detach",
    "detect_anomaly",
    "draw_dot",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "no_grad",
    "play",
    "pm",
    "record_source",
    "set_trace",
    "taylor_test",
    "value_and_grad",
    "values",
]

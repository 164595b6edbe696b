"""A scalar and tensor autograd engine to look into.

>>> import autograd as ag
>>> x = ag.Value(2.0, label="x")
>>> y = x**3
>>> y.backward()
>>> x.grad
12.0
"""

from autograd.checking.checks import gradcheck, taylor_test
from autograd.checking.report import GradcheckError, GradcheckReport
from autograd.debugging import sessions as _sessions
from autograd.debugging.sessions import debug, pm, set_trace
from autograd.drawing import cards as _cards
from autograd.drawing.cards import card
from autograd.drawing.dot import draw_dot
from autograd.drawing.player import play
from autograd.drawing.rendering import RenderError
from autograd.engine import primitives as primitives
from autograd.engine.functional import detach, grad, hessian, hvp, jacobian, value_and_grad
from autograd.engine.graph import Node as _Node
from autograd.engine.modes import AnomalyError, detect_anomaly, no_grad, record_source
from autograd.engine.tensor import Tensor
from autograd.engine.value import Value, values
from autograd.stepping.stepper import Stepper

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

# What a notebook shows of a node.
_Node._repr_svg_ = _Node._repr_html_ = _cards.svg
_Node._repr_mimebundle_ = _cards.mimebundle

# Its way to the debugger.
_Node.debug = _sessions.debug_node

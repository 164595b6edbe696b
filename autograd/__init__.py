"""A scalar and tensor autograd engine to look into.

>>> import autograd as ag
>>> x = ag.Value(2.0, label="x")
>>> y = x**3
>>> y.backward()
>>> x.grad
12.0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autograd.engine import primitives as primitives
from autograd.engine.graph import Node as _Node
from autograd.engine.modes import AnomalyError, detect_anomaly, matmul_in, no_grad, record_source, unfused
from autograd.nodes.extend import primitive
from autograd.nodes.functional import detach, grad, hessian, hvp, jacobian, traceable, value_and_grad
from autograd.nodes.tensor import Tensor
from autograd.nodes.value import Value, values

if TYPE_CHECKING:
    from autograd.checking.checks import gradcheck, taylor_test
    from autograd.checking.report import GradcheckError, GradcheckReport
    from autograd.compiling.compiled import compile
    from autograd.debugging.sessions import debug, pm, set_trace
    from autograd.drawing.cards import card
    from autograd.drawing.dot import draw_dot
    from autograd.drawing.player import play
    from autograd.drawing.rendering import RenderError
    from autograd.nodes.borrowed import jax_node
    from autograd.nodes.fused import fuse
    from autograd.stepping.stepper import Stepper

__version__ = "0.1.0"

# What checks, steps, draws and debugs is loaded when it is first used: training needs none of it.
_LATER = {
    "GradcheckError": "checking.report", "GradcheckReport": "checking.report", "RenderError": "drawing.rendering",
    "Stepper": "stepping.stepper", "card": "drawing.cards", "compile": "compiling.compiled",
    "debug": "debugging.sessions", "draw_dot": "drawing.dot", "fuse": "nodes.fused", "gradcheck": "checking.checks",
    "jax_node": "nodes.borrowed", "play": "drawing.player", "pm": "debugging.sessions",
    "set_trace": "debugging.sessions", "taylor_test": "checking.checks",
}  # fmt: skip

__all__ = [
    "AnomalyError", "GradcheckError", "GradcheckReport", "RenderError", "Stepper", "Tensor", "Value", "card",
    "compile", "debug", "detach", "detect_anomaly", "draw_dot", "fuse", "grad", "gradcheck", "hessian", "hvp",
    "jacobian", "jax_node", "matmul_in", "no_grad", "play", "pm", "primitive", "record_source", "set_trace",
    "taylor_test", "traceable", "unfused", "value_and_grad", "values",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'autograd' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"autograd.{_LATER[name]}"), name)
    if name == "Stepper":
        found._repr_html_ = _position  # what a notebook shows
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "primitives"})


# ---- what hangs on Node and Stepper --------------------------------------------------------------------


def _debug(node: _Node, gradient: Any = None, forward: bool = False) -> None:
    """Step through the backward pass from here at a prompt; `h` there lists the commands."""
    from autograd.debugging.sessions import debug_node

    debug_node(node, gradient, forward)


def _svg(node: _Node) -> str | None:
    from autograd.drawing.cards import svg

    return svg(node)


def _mimebundle(node: _Node, include: Any = None, exclude: Any = None) -> dict[str, str]:
    from autograd.drawing.cards import mimebundle

    return mimebundle(node, include, exclude)


def _position(stepper: Stepper) -> str:
    from autograd.drawing.position import html

    return html(stepper)


_Node.debug = _debug
_Node._repr_svg_ = _Node._repr_html_ = _svg  # what a notebook shows
_Node._repr_mimebundle_ = _mimebundle

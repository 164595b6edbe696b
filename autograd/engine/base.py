"""What the parts of the engine hand to each other, as names for types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

# What a node holds, and its gradient: a float, or an array of NumPy or another library.
Data: TypeAlias = Any
# The same, or a node that holds it.
Operand: TypeAlias = Any
# A leaf, or a dict, list or tuple of trees.
Tree: TypeAlias = Any
# A function to differentiate: of trees, to a tree.
Function: TypeAlias = Callable[..., Tree]
# The arguments to differentiate by, counted from 0: one, or several.
Argnums: TypeAlias = int | Sequence[int]
# A vjp: rule(g, out, *args) is the gradient of one argument, g being that of the result, `out`.
Rule: TypeAlias = Callable[..., Operand]

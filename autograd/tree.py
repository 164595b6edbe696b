"""Nested dicts, lists and tuples: taken apart into a list of leaves, and put together again.

A small part of what JAX calls pytrees. It knows nothing of nodes or gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> Iterator[Any]:
    """Everything in a nested structure that is not a dict, list or tuple, in order."""
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (list, tuple)):
        yield tree
        return
    for branch in tree:
        yield from leaves(branch)


def map_tree(f: Callable[[Any], Any], tree: Any) -> Any:
    """The same structure with `f` applied to each leaf, in order."""
    if isinstance(tree, dict):
        return {key: map_tree(f, branch) for key, branch in tree.items()}
    if isinstance(tree, list):
        return [map_tree(f, branch) for branch in tree]
    if isinstance(tree, tuple):
        branches = (map_tree(f, branch) for branch in tree)
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
    return f(tree)

"""Nested dicts, lists and tuples: taken apart into a list of leaves, and put together again.

A small part of what JAX calls pytrees. It knows nothing of nodes or gradients.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from autograd.engine.base import Tree

_BRANCHES = (dict, list, tuple)


def leaves(tree: Tree) -> list[Tree]:
    """Everything in a nested structure that is not a dict, list or tuple, in order."""
    if not isinstance(tree, _BRANCHES):
        return [tree]
    found = []
    for branch in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(branch, _BRANCHES):
            found += leaves(branch)
        else:
            found.append(branch)
    return found


def zip_leaves(a: Tree, b: Tree) -> Iterator[tuple[Tree, Tree]]:
    """The leaves of two structures in pairs, dicts by key; ValueError where the structures differ."""
    if isinstance(a, dict):
        if not isinstance(b, dict) or a.keys() != b.keys():
            raise ValueError(
                f"expected a dict with the keys {list(a)}, got {list(b) if isinstance(b, dict) else type(b).__name__}"
            )
        pairs = [(a[key], b[key]) for key in a]
    elif isinstance(a, (list, tuple)):
        if not isinstance(b, (list, tuple)) or len(a) != len(b):
            raise ValueError(
                f"expected {len(a)} items, got {len(b) if isinstance(b, (list, tuple)) else type(b).__name__}"
            )
        pairs = list(zip(a, b))
    else:
        yield a, b
        return
    for x, y in pairs:
        yield from zip_leaves(x, y)


def map_tree(f: Callable[[Tree], Tree], tree: Tree) -> Tree:
    """The same structure with `f` applied to each leaf, in order."""
    if isinstance(tree, dict):
        # A leaf is not called for: the step of a small model has many, and a call costs more than what is done.
        new = {key: map_tree(f, x) if isinstance(x, _BRANCHES) else f(x) for key, x in tree.items()}
        return _filled(tree, new)
    if isinstance(tree, list):
        return _filled(tree, [map_tree(f, branch) for branch in tree])
    if isinstance(tree, tuple):
        branches = (map_tree(f, branch) for branch in tree)
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
    return f(tree)


def _filled(like: Tree, new: Tree) -> Tree:
    """`new` in a container of the type of `like`, which may have more than a dict or a list: a default, methods."""
    if type(like) is type(new):
        return new
    container = copy.copy(like)
    if isinstance(new, dict):
        container.update(new)
    else:
        container[:] = new
    return container

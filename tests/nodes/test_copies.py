"""Copies and pickles: a copied leaf is a node of its own; a result says that it belongs to a graph."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, Value
from autograd.engine.kinds import received

COPIERS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "oldest pickle": lambda x: pickle.loads(pickle.dumps(x, 0)),
}
everyone = pytest.mark.parametrize("copied", COPIERS.values(), ids=COPIERS)


@everyone
@pytest.mark.parametrize("make", [lambda: Value(2.0, "w"), lambda: Tensor([[1.0, 2.0]], "w"), lambda: Tensor(2.0)])
def test_a_copied_leaf_is_a_node_of_its_own(copied: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    x = make()
    (x * x).sum().backward() if isinstance(x, Tensor) else (x * x).backward()
    y = copied(x)
    assert y is not x and y.id != x.id and y.label == x.label and type(y) is type(x)
    assert np.array_equal(y.data, x.data) and np.array_equal(y.grad, x.grad)
    before = np.array(x.grad)
    (x * y * y).sum().backward() if isinstance(x, Tensor) else (x * y * y).backward()
    assert np.array_equal(y.grad - before, 2 * x.data * y.data) and np.array_equal(x.grad - before, y.data**2)


@everyone
def test_a_copied_tensor_shares_no_array(copied: Callable[[Any], Any]) -> None:
    x = Tensor([1.0, 2.0])
    (x * 3).sum().backward()
    y = copied(x)
    y.data[0], y.grad[0] = 100.0, 100.0
    assert x.data.tolist() == [1, 2] and x.grad.tolist() == [3, 3]
    fresh = copied(Tensor(np.float32([1.0])))
    assert received(fresh) is None and fresh.dtype == np.float32


@pytest.mark.parametrize("copied", [COPIERS["deepcopy"], COPIERS["pickle"]])
def test_a_copied_network_has_gradients_and_steps_of_its_own(copied: Callable[[Any], Any]) -> None:
    """The target network of reinforcement learning: the same weights, and other nodes."""
    net: Any = SimpleNamespace(w=[Value(2.0), Value(3.0)], table={"b": Tensor([1.0])}, values=ag.values(np.ones(2)))
    net.first = net.w[0]
    target = copied(net)
    assert target.first is target.w[0] and target.values[0].id != net.values[0].id
    leaves = [*net.w, *target.w]
    assert len({leaf.id for leaf in leaves}) == 4
    loss = (net.w[0] * 5 - target.w[0] * net.w[1]) ** 2
    s = ag.Stepper(loss)
    s.end()
    loss.backward()
    for leaf in leaves:
        assert (s.grad(leaf) or 0.0) == leaf.grad
    assert ag.draw_dot(loss).source.count("an input") == 3  # both networks are there, each with its own


@everyone
@pytest.mark.parametrize("kind", [Value, Tensor])
def test_a_result_says_in_one_line_to_detach(copied: Callable[[Any], Any], kind: type) -> None:
    y = x = kind(1.0)
    for _ in range(20_000):  # deeper than Python's recursion allows
        y = y * 1.0001
    for thing in (y, [x, {"loss": y}] if copied is not copy.copy else y):
        with pytest.raises(TypeError, match=rf"a {kind.__name__} made by mul .* use \.detach\(\) for a leaf"):
            copied(thing)
    assert copied(y.detach()).data == y.data
    with ag.no_grad():
        assert copied(x * 2).data == 2.0


class Named(Value):
    """A subclass as users write it: a constructor and attributes of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(1.0, name)
        self.seen = [name]


@everyone
def test_subclasses_keep_their_attributes(copied: Callable[[Any], Any]) -> None:
    y = copied(Named("a"))
    assert type(y) is Named and y.seen == ["a"] and y.label == "a" and y.data == 1.0


@pytest.mark.parametrize("kind", [Value, Tensor])
def test_nodes_can_be_weakly_referenced(kind: type) -> None:
    x = kind(1.0)
    y = x * 2
    there = weakref.ref(y)
    names = weakref.WeakKeyDictionary({x: "x", y: "y"})
    assert there() is y and names[x] == "x"
    del y
    assert there() is None and list(names.values()) == ["x"]


class Slotted(Tensor):
    __slots__ = ("extra", "unset")


class SlottedValue(Value):
    __slots__ = ("extra", "unset")


@everyone
@pytest.mark.parametrize("kind", [Slotted, SlottedValue])
def test_subclasses_keep_what_is_in_their_slots(copied: Callable[[Any], Any], kind: Any) -> None:
    if copied is COPIERS["oldest pickle"]:
        pytest.skip("pickle's protocols 0 and 1 know no slots")
    x = kind(2.0, "x")
    x.extra = [1]
    y = copied(x)
    assert type(y) is kind and y.extra == [1] and y.label == "x" and not hasattr(y, "unset")

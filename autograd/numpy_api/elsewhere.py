"""What people know from other libraries, and how it is done here: attributes that only say so."""

from __future__ import annotations

from autograd.engine.graph import Node

__all__ = ["Elsewhere", "say_instead"]

INSTEAD = {
    ".data is the NumPy array": ["numpy"],
    ".data.tolist() gives lists of floats": ["tolist"],
    "every node is recorded; .detach() and ag.no_grad() leave out": ["requires_grad", "requires_grad_"],
    ".op and .inputs say what made it": ["grad_fn"],
    "a leaf has no .inputs": ["is_leaf"],
    "every node keeps its .grad after backward()": ["retain_grad"],
    "Tensor(np.zeros(shape)) and the like make one": ["zeros", "ones", "empty", "arange", "randn", "rand"],
    "x.reshape(shape) does it": ["view", "unflatten"],
    "np.expand_dims(x, axis) and x[:, None] do it": ["unsqueeze"],
    "x.transpose(axes) does it": ["permute"],
    "np.broadcast_to(x, shape) does it": ["expand", "expand_as"],
    "x.T does it": ["t"],
    "x @ y does it": ["mm", "bmm", "mv", "matmul"],
    "np.where chooses for each element": ["at", "masked_fill", "where"],
    "np.linalg.norm(x) does it": ["norm"],
    "e = np.exp(x - ag.detach(x.max(axis=-1, keepdims=True))); e / e.sum(axis=-1, keepdims=True)": ["softmax"],
    "a Tensor computes where its data is: give it an array of JAX": ["to", "cuda", "cpu", "device"],
    "x.astype(np.float64) and the like do it": ["float", "double", "half", "type"],
    "x.ndim says it": ["dim"],
    "x.size says it": ["numel", "nelement"],
    "x**y does it": ["pow"],
    "nodes do not change: write y = ..., or assign the data of a leaf": ["zero_", "add_", "mul_", "fill_", "fill"],
    "np.sort(x), np.median(x) and others of NumPy do it": ["sort", "median", "flip", "tile", "gather", "index_select"],
}  # fmt: skip


class Elsewhere:
    """An attribute that is not there, and says what to use. `hasattr` is False."""

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, node: object, owner: type | None = None) -> object:
        owner_name = (owner or type(node)).__name__
        raise AttributeError(f"a {owner_name} has no attribute {self.name!r}; {self.instead}", name=self.name, obj=node)


def say_instead(kind: type[Node]) -> None:
    """Give a class the attributes it does not have. (A `__getattr__` would slow every attribute down by half.)"""
    for instead, names in INSTEAD.items():
        for name in names:
            if not hasattr(kind, name):
                attribute = Elsewhere(instead)
                attribute.__set_name__(kind, name)
                setattr(kind, name, attribute)

"""`Tensor`: an array in the graph. Its operators lead to rows of the table.

This module holds what an array needs beyond a number: dtypes, who owns which memory, and
the doors through which NumPy comes in. What `np.*` means on a Tensor is in `numpy_api`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import index as to_int
from typing import Any

import numpy as np

from autograd.engine import primitives as p
from autograd.engine.graph import NUMBER, ArrayNode, Node, Primitive, ScalarNode, backpropagate, note
from autograd.engine.kinds import data_of, filled, floats, is_foreign, is_values, reals, received
from autograd.engine.recording import assign, current, next_id, now, spoil, where
from autograd.engine.rows import Variadic
from autograd.engine.words import described
from autograd.nodes.value import as_floats, label_of_leaf, scalar_of, state_of
from autograd.numpy_api.doors import ACROSS, ArrayMethods, call_function, call_ufunc
from autograd.numpy_api.elsewhere import say_instead

__all__ = ["Tensor", "leaf"]

# glibc gives the memory of larger arrays back to the system and fetches it again, at a page fault for every 4 KB,
# which takes a quarter of a training step; until it has seen a piece of 32 MB come and go. No page of it is touched.
np.empty((1 << 25) - (1 << 16), np.uint8)

_new = object.__new__
_QUIET = np.errstate(all="ignore")  # where an anomaly is an error, no warning besides


def _unary(primitive: Primitive) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return self._alone(primitive)

    return method


def _binary(primitive: Primitive) -> tuple[Callable[[Tensor, Any], Tensor], Callable[[Tensor, Any], Tensor]]:
    """The operator and its reflection."""

    def operator(self: Tensor, other: Any) -> Tensor:
        data = self.raw
        if self._lent is not data:  # nothing to copy: the common cases, written out
            if other.__class__ is Tensor and other._lent is not other.raw:
                return _result(primitive, (self, other), (data, other.raw))
            if other.__class__ in NUMBER:
                return _result(primitive, (self, None), (data, other))
        other = _operand(other)
        return other if other is NotImplemented else Tensor._apply(primitive, (self, other))

    def reflected(self: Tensor, other: Any) -> Tensor:
        other = _operand(other)
        return other if other is NotImplemented else Tensor._apply(primitive, (other, self))

    return operator, reflected


def _operand(x: Any) -> Any:
    """What an operator takes besides a Tensor: numbers, arrays, nested lists of numbers."""
    if isinstance(x, (list, tuple)):
        return np.array(x)
    if isinstance(x, (float, int, np.ndarray, np.generic, Node)) or is_foreign(x):
        return x
    return NotImplemented


class Tensor(ArrayMethods, ArrayNode):
    """An array that remembers how it was computed.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], label="x")
    >>> y = np.exp(x).sum()
    >>> y.backward()
    >>> x.grad.shape
    (2, 2)

    data: anything NumPy makes an array of real numbers from, copied; floats keep their
    dtype, ints and bools become float64. An array or tracer of JAX is kept as it is.
    label: what to call it in pictures and messages.
    Operators, methods and `np.*` functions follow NumPy; comparisons give plain arrays of
    bools, `==` and `!=` too; hashing goes by identity.
    Raises TypeError for data that is no array of real numbers.

    Memory: no array that a graph relies on can be changed from outside. The constructor
    and assignment copy; the `.data` of a leaf is yours to change in place, and operations
    then keep a copy of their own; the `.data` of a result is read-only.
    """

    __slots__ = ("_lent", "_owned")
    _lent: Any  # the array last handed out as .data; while it still is `raw`, operations copy it
    _owned: Any  # the array last handed out as .grad; while it still is _grad, it has no other owner

    def __init__(self, data: Any, label: str = "") -> None:
        plain = data.__class__ is np.ndarray and data.dtype.kind == "f"
        self._plant(data.copy("K") if plain else _array(data, "Tensor"), label)

    def _plant(self, data: Any, label: str = "") -> None:
        """Become a new leaf over an array that nobody else changes."""
        self.raw = data
        self._grad = self._lent = self._owned = self.primitive = None
        self.parents = self.saved = ()
        self.id = next_id()
        if label != "":
            self.label = label
        if not now().ordinary:
            self.source = where()

    __add__, __radd__ = _binary(p.add)
    __sub__, __rsub__ = _binary(p.sub)
    __mul__, __rmul__ = _binary(p.mul)
    __truediv__, __rtruediv__ = _binary(p.div)
    __pow__, __rpow__ = _binary(p.power)
    __floordiv__, __rfloordiv__ = _binary(p.floor_divide)
    __mod__, __rmod__ = _binary(p.remainder)
    __matmul__, __rmatmul__ = _binary(p.matmul)
    __neg__ = _unary(p.neg)
    __abs__ = _unary(p.absolute)

    def maximum(self, other: Any) -> Tensor:
        """The larger of the two, element by element; at a tie each gets half the gradient."""
        return self._apply(p.maximum, (self, other))

    def minimum(self, other: Any) -> Tensor:
        """The smaller of the two, element by element; at a tie each gets half the gradient."""
        return self._apply(p.minimum, (self, other))

    # ---- what it holds ----

    @property
    def data(self) -> Any:
        """The array. That of a leaf may be assigned or changed in place; graphs recorded earlier keep the old."""
        data = self.raw
        if not isinstance(data, (np.ndarray, np.generic)):
            return getattr(data, "as_data", data)  # JAX's as it is; one that ag.compile traces says why not
        if self.primitive is not None:
            owner = view = np.asarray(data).view()
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            owner.flags.writeable = view.flags.writeable = False  # and so nobody can make a view writeable again
            return view
        if self._lent is not data:
            self.raw = self._lent = np.array(data)
        return self.raw

    @data.setter
    def data(self, data: Any) -> None:
        if self.primitive is not None:
            raise AttributeError(
                f"data of a {self.op} result cannot be assigned: it follows from its inputs; "
                "assign the data of a leaf and compute again, or use .detach()"
            )
        new = _array(data, "Tensor.data")
        if new.shape != self.shape:
            raise ValueError(
                f"Tensor.data: expected the shape {self.shape} it has, got {new.shape}; "
                "make a new Tensor to change shape"
            )
        assign(self)
        self.raw = new.astype(self.dtype)  # a leaf keeps its dtype, as it keeps its shape

    @property
    def grad(self) -> Any:
        """d root / d self after `root.backward()`, in this Tensor's shape and dtype.

        Once a gradient is there, the array is yours to change in place, as when clipping. Until
        then it is zeros that cannot be written to: nothing reached this Tensor, and reading
        does not change that. To set a gradient, assign it.
        """
        grad = self._grad
        if grad is None:
            grad = filled(self.raw, 0)
            if isinstance(grad, np.ndarray):
                grad.flags.writeable = False
        elif self._owned is not grad and isinstance(grad, (np.ndarray, np.generic)):
            self._grad = self._owned = grad = np.array(grad)  # a rule may have handed one array to two nodes
        return grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is None or np.ndim(grad) == 0:  # None is PyTorch's way to clear it
            self._grad = None if grad is None else np.full(self.shape, grad, self.dtype)
        else:
            self._grad = self._like(grad, "Tensor.grad")
        spoil()

    def _like(self, array: Any, where: str) -> Any:
        """A copy of `array` in the dtype of this Tensor, or a ValueError about its shape."""
        array = _array(array, where)
        if array.shape != self.shape:
            raise ValueError(f"{where}: expected the shape {self.shape} of the data, got {array.shape}")
        return array.astype(self.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its length along each axis."""
        return tuple(self.raw.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return int(self.raw.ndim)

    @property
    def dtype(self) -> Any:
        """The type of its elements, as in NumPy."""
        return self.raw.dtype

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.raw.size)

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return self.transpose()

    @property
    def flat(self) -> Iterator[Tensor]:
        """The elements one by one."""
        return iter(self.reshape(-1))

    def item(self) -> float:
        """The number of a Tensor that has exactly one element; ValueError otherwise."""
        if self.size != 1:
            raise ValueError(f"item: a Tensor of shape {self.shape} has {self.size} elements, not one; use .data")
        return float(self.raw.reshape(()).item())

    # ---- gradients ----

    def backward(self, gradient: Any = None) -> None:
        """Fill `.grad` of everything this was computed from: leaves add up, others start afresh.

        gradient: the gradient of the final result with respect to this Tensor, in its
        shape; may be left out where there is one element, and then is 1.
        """
        if gradient is None:
            if self.size != 1:
                raise ValueError(
                    f"backward: a Tensor of shape {self.shape} has no single gradient to start from; "
                    "reduce it to one number first, as in y.sum().backward(), or pass backward(gradient) of its shape"
                )
            gradient = filled(self.raw, 1)
        else:
            gradient = self._like(gradient.raw if isinstance(gradient, Tensor) else gradient, "backward: gradient")
        backpropagate(self, gradient)

    def zero_grad(self) -> None:
        """Set `.grad` back to zeros."""
        self._grad = None

    def detach(self) -> Tensor:
        """A new leaf with the same data and no history."""
        leaf = _new(Tensor)
        leaf._plant(self.raw.copy() if self._lent is self.raw else self.raw, self.label)  # shared unless lent
        return leaf

    def __reduce__(self) -> tuple[Any, ...]:
        """What copy and pickle make of a leaf: a leaf of its own, with an id and arrays of its own."""
        return _again, (type(self), self.raw, received(self), label_of_leaf(self)), state_of(self, Tensor)

    # ---- shape and reductions ----

    def sum(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """The sum over `axis`: an int, a tuple of ints, or None for all. Options as those of np.sum."""
        return np.sum(self, axis, keepdims=keepdims, **options) if options else self._alone(p.total, axis, keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """The product over `axis`."""
        return np.prod(self, axis, keepdims=keepdims, **options) if options else self._alone(p.prod, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """The mean over `axis`."""
        return np.mean(self, axis, keepdims=keepdims, **options) if options else self._alone(p.mean, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """The maximum over `axis`; elements that tie share the gradient equally."""
        return np.max(self, axis, keepdims=keepdims, **options) if options else self._alone(p.amax, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False, **options: Any) -> Tensor:
        """The minimum over `axis`; elements that tie share the gradient equally."""
        return np.min(self, axis, keepdims=keepdims, **options) if options else self._alone(p.amin, axis, keepdims)

    def cumsum(self, axis: int | None = None, **options: Any) -> Tensor:
        """The sums of the elements up to each one, along `axis`; None flattens first."""
        if options:
            return np.cumsum(self, axis, **options)
        return self._alone(p.cumsum, axis) if axis is not None else self.reshape(-1)._alone(p.cumsum, 0)

    def cumprod(self, axis: int | None = None, **options: Any) -> Tensor:
        """The products of the elements up to each one, along `axis`; None flattens first."""
        if options:
            return np.cumprod(self, axis, **options)
        return self._alone(p.cumprod, axis) if axis is not None else self.reshape(-1)._alone(p.cumprod, 0)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Tensor:
        """The same elements in another shape, given as ints or as one tuple; one -1 is worked out."""
        if order == "F":  # the axes read in the other direction
            return self.T.reshape(_flat(shape)[::-1]).T
        if order not in ("C", "A", "K"):
            raise ValueError(f"reshape: order {order!r} is none of C, F, A and K")
        return self._alone(p.reshape, _flat(shape))

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in the order given, reversed by default."""
        order = tuple(range(self.ndim)[::-1]) if axes in ((), (None,)) else _flat(axes)
        if sorted(i % max(1, self.ndim) for i in order) != list(range(self.ndim)) or any(
            not -self.ndim <= i < self.ndim for i in order
        ):
            raise ValueError(
                f"transpose: axes {order} are not a permutation of the {self.ndim} axes of shape {self.shape}"
            )
        return self._alone(p.transpose, tuple(i % self.ndim for i in order))

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes exchanged."""
        return self._alone(p.swapaxes, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Tensor:
        """Without the axes of length one, or without those given."""
        try:
            shape = np.broadcast_to(False, self.shape).squeeze(axis).shape  # NumPy knows the rules
        except ValueError as error:
            raise type(error)(f"squeeze: axis {axis} of shape {self.shape} is not of length one: {error}") from None
        return self.reshape(shape)

    def ravel(self, order: str = "C") -> Tensor:
        """All elements in one axis."""
        return self.reshape(-1, order=order)

    flatten = ravel

    def copy(self, order: str = "C") -> Tensor:
        """The same numbers as a node of its own, connected to this one."""
        return self._alone(p.identity)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Tensor:
        """The same numbers in another float dtype."""
        dtype = np.dtype(dtype)
        if not floats(dtype):
            raise TypeError(
                f"astype: a Tensor holds floats, not {dtype}; "
                f"use .data.astype({dtype.name!r}) for an array without a graph"
            )
        return self._alone(p.astype, dtype)

    def __getitem__(self, index: Any) -> Tensor:
        return self._alone(p.getitem, _index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "an item of a Tensor cannot be assigned, which a graph cannot record; "
            "use np.where for a choice per element, or assign to x.data[...] of a leaf"
        )

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a Tensor without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # ---- the doors of NumPy ----

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, options: Any) -> Any:
        return call_function(function, args, options)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "a Tensor does not turn into an array by itself, because its graph would be lost; "
            "use np.stack for a list of Tensors, np.broadcast_to to fill an array with one, and .data for its numbers"
        )

    def __float__(self) -> float:
        raise TypeError("a Tensor does not turn into a float by itself, because its graph would be lost; use .item()")

    __int__ = __float__
    __index__ = __float__

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"a Tensor of shape {self.shape} is neither true nor false; compare and reduce its data, "
                "as in (x > 0).all(), or use np.where for a choice per element"
            )
        return bool(self.raw.reshape(()))

    def __pos__(self) -> Tensor:
        return self

    __hash__ = object.__hash__  # by identity, so that nodes may be keys; equality is a question about data

    def __eq__(self, other: Any) -> Any:
        return self.raw == data_of(other)

    def __ne__(self, other: Any) -> Any:
        return self.raw != data_of(other)

    def __lt__(self, other: Any) -> Any:
        return self.raw < data_of(other)

    def __le__(self, other: Any) -> Any:
        return self.raw <= data_of(other)

    def __gt__(self, other: Any) -> Any:
        return self.raw > data_of(other)

    def __ge__(self, other: Any) -> Any:
        return self.raw >= data_of(other)

    def __repr__(self) -> str:
        name = f", label={self.label!r}" if self.label else ""
        data = self.raw
        if isinstance(data, (np.ndarray, np.generic)):
            text = np.array2string(np.asarray(data), precision=6, separator=", ", prefix="Tensor(", threshold=100)
            return f"Tensor({text}, shape={self.shape}, dtype={self.dtype}{name})"
        return f"Tensor({data!r}{name})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # ---- how an operation is applied, and a gradient received ----

    def _fit(self, g: Any) -> Any:
        like = self.raw
        return g if g.dtype is like.dtype and g.shape == like.shape else p.fit(g, like)

    def _alone(self, primitive: Primitive, *constants: Any) -> Tensor:
        """An operation on this Tensor and constants that nobody else can change."""
        data = self.raw
        if self._lent is data:
            data = data.copy()
        return _result(primitive, (self, *(None for _ in constants)), (data, *constants))

    @classmethod
    def _apply(cls, primitive: Primitive, args: tuple[Any, ...]) -> Any:
        parents: list[Node | None] = []
        saved: list[Any] = []
        for a in args:
            kind = a.__class__
            if kind is Tensor:
                parents.append(a)
                data = a.raw
                saved.append(data.copy() if a._lent is data else data)
                continue
            if kind in NUMBER or (a is None and primitive.scalar is None):
                parents.append(None)
                saved.append(a)
                continue
            if isinstance(a, Node) or is_values(a):  # Values: in the dtype of the Tensors, as Python numbers would be
                a = _lifted(a, next(t.dtype for t in args if isinstance(t, Tensor)))
                parents.append(a)
                saved.append(a.raw)
                continue
            if isinstance(a, (np.ndarray, np.generic)):
                # Complex numbers pass where the Tensors hold them: in the complex step of gradcheck.
                if not reals(a.dtype) and not (a.dtype.kind == "c" and any(_is_complex(t) for t in args)):
                    raise TypeError(
                        f"{primitive.name}: argument {len(saved)} is an array of dtype {a.dtype}, not of real numbers"
                    )
                if isinstance(a, (np.ma.MaskedArray, np.matrix)):
                    remedy = (
                        "np.asarray(x)"
                        if isinstance(a, np.matrix)
                        else "np.where and an array of bools, or x.filled(0.0)"
                    )
                    raise TypeError(
                        f"{primitive.name}: argument {len(saved)} is a {type(a).__name__}, "
                        f"which means something else than an array; use {remedy}"
                    )
                if current().recording:
                    a = a.copy()
            elif primitive.scalar is not None and not isinstance(a, NUMBER) and not is_foreign(a):
                raise TypeError(
                    f"{primitive.name}: argument {len(saved)} is {a!r}; expected a Tensor, an array or a real number"
                )
            parents.append(None)
            saved.append(a)
        return _result(primitive, tuple(parents), tuple(saved))


def leaf(data: Any) -> Tensor:
    """An array of floats that nobody else changes, as a leaf."""
    node = _new(Tensor)
    node._plant(data)
    return node


def _is_complex(x: Any) -> bool:
    return x.__class__ is Tensor and x.raw.dtype.kind == "c"


def _result(primitive: Primitive, parents: tuple[Node | None, ...], saved: tuple[Any, ...]) -> Tensor:
    """The operation on raw data, and its result as a node; a leaf where recording is off."""
    state = now()
    array = primitive.array if state.check is None else _QUIET(primitive.array)
    try:
        data = array(*saved)
    except (ValueError, IndexError, OverflowError) as error:
        raise type(error)(f"{primitive.name}({', '.join(map(described, saved))}): {error}") from None
    node = _new(Tensor)
    node.raw = data
    node._grad = node._lent = node._owned = None
    node.id = next_id()
    if not state.ordinary and not current().recording:
        node.primitive = None
        node.parents = node.saved = ()
        return node
    node.primitive = primitive
    node.parents = parents
    node.saved = saved
    if not state.ordinary:
        note(node)
    elif state.level.made is not None:
        state.level.made.append(node)
    return node


def _lifted(x: Any, dtype: Any = np.float64) -> Tensor:
    """A Value or an array of Values as a Tensor connected to it: so they may stand among arrays."""
    x = np.asarray(x) if is_values(x) else x
    if is_values(data_of(x)):
        raise TypeError(f"expected numbers, Values and Tensors; got {described(x)} that holds something else")
    nodes = [v if isinstance(v, Node) else None for v in (x.flat if isinstance(x, np.ndarray) else [x])]
    numbers = data_of(x).reshape(-1).tolist() if isinstance(x, np.ndarray) else [x.raw]
    return _result(_LIFT, (None, *nodes), ((np.shape(x), np.dtype(dtype)), *numbers))


def _lowered(x: Any) -> Any:
    """What has no axes as a number again: a Value of a Tensor, a float of an array."""
    return scalar_of(_LOWER, x, float(x.raw)) if isinstance(x, Tensor) else float(x)


def _as_values(x: Any) -> Any:
    """A Tensor as an array of Values connected to it."""
    if not isinstance(x, Tensor):
        return x
    out = np.empty(x.shape, object)
    for index in np.ndindex(x.shape):
        out[index] = _lowered(x[index])
    return out


# Each is the other's rule. They stand here and not in the table, since they make nodes of one kind from the other.
_LIFT = Primitive(
    "lift",
    None,
    lambda how, *numbers: np.array(numbers, how[1]).reshape(how[0]),
    Variadic(lambda i, g, out, *_: _lowered(g.reshape(-1)[i - 1])),
    ("", "g, its own element"),
)
_LOWER = Primitive(
    "lower",
    None,
    float,
    (lambda g, out, a: _lifted(g).reshape(a.shape) if isinstance(g, Node) else np.full(a.shape, g),),
    ("1",),
)
ACROSS.update(to_tensor=lambda x: _lifted(x) if is_values(x) or isinstance(x, ScalarNode) else x, to_values=_as_values)


def _again(cls: type[Tensor], data: Any, grad: Any, label: str) -> Tensor:
    """A copied leaf. It does not go through the constructor, which a subclass may have changed."""
    leaf = _new(cls)
    leaf._plant(data if is_foreign(data) else np.array(data), label)
    leaf._grad = grad if grad is None or is_foreign(grad) else np.array(grad)
    return leaf


def _array(data: Any, where: str) -> Any:
    """A private array of floats from what a user gave."""
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError(f"{where}: got a masked array, whose mask would be lost; use np.ma.filled(x, 0.0)")
    if isinstance(data, Node):
        raise TypeError(f"{where}: got a {type(data).__name__}; use .data for its numbers, or .detach() for a new leaf")
    if is_foreign(data):
        _only_automatic(data, where)
        xp = data.__array_namespace__()
        return xp.asarray(data) if xp.isdtype(data.dtype, "real floating") else data.astype(float)
    try:
        array = np.array(data)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{where}: no array of real numbers can be made of {described(data)}: {error}") from None
    array = as_floats(array, where)
    if not reals(array.dtype):
        raise TypeError(f"{where}: expected real numbers, got {described(data)} (dtype {array.dtype})")
    return array if floats(array.dtype) else array.astype(np.float64)


def _only_automatic(data: Any, where: str) -> None:
    """TypeError for an array of JAX whose sharding is a part of its type: the rules do not say that of results."""
    sharding = getattr(getattr(data, "aval", None), "sharding", None)
    axes = getattr(getattr(sharding, "mesh", None), "explicit_axes", ())
    if any(axis in axes for part in getattr(sharding, "spec", None) or () for axis in np.atleast_1d(part)):
        names = ", ".join(map(str, axes))
        raise TypeError(
            f"{where}: the array lies on a mesh with explicit axes ({names}), on which JAX asks every operation where "
            "its result lies; make the mesh with automatic ones: jax.make_mesh(shape, names, "
            "axis_types=(jax.sharding.AxisType.Auto,) * len(names))"
        )


def _flat(numbers: tuple[Any, ...]) -> tuple[int, ...]:
    """Ints given one by one, or as one tuple, list or array."""
    if len(numbers) == 1 and type(numbers[0]) is tuple and {*map(type, numbers[0])} == {int}:
        return numbers[0]
    if len(numbers) == 1 and isinstance(numbers[0], (tuple, list, np.ndarray)) and np.ndim(numbers[0]):
        (numbers,) = numbers
    return tuple(map(int, numbers))


def _index(index: Any) -> Any:
    """An index as NumPy takes it, with its arrays copied so that nothing can change them later."""
    if isinstance(index, tuple):
        return tuple(_index(i) for i in index)
    if isinstance(index, slice):
        return slice(*(i if i is None else to_int(i) for i in (index.start, index.stop, index.step)))
    if isinstance(index, Node):
        raise TypeError(
            "getitem: an index must be ints, slices or arrays of ints or bools, not a node; use x.data.astype(int)"
        )
    if isinstance(index, list):
        index = np.array(index, dtype=None if index else int)
    elif isinstance(index, np.ndarray):
        index = index.copy() if index.flags.writeable or index.base is not None else index
    return index


# The functions of one number in the table, as methods.
for _row in p.TABLE.values():
    if _row.scalar is not None and len(_row.local) == 1:
        setattr(Tensor, _row.name, _unary(_row))
say_instead(Tensor)

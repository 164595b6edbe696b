"""`Value`: a single number in the graph. Its operators lead to rows of the table."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from copyreg import _slotnames as slot_names  # type: ignore[attr-defined]  # what pickle itself asks
from functools import partialmethod
from typing import Any

import numpy as np

from autograd.engine import primitives as p
from autograd.engine.graph import NUMBER, Node, Primitive, ScalarNode, backpropagate, note
from autograd.engine.kinds import is_number, reals, received
from autograd.engine.recording import assign, current, next_id, now, spoil, where
from autograd.engine.words import described
from autograd.nodes.value_array import Values, arrayed, boxed, by_function, by_ufunc
from autograd.numpy_api.doors import ACROSS, LOOPS, ArrayMethods
from autograd.numpy_api.elsewhere import say_instead

__all__ = ["Value", "values"]

_new = object.__new__


def _record(
    primitive: Primitive, data: float, a: float, from_a: Node | None, b: float = 0.0, from_b: Value | None = None
) -> Value:
    """The result of an operation as a node; a leaf where recording is off."""
    node = _new(Value)
    node.raw = data
    node._grad = None
    node._a = a
    node._b = b
    node._from_a = from_a
    node._from_b = from_b
    node.id = next_id()
    state = now()
    if state.ordinary:
        node.primitive = primitive
        made = state.level.made
        if made is not None:
            made.append(node)
    elif current().recording:
        node.primitive = primitive
        note(node)
    else:
        node.primitive = node._from_a = node._from_b = None
    return node


def scalar_of(primitive: Primitive, parent: Node, data: float) -> Value:
    """A Value made from a node of another kind."""
    spoil()  # the tape that `grad` keeps for free holds one kind of node only
    return _record(primitive, data, parent.raw, parent)


def _unary(primitive: Primitive) -> Callable[[Value], Value]:
    scalar, ieee = primitive.scalar, primitive.ieee
    assert scalar is not None

    def method(self: Value) -> Value:
        a = self.raw
        try:
            data = scalar(a)
        except (ArithmeticError, ValueError):
            data = ieee(a)
        return _record(primitive, data, a, self)

    return method


def _binary(primitive: Primitive) -> tuple[Callable[[Value, Any], Value], Callable[[Value, Any], Value]]:
    """The operator and its reflection, written out for speed: a scalar step runs little else."""
    scalar, ieee, new_id = primitive.scalar, primitive.ieee, next_id
    assert scalar is not None

    def operator(self: Value, other: Any) -> Value:
        a = self.raw
        if other.__class__ is Value:
            b, from_b = other.raw, other
        elif isinstance(other, NUMBER):
            try:
                b, from_b = float(other), None
            except OverflowError:
                raise too_large(primitive.name) from None
        elif isinstance(other, numbers.Real):
            return Value._apply(primitive, (self, other))
        else:
            return NotImplemented  # of an array NumPy takes over, and comes back by the door
        try:
            data = scalar(a, b)
        except (ArithmeticError, ValueError):
            data = ieee(a, b)
        state = now()
        if not state.ordinary:
            return _record(primitive, data, a, self, b, from_b)
        node = _new(Value)  # `_record`, written out: a scalar step of microgpt takes 27 ms with it and 29 without
        node.raw = data
        node._grad = None
        node._a = a
        node._b = b
        node._from_a = self
        node._from_b = from_b
        node.id = new_id()
        node.primitive = primitive
        made = state.level.made
        if made is not None:
            made.append(node)
        return node

    def reflected(self: Value, other: Any) -> Value:
        if other.__class__ is float:
            b = self.raw
            try:
                data = scalar(other, b)
            except (ArithmeticError, ValueError):
                data = ieee(other, b)
            return _record(primitive, data, other, None, b, self)
        if isinstance(other, numbers.Real):
            return Value._apply(primitive, (other, self))
        return NotImplemented

    return operator, reflected


class Value(ArrayMethods, ScalarNode):
    """One float64 number that remembers how it was computed.

    >>> x = Value(3.0, label="x")
    >>> y = x * x + 2 * x
    >>> y.backward()
    >>> y.data, x.grad
    (15.0, 8.0)

    data: an int, float or NumPy number. label: what to call it in pictures and messages.
    Arithmetic follows IEEE 754 as NumPy does: 1 / Value(0.0) is inf and log of a negative
    number is nan. Comparisons compare data, `==` and `!=` too; hashing goes by identity.
    Of NumPy's functions and of the methods of its arrays it has what an array without axes has.
    Raises TypeError for data that is not a real number.
    """

    __add__, __radd__ = _binary(p.add)
    __sub__, __rsub__ = _binary(p.sub)
    __mul__, __rmul__ = _binary(p.mul)
    __truediv__, __rtruediv__ = _binary(p.div)
    __pow__, __rpow__ = _binary(p.power)
    __floordiv__, __rfloordiv__ = _binary(p.floor_divide)
    __mod__, __rmod__ = _binary(p.remainder)
    __neg__ = _unary(p.neg)
    __abs__ = _unary(p.absolute)

    def maximum(self, other: Any) -> Any:
        """The larger of the two; at a tie each gets half the gradient."""
        return p.maximum(self, other)

    def minimum(self, other: Any) -> Any:
        """The smaller of the two; at a tie each gets half the gradient."""
        return p.minimum(self, other)

    # No __len__, __getitem__, __array__ or __float__: with any of these NumPy would turn
    # a Value into a bare number and lose the graph without a word.
    __slots__ = ()

    def __init__(self, data: float, label: str = "") -> None:
        self.raw = data if data.__class__ is float else _number(data, "Value")
        self._grad = None
        if label != "":
            self.label = label
        self.primitive = None
        self.id = next_id()
        if not now().ordinary:
            self.source = where()

    @property
    def data(self) -> float:
        """The number. May be assigned on a leaf; graphs recorded earlier keep the old one."""
        return self.raw

    @data.setter
    def data(self, data: float) -> None:
        if self.primitive is not None:
            raise AttributeError(
                f"data of a {self.op} result cannot be assigned: it follows from its inputs; "
                "assign the data of a leaf and compute again, or use .detach()"
            )
        self.raw = _number(data, "Value.data")
        assign(self)

    @property
    def grad(self) -> float:
        """d root / d self after `root.backward()`; 0.0 until then. May be assigned."""
        return 0.0 if self._grad is None else self._grad

    @grad.setter
    def grad(self, grad: float | None) -> None:
        self._grad = None if grad is None else _number(grad, "Value.grad")
        spoil()

    def backward(self) -> None:
        """Fill `.grad` of everything this value was computed from: leaves add up, others start afresh."""
        backpropagate(self, 1.0)

    def zero_grad(self) -> None:
        """Set `.grad` back to 0.0."""
        self._grad = None

    def detach(self) -> Value:
        """A new leaf with the same number and no history."""
        return Value(self.raw, self.label)

    def __reduce__(self) -> tuple[Any, ...]:
        """What copy and pickle make of a leaf: a leaf of its own, with an id of its own."""
        return again, (type(self), self.raw, received(self), label_of_leaf(self)), state_of(self, Value)

    def item(self) -> float:
        """The number."""
        return self.raw

    def __repr__(self) -> str:
        name = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.raw}, grad={self.grad}{name})"

    def __format__(self, spec: str) -> str:
        return format(self.raw, spec) if spec else repr(self)

    @classmethod
    def _apply(cls, primitive: Primitive, args: tuple[Any, ...]) -> Value:
        for x in args:
            if isinstance(x, Node) and not isinstance(x, Value):
                return x._apply(primitive, args)  # a Tensor takes Values in
        pairs: list[Any] = []  # a, from_a, b, from_b
        for x in args:
            if isinstance(x, Value):
                pairs += x.raw, x
            else:
                pairs += _number(x, primitive.name), None
        if primitive.scalar is None:
            raise TypeError(f"{primitive.name} needs arrays; use a Tensor, or an array of Values, instead of a Value")
        try:
            data = primitive.scalar(*pairs[::2])
        except (ArithmeticError, ValueError):
            data = primitive.ieee(*pairs[::2])
        return _record(primitive, data, *pairs)

    __hash__ = object.__hash__  # by identity, so that nodes may be keys; equality is a question about data

    def __eq__(self, other: Any) -> Any:
        return self.raw == (other.raw if isinstance(other, Value) else other)

    def __ne__(self, other: Any) -> Any:
        return self.raw != (other.raw if isinstance(other, Value) else other)

    def __lt__(self, other: Any) -> bool:
        return self.raw < (other.raw if isinstance(other, Value) else other)

    def __le__(self, other: Any) -> bool:
        return self.raw <= (other.raw if isinstance(other, Value) else other)

    def __gt__(self, other: Any) -> bool:
        return self.raw > (other.raw if isinstance(other, Value) else other)

    def __ge__(self, other: Any) -> bool:
        return self.raw >= (other.raw if isinstance(other, Value) else other)

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __int__(self) -> int:
        raise TypeError("a Value does not turn into an int by itself, because its graph would be lost; use .data")

    def __pos__(self) -> Value:
        return self

    # ---- as an array without axes ----

    shape: tuple[int, ...] = ()
    ndim = 0
    size = 1
    dtype = np.dtype(
        object
    )  # that of the arrays it stands in; NumPy makes the mean of such an array by calling its type

    @property
    def T(self) -> Value:
        """Itself: there are no axes to reverse."""
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return by_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, options: Any) -> Any:
        return by_function(function, types, args, options)


def label_of_leaf(node: Node) -> str:
    """The label of a node that is to be copied; TypeError where it is no leaf."""
    if node.primitive is not None:
        raise TypeError(
            f"a {type(node).__name__} made by {node.op} is part of its graph and is neither copied nor pickled; "
            "use .detach() for a leaf"
        )
    return node.label


def state_of(node: Node, base: type[Node]) -> Any:
    """What a subclass of `base` has besides, in its `__dict__` and its slots, as copy and pickle take it."""
    slots = set(slot_names(type(node))) - set(slot_names(base))
    known = getattr(node, "__dict__", None)
    return (known, {k: getattr(node, k) for k in slots if hasattr(node, k)}) if slots else known


def again(cls: type[Value], data: float, grad: float | None, label: str) -> Value:
    """A copied leaf. It does not go through the constructor, which a subclass may have changed."""
    node = _new(cls)
    Value.__init__(node, data, label)
    node._grad = grad
    return node


def too_large(where: str) -> OverflowError:
    return OverflowError(f"{where}: the number is larger than a float64 can be, 1.8e308; use math.inf for infinity")


def as_floats(array: np.ndarray, where: str) -> np.ndarray:
    """An array of real numbers that NumPy has no type for, such as large ints and fractions, in float64."""
    if array.dtype == object and any(isinstance(x, Node) for x in array.flat):
        raise TypeError(
            f"{where}: expected real numbers, got Values; use .data for their numbers, or ag.detach(x) for new leaves"
        )
    if array.dtype != object or not all(map(is_number, array.flat)):
        return array
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise too_large(where) from None


def _number(x: Any, where: str) -> float:
    if is_number(x) or (isinstance(x, np.ndarray) and x.ndim == 0 and reals(x.dtype)):
        try:
            return float(x)
        except OverflowError:
            raise too_large(where) from None
    hint = " (a Value already: use .detach() for a new leaf)" if isinstance(x, Value) else ""
    raise TypeError(f"{where}: expected a real number, got {described(x)}{hint}")


def _method(name: str) -> Callable[..., Any]:
    def method(self: Value, *args: Any, **options: Any) -> Any:
        return arrayed(getattr(boxed(self), name)(*args, **options))

    method.__doc__ = f"As `{name}` of an array without axes."
    return method


ACROSS["to_value"] = Value


def _matmul(a: Any, b: Any) -> Any:
    """The loop of np.matmul over matrices of Values, in which NumPy's own stumbles where an element raises."""
    if not (type(a) is type(b) is np.ndarray and a.ndim == b.ndim >= 2 and a.size and b.size):
        return np.matmul(a, b)
    if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
        return np.matmul(a, b)
    values = a.dtype == b.dtype == object and all(x.__class__ is Value for m in (a, b) for x in m.flat)
    product = _product if values and now().ordinary else _product_of_any
    out = np.empty((*a.shape[:-1], b.shape[-1]), object)
    for index in np.ndindex(a.shape[:-2]):
        out[index] = product(a[index].tolist(), b[index].T.tolist())
    return out


def _product_of_any(rows: list[list[Any]], columns: list[list[Any]]) -> list[list[Any]]:
    """Every row times every column, in the order in which NumPy's loop multiplies and adds."""

    def dot(row: list[Any], column: list[Any]) -> Any:
        total = row[0] * column[0]
        for x, y in zip(row[1:], column[1:]):
            total = total + x * y
        return total

    return [[dot(row, column) for column in columns] for row in rows]


def _product(rows: list[list[Value]], columns: list[list[Value]]) -> list[list[Value]]:
    """The same of nothing but Values, written out: a scalar step of microgpt, nine tenths of which are products of
    matrices, takes 20 ms with it and 24 without."""
    made = now().level.made
    keep = (lambda node: None) if made is None else made.append
    mul, add, new, new_id = p.mul, p.add, _new, next_id
    out = []
    for row in rows:
        line = []
        for column in columns:
            total: Any = None
            for from_a, from_b in zip(row, column):
                product = new(Value)
                product._a = a = from_a.raw
                product._b = b = from_b.raw
                product._from_a = from_a
                product._from_b = from_b
                product.raw = a * b
                product._grad = None
                product.primitive = mul
                product.id = new_id()
                keep(product)
                if total is None:
                    total = product
                    continue
                sum_ = new(Value)
                sum_._a = a = total.raw
                sum_._b = b = product.raw
                sum_._from_a = total
                sum_._from_b = product
                sum_.raw = a + b
                sum_._grad = None
                sum_.primitive = add
                sum_.id = new_id()
                keep(sum_)
                total = sum_
            line.append(total)
        out.append(line)
    return out


LOOPS[np.matmul] = _matmul


def _elementwise(primitive: Primitive) -> Callable[[Values], Any]:
    return lambda self: arrayed(np.frompyfunc(primitive, 1, 1)(self.view(np.ndarray)))


# The functions of one number in the table, and what an array without axes does by itself, as methods.
for _row in p.TABLE.values():
    if _row.scalar is not None and len(_row.local) == 1:
        setattr(Value, _row.name, _unary(_row))
        setattr(Values, _row.name, _elementwise(_row))
for _row in (p.arctan2, p.fmod, p.hypot):  # NumPy's loops over arrays of objects call these by name
    setattr(Value, _row.name, partialmethod(_row))
_BOXED: tuple[str, ...] = ("sum", "prod", "mean", "max", "min", "cumsum", "cumprod", "astype")
_BOXED += ("copy", "flatten", "ravel", "reshape", "squeeze", "swapaxes", "transpose")
for _name in _BOXED:
    setattr(Value, _name, _method(_name))


say_instead(Value)


def values(array: Any, label: str = "") -> Values:
    """An array of Values (a NumPy array of dtype object), one per number of `array`, labelled as `label[i,j]`.

    >>> w = values([[1.0, 2.0]], label="w")
    >>> w[0, 1]
    Value(data=2.0, grad=0.0, label='w[0,1]')

    Raises TypeError where an element is not a real number.
    """
    numbers_ = as_floats(np.asarray(array), "values")
    if not reals(numbers_.dtype):
        raise TypeError(
            f"values: expected an array of real numbers, got dtype {numbers_.dtype} from {type(array).__name__}"
        )
    out: Any = np.empty(numbers_.shape, dtype=object).view(Values)
    if not numbers_.shape:
        out[()] = Value(numbers_.item(), label)
        return out
    flat, numbers_ = out.reshape(-1), numbers_.astype(np.float64)
    if label:
        for k, (index, x) in enumerate(np.ndenumerate(numbers_)):
            flat[k] = Value(float(x), f"{label}[{','.join(map(str, index))}]")
    else:
        for k, x in enumerate(numbers_.reshape(-1).tolist()):
            flat[k] = Value(x)
    return out

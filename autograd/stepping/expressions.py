"""What is typed about a walk: names of nodes, and expressions of them with the numbers of the walk.

An expression is compiled once, against the names that it uses, and may then be asked at every
node: a condition costs the same however many nodes there are.
"""

from __future__ import annotations

import ast
import builtins
import io
import operator
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from autograd.engine import words
from autograd.engine.base import Data
from autograd.engine.graph import Node
from autograd.stepping.names import Names, compact
from autograd.stepping.walk import Walk

__all__ = ["Expression", "Reader", "View"]

# The words of an expression, besides nodes and what Python has: what they mean, and what else says the same.
WORDS = {
    "g": ("the gradient of the node here", "node.grad"),
    "out": ("the data of the node here", "node.data"),
    "v": ("the data of the node here", "node.data"),
    "node": ("the node here", "."),
    "np": ("NumPy", "numpy"),
    "numpy": ("NumPy", "np"),
    "norm": ("the root of the sum of squares", "numpy.linalg.norm"),
    "nan": ("not a number", "numpy.nan"),
    "inf": ("infinity", "numpy.inf"),
}
HERE = ("g", "out", "v", "node")
STRING = re.compile(r"'[^']*'|\"[^\"]*\"")


def norm(x: Data) -> float:
    """The root of the sum of squares of a number or an array."""
    return abs(x) if type(x) is float else float(np.sqrt(np.sum(np.square(np.asarray(x, float)))))


class View:
    """A node as expressions see it: `.data` and `.grad` of the walk, and arithmetic on its data."""

    def __init__(self, walk: Walk, names: Names, node: Node) -> None:
        self._walk, self._names, self._node = walk, names, node

    @property
    def data(self) -> Data:
        return self._walk.data(self._node)

    @property
    def grad(self) -> Data:
        g = self._walk.grad(self._node)
        return g if g is not None else 0.0 if np.ndim(self.data) == 0 else np.zeros_like(self.data)

    @property
    def op(self) -> str:
        return self._node.op

    @property
    def label(self) -> str:
        return self._node.label

    @property
    def inputs(self) -> list[str]:
        return [self._names[p] for p in self._node.inputs]

    def __repr__(self) -> str:
        grad = words.summary(self._walk.grad(self._node))
        return f"{self._names[self._node]} = {words.summary(self.data)}, grad {grad}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.data, name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.data, dtype)

    def __getitem__(self, index: Any) -> Data:
        return self.data[index]

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)


def _unary(operate: Callable[[Data], Data]) -> Callable[[View], Data]:
    return lambda self: operate(self.data)


def _operator(operate: Callable[[Data, Data], Data], reflected: bool = False) -> Callable[[View, Data], Data]:
    def method(self: View, other: Data) -> Data:
        other = other.data if isinstance(other, View) else other
        return operate(other, self.data) if reflected else operate(self.data, other)

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(View, f"__{_name}__", _operator(getattr(operator, _name)))
    setattr(View, f"__r{_name}__", _operator(getattr(operator, _name), reflected=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(View, f"__{_name}__", _operator(getattr(operator, _name)))
for _name in ("neg", "pos", "abs"):
    setattr(View, f"__{_name}__", _unary(getattr(operator, _name)))


class Expression:
    """Text as code, with the nodes and words that it uses; `Reader.expression` makes one.

    here: which of g, out, v and node are in it. note: where a node is called by such a word as well, a line
    about which of them is meant, and where several nodes are called the same.
    """

    def __init__(
        self, text: str, code: Any, scope: dict[str, Any], here: list[str], view: Callable[[Node], View]
    ) -> None:
        self.text, self.note = text, ""
        self._code, self._scope, self.here, self._view = code, scope, here, view

    def __str__(self) -> str:
        return self.text

    def __call__(self, here: Node | None, **instead: Data) -> Any:
        """The value, at a node; what g, v and out stand for may be given instead.

        Raises ValueError where there is no node here, and whatever the expression raises.
        """
        if self.here and here is None:
            raise ValueError(f"at the end there is no current node, and so no {self.here[0]}; name a node")
        if here is not None and self.here:
            view = self._view(here)
            for word in self.here:
                if word in instead:
                    self._scope[word] = instead[word]
                else:
                    self._scope[word] = view if word == "node" else view.grad if word == "g" else view.data
        typing, sys.stdin = sys.stdin, io.StringIO()  # exit() would close what the prompt reads from
        try:
            return eval(self._code, self._scope)
        except SystemExit:
            raise ValueError(f"{self.text} would leave Python; q leaves the debugger, Ctrl-C what hangs") from None
        finally:
            sys.stdin = typing


class Reader:
    """Reads what is typed about a walk, by the names of its nodes."""

    def __init__(self, walk: Walk, names: Names) -> None:
        self.walk, self.names = walk, names

    def node(self, name: str) -> Node:
        """A node by name; ValueError, with the nearest name, if there is none."""
        found = self._named(name.strip())
        if found is None:
            near = words.nearest(name.strip(), self.names.by_name)
            raise ValueError(f"no node is called {name.strip()!r}{near or '; ll lists the tape'}")
        return found

    def view(self, node: Node) -> View:
        """A node as expressions see it."""
        return View(self.walk, self.names, node)

    def evaluate(self, text: str, here: Node | None) -> Any:
        """The value of an expression, or a `View` of the node that it names."""
        node = here if text == "." else self._named(text)
        return self.view(node) if node is not None else self.expression(text)(here)

    def note(self, text: str) -> str:
        """A line about nodes and words that are called the same, and which of them a text means; or "" ."""
        try:
            return self.expression(text).note
        except ValueError:
            return ""

    def expression(self, text: str, condition: bool = False) -> Expression:
        """Text of nodes by name, of g, out and v, the numbers of the node at hand, of np, norm, nan, inf and of Python.

        A node that is called like one of these words goes before it; in a condition the word goes before the node,
        which is then NAME#0. Raises ValueError for what is no expression, and for a name that is none of these.
        """
        nodes: dict[str, Node] = {}
        python = self._without_names(text, nodes)
        try:
            tree = _Nodes(python, self._named, nodes, WORDS if condition else ()).visit(ast.parse(python, mode="eval"))
            code = compile(ast.fix_missing_locations(tree), text, "eval")
        except SyntaxError as error:
            raise ValueError(f"{text!r} is neither a node nor an expression: {error.msg}") from None
        used = _free(tree)
        for name in sorted(used - nodes.keys() - WORDS.keys()):
            if not hasattr(builtins, name):
                raise ValueError(f"no node is called {name!r}{words.nearest(name, self.names.by_name)}")
        scope = {"np": np, "numpy": np, "norm": norm, "nan": np.nan, "inf": np.inf}
        scope |= {name: self.view(node) for name, node in nodes.items()}
        made = Expression(text, code, scope, [w for w in HERE if w in used and w not in nodes], self.view)
        clashes = sorted(used & WORDS.keys() & self.names.by_name.keys() - ({"v"} if not condition else set()))
        notes = [self._clash(word, condition) for word in clashes]
        notes += [] if "#0" in text else [self._first(self.names[node]) for node in nodes.values()]
        made.note = "; ".join(dict.fromkeys(note for note in notes if note))
        return made

    def _named(self, name: str) -> Node | None:
        """The node of a name, however it is spaced; NAME#0 is the first of that name."""
        inner = name[1:-1] if name[:1] == "(" and name[-1:] == ")" else name
        spellings = (name, compact(name), name.removesuffix("#0"), inner, compact(inner))
        return next((self.names.by_name[x] for x in spellings if x in self.names.by_name), None)

    def _clash(self, word: str, condition: bool) -> str:
        meaning, instead = WORDS[word]
        if condition:
            return f"{word} is {meaning}; the node that is called {word} is {word}#0"
        return f"{word} is the node that is called so; {meaning} is {instead}"

    def _first(self, name: str) -> str:
        """Of a name that several nodes have, that the first of them is meant."""
        more = self.names.again.get(name, 0)
        others = f"{name}#1" if more == 1 else f"{name}#1 to {name}#{more}"
        held = self.names.held.get(name)
        now = self.names.by_id.get(held.id, name) if held is not None else name
        now = f"; the variable {name} holds {now} now" if now != name else ""
        return f"{name} is the first of {more + 1} that are called so, before {others}{now}" if more else ""

    def _without_names(self, text: str, nodes: dict[str, Node]) -> str:
        """The text with names that Python cannot read, such as x#1, %17 or my h, replaced by ones that it can."""
        pieces, last = [], 0
        for start, end in self._odd_names(text):
            placeholder = f"_node{len(nodes)}_"
            found = self._named(text[start:end])
            assert found is not None
            nodes[placeholder] = found
            pieces += [text[last:start], placeholder]
            last = end
        python = "".join([*pieces, text[last:]])
        left = STRING.sub("", python)
        if "#" in left:  # a comment for Python, which would answer about something else
            name = re.search(r"[^\s(,]*#\w*", left)
            near = words.nearest(name[0], self.names.by_name) if name else ""
            raise ValueError(f"no node is called {name[0] if name else '#'!r}{near}")
        return python

    def _odd_names(self, text: str) -> Iterator[tuple[int, int]]:
        """Where names stand that are no Python, the longest first from every place where one may begin."""
        strings = [m.span() for m in STRING.finditer(text)]
        start = 0
        while start < len(text):
            inside = next((b for a, b in strings if a <= start < b), None)
            end = None if inside else self._name_at(text, start)
            if end is not None:
                yield start, end
            start = inside or end or start + 1

    def _name_at(self, text: str, start: int) -> int | None:
        """The end of the longest name that begins here and is no Python."""
        before = text[:start].rstrip()[-1:]
        if text[start] == "%" and re.match(r"[\w)\]'\"]", before):
            return None  # a remainder: x %3
        if not re.match(r"[\w%]", text[start]) or re.match(r"\w", text[start - 1 : start] if start else ""):
            return None
        for end in range(len(text), start, -1):
            name = text[start:end]
            whole = not (re.match(r"\w", name[-1]) and re.match(r"\w", text[end : end + 1]))
            if whole and self._named(name) is not None and name == name.strip() and not _is_python(name):
                return end
        return None


class _Nodes(ast.NodeTransformer):
    """Puts nodes in the place of expressions that are their names: w[0,1], self.w, x*w."""

    def __init__(
        self, text: str, named: Callable[[str], Node | None], nodes: dict[str, Node], reserved: Iterable[str]
    ) -> None:
        self.text, self.named, self.nodes, self.reserved = text, named, nodes, set(reserved)

    def visit(self, tree: ast.AST) -> Any:
        if not isinstance(tree, ast.expr) or isinstance(getattr(tree, "ctx", None), (ast.Store, ast.Del)):
            return self.generic_visit(tree)
        if isinstance(tree, ast.Name):
            found = None if tree.id in self.reserved or tree.id in self.nodes else self.named(tree.id)
            if found is not None:
                self.nodes[tree.id] = found
            return tree
        segment = ast.get_source_segment(self.text, tree) or ""
        found = None if isinstance(tree, ast.Constant) else self.named(segment)
        if found is None:
            return self.generic_visit(tree)
        placeholder = f"_node{len(self.nodes)}_"
        self.nodes[placeholder] = found
        return ast.copy_location(ast.Name(placeholder, ast.Load()), tree)


def _free(tree: ast.AST) -> set[str]:
    """The names that an expression asks for, and does not itself bind, as comprehensions and lambdas do."""
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    bound = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    return {n.id for n in names} - bound


def _is_python(name: str) -> bool:
    """Whether Python reads a name as an expression; a # or a % in it says something else there."""
    try:
        ast.parse(name, mode="eval")
    except SyntaxError:
        return False
    return "#" not in name

"""Which expression of the source an instruction was compiled from, and what its value is bound to.

Python tells the place of every instruction in the file; the syntax tree of the file tells what stands there, and
around it. Nothing here knows of nodes: `names` joins the two.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
from dataclasses import dataclass
from types import CodeType

from autograd.engine.modes import Place, place_of

__all__ = ["COMPREHENSIONS_OF_CODE", "Binding", "Piece", "compact", "piece_of", "returned"]

OPERATIONS = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul",
    ast.Mod: "remainder", ast.FloorDiv: "floor_divide", ast.USub: "neg",
}  # fmt: skip
COMPREHENSIONS_OF_CODE = ("<listcomp>", "<genexpr>", "<setcomp>")
COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp, ast.SetComp)
MODULES = {"np", "numpy", "jnp", "math"}  # what stands before a dot and is no operand
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Binding:
    """Where the value of an expression goes: to variables, or, with none, to the caller.

    names: one, or several that a value is unpacked into. position: of the expression in a tuple. each: it is what a
    comprehension makes of each element. loop: it is what a loop takes from.
    """

    names: tuple[str, ...] = ()
    position: int | None = None
    each: bool = False
    loop: bool = False

    def name(self, position: int | None, turn: int | None) -> str:
        """The variable of one value: by its position in a tuple, or by its turn; "" where that is not known."""
        k = turn if position is None else position
        if len(self.names) > 1 and not self.loop:
            return self.names[k % len(self.names)] if k is not None else ""
        if self.each or position is not None:
            return f"{self.names[0]}[{k}]" if k is not None else ""
        return self.names[0]


@dataclass(frozen=True, slots=True)
class Piece:
    """An expression: its text, the operation that it names, its operands, and where its value goes."""

    text: str = ""
    operation: str = ""
    operands: tuple[str, ...] = ()
    binding: Binding | None = None


def compact(code: str) -> str:
    """An expression without the spaces that do not matter: x*w for x * w."""
    return re.sub(r"\s+(?!\w)|(?<!\w)\s+", "", code)


@functools.lru_cache(100_000)
def piece_of(code: CodeType, instruction: int) -> Piece:
    """The expression that an instruction was compiled from; an empty one where that cannot be told."""
    syntax = _syntax_of(code)
    found = syntax.at(place_of(code, instruction))
    if found is None:
        return Piece()
    if isinstance(found, ast.AugAssign):
        target, value = syntax.text(found.target), syntax.text(found.value)
        operation = OPERATIONS.get(type(found.op), "")
        symbol = syntax.text(found)[len(target) :].lstrip().partition("=")[0]
        return Piece(f"{target}{symbol}{value}", operation, (target, value), Binding((target,)))
    assert isinstance(found, ast.expr)
    binding = syntax.binding(found)
    if isinstance(found, ast.Name) or (binding is not None and binding.loop):
        return Piece(binding=binding)  # what a loop takes from is not made by its text
    return Piece(syntax.text(found), _operation(found), tuple(map(syntax.text, _operands(found))), binding)


@functools.lru_cache(10_000)
def returned(code: CodeType) -> dict[str, int | None]:
    """The variables that a function gives to its caller, with their position where it gives a tuple."""
    return _syntax_of(code).returned(code.co_name, code.co_firstlineno)


def _operation(found: ast.expr) -> str:
    """The operation that an expression names: mul, or what is called."""
    if isinstance(found, (ast.BinOp, ast.UnaryOp)):
        return OPERATIONS.get(type(found.op), "")
    if isinstance(found, ast.Subscript):
        return "getitem"
    if isinstance(found, ast.Call):
        function = found.func
        return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return ""


def _operands(found: ast.expr) -> list[ast.expr]:
    """The operands of an expression, in the order of the operation's arguments."""
    if isinstance(found, ast.BinOp):
        return [found.left, found.right]
    if isinstance(found, ast.UnaryOp):
        return [found.operand]
    if isinstance(found, (ast.Subscript, ast.Attribute)):
        return [found.value]
    if isinstance(found, ast.Call):
        function = found.func
        if isinstance(function, ast.Attribute) and getattr(function.value, "id", "") not in MODULES:
            return [function.value, *found.args]
        return found.args
    return []


class _Syntax:
    """The syntax tree of a file, by place, with the way up from every part."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = [line.encode() for line in source.splitlines()]
        self.places: dict[Place, ast.expr | ast.AugAssign] = {}
        self.above: dict[ast.AST, tuple[ast.AST, str, int]] = {}
        self.functions: dict[tuple[str, int], Function] = {}
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return
        for node in ast.walk(tree):
            if isinstance(node, (ast.expr, ast.AugAssign)):
                place = node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0
                self.places.setdefault(place, node)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
                self.functions[getattr(node, "name", "<lambda>"), first] = node
            for field, value in ast.iter_fields(node):
                for i, child in enumerate(value if isinstance(value, list) else [value]):
                    if isinstance(child, ast.AST):
                        self.above[child] = node, field, i

    def at(self, place: Place) -> ast.expr | ast.AugAssign | None:
        """What stands at a place."""
        return self.places.get(place)

    def text(self, node: ast.expr | ast.AugAssign) -> str:
        """The source of a part, in one line and without needless spaces."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        lines = self.lines[first : last + 1]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        text = b"\n".join(lines).decode(errors="replace")
        if len(lines) > 1:
            text = ast.unparse(node)  # without comments and ends of lines
        return compact(text)

    def binding(self, node: ast.expr) -> Binding | None:
        """What the value of an expression is bound to, by the statement that it stands in."""
        position: int | None = None
        each = False
        here: ast.AST = node
        while here in self.above:
            above, field, i = self.above[here]
            if isinstance(above, (ast.Tuple, ast.List)) and position is None and not each:
                position = i
            elif isinstance(above, COMPREHENSIONS) and field == "elt" and position is None:
                each = True
            elif isinstance(above, (ast.Return, ast.Lambda)):
                return Binding(position=position, each=each)
            elif isinstance(above, (ast.For, ast.comprehension)) and field == "iter" and position is None:
                return Binding(self._targets(above.target), loop=True)
            elif isinstance(above, ast.NamedExpr) and field == "value":
                return self._bound([above.target], position, each)
            elif isinstance(above, (ast.Assign, ast.AnnAssign)) and field == "value":
                return self._bound(above.targets if isinstance(above, ast.Assign) else [above.target], position, each)
            elif not (isinstance(above, ast.IfExp) and field in ("body", "orelse")):
                return None
            here = above
        return None

    def _bound(self, targets: list[ast.expr], position: int | None, each: bool) -> Binding | None:
        names = self._targets(targets[0])
        if len(names) > 1 and position is not None:
            return Binding((names[position],)) if position < len(names) else None
        return Binding(names, position, each) if names else None

    def _targets(self, target: ast.expr) -> tuple[str, ...]:
        """The variables of a target; none where it is starred or nested."""
        parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
        simple = all(isinstance(part, (ast.Name, ast.Attribute, ast.Subscript)) for part in parts)
        return tuple(map(self.text, parts)) if simple else ()

    def returned(self, name: str, line: int) -> dict[str, int | None]:
        """The variables in the return statements of a function."""
        function = self.functions.get((name, line))
        if function is None:
            return {}
        if isinstance(function, ast.Lambda):
            return self._variables(function.body)
        found: dict[str, int | None] = {}
        todo: list[ast.AST] = list(function.body)
        while todo:
            node = todo.pop()
            if isinstance(node, ast.Return) and node.value is not None:
                found |= self._variables(node.value)
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
                todo += ast.iter_child_nodes(node)
        return found

    def _variables(self, value: ast.expr, position: int | None = None) -> dict[str, int | None]:
        """The variables that an expression may give as they are, by position in the tuple that it is."""
        if isinstance(value, ast.IfExp):
            return self._variables(value.body, position) | self._variables(value.orelse, position)
        if isinstance(value, ast.Tuple) and position is None:
            return {name: i for i, part in enumerate(value.elts) for name in self._variables(part, i)}
        return {self.text(value): position} if isinstance(value, (ast.Name, ast.Attribute)) else {}


@functools.lru_cache(1_000)
def _syntax_of(code: CodeType) -> _Syntax:
    return _syntax("".join(linecache.getlines(code.co_filename)))


@functools.lru_cache(100)
def _syntax(source: str) -> _Syntax:
    return _Syntax(source)

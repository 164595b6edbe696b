"""The formulas of the lesson's page as MathML, which browsers show by themselves."""

from __future__ import annotations

__all__ = ["FORMULAS"]


def _text(x: str) -> str:
    """A number, an operator, a name, or what is MathML already."""
    if x.startswith("<"):
        return x
    if x[0].isdigit():
        return f"<mn>{x}</mn>"
    return f"<mi>{x}</mi>" if x[0].isalpha() or x[0] in "∂∇" else f"<mo>{x}</mo>"


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(map(_text, parts))}</mrow>"


def _frac(above: str, below: str) -> str:
    return f"<mfrac>{_text(above)}{_text(below)}</mfrac>"


def _sub(base: str, index: str) -> str:
    return f"<msub>{_text(base)}{_text(index)}</msub>"


def _sup(base: str, exponent: str) -> str:
    return f"<msup>{_text(base)}{_text(exponent)}</msup>"


def _root(inside: str) -> str:
    return f"<msqrt>{_text(inside)}</msqrt>"


def _sum(index: str) -> str:
    return f"<munder><mo>∑</mo>{_text(index)}</munder>"


def _math(*parts: str) -> str:
    return f'<math display="block" xmlns="http://www.w3.org/1998/Math/MathML">{_row(*parts)}</math>'


def _d(of: str, by: str) -> str:
    return _frac(_row("∂", of), _row("∂", by))


FORMULAS = {
    "neuron": _math("o", "=", "tanh", "(", _sub("x", "1"), _sub("w", "1"), "+", _sub("x", "2"), _sub("w", "2"),
                    "+", "b", ")"),
    "chain": _math(_d("o", _sub("x", "1")), "=", _d("o", "n"), "·", _d("n", _sub("x", "1"))),
    "input": _math(_sup("X", "′"), "=", "X", "+", "P"),
    "attention": _math("A", "=", "softmax", "(", _frac(_row("Q", _sup("K", "T")), _root(_sub("d", "head"))), "+",
                       "mask", ")", ",", "attention", "=", "A", "V", _sub("W", "O")),
    "ffn": _math("FFN", "(", "x", ")", "=", "ReLU", "(", "x", _sub("W", "1"), "+", _sub("b", "1"), ")",
                 _sub("W", "2"), "+", _sub("b", "2")),
    "softmax": _math(_sub("P", "i"), "=", _frac(_sup("e", _sub("z", "i")), _row(_sum("j"), _sup("e", _sub("z", "j"))))),
    "loss": _math("L", "=", "−", "log", "P", "(", "correct", ")"),
    "onehot": _math(_d("L", "z"), "=", "P", "−", "onehot"),
    "update": _math("W", "←", "W", "−", "lr", "·", _d("L", "W")),
    "adam": _math("m", "←", _sub("β", "1"), "m", "+", "(", "1", "−", _sub("β", "1"), ")", "g", ",",
                  "v", "←", _sub("β", "2"), "v", "+", "(", "1", "−", _sub("β", "2"), ")", _sup("g", "2"), ",",
                  "W", "←", "W", "−", "lr", "·", _frac("m", _root("v"))),
}  # fmt: skip

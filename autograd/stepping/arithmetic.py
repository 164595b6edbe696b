"""Lines of arithmetic that come out right by hand: with digits enough, and as IEEE arithmetic has it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from autograd.engine.words import number
from autograd.stepping.walk import Contribution

__all__ = ["DIGITS", "comes_out", "digits_for", "product_text", "sum_text"]

DIGITS = (4, 6, 8, 10, 12, 17)  # of numbers in a line of arithmetic: as few as it takes


def digits_for(terms: Sequence[float], total: float) -> int:
    """How many digits of each term it takes for their sum to come out right by hand."""
    if not math.isfinite(total):
        return DIGITS[0]
    nothing = 1e-9 * max(map(abs, terms), default=0.0)
    sums = ((d, sum(float(number(x, d)) for x in terms)) for d in DIGITS)
    return next((d for d, shown in sums if math.isclose(shown, total, rel_tol=2e-3, abs_tol=nothing)), DIGITS[0])


def sum_text(c: Contribution, local: float) -> str:
    """What a contribution makes of a gradient, with as many digits as it takes to come out right by hand."""
    product, note = product_text(c, local)
    alone = c.before is None and c.after == 0 and np.signbit(c.after)  # 0 + -0.0 were 0.0
    start = "" if alone else f"{number(c.before)} + "
    if note or alone:
        return f"{start}{product} = {number(c.after)}{note}"
    texts = [f"{number(c.before, d)} + {number(c.upstream, d)} * {number(local, d)}" for d in DIGITS]
    shown = next((text for text in texts if comes_out(text, c.after, c.before or 0.0)), texts[0])
    return f"{shown} = {number(c.after)}"


def product_text(c: Contribution, local: float) -> tuple[str, str]:
    """A contribution as a product; or as it is, and a word on why, where a rule selects and does not multiply."""
    with np.errstate(all="ignore"):
        product = np.float64(c.upstream) * local
    factors, value = f"{number(c.upstream)} * {number(local)}", number(c.value)
    same_zero = product != 0 or c.value != 0 or np.signbit(product) == np.signbit(c.value)
    if same_zero and np.isclose(product, c.value, 1e-3, 0, equal_nan=True):
        return factors, ""
    return value, f"   ({c.node.op} passes {value} on here: its rule does not work out {factors})"


def comes_out(text: str, result: float, part: float = 0.0) -> bool:
    """Whether a line of arithmetic gives what it says, to three digits; True where that is not to be told.

    part: a term of a sum, which may cancel to nothing.
    """
    python = re.sub(r" \(.* (if|at) .*\)$", "", text).replace("²", "**2")
    if not np.isfinite(result) or re.search(r"[^-+*/.\d\s()e]", re.sub(r"\b(if|else|sin|cos|log)\b|[<>]", "", python)):
        return True
    try:
        shown = eval(python, {"sin": math.sin, "cos": math.cos, "log": math.log})
        return math.isclose(shown, result, rel_tol=2e-3, abs_tol=1e-9 * abs(part))
    except (ArithmeticError, ValueError, SyntaxError, TypeError):
        return True

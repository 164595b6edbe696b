"""Checking: is this gradient the derivative?

A function and its inputs become one function of a vector (`point`), which is differentiated
numerically (`differences`), compared and judged (`judge`), shown (`report`), and, where it is
wrong, followed to the operation at fault (`localize`). What a gradient is, `engine` says.
"""

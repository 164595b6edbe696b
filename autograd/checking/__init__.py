"""Checking: is this gradient the derivative?

A function and its `inputs` become one function of a vector (`point`), which is differentiated numerically
(`differences`) and judged (`judge`) along every element or many at once (`compare`), and once more along its own
gradient (`curvature`); what was found is shown (`report`) and, where it is wrong, followed to the operation at
fault (`localize`). `checks` has what users call. What a gradient is, `engine` says.
"""

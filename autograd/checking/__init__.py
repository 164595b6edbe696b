"""Checking: is this gradient the derivative?

A function and its `inputs` become one function of a vector (`point`), which is differentiated numerically: all
elements by a first look (`survey`), what that leaves in doubt by a closer one (`differences`). Then they are judged
(`judge`), every element or many at once (`compare`), and once more along the function's own gradient (`curvature`);
what was found is shown (`report`) and, where it is wrong, followed to the operation at fault (`localize`). `checks`
has what users call. What a gradient is, `engine` says.
"""

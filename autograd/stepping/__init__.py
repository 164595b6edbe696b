"""Stepping: the backward pass as a walk that can be taken one step at a time, forth and back.

The walk (`walk`), with what explains a gradient (`stepper`), what its nodes are called (`names`), what is typed
about them (`expressions`), where to stop (`stops`) and running there (`runner`) are data, for tests and notebooks
as for people; how a step reads is in `text`. Nothing here prints: the prompt is in `debugging`, pictures in `drawing`.
"""

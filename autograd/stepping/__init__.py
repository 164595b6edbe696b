"""Stepping: the backward pass as a walk that can be taken one step at a time, forth and back.

The walk (`stepper`), what its nodes are called (`names`), how a step reads (`text`), where to
stop (`stops`) and running there (`runner`) are data, for tests and notebooks as for people;
nothing here prints. The prompt is in `debugging`, pictures in `drawing`.
"""

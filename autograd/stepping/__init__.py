"""Stepping: the backward pass, and the forward pass, as a walk that can be taken one step at a time, forth and back.

The walk (`walk`), with what explains a gradient (`stepper`: `causes`, `flow`, `compare`), what its nodes are called
(`names`, from the `syntax` of the source), what is typed about them (`expressions`), where to stop (`stops`) and
running there (`runner`) are data, for tests and notebooks as for people. How it reads is in `text`, `steps` and
`arithmetic`. Nothing here prints: the prompt is in `debugging`, pictures in `drawing`.
"""

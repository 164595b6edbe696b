"""The engine: a graph of numbers and arrays, and the chain rule through it.

It records (`graph`, `value`, `tensor`), knows the operations (`primitives`, one row each),
answers to NumPy (`numpy_api`) and differentiates functions (`functional`). It neither
checks, steps, draws nor prompts: the other rooms do, with what is recorded here.
"""

"""Models that others have trained: the files they come in, and what their names mean here.

Their arithmetic is that of `transformer.model`; which of them a name means is the business of `transformer.models`.
"""

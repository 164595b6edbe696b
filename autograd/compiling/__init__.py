"""The compiler: a function of arrays recorded once, as the calls of NumPy that it comes down to, and replayed.

`traced` is an array library whose arrays know shape and dtype only and note every call in a
`program`; the engine runs over it as over JAX. `simplify` leaves out what is not needed,
`memory` gives each result its place, `emit` writes the rest as straight-line Python, and
`compiled` is what stands for the function. It knows nothing of operations: the table is the engine's.
"""

"""The compiler: a function of arrays recorded once, as the calls of NumPy that it comes down to, and replayed.

`traced` is an array library whose arrays know shape and dtype only and note every call in a
`program`; the engine runs over it as over JAX. `outside` watches what the function reads besides,
which `reach` finds from the code that `running` sees. `simplify` leaves out what is not needed, `lower`
and `again` rewrite the rest in the calls that cost least, `memory` gives each result its place, `emit` writes
straight-line Python, and `compiled` is what stands for the function. It knows nothing of operations: the
table is the engine's.
"""

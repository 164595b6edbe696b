"""What people hold and call: `Value`, `Tensor`, arrays of Values; `grad` and its kin; rows of one's own and fused ones.

How a node is recorded and pulled back stands in `engine`, what NumPy's functions mean in `numpy_api`.
"""

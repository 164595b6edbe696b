"""Exercise 2: in which order?

Backpropagation goes through the graph once, from the result to the leaves. When the turn of a node comes, its own
gradient must be complete, for it passes it on: so a node comes only after all the nodes that were computed from it.
Such an order is called topological.

`node.inputs` are the nodes that a node was computed from, a tuple, empty for a leaf. The same node may be the
input of several others, and twice of one, as in x * x; in the order it stands once. Graphs may be deep: one of those
tried is a chain of 20,000 nodes.

    python -m autograd exercise 2
"""


def order(root):
    """A list of root and of all nodes that it was computed from: root first, each after all that came of it."""
    ...

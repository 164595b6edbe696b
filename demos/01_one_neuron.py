"""A neuron, forward and backward.

A `Value` is a number that remembers how it was made. Arithmetic on Values builds a graph,
and `backward()` walks it from the result to the inputs: each operation multiplies the
gradient it receives by its local derivative and passes it on. That is the chain rule, and
all there is to backpropagation.
"""

from autograd import Value

x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
b = Value(6.8813735870195432, label="b")

n = x1 * w1 + x2 * w2 + b
o = n.tanh()
print(f"forward:  n = {n:.4f}, o = tanh(n) = {o:.4f}")

o.backward()
print(f"backward: dn = 1 - o² = {n.grad:.4f}")
for v in (x1, w1, x2, w2, b):
    print(f"  do/d{v.label:<2} = {v.grad: .4f}")

# A gradient predicts: move an input a little, and the output moves by gradient * little.
h = 0.001
moved = ((x1 + h) * w1 + x2 * w2 + b).tanh()
print(f"x1 + {h} moves o by {moved.data - o.data:.6f}; its gradient says {h * x1.grad:.6f}")

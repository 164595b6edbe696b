# %% [markdown]
# # 1. One neuron and the chain rule
#
# A `Value` is a number that remembers how it was made. Arithmetic with Values builds a graph,
# and `backward()` walks it from the result to the inputs: each operation multiplies the
# gradient it receives by its own local derivative and passes the product on. That is the
# chain rule, and all there is to backpropagation.
#
# The neuron has two inputs, two weights and a bias: n = x1 w1 + x2 w2 + b, and o = tanh(n).

# %%
import autograd as ag
from autograd import Value

x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
b = Value(6.8813735870195432, label="b")

x1w1 = x1 * w1
x2w2 = x2 * w2
s = x1w1 + x2w2
n = s + b
o = n.tanh()
for node, label in ((x1w1, "x1w1"), (x2w2, "x2w2"), (s, "s"), (n, "n"), (o, "o")):
    node.label = label
    print(f"{label:>5} = {node:.4f}")

# %% [markdown]
# ## Backward, a step at a time
#
# How much does o change when n changes a little? The slope of tanh is 1 - tanh², so do/dn = 1 - o² = 0.5.
# A sum passes on what it receives, for its slope by either part is 1. A product passes on to each factor
# what it receives times the *other* factor. A `Stepper` takes these steps one by one, in the order in
# which `backward()` does.

# %%
stepper = ag.Stepper(o)
while (step := stepper.step()) is not None:
    print(
        f"do/d{step.parent.label:<5} = do/d{step.node.label} * d{step.node.label}/d{step.parent.label} "
        f"= {step.upstream:g} * {step.local:g} = {step.value:g}"
    )

# %% [markdown]
# `backward()` does the same in one go, and leaves the gradient of every number in its `.grad`.

# %%
o.backward()
for v in (x1, w1, x2, w2, b):
    print(f"do/d{v.label} = {v.grad: .4f}")

# %% [markdown]
# ## A gradient is a prediction
#
# Move an input a little, and the output moves by about gradient * little. So a gradient can be tried.

# %%
h = 0.001
moved = ((x1 + h) * w1 + x2 * w2 + b).tanh()
print(f"x1 + {h} moves o by {moved.data - o.data:.6f}; its gradient says {h * x1.grad:.6f}")

# %% [markdown]
# `ag.gradcheck` tries every input, with an estimate of how far off the trial itself may be.

# %%
print(ag.gradcheck(lambda x1, w1: (x1 * w1 + x2.data * w2.data + b.data).tanh(), x1.data, w1.data))

"""A wrong derivative, and how it is found.

A gradient can be wrong without anything crashing: training just goes worse. `gradcheck`
compares it with finite differences, f(x + h) - f(x - h) over 2h, estimates how far off
these may be themselves, and says what differs and what the pattern looks like.

Here the rule of tanh loses its square, 1 - out instead of 1 - out², in a small network.
"""

import numpy as np

import autograd as ag
from autograd import primitives

rng = np.random.default_rng(0)
x, w, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)


def net(w, b):
    h = np.tanh(x @ w + b)
    return np.log(np.exp(h).sum(axis=-1)).mean()


print("With the right rule:")
print(ag.gradcheck(net, w, b))
print(f"Taylor's remainder vanishes with order {ag.taylor_test(net, w, b):.2f}: 2 is right\n")

right = primitives.tanh.vjps
primitives.tanh.vjps = (lambda g, out, a: g * (1 - out),)
try:
    print("With 1 - out in place of 1 - out², told apart operation by operation:")
    print(ag.gradcheck(net, w, b, localize=True))
    print(f"Taylor's remainder vanishes with order {ag.taylor_test(net, w, b):.2f}: 1 is wrong")
finally:
    primitives.tanh.vjps = right

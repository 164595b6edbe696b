"""Exercise 4: Adam.

Adam keeps, for every weight, running means of its gradients, m, and of their squares, v. Both begin at 0, so at
first they are too small; the corrections 1 - b1**step and 1 - b2**step, by which they are divided, undo that:

    m     = b1 * m + (1 - b1) * g
    v     = b2 * v + (1 - b2) * g²
    m_hat = m / (1 - b1**step)             step is 1 at the first update
    v_hat = v / (1 - b2**step)
    p     = p - lr * m_hat / (√v_hat + eps)

(Kingma and Ba 2015, algorithm 1.) Write it in plain operators, ** 0.5 for the root, so that it runs on numbers, on
arrays, and on Values, through which it will be differentiated.

    python -m autograd exercise 4
"""


def adam(p, g, m, v, step, lr, b1=0.9, b2=0.999, eps=1e-8):
    """One update: a weight p, its gradient g, the means m and v before it -> the new (p, m, v)."""
    ...

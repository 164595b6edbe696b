"""Exercise 3: the gradient of softmax.

p = exp(x) / sum(exp(x)) makes probabilities of scores x. Each p[i] depends on every x[j], since they share the sum:

    dp[i]/dx[j] = p[i] * (1 - p[i])   where i is j
                = -p[i] * p[j]        elsewhere

x[j] receives the sum over all i of g[i] * dp[i]/dx[j], where g is what p has received. Written out, the sum becomes
short, and takes one line.

    python -m autograd exercise 3
"""


def softmax_rule(g, p):
    """What x receives, an array (n,), where p = softmax(x), (n,), has received g, (n,). In p and g, and .sum()."""
    ...

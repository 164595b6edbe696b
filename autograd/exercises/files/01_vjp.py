"""Exercise 1: rules for the chain rule.

An operation that can be differentiated is two things: how it is computed, and a rule for each of its arguments,
called a vjp, which says what that argument receives. `g` is the gradient that the result has received; the argument
receives g times the slope of the operation by this argument. For tanh, whose slope is 1 - out * out:

    def tanh_rule(g, out, a):
        return g * (1 - out * out)

Three rules are missing below. Write each in plain operators (+ - * / **) of g, out, which is the result, and the
arguments. Then:

    python -m autograd exercise 1
"""


def product_rule_a(g, out, a, b):
    """What a receives, where out = a * b."""
    ...


def product_rule_b(g, out, a, b):
    """What b receives, where out = a * b."""
    ...


def sigmoid_rule(g, out, a):
    """What a receives, where out = 1 / (1 + exp(-a)). Its slope can be written with out alone."""
    ...

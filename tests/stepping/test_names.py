"""What nodes are called: by the source that made them, and by the variables that held them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Stepper, Tensor, Value
from autograd.stepping.expressions import Reader
from autograd.stepping.names import Names

pytestmark = pytest.mark.skipif(sys.flags.optimize > 1, reason="needs the places of instructions")


def named(f: Callable[[], Any]) -> list[str]:
    """The names of what f gives, the root last, and then of its inputs."""
    with ag.record_source():
        s = Stepper(f())
    inputs = dict.fromkeys(s.names[p] for n in s.nodes for p in n.inputs if p.primitive is None)
    return [*(s.names[n] for n in s.nodes), *inputs]


def test_every_operation_is_called_by_its_expression() -> None:
    def neuron() -> Value:
        x1, x2, w1, w2, b = (Value(float(k)) for k in range(5))
        n = x1*w1 + x2*w2 + b  # fmt: skip
        return n.tanh()

    assert named(neuron) == ["x1*w1", "x2*w2", "x1*w1+x2*w2", "n", "n.tanh()", "x1", "w1", "x2", "w2", "b"]


def test_assignments_of_every_form_name_what_they_bind() -> None:
    class Holder:
        out: Any

    def forms() -> Value:
        x: Value = Value(2.0)
        a, b = x * 2, x**2
        holder = Holder()
        holder.out = a + b
        table = {}
        table["k"] = holder.out * 3
        if (walrus := table["k"] - 1) is not None:
            walrus += 4
        c = d = -walrus if walrus.data else walrus
        return (
            c * d  # on lines of its own
        )

    assert named(forms) == ["a", "b", "holder.out", 'table["k"]', "walrus", "walrus#1", "c", "c*d", "x"]


def test_loops_and_comprehensions() -> None:
    def loops() -> Value:
        ws = [Value(float(k)) for k in range(3)]
        h = Value(1.0)
        for w in ws:
            h = h * w
        p = [h / w for w in ws]
        total = sum(v * v for v in p[1:])
        return total

    assert named(loops) == [
        "h#1", "h#2", "h#3", "p[1]", "p[2]", "v*v", "sum(v*v for v in p[1:]):add", "v*v#1", "total",
        "h", "ws[0]", "ws[1]", "ws[2]",
    ]  # fmt: skip


def test_an_element_is_called_by_its_index_even_where_the_others_lead_nowhere() -> None:
    def softmax() -> Value:
        p = [v.exp() for v in [Value(float(k)) for k in range(3)]]
        return p[2].log()

    assert named(softmax)[:2] == ["p[2]", "p[2].log()"]


def layer(x: Any, w: Any) -> Any:
    y = x @ w
    return y if w is None else y + 1


def twice(x: Any) -> tuple[Any, Any]:
    first = x * 2
    return first, layer(x, x)


def test_what_a_call_gives_is_called_by_its_callers_variable() -> None:
    def calls() -> Tensor:
        x = Tensor(np.ones((2, 2)))
        for _ in range(2):
            x = layer(x, x)
        once, again = twice(x)
        both = [layer(v, v) for v in (once, again)]
        q, k, v = np.split(both[0] @ both[1], [1, 1], axis=1)
        loss = (q @ k.T if v is None else q).sum()
        return loss

    names = named(calls)
    assert {"x", "x#1", "once", "again", "both[0]", "both[1]", "q", "loss"} <= set(names)
    assert not [name for name in names if name.startswith("%")]


def test_the_outer_variable_goes_before_the_inner_one() -> None:
    def cross_entropy(x: Any) -> Any:
        inner = (x * x).sum()
        return inner

    def training() -> Any:
        loss = cross_entropy(Tensor([1.0, 2.0]))
        return loss

    assert named(training)[-2] == "loss"


def test_a_lambda_gives_to_its_caller_too() -> None:
    def program() -> Value:
        x = Value(3.0)
        cube = lambda z: z**3  # noqa: E731
        y = cube(x)
        return y

    assert named(program) == ["y", "x"]


def test_operations_of_several_steps_tell_their_parts() -> None:
    def program() -> Tensor:
        t = Tensor([1.0, 2.0])
        spread = t.var()
        return spread

    *parts, spread, t = named(program)
    assert spread == "spread" and t == "t" and all(part.startswith("t.var():") for part in parts)


def test_long_expressions_are_cut_and_known_whole() -> None:
    def program() -> Value:
        a_rather_long_name, another_long_name = Value(2.0), Value(3.0)
        return (a_rather_long_name * another_long_name + a_rather_long_name) * 2

    with ag.record_source():
        s = Stepper(program())
    middle = s.nodes[1]
    assert s.names[middle] == "a_rather_long_name*another_long…#1" and s.names[s.nodes[0]] == s.names[middle][:-2]
    assert s.names.expression(middle) == "a_rather_long_name*another_long_name+a_rather_long_name"
    assert Reader(s, s.names).node(s.names[middle]) is middle


def test_scopes_of_methods_are_called_by_their_class() -> None:
    class Neuron:
        def __init__(self) -> None:
            self.w = [Value(1.0), Value(2.0)]

        def __call__(self, x: Any) -> Any:
            return self.activation(sum(w * x for w in self.w))

        def activation(self, x: Any) -> Any:
            return x.tanh()

    with ag.record_source():
        s = Stepper(Neuron()(3.0) + Neuron()(4.0))
    assert {n.scope for n in s.nodes} == {
        "", "Neuron", "Neuron#1", "Neuron/Neuron.activation", "Neuron#1/Neuron.activation",
    }  # fmt: skip
    inputs = [s.names[p] for n in s.nodes for p in n.inputs if p.primitive is None]
    assert inputs == ["self.w[0]", "self.w[1]", "self.w[0]#1", "self.w[1]#1"]


def test_variables_of_the_caller_name_what_has_no_label() -> None:
    x, w = Value(2.0), ag.values([[1.0, 2.0]])
    loss = (x * w).sum() * Value(3.0, "scale")
    params, model = {"b": Value(1.0)}, type("Model", (), {})()
    model.gain = Value(2.0)
    root = loss * params["b"] * model.gain
    variables = {"x": x, "w": w.astype(object), "loss": loss, "params": params, "model": model, "alias": loss}
    names = Names(root, Stepper(root).nodes, variables)
    assert names.by_name["loss"] is loss and names[loss] == "loss" and names.by_name["w[0,1]"] is w[0, 1]
    assert {"x", "params['b']", "model.gain", "scale"} <= set(names.by_name)
    s = Stepper(root, variables={"total": root})
    assert s.names[root] == "total"


def test_a_variable_of_a_labelled_node_is_understood_too() -> None:
    y = Value(2.0, "two") * 3
    s = Stepper(y, variables={"twice": y.inputs[0], "y": y})
    assert s.names[y.inputs[0]] == "two" and s.names.by_name["twice"] is y.inputs[0]


def test_every_name_that_is_shown_can_be_typed() -> None:
    def program() -> Value:
        x1, w1, self = Value(2.0), Value(3.0), type("Model", (), {"w": [Value(5.0)]})
        n = x1*w1 + x1 * self.w[0]  # fmt: skip
        for _ in range(2):
            n = n * (x1 - w1)
        return n.tanh() + n

    with ag.record_source():
        s = Stepper(program())
    reader = Reader(s, s.names)
    for node in (n for k in s.nodes for n in (k, *k.inputs)):
        name = s.names[node]
        assert reader.node(name) is node and reader.node(f"({name})") is node
        assert reader.evaluate(f"({name}) * 2", None) == 2 * s.data(node)
        assert reader.evaluate(f"({name}).grad", None) == (node is s.root)
    assert reader.evaluate("x1 * w1 - 1", None) == 5.0 and reader.evaluate("2 ** x1 * w1", None) == 12.0
    assert "n is the first of 3 that are called so, before n#1 to n#2" in reader.note("n * 2")
    assert reader.note("n#1 * 2") == "" and reader.note("n#0") == ""


def test_code_without_a_file_has_the_names_it_had() -> None:
    scope: dict[str, Any] = {"Value": Value}
    with ag.record_source():
        exec("x = Value(2.0)\ny = x * x\nz = y + 1", scope)
    s = Stepper(scope["z"])
    assert [s.names[n] for n in s.nodes] == ["%0", "%1"]


def test_recorded_graphs_of_arrays_of_values_are_named() -> None:
    def program() -> Value:
        x = ag.values([1.0, 2.0], label="x")
        e = np.exp(x)
        p = e / e.sum()
        return p[1]

    names = named(program)
    assert {"e", "e#1", "p"} <= set(names) and "x[0]" in names


def test_cells_of_a_notebook_are_called_by_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        compile = type("Compiler", (), {"format_code_name": staticmethod(lambda file: ("Cell", "In[3]"))})

    monkeypatch.setitem(sys.modules, "IPython", type("IPython", (), {"get_ipython": staticmethod(Shell)}))
    with ag.record_source():
        y = Value(2.0, "x") * 3
    assert str(y.source).startswith("In[3]:")
    s = Stepper(y * 2)
    assert s.run(f"In[3]:{y.source.line}")[0].node is y

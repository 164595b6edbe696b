"""A program on a real terminal, for tests of the prompt."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path

import pytest

from tests.helpers import ROOT

pexpect = pytest.importorskip("pexpect", reason="pexpect needs a POSIX terminal")

NEURON = """
from autograd import Value
x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
b = Value(6.8813735870195432, label="b")
n = x1 * w1 + x2 * w2 + b
o = n.tanh()
o.backward()
print("after:", [v.grad for v in (x1, w1, x2, w2)])
"""


class Terminal:
    """A program on a terminal of 200 columns, and what it prints after each command."""

    def __init__(
        self, folder: Path, *command: str, prompt: str = r"\(grad\) ", environment: dict[str, str] | None = None
    ) -> None:
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "TERM": "xterm",
            "INPUTRC": "/dev/null",
            **(environment or {}),
        }
        self.prompt = prompt
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX, if another test has imported it, warns of any fork
            self.child = pexpect.spawn(
                sys.executable,
                list(command),
                cwd=str(folder),
                env=env,
                encoding="utf-8",
                timeout=60,
                dimensions=(50, 200),
                echo=False,
            )
        self.first = self._read()

    def _read(self) -> str:
        self.child.expect(self.prompt)
        return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", self.child.before).replace("\r", "")

    def __call__(self, line: str) -> str:
        self.child.sendline(line)
        return self._read()

    def leave(self, line: str = "q") -> str:
        self.child.sendline(line)
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.before.replace("\r", "")


def script(folder: Path, text: str, name: str = "neuron.py") -> Terminal:
    (folder / name).write_text(text)
    return Terminal(folder, "-m", "autograd", "debug", name)

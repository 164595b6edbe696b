"""Two contenders in turn, each in a process of its own, only while the machine is calm.

With the threads of PyTorch and of NumPy's BLAS in one process, the workers of one, which wait busily, take the
cores of the other. So each contender is a process that waits for its turn; both give the numbers they compute
before the first turn, which must be the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CALM = 10.0  # percent of all cores that others may take
PAUSE = 0.3  # seconds between two turns, after which the workers of the last one sleep


@dataclass(frozen=True)
class Row:
    """A line of the table: what is done, by whom, and how many times faster ours must and should be.

    ours, peer: `module:function` in this folder, a function of `arguments` that gives a Contender. repeat: steps
    a turn; rounds: turns. memory: peak memory, ours by the peer's, that must and should be reached.
    """

    name: str
    ours: str
    peer: str
    must: float
    aim: float
    arguments: tuple[Any, ...] = ()
    rounds: int = 11
    repeat: int = 1
    threads: int = 1
    memory: tuple[float, float] | None = None
    rtol: float = 1e-6


@dataclass
class Contender:
    """step: what is timed. numbers: what it computes, for the comparison, from the state before the first step."""

    step: Callable[[], object]
    numbers: dict[str, Any]


class Turns:
    """A contender's process."""

    def __init__(self, where: str, row: Row) -> None:
        threads = {name: str(row.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        command = [sys.executable, "-m", "tests.benchmarks.worker", where, json.dumps(row.arguments), str(row.repeat)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads}
        )
        self.numbers = {name: np.asarray(x) for name, x in self._told()["numbers"].items()}

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"a contender ended: {' '.join(self._process.args)}")  # type: ignore[arg-type]

    def take(self) -> tuple[float, float]:
        """Seconds a step, and the peak of memory so far in bytes."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        told = self._told()
        return told["seconds"], told["peak"]

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # its input is at an end, and so is it


def others() -> float:
    """Percent of all cores that run something else, looked at for a second while the contenders wait."""
    import psutil

    return float(psutil.cpu_percent(interval=1.0))


def calm(anyway: bool) -> float:
    """The load of others once it is low; SystemExit where it stays high for a minute, unless `anyway`."""
    for _ in range(30):
        load = others()
        if load <= CALM or anyway:
            return load
        time.sleep(1.0)
    raise SystemExit(f"others take {load:.0f} % of this machine; wait, or measure anyway with --anyway")


def raced(row: Row, anyway: bool = False) -> str:
    """The row's line of the table."""
    with Turns(row.ours, row) as ours, Turns(row.peer, row) as peer:
        compared(row, ours.numbers, peer.numbers)
        load = calm(anyway)
        times, turn = [], [(0.0, 0.0)]
        for i in range(row.rounds + 1):
            turn = []
            for contender in (ours, peer):
                turn.append(contender.take())
                time.sleep(PAUSE)
            if i:  # the first turn warms up
                times.append([seconds for seconds, _ in turn])
    return line(row, np.array(times), [peak for _, peak in turn], load)


def compared(row: Row, ours: dict[str, np.ndarray], peer: dict[str, np.ndarray]) -> None:
    """AssertionError where they do not compute the same."""
    for name in peer.keys() & ours.keys():
        given, expected = ours[name], peer[name]
        assert given.shape == expected.shape, f"{row.name}: {name} has shapes {given.shape} and {expected.shape}"
        scale = np.abs(expected).max()
        np.testing.assert_allclose(given, expected, row.rtol, row.rtol * scale, err_msg=f"{row.name}: {name}")


def line(row: Row, times: np.ndarray, peaks: list[float], load: float) -> str:
    a, b = 1e3 * np.median(times, axis=0)
    low, ratio, high = np.quantile(times[:, 1] / times[:, 0], [0.25, 0.5, 0.75])
    said = f"{ratio:.2f} ({low:.2f} to {high:.2f})"
    told = f"{row.must:g} / {row.aim:g}"
    if row.memory:
        said += f"; memory {peaks[0] / 1e9:.2f} of {peaks[1] / 1e9:.2f} GB, {peaks[0] / peaks[1]:.2f}"
        told += f"; {row.memory[0]:g} / {row.memory[1]:g}"
    met = "aim" if ratio >= row.aim else "must" if ratio >= row.must else "no"
    return f"| {row.name} | {ms(a)} | {ms(b)} | {said} | {told} | {met} | {load:.0f} % |"


def ms(x: float) -> str:
    return f"{x:.3g} ms" if x < 1000 else f"{x / 1000:.3g} s"


HEAD = (
    "| work | here | peer | times faster (quartiles) | must / aim | reached | load of others |\n"
    "|---|---|---|---|---|---|---|"
)

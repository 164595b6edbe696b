"""One training, four times: on NumPy, on JAX, on two devices, and in two processes.

The model, the data and the optimizer are the same lines of NumPy each time. What flows through them
changes: arrays of NumPy, or Tensors over JAX, which compiles the whole step, lays weights and batches out
over devices, and sends what must be sent. The losses are the same to rounding.
"""

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

TRAIN = [sys.executable, "-m", "transformer", "train", "--n-layer", "2", "--steps", "60", "--dtype", "float32"]
TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def start(*options, **more):
    env = {**os.environ, "JAX_PLATFORMS": "cpu", **more}
    return subprocess.Popen([*TRAIN, *options], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ended(*processes):
    for process in processes:
        _, said = process.communicate()
        if process.returncode:
            sys.exit(said)


def losses(folder):
    rows = (Path(folder) / "loss.csv").read_text().split()[1:]
    return [float(row.split(",")[1]) for row in rows]


def curve(numbers):
    low, high = min(numbers), max(numbers)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * (x - low) / (high - low))] for x in numbers)


def main(folder):
    runs = {name: str(folder / name) for name in ("NumPy", "JAX", "two devices", "two processes")}
    ended(start("--out", runs["NumPy"]))
    ended(start("--array", "jax", "--out", runs["JAX"]))
    ended(start("--mesh", "data=2", "--out", runs["two devices"], **TWO_DEVICES))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
    both = ["--coordinator", where, "--processes", "2", "--out", runs["two processes"]]
    ended(*(start(*both, "--process", str(i)) for i in range(2)))

    found = {name: losses(run) for name, run in runs.items()}
    for name, numbers in found.items():
        print(f"{name:<14} {curve(numbers)} {numbers[0]:.6f} ... {numbers[-1]:.6f}")
    apart = max(abs(a - b) for numbers in found.values() for a, b in zip(numbers, found["NumPy"]))
    print(f"in 60 steps no loss differs from NumPy's by more than {apart:.0e}")


if __name__ == "__main__":
    if importlib.util.find_spec("jax") is None:
        print("JAX is not installed, and so there is nothing to compare with: pip install 'stepgrad[jax]'")
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder))

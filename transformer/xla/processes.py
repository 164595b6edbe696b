"""Several processes that train together, on one machine or many, by `jax.distributed`.

Each runs the same program on devices of its own, and reads its share of every batch. The first one writes the run.
"""

from __future__ import annotations

import socket
import sys
import time

from transformer.xla import jax_for

__all__ = ["join"]

PATIENCE = 300  # seconds for which processes wait for each other at the beginning
SILENCE = 30  # seconds after which one that says nothing is taken for dead
GOODBYE = 10  # seconds for which they wait for each other at the end


def join(coordinator: str | None, process: int | None, processes: int | None) -> int:
    """Join the others; how many processes there are. Without a coordinator it is this one alone.

    Raises ValueError for options that do not fit, and where the coordinator cannot be reached.
    """
    if coordinator is None and process is None and processes is None:
        return 1
    if coordinator is None or process is None or processes is None:
        raise ValueError("--coordinator HOST:PORT, --process I and --processes N belong together; give all three")
    if process >= processes:
        raise ValueError(f"--process {process} is none of {processes}; they are counted from 0 to {processes - 1}")
    host, _, port = coordinator.rpartition(":")
    if not host or not (port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"--coordinator {coordinator}: expected HOST:PORT, as in 127.0.0.1:7777")
    jax = jax_for("--coordinator")
    if process == 0:
        _must_be_free(coordinator, int(port))
        print(f"waiting for {processes - 1} other process{'es' * (processes > 2)} at {coordinator}", file=sys.stderr)
    else:
        _must_answer(coordinator, host, int(port))
    jax.distributed.initialize(
        coordinator,
        processes,
        process,
        initialization_timeout=PATIENCE,
        heartbeat_timeout_seconds=SILENCE,
        shutdown_timeout_seconds=GOODBYE,
    )
    return processes


def _must_be_free(coordinator: str, port: int) -> None:
    """ValueError where something else listens: JAX would end the process without a word."""
    try:
        with socket.create_server(("", port)):
            pass
    except OSError as error:
        raise ValueError(
            f"--coordinator {coordinator}: cannot listen there ({error.strerror}); take a free port"
        ) from None


def _must_answer(coordinator: str, host: str, port: int) -> None:
    """Wait until process 0 listens; ValueError where it does not."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection((host, port), timeout=5):
                return
        except socket.gaierror as error:
            raise ValueError(f"--coordinator {coordinator}: {host} is not known ({error.strerror})") from None
        except OSError as error:
            if time.monotonic() > until:
                raise ValueError(
                    f"--coordinator {coordinator}: process 0 does not answer ({error}); is it running there?"
                ) from None
            time.sleep(0.2)

"""Ctrl-C and SIGTERM as a question that is answered between two steps.

An exception in the middle of a step could come out of NumPy's loops as something else, and
would lose the step.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Inside it the first signal sets `asked` to its number; the second raises KeyboardInterrupt, until `hold()`."""

    def __init__(self) -> None:
        self.asked = 0
        self._held = False

    def __enter__(self) -> Interrupt:
        self._ours = threading.current_thread() is threading.main_thread()  # only there can signals be handled
        if self._ours:
            self._before = {s: signal.signal(s, self._first) for s in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            for s, handler in self._before.items():
                signal.signal(s, handler)

    def hold(self) -> None:
        """From now on no signal interrupts anything: what is under way must be finished."""
        self._held = True

    def _first(self, signum: int, _frame: FrameType | None) -> None:
        self.asked = signum
        for s in SIGNALS:
            signal.signal(s, self._second)

    def _second(self, signum: int, _frame: FrameType | None) -> None:
        if not self._held:
            raise KeyboardInterrupt
        self.asked = signum

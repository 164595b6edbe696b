"""Ctrl-C as a question that is answered between two steps.

An exception in the middle of a step could come out of NumPy's loops as something else, and
would lose the step.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """Inside it the first Ctrl-C only sets `asked`; the second raises KeyboardInterrupt, until `hold()`."""

    def __init__(self) -> None:
        self.asked = False
        self._held = False

    def __enter__(self) -> Interrupt:
        self._ours = threading.current_thread() is threading.main_thread()  # only there can signals be handled
        if self._ours:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._before)

    def hold(self) -> None:
        """From now on Ctrl-C interrupts nothing: what is under way must be finished."""
        self._held = True

    def _handle(self, _signum: int, _frame: FrameType | None) -> None:
        if self.asked and not self._held:
            raise KeyboardInterrupt
        self.asked = True

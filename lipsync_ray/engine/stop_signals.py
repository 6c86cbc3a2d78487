"""Delays Ctrl-C and SIGTERM during work that must not stop half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def put_off() -> Iterator[None]:
    """Handle SIGINT and SIGTERM after the block; a second signal is handled at once.

    Does nothing outside the main thread, which alone gets signals, or if no Python function handles them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in found.items() if callable(handler)}
    come: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        come.append(number)
        if len(come) > 1:
            before[signal.Signals(number)](number, frame)

    for number in before:
        signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if len(come) == 1:
            before[signal.Signals(come[0])](come[0], None)

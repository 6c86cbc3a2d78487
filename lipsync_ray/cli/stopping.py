"""Ctrl-C and SIGTERM, as one exception that ends what runs and lets the command line say so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class Stopped(BaseException):
    """Ctrl-C or SIGTERM has come. No KeyboardInterrupt: Typer would end the process without a word."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number


def _stop(number: int, frame: object) -> NoReturn:
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Both signals end what runs, here where it can say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

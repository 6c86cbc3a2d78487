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


@contextmanager
def stoppable() -> Iterator[None]:
    """Both signals end what runs, here where it can say so.

    Raises
    ------
    Stopped : one has come; also where what it interrupted made another exception of it, as CPython's import does
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    come: list[int] = []

    def stop(number: int, frame: object) -> NoReturn:
        come.append(number)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Stopped:
        raise
    except BaseException as error:
        if come:
            raise Stopped(come[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

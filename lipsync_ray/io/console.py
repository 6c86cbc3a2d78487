"""Consoles and standard streams whose write errors do not end the run.

A pipe's reader may exit (``| head -1``), a disk under a redirected log may be full, a terminal may be gone or ASCII
only. Text that cannot be written is dropped or replaced; the run and its exit status do not change.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from rich.console import Console


class LenientStream:
    """A text stream that never raises on write: characters that its encoding lacks become "?", lines that cannot be
    written are dropped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, if possible; return its length."""
        with suppress(OSError, ValueError):
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding or "ascii"
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def lenient(stream: TextIO) -> TextIO:
    """Wrap a stream in a :class:`LenientStream`, unless it is one."""
    return stream if isinstance(stream, LenientStream) else cast(TextIO, LenientStream(stream))


def console_for(progress: bool = True) -> Console:
    """Standard output as a lenient console; without ``progress`` it prints nothing."""
    if sys.stdout is None:  # pythonw, or a descriptor that was closed before the start
        return Console(quiet=True)
    return Console(quiet=not progress, file=lenient(sys.stdout))


@contextmanager
def lenient_streams() -> Iterator[None]:
    """Make this process's standard streams lenient, also when the interpreter flushes them at exit."""
    _fill_closed()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        streams = [stream or nowhere for stream in before]  # None if the descriptor was closed at the start
        sys.stdout, sys.stderr = map(lenient, streams)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
            for stream in streams:
                _give_up_unwritten(stream)


def _fill_closed() -> None:
    """Open standard descriptors that are closed (``>&-``): else the next file that is opened becomes standard output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one


def _give_up_unwritten(stream: TextIO) -> None:
    """Discard a stream's buffer if it cannot be written: else the interpreter retries at exit, prints "Exception
    ignored" and exits with 120.
    """
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def download_line(console: Console) -> Callable[[int, int | None], None]:
    """A callback that says, each tenth of a download, how far it is."""
    printed = -1

    def progress(done: int, total: int | None) -> None:
        nonlocal printed
        tenth = done * 10 // total if total else done // (64 << 20)
        if tenth != printed:
            printed = tenth
            of = f" of {total >> 20} MiB" if total else " MiB"
            console.print(f"fetching weights: {done >> 20}{of}", highlight=False)

    return progress

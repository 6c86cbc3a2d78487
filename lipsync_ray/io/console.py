"""Consoles and standard streams that lose a line rather than the run.

A reader may leave (``| head -1``), a disk under a redirected log may be full, a terminal may be gone or know ASCII alone:
what cannot be written is dropped or replaced, and the work and its exit status stay what they are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from rich.console import Console


class LenientStream:
    """A text stream to which writing always works: characters that its encoding lacks become "?", lines that nobody takes are
    dropped. All else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """The text's length, whatever became of it."""
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
    """The stream as a :class:`LenientStream`; one that is lenient stays as it is."""
    return stream if isinstance(stream, LenientStream) else cast(TextIO, LenientStream(stream))


def console_for(progress: bool = True) -> Console:
    """Standard output as a lenient console; a quiet one without ``progress``."""
    if sys.stdout is None:  # pythonw, or a descriptor that was closed before the start
        return Console(quiet=True)
    return Console(quiet=not progress, file=lenient(sys.stdout))


@contextmanager
def lenient_streams() -> Iterator[None]:
    """Make this process's standard streams lenient, and let nothing unwritten turn into an error at the interpreter's end."""
    _fill_closed()
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        streams = [stream or nowhere for stream in before]  # None where the descriptor was closed at the start
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
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one


def _give_up_unwritten(stream: TextIO) -> None:
    """Send what a stream still holds to nowhere where it cannot be written: the interpreter tries again when it ends, prints
    "Exception ignored" and exits with 120."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)

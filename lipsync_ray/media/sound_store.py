"""A sound in a temporary file, of which any range can be read again: an hour of stereo is 1.4 GB there, none in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

BLOCK = 1 << 16  # samples that are read at a time
_BYTES = 4


class SoundStore:
    """A sound of a given length, silent where nothing was written; a context manager.

    Parameters
    ----------
    rate : Hz
    channels : of it
    length : samples per channel
    """

    def __init__(self, rate: int, channels: int, length: int) -> None:
        self.rate, self.channels, self.length = rate, channels, length
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed at the context's end)
        self._file.truncate(length * channels * _BYTES)

    def __enter__(self) -> SoundStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, start: int, block: F32) -> None:
        """Replace the samples from `start` on by (channels, n) float32; what lies beyond the end is left out."""
        block = block[:, : max(0, self.length - start)]
        data = memoryview(np.ascontiguousarray(block.T, "<f4").tobytes())
        self._file.seek(start * self.channels * _BYTES)
        while data:
            data = data[self._file.write(data) :]

    def read(self, start: int, stop: int) -> F32:
        """(channels, stop − start) float32; silence before the beginning and after the end."""
        out = np.zeros((self.channels, stop - start), np.float32)
        first, last = max(0, start), min(self.length, stop)
        if first < last:
            self._file.seek(first * self.channels * _BYTES)
            wanted, data = (last - first) * self.channels * _BYTES, b""
            while len(data) < wanted:
                data += self._file.read(wanted - len(data))
            out[:, first - start : last - start] = np.frombuffer(data, "<f4").reshape(-1, self.channels).T
        return out

    def blocks(self) -> Iterator[F32]:
        """(channels, n) float32 of the whole sound, in pieces."""
        for start in range(0, self.length, BLOCK):
            yield self.read(start, min(self.length, start + BLOCK))

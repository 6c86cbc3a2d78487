"""Cuts a part out of a joined video again: the packets of a range of frames, as they were before the join."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import av.error

from lipsync_ray.errors import DecodeError, EncodeError
from lipsync_ray.media.codecs import part_muxer_of
from lipsync_ray.media.copied_stream import copied_stream
from lipsync_ray.media.h264 import ParameterSets


class Cutter:
    """Cuts ranges out of one video whose parts were encoded by :func:`lipsync_ray.media.encode.encode` and joined.

    Parameters
    ----------
    data : the video
    rate : frames/s
    sets_id : id of its parts' parameter sets, where packets of another encoder are between them; None where none are

    Raises
    ------
    EncodeError : no video
    """

    def __init__(self, data: bytes, rate: Fraction, sets_id: int | None = None) -> None:
        self._rate = rate
        try:
            self._container = av.open(io.BytesIO(data))
            self._stream: Any = self._container.streams.video[0]
            self._packets = [packet for packet in self._container.demux(self._stream) if packet.pts is not None]
            extradata = self._stream.codec_context.extradata
            self._header = extradata if sets_id is None else ParameterSets.of(extradata).only(sets_id).avcc()
        except (av.error.FFmpegError, IndexError, DecodeError) as error:
            raise EncodeError(f"no pictures to reuse: {error}") from error
        self._delay = self._stream.codec_context.reorder_depth

    def part(self, start: int, stop: int) -> bytes | None:
        """The file of frames [start, stop).

        Returns
        -------
        None where these frames are not a part of their own: their packets are not in sequence, or key frames do not begin and follow them
        """
        packets = self._packets[start:stop]
        numbers = [round(packet.pts * packet.time_base * self._rate) for packet in packets]
        ends = all(packet.is_keyframe for packet in self._packets[stop : stop + 1])
        if sorted(numbers) != list(range(start, stop)) or not packets[0].is_keyframe or not ends:
            return None
        delay = max(self._delay, *(index - (number - start) for index, number in enumerate(numbers)))
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=part_muxer_of(self._stream.codec_context.name)) as out:
            stream: Any = copied_stream(out, self._stream)
            stream.time_base = 1 / self._rate
            stream.codec_context.extradata = self._header
            for index, (packet, number) in enumerate(zip(packets, numbers, strict=True)):
                copy = av.Packet(bytes(packet))
                copy.time_base = 1 / self._rate
                copy.pts, copy.dts, copy.duration = number - start, index - delay, 1
                copy.is_keyframe = packet.is_keyframe
                copy.stream = stream
                out.mux(copy)
        return buffer.getvalue()

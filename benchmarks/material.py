"""Long inputs for benchmarks, made of short ones without encoding again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def repeated_video(source: str, target: str, seconds: float) -> None:
    """A video of about so many seconds: the packets of a short one again and again."""
    with av.open(source) as reading, av.open(target, "w", format="mp4") as writing:
        stream = reading.streams.video[0]
        copy = writing.add_stream_from_template(stream)
        packets = [packet for packet in reading.demux(stream) if packet.dts is not None]
        span = max(packet.pts for packet in packets) + packets[0].duration - min(packet.pts for packet in packets)
        data = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in packets]
        for turn in range(max(1, round(seconds / float(span * stream.time_base)))):
            for content, pts, dts, duration, key in data:
                packet = av.Packet(content)
                packet.pts, packet.dts, packet.duration = pts + turn * span, dts + turn * span, duration
                packet.time_base, packet.stream, packet.is_keyframe = stream.time_base, copy, key
                writing.mux(packet)


def portrait_1080p(portrait: Path, target: Path, rate: int, frames: int = 50) -> None:
    """1920×1080: the demo's portrait, drifting over a grey wall and back."""
    picture = cv2.resize(cv2.imread(str(portrait)), (900, 900), interpolation=cv2.INTER_CUBIC)
    with av.open(str(target), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate), options={"crf": "20", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for index in range(frames):
            view = np.full((1080, 1920, 3), 120, np.uint8)
            x = 500 + round(60 * np.sin(2 * np.pi * index / frames))
            view[120:1020, x : x + 900] = picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
        container.mux(stream.encode(None))

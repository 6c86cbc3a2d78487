"""Makes a strip of faces and a short player from a video's preview frames."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from lipsync_ray.jobs.evaluate.face_tracks import RATE
from lipsync_ray.jobs.evaluate.preview_frames import PreviewFrames
from lipsync_ray.media import audio
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.picture import U8
from lipsync_ray.media.probe import VideoInfo

_JPEG_QUALITY = 85
_VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "36", "b": "0", "row-mt": "1"}
_OPUS_RATE = 48_000


def strip(preview_frames: PreviewFrames) -> bytes:
    """A JPEG: faces of the source above, of the dub below, at frames spread over the video."""
    sheet = np.concatenate([_pixels(preview_frames.tiles[number]) for number in sorted(preview_frames.tiles)], axis=1)
    return cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def player(preview_frames: PreviewFrames, video: VideoInfo) -> bytes:
    """A WebM (VP9, Opus) of the first seconds: the source on the left, the dub on the right, the dub's sound."""
    buffer = io.BytesIO()
    halves = [preview_frames.halves[number] for number in sorted(preview_frames.halves)]
    height, width = _pixels(halves[0]).shape[:2]
    with av.open(buffer, "w", format="webm") as container:
        stream: Any = container.add_stream("libvpx-vp9", rate=RATE, options=_VP9)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        sound: Any = None
        if video.has_audio:
            sound = container.add_stream("libopus", rate=_OPUS_RATE, layout="mono")
        for index, half in enumerate(halves):
            frame = av.VideoFrame.from_ndarray(_pixels(half), format="bgr24")
            frame.pts, frame.time_base = index, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _add_sound(
                container,
                sound,
                SoundTrack(video.url, begin_s=video.origin_s, content=video.content),
                len(halves) / RATE,
            )
    return buffer.getvalue()


def _pixels(jpeg: U8) -> U8:
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def _add_sound(container: Any, stream: Any, track: SoundTrack, seconds: Fraction) -> None:
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=_OPUS_RATE)
    written, wanted = 0, None
    for rate, block in audio.blocks(track):
        wanted = int(seconds * rate) if wanted is None else wanted
        part = np.ascontiguousarray(block.mean(axis=0, keepdims=True, dtype=np.float32)[:, : wanted - written])
        if not part.shape[1]:
            break
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, written, Fraction(1, rate)
        written += part.shape[1]
        for out in resampler.resample(frame):
            container.mux(stream.encode(out))
    for out in resampler.resample(None):
        container.mux(stream.encode(out))
    container.mux(stream.encode(None))

"""Pictures and short players for the report: the source and the dub, side by side, at the same frames."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.stages import Failure
from lipsync_ray.evaluate.face_tracks import RATE, FaceTracks, read_face_tracks
from lipsync_ray.evaluate.scores import Score
from lipsync_ray.evaluate.state import Evaluation
from lipsync_ray.faces.crop import square_around
from lipsync_ray.io import storage
from lipsync_ray.media import audio, decode
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.picture import U8, Box
from lipsync_ray.media.probe import VideoInfo

FOLDER = "media"
DETAILS = 24  # videos that get pictures and a player
MOMENTS = 5  # frames in a strip
TILE = 200  # pixels: side of a face in the strip
PLAYER_HEIGHT = 300  # pixels
PLAYER_S = 6
LARGER = 1.5  # side of a tile beside the face's
_JPEG_QUALITY = 85
_VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "36", "b": "0", "row-mt": "1"}
_OPUS_RATE = 48_000


@dataclass(frozen=True)
class ShowOrder:
    """What to make of one video: a strip of faces, a player, and, of a restored one, a copy of its run's own strip."""

    subject: str
    video: VideoInfo
    reference: VideoInfo | None
    geometry: str
    strip: str
    player: str
    run_strip: str | None
    restored: str


def worst_first(scores: Sequence[Score]) -> list[Score]:
    """Scored videos by confidence, lowest first; then those without a score."""

    def key(score: Score) -> tuple[bool, float, str]:
        value = score.sync_c
        return value is None, value if value is not None else 0.0, score.id

    return sorted(scores, key=key)


def show_videos(this: Evaluation, scores: Sequence[Score], count: int) -> None:
    """Make what is missing of the worst videos' pictures and players."""
    there = storage.list_names(this.url(FOLDER))
    orders = []
    for score in worst_first(scores)[:count]:
        state = this.known.get(score.id)
        if state is None or state.info is None or state.laid is None:
            continue
        names = strip_name(score), player_name(score)
        if not set(names) <= there:
            strip, player, restored = (this.url(FOLDER, name) for name in (*names, restored_name(score)))
            own = state.subject.strip
            order = ShowOrder(score.id, state.info, state.reference, state.geometry, strip, player, own, restored)
            orders.append(order)
    with ProgressReporter(this.crew.console, "pictures", len(orders), 0, "videos") as phase:
        for order, answer in this.crew.each("show", show, orders):
            phase.advance(0, isinstance(answer, Failure))
            if isinstance(answer, Failure):
                this.crew.console.print(f"{order.subject}: no pictures: {answer.reason}", highlight=False, markup=False)


def strip_name(score: Score) -> str:
    """The file of a video's strip."""
    return f"{score.id}-{(score.fingerprint or '')[:12]}.jpg"


def player_name(score: Score) -> str:
    """The file of a video's player."""
    return f"{score.id}-{(score.fingerprint or '')[:12]}.webm"


def restored_name(score: Score) -> str:
    """The file of a restored video's strip of source, lip-synced and restored faces."""
    return f"{score.id}-{(score.fingerprint or '')[:12]}-restored.jpg"


def show(order: ShowOrder) -> str:
    """Make and commit a video's strip and player."""
    geometry = read_face_tracks(order.geometry)
    if order.run_strip is not None and storage.exists(order.run_strip):
        storage.copy(order.run_strip, order.restored)
    storage.commit_bytes(order.strip, _strip(order, geometry))
    storage.commit_bytes(order.player, _player(order, geometry))
    return order.subject


def _strip(order: ShowOrder, geometry: FaceTracks) -> bytes:
    """A JPEG: faces of the source above, of the dub below, at moments spread over the video."""
    there = np.unique(geometry.face_place) if len(geometry.face_place) else np.arange(len(geometry.shown))
    places = there[np.linspace(0, len(there) - 1, MOMENTS + 2).round().astype(int)[1:-1]]
    sides = [(order.video, geometry.shown[places])]
    if order.reference is not None:
        sides.insert(0, (order.reference, np.minimum(geometry.source[places], order.reference.frames - 1)))
    rows = []
    for video, frames in sides:
        tiles = []
        for place, number in zip(places.tolist(), frames.tolist(), strict=True):
            picture = next(decode.pictures(video, number, number + 1))
            scale = np.array([picture.width / order.video.width, picture.height / order.video.height] * 2)
            boxes = geometry.boxes_at(place) * scale
            tiles.append(
                cv2.resize(
                    picture.bgr(_around(boxes, picture.width, picture.height)),
                    (TILE, TILE),
                    interpolation=cv2.INTER_AREA,
                )
            )
        rows.append(np.concatenate(tiles, axis=1))
    sheet = np.concatenate(rows)
    return cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def _around(boxes: np.ndarray[Any, Any], width: int, height: int) -> Box:
    """The square around the largest face; the frame's middle where there is none."""
    if not len(boxes):
        return square_around(np.array([0.0, 0.0, width, height]), 1.0, width, height)
    box = boxes[np.argmax(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))]
    return square_around(box, LARGER, width, height)


def _player(order: ShowOrder, geometry: FaceTracks) -> bytes:
    """A WebM (VP9, Opus) of the first seconds: the source on the left, the dub on the right, the dub's sound."""
    buffer = io.BytesIO()
    length = min(len(geometry.shown), int(PLAYER_S * RATE))
    with av.open(buffer, "w", format="webm") as container:
        stream: Any = None
        sound: Any = None
        if order.video.has_audio:
            sound = container.add_stream("libopus", rate=_OPUS_RATE, layout="mono")
        for index, picture in enumerate(_sides(order, geometry, length)):
            if stream is None:
                stream = container.add_stream("libvpx-vp9", rate=RATE, options=_VP9)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _add_sound(container, sound, SoundTrack(order.video.url, begin_s=order.video.origin_s), length / RATE)
    return buffer.getvalue()


def _sides(order: ShowOrder, geometry: FaceTracks, length: int) -> Iterator[U8]:
    places = np.arange(length)
    videos = [decode.pictures_at(order.video, geometry.shown[places].tolist())]
    if order.reference is not None:
        source = np.minimum(geometry.source[places], order.reference.frames - 1)
        videos.insert(0, decode.pictures_at(order.reference, source.tolist()))
    width = max(2, round(PLAYER_HEIGHT * order.video.width / order.video.height / 2) * 2)
    for pictures in zip(*videos, strict=True):
        halves = [cv2.resize(p.bgr(), (width, PLAYER_HEIGHT), interpolation=cv2.INTER_AREA) for p in pictures]
        yield np.ascontiguousarray(np.concatenate(halves, axis=1), np.uint8)


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

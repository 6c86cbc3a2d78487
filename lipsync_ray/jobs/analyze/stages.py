"""Stages for one file: measure it, transcribe it, sample faces. Plain classes; no Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np

from lipsync_ray.compute import one_thread
from lipsync_ray.errors import MediaError, ProbeError
from lipsync_ray.faces.crop import square_around
from lipsync_ray.faces.detect import Detector, Faces, detection_size, mtcnn_detector
from lipsync_ray.faces.turned import TURN_SAMPLES, UPRIGHT, quarter_turns, surest
from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged
from lipsync_ray.jobs.analyze.analysis import Analysis, FoundFace
from lipsync_ray.jobs.analyze.assemble import REPORT, build_row, report_text
from lipsync_ray.jobs.analyze.plan import FileRow, FrameSamples, Known
from lipsync_ray.jobs.analyze.verdict import SILENT, turn_degrees
from lipsync_ray.media import decode
from lipsync_ray.media.audio import SoundTrack, speech_blocks
from lipsync_ray.media.clips import cut_spans, wav_bytes
from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.details import get_audio_details, get_video_details
from lipsync_ray.media.picture import U8, YuvFrame
from lipsync_ray.media.probe import VideoInfo, probe_video
from lipsync_ray.media.sound_probe import Sound
from lipsync_ray.media.speech_mel import VOICED
from lipsync_ray.models.weights import Checkpoint

SURE = 0.9  # lowest probability of a face
AROUND = 1.4  # side of a saved face relative to the detected one
CLIP_S = Fraction(1)  # of sound around a frame
MORE_FRAMES = 4  # factor for a second sample if no frame has a face, before the verdict "impossible"
THUMBNAIL_PX = 320  # wide
_GREEN = (80, 200, 60)


class Probe:
    """Read a file's streams; decode its sound to the end, a block at a time.

    Raises
    ------
    ProbeError : not a media file, or its picture stream is damaged
    DecodeError : it has only sound, which cannot be decoded
    """

    def __call__(self, row: FileRow) -> Known:
        url = row.file.url
        with opened(url, planned=row.identity) as container:
            has_video, has_audio = main_stream(container) is not None, bool(container.streams.audio)
        if not has_video and not has_audio:
            raise ProbeError(f"{url}: neither a video nor an audio stream in it")
        wanted = row.file.roles or ("video", "audio")
        video = get_video_details(url) if has_video and "video" in wanted else None
        known = Known(row, video, text_error=row.no_whisper)
        if not has_audio:
            return replace(known, audio_error="no audio stream in it")
        try:
            details = get_audio_details(url)
            return replace(known, audio=replace(details, voiced=_voiced(url, details.sound)))
        except MediaError as error:
            if video is None:
                raise
            return replace(known, audio_error=str(error))


class Transcribe:
    """Transcribe and translate a file's speech. Keeps Whisper loaded.

    Parameters
    ----------
    whisper : its weights
    """

    def __init__(self, whisper: Checkpoint, device: str) -> None:
        from lipsync_ray.models import speech  # torch, which a probe does without

        one_thread()
        self._transcriber = speech.Transcriber(whisper.here(), device)

    def __call__(self, known: Known) -> Known:
        if known.audio is None:
            return replace(known, text_error=known.audio_error)
        transcribed = self._transcriber(
            speech_blocks(
                SoundTrack(known.row.file.url, content=known.row.identity), cancels=known.audio.sound.cancels
            ),
            known.row.seed,
        )
        if not transcribed.speech_s and known.audio.silence >= SILENT:
            return replace(known, text_error="silent")
        return replace(known, speech=transcribed)


class SampleFaces:
    """Detect faces in a few frames, save each with the sound around it, and write the file's report."""

    def __init__(self) -> None:
        one_thread()
        self._detector: Detector = mtcnn_detector("cpu")

    def __call__(self, known: Known) -> Analysis:
        row = known.row
        storage.remove(storage.join(row.out, row.file.id))  # saved by an earlier run with other settings
        analysis = build_row(known, self._sample(known) if known.video is not None else None)
        check_unchanged(row.file.url, row.identity)
        text = report_text(analysis)
        storage.commit_bytes(storage.join(row.out, row.file.id, REPORT), text.encode())
        return analysis

    def _sample(self, known: Known) -> FrameSamples:
        row = known.row
        info = probe_video(row.file.url, content=row.identity)
        chosen = choose_frames(info.frames, row.frames, row.seed)
        faces, thumbnail = self._scan(row, info, chosen)
        if not faces and len(chosen) < info.frames:
            chosen = choose_frames(info.frames, row.frames * MORE_FRAMES, row.seed)
            faces, thumbnail = self._scan(row, info, chosen)
        turned = self._turned(info, chosen) if surest(_as_faces(faces)) < UPRIGHT else 0
        if turned:  # landmarks of turned faces are wrong
            faces = []
        name = f"{row.file.id}/thumbnail.jpg"
        storage.commit_bytes(storage.join(row.out, name), _jpeg(thumbnail))
        clips = _clips(known, {face.frame: face.frame / info.rate for face in faces})
        return FrameSamples(
            tuple(chosen), tuple(replace(face, clip=clips.get(face.frame)) for face in faces), name, turned
        )

    def _scan(self, row: FileRow, info: VideoInfo, frames: Sequence[int]) -> tuple[list[FoundFace], U8]:
        """Save every face of these frames; return them, and a thumbnail of the first frame with a face."""
        found: list[FoundFace] = []
        thumbnail: U8 | None = None
        for frame, picture in zip(frames, decode.pictures_at(info, frames), strict=True):
            faces = self._faces(picture)
            if thumbnail is None or (len(faces) and not found):
                thumbnail = _thumbnail(picture, faces)
            for number in range(len(faces)):
                found.append(_saved(row, picture, frame, float(frame / info.rate), faces, number))
        assert thumbnail is not None
        return found, thumbnail

    def _turned(self, info: VideoInfo, frames: Sequence[int]) -> int:
        """Quarter turns to the left that bring faces in a few of these frames upright."""
        some = sorted({frames[index] for index in np.linspace(0, len(frames) - 1, TURN_SAMPLES).round().astype(int)})
        return quarter_turns(map(_small, decode.pictures_at(info, some)), self._detector)

    def _faces(self, picture: YuvFrame) -> Faces:
        """Sure faces of a picture, in its own pixels."""
        width, height = detection_size(picture.width, picture.height)
        faces = self._detector(_small(picture))
        scale = np.array([picture.width / width, picture.height / height], np.float32)
        sure = faces.score >= SURE
        return Faces(faces.box[sure] * np.tile(scale, 2), faces.landmarks[sure] * scale, faces.score[sure])


def _as_faces(found: Sequence[FoundFace]) -> Faces:
    box = np.array([face.box for face in found], np.float32).reshape(-1, 4)
    points = np.array([face.landmarks for face in found], np.float32).reshape(-1, 5, 2)
    return Faces(box, points, np.array([face.probability for face in found], np.float32))


def _small(picture: YuvFrame) -> U8:
    """(h, w, 3) uint8 RGB at detection size."""
    size = detection_size(picture.width, picture.height)
    small = cv2.resize(picture.bgr(), size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1], np.uint8)


def _voiced(url: str, sound: Sound) -> float:
    """Share of a sound with speech."""
    from lipsync_ray.models.voice import voice_of  # torch, which a probe does without

    one_thread()
    voiced = voice_of(SoundTrack(url), sound)
    return float((voiced >= VOICED).mean()) if len(voiced) else 0.0


def choose_frames(frames: int, count: int, seed: int) -> list[int]:
    """Choose `count` different frames in order; all if there are fewer.

    Deterministic for a seed; includes the choices of smaller counts.
    """
    generator = np.random.default_rng([seed, frames])
    return sorted(generator.permutation(frames)[:count].tolist())


def _saved(row: FileRow, picture: YuvFrame, frame: int, time_s: float, faces: Faces, number: int) -> FoundFace:
    """Commit the picture of a face, and describe it."""
    box, points = faces.box[number], faces.landmarks[number]
    cut = picture.bgr(square_around(box, AROUND, picture.width, picture.height))
    name = f"{row.file.id}/faces/{frame:06}-{number}.png"
    storage.commit_bytes(storage.join(row.out, name), cv2.imencode(".png", cut)[1].tobytes())
    return FoundFace(
        frame,
        round(time_s, 3),
        number,
        float(faces.score[number]),
        (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        tuple(map(float, points.flatten())),
        float(box[3] - box[1]),
        turn_degrees(points),
        name,
        None,
    )


def _clips(known: Known, times: dict[int, Fraction]) -> dict[int, str]:
    """Commit the second of sound around each frame; return frame → file, for frames with sound."""
    if known.audio is None or not times:
        return {}
    row, half = known.row, CLIP_S / 2
    rate, cut = cut_spans(
        SoundTrack(row.file.url, content=row.identity),
        [(max(Fraction(0), time - half), time + half) for time in times.values()],
    )
    names = {}
    for frame, samples in zip(times, cut, strict=True):
        if samples.shape[1]:
            names[frame] = f"{row.file.id}/clips/{frame:06}.wav"
            storage.commit_bytes(storage.join(row.out, names[frame]), wav_bytes(samples, rate))
    return names


def _thumbnail(picture: YuvFrame, faces: Faces) -> U8:
    """The whole frame, small, with its faces framed."""
    scale = THUMBNAIL_PX / picture.width
    size = (THUMBNAIL_PX, max(1, round(picture.height * scale)))
    small = np.ascontiguousarray(cv2.resize(picture.bgr(), size, interpolation=cv2.INTER_AREA), np.uint8)
    for x0, y0, x1, y1 in (faces.box * scale).round().astype(int).tolist():
        cv2.rectangle(small, (x0, y0), (x1, y1), _GREEN, 2, cv2.LINE_AA)
    return small


def _jpeg(picture: U8) -> bytes:
    data: bytes = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    return data

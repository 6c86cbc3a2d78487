"""What is trained on: clips of one person who talks, looked at once: landmarks of every frame, sound, a likeness."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.errors import DecodeError, ManifestError
from lipsync_ray.faces.detect import detection_size, mtcnn_detector
from lipsync_ray.faces.mesh import KEPT, cut_square, speaking_of, square_of_box
from lipsync_ray.inputs.face_tables import one_thread
from lipsync_ray.inputs.mesh_tables import PRESENT
from lipsync_ray.io import storage
from lipsync_ray.io.names import Source, tell_apart
from lipsync_ray.io.records import Records
from lipsync_ray.io.user_tables import ID, Column, Row, is_table, read_rows
from lipsync_ray.media import audio, decode, mel
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import VideoInfo, probe_video

F32 = NDArray[np.float32]

LIKENESS = 32  # pixels: side of the small picture that people are told apart by
LONGEST_S = 60  # of a clip that is used
FEWEST = 24  # frames of a clip with landmarks
_LOOKS = 3  # frames that are searched for the face
_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg")
_COLUMNS = (Column("video", required=True, file="must"), ID, Column("person"))


@dataclass(frozen=True)
class Clip:
    """A clip to train on.

    Attributes
    ----------
    id : names it in the table
    url : path or fsspec URL
    person : who is seen, where the table says so
    """

    id: str
    url: str
    person: str | None = None


def read_clips(source: str) -> list[Clip]:
    """The clips of a folder and of those below it, or of a table with columns video and optionally id, person.

    Raises
    ------
    ManifestError : none, or a table with problems
    """
    if is_table(source):
        return [Clip(r["id"] or "", r["video"] or "", r["person"]) for r in read_rows(source, _COLUMNS, _source_of)]
    folder = storage.absolute(source)
    urls = sorted(storage.join(folder, name) for name in storage.list_tree(folder) if name.lower().endswith(_SUFFIXES))
    if not urls:
        raise ManifestError(source, [f"no clips in it: expected files that end in {', '.join(_SUFFIXES)}, or a table"])
    names = tell_apart([Source(url) for url in urls])
    return [Clip(name, url) for name, url in zip(names, urls, strict=True)]


def _source_of(row: Row) -> Source:
    return Source(row["video"] or "")


@dataclass(frozen=True)
class ClipRow:
    """What became of a clip: the row of clips.parquet.

    Attributes
    ----------
    id, video : of the clip
    status : "used"; "failed", where it could not be
    stage, error : where and why
    frames : with landmarks
    rate : frames/s, as a fraction
    person : who is seen: as the table says, or the number of a group of likenesses
    held_out : whether it is kept from training, and measured by
    seconds, attempts : of work
    fingerprint : of its content
    """

    id: str
    video: str
    status: Literal["used", "failed"]
    stage: str | None = None
    error: str | None = None
    frames: int | None = None
    rate: str | None = None
    person: str | None = None
    held_out: bool | None = None
    seconds: float | None = None
    attempts: int | None = None
    fingerprint: str | None = None


CLIPS = Records(ClipRow, "clips.parquet")


@dataclass(frozen=True)
class ClipOrder:
    """A clip to look at, and where what is seen goes."""

    key: str
    clip: Clip
    url: str


@dataclass(frozen=True)
class Seen:
    """What is kept of a clip.

    Attributes
    ----------
    lips : (n, len(SPEAKING), 2) float32 landmarks in the head's own frame; NaN where there is no face
    mel : (c, 80) float32
    likeness : (32, 32, 3) uint8 BGR of the face with its surroundings
    rate : frames/s
    """

    lips: F32
    mel: F32
    likeness: NDArray[np.uint8]
    rate: Fraction

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        rate = np.array([self.rate.numerator, self.rate.denominator])
        np.savez(buffer, lips=self.lips, mel=self.mel.astype(np.float16), likeness=self.likeness, rate=rate)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Seen:
        with np.load(io.BytesIO(data)) as arrays:
            above, below = (int(part) for part in arrays["rate"])
            return cls(arrays["lips"], arrays["mel"].astype(np.float32), arrays["likeness"], Fraction(above, below))


class LookAtClip:
    """Find the landmarks of a clip's face and hear its sound. Keeps both networks loaded."""

    def __init__(self, device: str) -> None:
        from lipsync_ray.models.face_mesh import Mesher

        one_thread()
        self._detector, self._mesher = mtcnn_detector(device), Mesher(device)

    def __call__(self, order: ClipOrder) -> tuple[int, str]:
        """Frames with landmarks, and the rate.

        Raises
        ------
        DecodeError, ProbeError : no face, or no sound
        """
        info = probe_video(order.clip.url)
        frames = min(info.frames, int(LONGEST_S * info.rate))
        box = self._face(info, frames)
        squares = []
        for picture in decode.pictures(info, 0, frames):
            cut = cut_square(picture, square_of_box(box))
            if cut is None:
                raise DecodeError(f"{order.clip.url}: its face lies outside the frame")
            squares.append(cut)
        points, present = self._mesher(np.stack(squares))
        lips = speaking_of(points[:, list(KEPT)]).astype(np.float32)
        lips[present < PRESENT] = np.nan
        there = int((present >= PRESENT).sum())
        if there < FEWEST:
            raise DecodeError(f"{order.clip.url}: landmarks in {there} of {frames} frames; {FEWEST} are needed")
        sound = np.concatenate(list(audio.speech_blocks(SoundTrack(info.url, begin_s=info.origin_s))))
        heard = mel.mel_spectrogram(sound[: LONGEST_S * mel.SAMPLE_RATE]).T
        likeness = cv2.resize(squares[frames // 2], (LIKENESS, LIKENESS), interpolation=cv2.INTER_AREA)
        seen = Seen(lips, heard, np.asarray(likeness, np.uint8), info.rate)
        storage.commit_bytes(order.url, seen.to_bytes())
        return there, str(info.rate)

    def _face(self, info: VideoInfo, frames: int) -> F32:
        """The median box of the best face of a few frames."""
        width, height = detection_size(info.width, info.height)
        found = []
        for place in sorted({frames * (2 * look + 1) // (2 * _LOOKS) for look in range(_LOOKS)}):
            for picture in decode.small_rgb(info, place, place + 1, width, height, decode.Seen()):
                faces = self._detector(picture)
                found += [faces.box[0]] if len(faces) else []
        if not found:
            raise DecodeError(f"{info.url}: no face in {_LOOKS} of its frames")
        scale = np.array([info.width / width, info.height / height], np.float32)
        return np.asarray(np.median(found, axis=0) * np.tile(scale, 2), np.float32)

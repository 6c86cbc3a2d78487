"""Extracts a clip's features once: landmarks and pictures of the face in every frame, mel, and a likeness."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.errors import DecodeError
from lipsync_ray.faces.choices import Pads
from lipsync_ray.faces.detect import detection_size, mtcnn_detector
from lipsync_ray.faces.mesh import KEPT, cut_square, heads_of, speaking_of, square_of_box
from lipsync_ray.faces.mouth_painter import tone_of
from lipsync_ray.faces.patch import boxes_with_heads, cut_inside, cut_mouth
from lipsync_ray.inputs.mesh_tables import PRESENT
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clips import ClipOrder
from lipsync_ray.media import decode, mel
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import VideoInfo, probe_video
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.media.speech_mel import speech_mel

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

LIKENESS = 32  # pixels: side of the small picture that distinguishes people
LONGEST_S = 60  # used part of a clip
FEWEST = 24  # frames with landmarks that a clip needs
FACE = 112  # pixels: side of a stored face; the square of 96 in its middle is a generator's crop
_MARGIN = 1 / 12  # of the crop, on each of its sides
_FACE_SAMPLES = 3  # frames searched for the face
# Score from which a second face counts. Of 125 clips of one person, three had a second face in a frame, of 0.94 at
# most; in a crowd the five largest have 0.97 and more.
_SURE = 0.96
_QUALITY = 95  # of stored pictures


@dataclass(frozen=True)
class ClipFeatures:
    """Features of a clip.

    Attributes
    ----------
    lips : (n, len(SPEAKING), 2) float32 landmarks in the head's own frame; NaN where there is no face
    mel : (c, 80) float32
    likeness : (32, 32, 3) uint8 RGB of the face with its surroundings
    rate : frames/s
    faces : (n, 112, 112, 3) uint8 BGR: a generator's crop of 96 with 8 more on each side; of the previous frame if
        there is no face
    mouths : (n, 64, 64) uint8 grey, :func:`~lipsync_ray.faces.patch.cut_mouth`, likewise
    insides : (n, 40, 40, 3) uint8, :func:`~lipsync_ray.faces.patch.cut_inside`, likewise
    tones : (n, 4) float32 of :class:`~lipsync_ray.faces.mouth_painter.Tone`, likewise
    """

    lips: F32
    mel: F32
    likeness: U8
    rate: Fraction
    faces: U8
    mouths: U8
    insides: U8
    tones: F32

    def to_bytes(self) -> bytes:
        """As an npz; faces and mouths as JPEG."""
        buffer = io.BytesIO()
        packed = {name: _packed(getattr(self, name)) for name in ("faces", "mouths")}
        np.savez(
            buffer,
            lips=self.lips,
            mel=self.mel.astype(np.float16),
            likeness=self.likeness,
            rate=np.array([self.rate.numerator, self.rate.denominator]),
            faces=packed["faces"][0],
            face_ends=packed["faces"][1],
            mouths=packed["mouths"][0],
            mouth_ends=packed["mouths"][1],
            insides=self.insides,
            tones=self.tones,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, pictures: str | None = None) -> ClipFeatures:
        """Read features with the pictures "faces", "mouths" or "insides"; the others are empty."""
        none = np.zeros(0, np.uint8)
        with np.load(io.BytesIO(data)) as arrays:
            above, below = (int(part) for part in arrays["rate"])
            return cls(
                arrays["lips"],
                arrays["mel"].astype(np.float32),
                arrays["likeness"],
                Fraction(above, below),
                _unpacked(arrays["faces"], arrays["face_ends"], cv2.IMREAD_COLOR) if pictures == "faces" else none,
                _unpacked(arrays["mouths"], arrays["mouth_ends"], cv2.IMREAD_GRAYSCALE)
                if pictures == "mouths"
                else none,
                arrays["insides"] if pictures == "insides" else none,
                arrays["tones"],
            )


def _packed(pictures: U8) -> tuple[U8, NDArray[np.int64]]:
    coded = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1] for picture in pictures]
    return np.concatenate(coded), np.cumsum([len(one) for one in coded])


def _unpacked(coded: U8, ends: NDArray[np.int64], flag: int) -> U8:
    return np.stack([np.asarray(cv2.imdecode(one, flag), np.uint8) for one in np.split(coded, ends[:-1])])


class ExtractClipFeatures:
    """Finds the landmarks of a clip's face, crops it, and computes its mel. Keeps both networks loaded."""

    def __init__(self, device: str) -> None:
        from lipsync_ray.models.face_mesh import Mesher

        one_thread()
        self._detector, self._mesher = mtcnn_detector(device), Mesher(device)

    def __call__(self, order: ClipOrder) -> tuple[int, str, tuple[str, ...]]:
        """Returns the number of frames with landmarks, the rate, and warnings.

        Raises
        ------
        DecodeError, ProbeError : no face, or no sound
        """
        info = probe_video(order.clip.url, content=order.content)
        frames = min(info.frames, int(LONGEST_S * info.rate))
        numbers, boxes, several = self._find_face(info, frames)
        square = square_of_box(np.median(boxes, axis=0))
        squares = [_inside(info, cut_square(picture, square)) for picture in decode.pictures(info, 0, frames)]
        points, present = self._mesher(np.stack(squares))
        inside = points[:, list(KEPT)]
        kept = inside @ square[:, :2].T + square[:, 2]
        lips = speaking_of(kept).astype(np.float32)
        known = present >= PRESENT
        lips[~known] = np.nan
        there = int(known.sum())
        if there < FEWEST:
            raise DecodeError(f"{info.url}: landmarks in {there} of {frames} frames; {FEWEST} are needed")
        own = fill_gaps(known)
        kept = kept[own]
        found = [boxes_with_heads(box, kept[number], kept) for number, box in zip(numbers, boxes, strict=True)]
        crops = np.stack([_affine(box) for box in np.median(found, axis=0)])
        faces, insides, tones = [], [], []
        for picture, crop, at in zip(decode.pictures(info, 0, frames), crops, kept, strict=True):
            faces.append(_inside(info, cut_square(picture, crop, FACE))[..., ::-1])
            insides.append(_inside(info, cut_inside(picture, at)))
            tones.append(tone_of(picture, at, float(heads_of(at[None]).eyes[0])))
        mouths = [cut_mouth(cut, at) for cut, at in zip(squares, inside[own], strict=True)]
        track = SoundTrack(info.url, begin_s=info.origin_s, content=info.content)
        columns = np.concatenate(list(speech_mel(track, probe_audio(track), None)))[: LONGEST_S * mel.COLUMNS_PER_S]
        likeness = cv2.resize(squares[frames // 2], (LIKENESS, LIKENESS), interpolation=cv2.INTER_AREA)
        features = ClipFeatures(
            lips, columns, np.asarray(likeness, np.uint8), info.rate, np.stack(faces), np.stack(mouths),
            np.stack(insides), np.array([(tone.skin, tone.side, tone.u, tone.v) for tone in tones], np.float32),
        )  # fmt: skip
        storage.commit_bytes(order.url, features.to_bytes())
        return there, str(info.rate), tuple(_warnings(boxes, several))

    def _find_face(self, info: VideoInfo, frames: int) -> tuple[list[int], NDArray[np.float64], int]:
        """Sampled frames with a face, the best face's box in each, and the largest number of faces."""
        width, height = detection_size(info.width, info.height)
        scale = np.tile([info.width / width, info.height / height], 2)
        numbers, boxes, several = [], [], 0
        for number in sorted({frames * (2 * sample + 1) // (2 * _FACE_SAMPLES) for sample in range(_FACE_SAMPLES)}):
            for picture in decode.small_rgb(info, number, number + 1, width, height, decode.FrameIssues()):
                faces = self._detector(picture)
                if len(faces):
                    numbers.append(number)
                    boxes.append(faces.box[0] * scale)
                    several = max(several, int((faces.score >= _SURE).sum()))
        if not boxes:
            raise DecodeError(f"{info.url}: no face in {_FACE_SAMPLES} of its frames")
        return numbers, np.array(boxes, np.float64), several


def _warnings(boxes: NDArray[np.float64], several: int) -> list[str]:
    """Warnings if a clip seems to show two people, at once or in sequence."""
    if several > 1:
        return [f"{several} faces in a frame: the most confident one was used, and may not be the speaker"]
    low, high = np.maximum(boxes[:-1, :2], boxes[1:, :2]), np.minimum(boxes[:-1, 2:], boxes[1:, 2:])
    if (low >= high).any():
        return ["the face changes its position: two people, or two shots, in one clip"]
    return []


def fill_gaps(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) index of the last known frame at or before each frame; the first known one for frames before it."""
    return np.asarray(np.maximum.accumulate(np.where(known, np.arange(len(known)), known.argmax())), np.int64)


def _inside(info: VideoInfo, cut: U8 | None) -> U8:
    if cut is None:
        raise DecodeError(f"{info.url}: its face lies outside the frame")
    return cut


def _affine(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) affine from a stored face to pixels, by the detector's box."""
    tall = box[3] - box[1]
    pads = Pads()
    low = box[:2] - [pads.left * tall, pads.top * tall]
    size = np.array([box[2] + pads.right * tall, box[3] + pads.bottom * tall]) - low
    return np.column_stack((np.diag(size * (1 + 2 * _MARGIN) / FACE), low - _MARGIN * size))

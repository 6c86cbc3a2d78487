"""The rows of analysis.parquet: results per file."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

import pyarrow as pa

from lipsync_ray.errors import LipsyncError, ManifestError
from lipsync_ray.io.records import Records, read_table
from lipsync_ray.io.row_types import ARROW, row_from
from lipsync_ray.io.turns import Turn
from lipsync_ray.models.spoken import Phrase

FILE = "analysis.parquet"
IMPOSSIBLE = "impossible"  # prefix of such a verdict
UNKNOWN = "unknown"  # language that the text does not determine
Status = Literal["done", "failed"]


@dataclass(frozen=True)
class Guess:
    """A language by langdetect, and its probability."""

    language: str
    probability: float


@dataclass(frozen=True)
class FoundFace:
    """A face in a sampled frame.

    Attributes
    ----------
    frame, time_s : frame number and time
    number : in its frame, best first
    probability : that it is a face, 0–1
    box : x0, y0, x1, y1 in pixels
    landmarks : x, y of left eye, right eye, nose, left and right mouth corner, in pixels
    height_px : of the box
    turn_deg : rotation away from the camera, left or right; a rough estimate from its landmarks
    picture : its file, relative to the analysis's folder
    clip : WAV of the second of sound around the frame, relative likewise; None if the file has no sound there
    """

    frame: int
    time_s: float
    number: int
    probability: float
    box: tuple[float, float, float, float]
    landmarks: tuple[float, ...] = field(metadata={ARROW: pa.list_(pa.float64(), 10)})
    height_px: float
    turn_deg: float
    picture: str
    clip: str | None


@dataclass(frozen=True)
class PersonInVideo:
    """A person of a video.

    Attributes
    ----------
    person : number, the same as in a dub of the video
    seen_s : how long the face is in view
    spoken_s : how long the person speaks; None where that was not decided
    picture : of the face, relative to the analysis's folder; None for small faces of a crowd
    """

    person: int
    seen_s: float
    spoken_s: float | None
    picture: str | None


VIDEO = pa.struct(
    [(name, pa.string()) for name in ("container", "codec", "profile", "pixel_format", "rate", "average_rate")]
    + [(name, pa.int64()) for name in ("width", "height", "rotation", "frames", "bit_rate", "bytes")]
    + [("duration_s", pa.float64())]
    + [(name, pa.bool_()) for name in ("varies", "has_audio", "still", "mirrored", "interlaced")]
    + [("notes", pa.list_(pa.string()))]
)
AUDIO = pa.struct(
    [(name, pa.string()) for name in ("container", "codec")]
    + [(name, pa.int64()) for name in ("sample_rate", "channels", "samples", "bit_rate")]
    + [(name, pa.float64()) for name in ("duration_s", "peak_dbfs", "rms_dbfs", "silence", "loudness_lufs", "voiced")]
    + [("notes", pa.list_(pa.string()))]
)


@dataclass(frozen=True)
class Analysis:
    """Results for one file.

    Attributes
    ----------
    id, url, roles, dubs : see :class:`~lipsync_ray.jobs.analyze.files.File`
    identity : of the file's content; empty if it could not be reached
    status : "done", or "failed" if the file is unreadable
    stage, error : of a failure
    verdict : "good", "poor: reasons", "impossible: reasons": suitability for a dub, in its roles
    video_verdict, audio_verdict : the same, as the picture and as the sound of a dub; None if not analysed
    warnings : one sentence each
    expected_languages : from the table
    video, audio : its details; None if it has none (:mod:`lipsync_ray.media.details` names the fields and units;
        fractions are texts)
    audio_error : why there are no details of its sound
    whisper : name of the transcribing model
    speech_s : seconds of speech, by Silero's voice detector; None without transcription
    text, segments : transcript, including uncertain words; empty without speech
    text_uncertain : uncertain part of the text, 0–1; its segments give reasons
    text_error : why there is no transcript
    whisper_language, whisper_probability : by Whisper; None without speech
    whisper_others : other languages detected in parts of the sound
    translation, translation_segments, translation_uncertain : in English
    translation_error : why there is none
    language, languages : by langdetect, from the certain part of the text; "unknown" if undetermined
    looked_frames : numbers of the sampled frames
    face_share : share of those frames with a face, 0–1
    people : most faces in one frame
    face_height_px : median over frames of the largest face's height
    face_turn_deg : median over frames of its rotation away from the camera
    faces : all faces found
    thumbnail : a small picture, relative to the analysis's folder
    seconds, attempts : of work
    fingerprint : of the file and the settings
    persons : who is seen in a video, who speaks longest first; None without --find-speakers
    turns : who of several persons speaks when; None where that was not decided
    speaker_notes : what a dub would note of whom it makes speak, such as why nobody
    speakers_error : why `persons`, or who of them speaks, is not known; the next run looks again
    speakers_fingerprint : of the video and of how persons and turns are found
    """

    id: str
    url: str
    roles: tuple[str, ...]
    dubs: tuple[str, ...]
    identity: str
    status: Status
    verdict: str
    video_verdict: str | None = None
    audio_verdict: str | None = None
    stage: str | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    expected_languages: tuple[str, ...] = ()
    video: dict[str, Any] | None = field(default=None, metadata={ARROW: VIDEO})
    audio: dict[str, Any] | None = field(default=None, metadata={ARROW: AUDIO})
    audio_error: str | None = None
    whisper: str | None = None
    speech_s: float | None = None
    text: str | None = None
    segments: tuple[Phrase, ...] | None = None
    text_uncertain: float | None = None
    text_error: str | None = None
    whisper_language: str | None = None
    whisper_probability: float | None = None
    whisper_others: tuple[str, ...] = ()
    translation: str | None = None
    translation_segments: tuple[Phrase, ...] | None = None
    translation_uncertain: float | None = None
    translation_error: str | None = None
    language: str | None = None
    languages: tuple[Guess, ...] | None = None
    looked_frames: tuple[int, ...] | None = None
    face_share: float | None = None
    people: int | None = None
    face_height_px: float | None = None
    face_turn_deg: float | None = None
    faces: tuple[FoundFace, ...] | None = None
    thumbnail: str | None = None
    seconds: float | None = None
    attempts: int | None = None
    fingerprint: str | None = None
    persons: tuple[PersonInVideo, ...] | None = None
    turns: tuple[Turn, ...] | None = None
    speaker_notes: tuple[str, ...] = ()
    speakers_error: str | None = None
    speakers_fingerprint: str | None = None

    @property
    def wordless(self) -> str | None:
        """Replacement for the language if the sound was transcribed and has no words; else None."""
        if self.segments != ():
            return None
        return "no words" if self.speech_s else "no speech"


ANALYSES = Records(Analysis, FILE)


def read_analyses(url: str) -> list[Analysis]:
    """Read an analysis.parquet, also one of an older version with fewer columns.

    Raises
    ------
    ManifestError : not such a table
    """
    try:
        table = read_table(url)
    except (OSError, LipsyncError, pa.ArrowException) as error:
        raise ManifestError(url, [f"cannot be read as the {FILE} of lipsync-ray analyze: {error}"]) from error
    needed = {
        column.name for column in fields(Analysis) if column.default is MISSING and column.default_factory is MISSING
    }
    if missing := sorted(needed - set(table.column_names)):
        raise ManifestError(url, [f"not the {FILE} of lipsync-ray analyze: no column {missing[0]!r}"])
    return [row_from(Analysis, row) for row in table.to_pylist()]

"""What travels through the analysis: a file, and what is known of it so far."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.jobs.analyze.analysis import FoundFace
from lipsync_ray.jobs.analyze.files import File
from lipsync_ray.media.details import AudioDetails, VideoDetails
from lipsync_ray.models.spoken import Speech


@dataclass(frozen=True)
class FileRow:
    """A file to analyse.

    Attributes
    ----------
    key : unique in the run
    file : what it is
    identity : of its content
    fingerprint : of its content and the settings
    out : the analysis's folder
    frames : how many are looked at
    seed : of their choice, and of Whisper's samples
    whisper : name of the model that listens; None where none does
    no_whisper : why none does
    """

    key: str
    file: File
    identity: str
    fingerprint: str
    out: str
    frames: int
    seed: int
    whisper: str | None
    no_whisper: str | None


@dataclass(frozen=True)
class Known:
    """What is known of a file so far.

    Attributes
    ----------
    row : the file
    video, audio : details; None where it has no such stream
    audio_error : why there is none of its sound
    speech : what is said
    text_error : why that is not known
    """

    row: FileRow
    video: VideoDetails | None = None
    audio: AudioDetails | None = None
    audio_error: str | None = None
    speech: Speech | None = None
    text_error: str | None = None


@dataclass(frozen=True)
class FrameSamples:
    """The frames that were looked at, and what they show; `turned`, by how many quarter turns to the left faces would stand upright."""

    frames: tuple[int, ...]
    faces: tuple[FoundFace, ...]
    thumbnail: str | None
    turned: int = 0

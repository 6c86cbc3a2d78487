"""Rows of an analysis: a file, and its results so far."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.jobs.analyze.analysis import FoundFace
from lipsync_ray.jobs.analyze.files import File
from lipsync_ray.media.details import AudioDetails, VideoDetails
from lipsync_ray.models.spoken import Transcript


@dataclass(frozen=True)
class FileRow:
    """A file to analyse.

    Attributes
    ----------
    key : unique in the run
    file : to analyse
    identity : of its content
    fingerprint : of its content and the settings
    out : the analysis's folder
    frames : number to sample
    seed : of their choice, and of Whisper's samples
    whisper : name of the transcribing model; None without one
    no_whisper : why there is none
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
    """Results of a file so far.

    Attributes
    ----------
    row : the file
    video, audio : details; None without such a stream
    audio_error : why there are no details of its sound
    speech : transcript
    text_error : why there is none
    """

    row: FileRow
    video: VideoDetails | None = None
    audio: AudioDetails | None = None
    audio_error: str | None = None
    speech: Transcript | None = None
    text_error: str | None = None


@dataclass(frozen=True)
class FrameSamples:
    """Sampled frames and their faces; `turned` is the number of quarter turns to the left that bring faces upright."""

    frames: tuple[int, ...]
    faces: tuple[FoundFace, ...]
    thumbnail: str | None
    turned: int = 0

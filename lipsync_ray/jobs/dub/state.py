"""A dub under way, and what a method may use of the run that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.stages import Failure
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.inputs.backgrounds import FoundBackground
from lipsync_ray.inputs.speakers import GivenTurns, SpeakerTracks, SpeakingPerson
from lipsync_ray.io.cues import Cue
from lipsync_ray.io.manifest import SOURCE, Dub
from lipsync_ray.io.results import Result
from lipsync_ray.jobs.dub.line_sounds import FittedLines
from lipsync_ray.jobs.dub.voices import DubVoice
from lipsync_ray.media.groups import Groups
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.provenance.marked_video import MarkedVideo
from lipsync_ray.settings import DubSettings


@dataclass(frozen=True)
class DubbedFace:
    """A face that a dub draws, and what was made of its video for that.

    Attributes
    ----------
    person : whose it is, and in which source frames it is drawn
    method_input : made by the method: a table of the person's face, a head's latents
    sight : URL of where the mouth is visible
    speech : what it says; None for what the whole dub does
    """

    person: SpeakingPerson
    method_input: Any
    sight: str = ""
    speech: Speech | None = None


@dataclass
class DubState(MarkedVideo):
    """A dub under way. Fields are filled in as the run gets to know them.

    Attributes
    ----------
    row : of the manifest
    video_key, audio_key : of the distinct files it is made of
    own_print : fingerprint of its files and settings, without what reviews decided
    content : identity of the video, compared whenever it is opened
    sounds : (URL, identity) of its audio files
    background : (URL, identity) of its background; None without one
    found_background : what was found in that
    finished : its row of an earlier run, whose video only needs another sound
    cues : its lines, where it has some
    voices : what its faces say; at least one
    speeches : key of a voice → what was found in it
    fitted : how lines, or several voices, are mixed; None of one sound
    given : who speaks when in the video, as a user gives it
    info, speech, speaker, table : what was found in its files, or made of them; of several voices, the longest speech
    faces : that are drawn
    frames : of the output
    faceless, hidden : output frames that pass through: without a face, with something before its mouth
    restored : frames whose face was restored, of segments made in this run
    gpu_mb : most memory that a process which drew them had of its GPU
    before : its row of an earlier run, if that made another version of it
    groups : of the source's pictures, where they may be copied
    drawable : (source frames,) bool: something may be drawn in a frame; None as long as that is not known
    begun_before : its head was sampled, wholly or in part, by an earlier run: what it cost is not known
    """

    row: Dub
    video_key: str = ""
    audio_key: str = ""
    own_print: str = ""
    content: str = ""
    sounds: tuple[tuple[str, str], ...] = ()
    background: tuple[str, str] | None = None
    found_background: FoundBackground | None = None
    finished: Result | None = None
    cues: tuple[Cue, ...] = ()
    voices: tuple[DubVoice, ...] = ()
    speeches: dict[str, Speech] = field(default_factory=dict)
    fitted: FittedLines | None = None
    given: GivenTurns | None = None
    info: VideoInfo | None = None
    speech: Speech | None = None
    speaker: SpeakerTracks | None = None
    table: str = ""
    faces: tuple[DubbedFace, ...] = ()
    frames: int = 0
    faceless: int = 0
    hidden: int = 0
    restored: int = 0
    gpu_mb: int | None = None
    before: Result | None = None
    groups: Groups | None = None
    drawable: NDArray[np.bool_] | None = None
    begun_before: bool = False

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def heard(self) -> tuple[tuple[str, str], ...]:
        """(URL, identity) of the files besides the video that its output's sound is made of, each once."""
        behind = [] if self.background is None or self.row.background == SOURCE else [self.background]
        return tuple(dict.fromkeys([*self.sounds, *behind]))


class MethodRun(Protocol):
    """What a method may use of a run of dubs."""

    settings: DubSettings
    context: RunContext
    active: dict[str, DubState]
    persons_of: Callable[[str], tuple[str, ...]]
    """Key of a video ↦ names of the persons that are dubbed in it; none where that is not known before its faces are."""

    def url(self, *names: str) -> str:
        """A path in the run's folder."""

    def begin(self, dub: DubState) -> None:
        """Make the segments of a dub: what they need is there."""

    def row_of(self, video: DubState, status: Any, **values: Any) -> Result:
        """The row of a dub that has ended."""

    def end(self, row: Result) -> None:
        """Record a row that has ended."""

    def fail(self, video: DubState, failure: Failure) -> None:
        """End a dub with a reason."""

"""The claim about how a file was made, independent of its form (tags or manifest)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from lipsync_ray.io.results import Drawn, PartIdentity

SOFTWARE = "lipsync-ray"
_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
EDITED = f"{_TYPES}compositeWithTrainedAlgorithmicMedia"
CREATED = f"{_TYPES}trainedAlgorithmicMedia"
MARKED = (EDITED, CREATED, f"{_TYPES}algorithmicMedia", f"{_TYPES}compositeSynthetic")
"""IPTC's digital source types of media that are wholly or partly synthetic."""

Task = Literal["lips", "head", "restored", "languages"]
_DID = {
    "lips": "The lips in this video were drawn by a computer to go with another sound",
    "head": "This talking head was drawn by a computer from a picture and a sound",
    "restored": "Faces in this picture or video were drawn anew by a computer",
    "languages": "This file has dubs of one video in several languages, each drawn by a computer to go with another sound",
}


@dataclass(frozen=True)
class Network:
    """A network that drew: its name, the sha256 of its weights (empty if unknown), their licence."""

    name: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class SourceFile:
    """A source of a generated file.

    Attributes
    ----------
    role : "video", also for a picture, or "audio"
    url : where it is
    content : its identity at planning; empty: any
    """

    role: Literal["video", "audio"]
    url: str
    content: str = ""


@dataclass(frozen=True)
class MadeFile:
    """A generated video or picture, already committed.

    Attributes
    ----------
    url : where
    drawn : times and rectangles in which pixels were drawn; None if unknown
    parts : what decides the pixels of each part; None if nobody asks
    notes : what a person should know of it
    loudness_lufs, true_peak_db : measured of its first track; None if nobody asks
    """

    url: str
    drawn: tuple[Drawn, ...] | None
    parts: tuple[PartIdentity, ...] | None = None
    notes: tuple[str, ...] = ()
    loudness_lufs: float | None = None
    true_peak_db: float | None = None


@dataclass(frozen=True)
class Claim:
    """How one file was made.

    Attributes
    ----------
    title : the file's name
    task : what was done
    model : name of the model, as in the results
    networks : networks that drew
    sources : its source files
    drawn : times and rectangles in which pixels were drawn; None if unknown
    consent, rights : as in the user's table
    whole : every pixel is synthetic; no camera recorded any of it
    """

    title: str
    task: Task
    model: str
    networks: tuple[Network, ...] = ()
    sources: tuple[SourceFile, ...] = ()
    drawn: tuple[Drawn, ...] | None = None
    consent: str | None = None
    rights: str | None = None
    whole: bool = False

    @property
    def created(self) -> bool:
        """Whether it is a new video rather than an edit of one."""
        return self.whole and self.task == "head"

    @property
    def compiled(self) -> bool:
        """Whether it has its sources side by side, as they are."""
        return self.task == "languages"

    @property
    def source_type(self) -> str:
        """IPTC's digital source type."""
        return CREATED if self.whole else EDITED

    @property
    def sentence(self) -> str:
        """Description for people."""
        return f"{_DID[self.task]} ({SOFTWARE} {version(SOFTWARE)}, model {self.model})."

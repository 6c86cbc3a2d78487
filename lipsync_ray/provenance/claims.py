"""What is said of a finished file, whatever form it takes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from lipsync_ray.io.results import Drawn

SOFTWARE = "lipsync-ray"
_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
EDITED = f"{_TYPES}compositeWithTrainedAlgorithmicMedia"
CREATED = f"{_TYPES}trainedAlgorithmicMedia"
MARKED = (EDITED, CREATED, f"{_TYPES}algorithmicMedia", f"{_TYPES}compositeSynthetic")
"""IPTC's digital source types of media that a computer made, wholly or in part."""

Task = Literal["lips", "head", "restored"]
_DID = {
    "lips": "The lips in this video were drawn by a computer to go with another sound",
    "head": "This talking head was drawn by a computer from a picture and a sound",
    "restored": "Faces in this picture or video were drawn anew by a computer",
}


@dataclass(frozen=True)
class Network:
    """A network that drew: its name, the sha256 of its weights (empty where nobody knows it), their licence."""

    name: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class SourceFile:
    """A file that another one was made of.

    Attributes
    ----------
    role : "video", also of a picture, or "audio"
    url : where it is
    content : its identity when the run was planned; empty: any
    """

    role: Literal["video", "audio"]
    url: str
    content: str = ""


@dataclass(frozen=True)
class MadeFile:
    """A video or picture that is committed.

    Attributes
    ----------
    url : where
    drawn : when and where pixels were drawn in it; None where nobody knows
    """

    url: str
    drawn: tuple[Drawn, ...] | None


@dataclass(frozen=True)
class Claim:
    """What is said of one file.

    Attributes
    ----------
    title : its name
    task : what was done
    model : name of the model, as the results have it
    networks : that drew
    sources : files that it was made of
    drawn : when and where; None where nobody knows
    consent, rights : as the table has them
    whole : every pixel was made by a computer, and no camera saw any of it
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
        """Whether it is a new video, and no edit of one."""
        return self.whole and self.task == "head"

    @property
    def source_type(self) -> str:
        """IPTC's digital source type."""
        return CREATED if self.whole else EDITED

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{_DID[self.task]} ({SOFTWARE} {version(SOFTWARE)}, model {self.model})."

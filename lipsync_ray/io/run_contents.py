"""Contents of runs' folders, by job: which files a run made, which of them show people, and which are caches.

A run's own files are recognised by the pattern of their path; other files in the folder are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Use = Literal["result", "preview", "cache"]
"""A "cache" is recreated when a later run needs it; a "preview" shows people and is removed only on request."""
_HEX = "[0-9a-f]{16}"
_RANGE = r"\d+-\d+"
_RESULTS = "results, records, reports and settings"


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes
    ----------
    what : description, in the plural
    use : see :data:`Use`
    form : regular expression of its path in the run's folder
    """

    what: str
    use: Use
    form: str

    def fits(self, path: str) -> bool:
        """Whether a file is of this kind."""
        return re.fullmatch(self.form, path) is not None


def _kinds(*kinds: tuple[str, Use, str]) -> tuple[Kind, ...]:
    return tuple(Kind(*one) for one in kinds)


_RECORDS = Kind(
    _RESULTS,
    "result",
    r"run\.json|outcomes/[^/]+\.(json|jsonl|parquet)|attempts/.+|[^/]+\.parquet|report/(index\.html|tables\.md)",
)
_UNFINISHED = Kind("files that a killed process was writing", "cache", r"(.+/)?\.[^/]+\.\d+-[0-9a-f]{8}\.tmp")
_FACES = _kinds(
    ("face tables: boxes and landmarks of every face of a source", "cache", rf"faces/[^/]*-{_HEX}\.parquet"),
    ("face tables: boxes and landmarks of every face of a source", "cache", rf"faces/parts/.+/{_RANGE}\.npz"),
)
_SPEAKERS = _kinds(
    (
        "who speaks when in a source, by mouths and sound",
        "cache",
        rf"faces/speakers/({_HEX}\.json|parts/.+/{_RANGE}\.npz)",
    ),
)
_SOUND = _kinds(
    (
        "features of voices, and when somebody speaks",
        "cache",
        rf"sources/{_HEX}(-\d+)?\.(speech-mel|mel|whisper|mfcc|voice|background)[^/]*",
    ),
)
_PARTS = _kinds(
    ("parts of videos that are not finished", "cache", rf"parts/[^/]+/[^/]*{_HEX}-{_RANGE}\.(mp4|mov|mkv|png)")
)
_BEFORE_AFTER = _kinds(
    ("faces before and after restoration", "preview", r"pictures/[^/]+\.png|pictures/[^/]+-strip\.jpg"),
    ("faces before and after restoration", "preview", r"pictures/parts/[^/]+/\d+\.png"),
)
_VIDEOS = _kinds(
    ("videos and pictures", "result", r"videos/[^/]+\.(mp4|mov|mkv|webm)|images/[^/]+\.png"),
    ("files with all languages of a video", "result", r"one-file/[^/]+\.(mp4|mov|mkv|webm)"),
    ("labels that frames show", "result", rf"labels/{_HEX}\.png"),
)
_OF: Mapping[str, tuple[Kind, ...]] = {
    "dub": (
        *_VIDEOS,
        Kind(_RESULTS, "result", r"index\.html|speakers\.csv|reviewed\.json"),
        *_FACES,
        *_SPEAKERS,
        *_kinds(
            ("a picture of each person of a source", "preview", rf"faces/people/{_HEX}-\d+\.jpg"),
            ("landmarks of speaking faces, and how their mouths move", "cache", rf"faces/meshes/{_HEX}\.mesh(\.mouths|\.sight)?"),
            ("landmarks of speaking faces, and how their mouths move", "cache", rf"faces/meshes/parts/.+/{_RANGE}\.np[yz]"),
            ("encodings of speaking faces, from which they can be drawn", "cache", rf"faces/encodings/{_HEX}(\.json|\.sight|/{_RANGE}\.npz)"),
            ("latents of heads, from which they can be drawn", "cache", rf"heads/{_HEX}(\.latents|/\d+)"),
        ),
        *_SOUND,
        *_kinds(
            ("what each speaker of a dub's lines says", "cache", rf"lines/{_HEX}\.wav"),
            (_RESULTS, "result", r"lines\.csv"),
            ("voices of dubs without the background, which evaluate listens to", "preview", r"voices/[^/]+\.flac"),
        ),
        *_PARTS,
        *_BEFORE_AFTER,
    ),
    "enhance": (*_VIDEOS, *_FACES, *_PARTS, *_BEFORE_AFTER),
    "evaluate": (
        Kind(_RESULTS, "result", r"metrics/.+|fid/.+|warnings\.csv"),
        *_FACES,
        *_SOUND,
        *_kinds(
            ("features of voices, and when somebody speaks", "cache", rf"sources/{_HEX}(-\d+)?\.[^/]+\.npz"),
            ("face tracks, and how lips move", "cache", rf"tracks/[^/]+-{_HEX}\.npz|lips/.+\.npz"),
            ("parts of scores that are not finished", "cache", rf"parts/[^/]+-{_HEX}/{_RANGE}\.npz"),
            ("strips and players of the report", "preview", r"media/[^/]+-[0-9a-f]{12}(\.jpg|\.webm|-restored\.jpg)|media/(preview_frames|cuttings)/.+\.npz"),
        ),
    ),
    "analyze": (
        Kind(_RESULTS, "result", r"index\.html|(warnings|speakers)\.csv|[^/]+/report\.txt"),
        *_FACES,
        *_SPEAKERS,
        *_SOUND,
        *_kinds(
            ("a picture of each person of a video", "preview", r"people/[^/]+-\d+\.jpg"),
            ("faces, and the second of sound around each", "preview", r"[^/]+/faces/\d+-\d+\.png|[^/]+/clips/\d+\.wav"),
            ("thumbnails", "preview", r"[^/]+/thumbnail\.jpg"),
        ),
    ),
    "train": (
        Kind(_RESULTS, "result", r"model\.safetensors|[^/]+\.(md|csv|png|json)|checkpoints/.+"),
        *_kinds(("landmarks, mouths and voices of the clips", "cache", rf"clips/{_HEX}\.npz|corpus/{_HEX}/[^/]+\.(raw|npz)")),
    ),
}  # fmt: skip

JOBS = tuple(_OF)


def kind_of(job: str, path: str) -> Kind | None:
    """Kind of a file in a run's folder; None if no run of this job makes it."""
    return next((kind for kind in (_RECORDS, _UNFINISHED, *_OF[job]) if kind.fits(path)), None)


def cache_folders(job: str) -> set[str]:
    """Names of the folders that contain a job's caches and previews."""
    first = {kind.form.partition("/")[0] for kind in _OF[job] if kind.use != "result"}
    return {name for name in first if name.isalpha()}

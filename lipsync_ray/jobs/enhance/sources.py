"""What is to be enhanced: the dubs of a finished run, or any videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from lipsync_ray.errors import LipsyncError, ManifestError
from lipsync_ray.faces.choices import DubbedFaces, FaceChoice, Pads
from lipsync_ray.io import storage, user_tables
from lipsync_ray.io.names import Source, unique_ids
from lipsync_ray.io.results import FILE, Result, read_results
from lipsync_ray.io.run_folder import drawn_anew, record_of
from lipsync_ray.media.choices import Deinterlace, Loop
from lipsync_ray.media.probe import DEFAULT_STILL_RATE


@dataclass(frozen=True)
class EnhanceInput:
    """One video to enhance.

    Attributes
    ----------
    row : what the results say of it so far; its `output` is the video
    face_table : of the dub's source, as the dub job left it; None where the video's own faces have to be found
    face : whose faces
    loop : how the dub went on where its source was too short; None where frame k belongs to frame k
    still_rate : frames/s of a source that is a picture
    pads : by which the dub's crops grew
    deinterlace : how the dub read an interlaced source
    """

    row: Result
    face_table: str | None = None
    face: DubbedFaces = "all"
    loop: Loop | None = None
    still_rate: Fraction = DEFAULT_STILL_RATE
    pads: Pads = field(default_factory=Pads)
    deinterlace: Deinterlace = "estdif"

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def video(self) -> str:
        """The finished video."""
        return self.row.output or ""


def read_items(sources: Sequence[str], face: FaceChoice | None) -> tuple[list[EnhanceInput], dict[str, Any]]:
    """The items of one run folder, or of videos; and the run's settings, empty for videos.

    Parameters
    ----------
    face : overrides the run's rule, or "all" of a video

    Raises
    ------
    ManifestError : a file is missing, or a folder is no finished run
    """
    if len(sources) == 1 and _is_folder(sources[0]):
        return _of_run(sources[0].rstrip("/"), face)
    urls = [storage.absolute(source) for source in sources]
    problems = list(user_tables.missing_files([{"video": url} for url in urls], ["video"]))
    if problems:
        raise ManifestError(", ".join(sources), problems)
    names = unique_ids([Source(url) for url in urls])
    rows = [Result(name, url, url, None, "done", output=url) for name, url in zip(names, urls, strict=True)]
    return [EnhanceInput(row, face=face or "all") for row in rows], {}


def _is_folder(source: str) -> bool:
    return not PurePosixPath(storage.name_of(source)).suffix or user_tables.is_folder(storage.absolute(source))


def _of_run(folder: str, face: FaceChoice | None) -> tuple[list[EnhanceInput], dict[str, Any]]:
    try:
        settings = record_of(folder, "dub", "enhance")["settings"]
        results = read_results(folder)
        items = [
            EnhanceInput(
                row,
                None if drawn_anew(settings) else row.face_table,  # a head that was drawn anew has faces of its own
                face or settings["face"],
                None if drawn_anew(settings) else settings["loop"],
                Fraction(settings["still_rate"]),
                Pads(**settings["pads"]),
                settings.get("deinterlace", "estdif"),
            )
            for row in results
        ]
    except FileNotFoundError:
        raise ManifestError(
            folder, [f"neither a video nor the folder of a finished dub run (no run.json and {FILE} in it)"]
        ) from None
    except ManifestError:
        raise
    except (OSError, LipsyncError, ValueError, KeyError) as error:
        raise ManifestError(folder, [f"not a dub run: {error}"]) from error
    return items, settings

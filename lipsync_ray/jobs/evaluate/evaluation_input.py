"""Inputs of an evaluation: the dubs of a finished run, or the rows of a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from lipsync_ray.errors import LipsyncError, ManifestError
from lipsync_ray.faces.choices import DubbedFaces, FaceChoice, Pads
from lipsync_ray.io import storage
from lipsync_ray.io.names import Source
from lipsync_ray.io.results import FILE, VOICES, Result, read_results
from lipsync_ray.io.run_folder import drawn_anew, record_of
from lipsync_ray.io.turns import Turn
from lipsync_ray.io.user_tables import ID, Column, Row, is_table, read_rows
from lipsync_ray.media.choices import Deinterlace, Loop
from lipsync_ray.media.probe import DEFAULT_STILL_RATE
from lipsync_ray.restoration import previews

COLUMNS = (
    Column("video", required=True, file="must"),
    Column("reference", file="may"),
    ID,
    Column("language"),
    Column("model"),
)


@dataclass(frozen=True)
class EvaluationInput:
    """One video to score.

    Attributes
    ----------
    id : names it in every table
    video : the dubbed video
    reference : its source video, or a recording of the same frames; None without one
    language, model : groups of the summary
    face_table : of the reference, from the dub job; None to detect the video's own faces
    source_table : of the reference of a generated head: frames do not correspond, so only distributions are compared
    face : rule that selects the scored tracks
    turns : who was dubbed when, in the reference's time: selects the tracks instead, where the reference's face table is there
    loop : how the dub extended a too short reference; None if frame k corresponds to frame k
    still_rate : frames/s of a still reference
    pads : of the dub's crops
    deinterlace : how the dub read an interlaced reference
    voice : URL of the voice without its background, which is scored instead of the video's sound; None for that one
    strip : URL of the run's picture of source, dub and restored face, which may not exist
    skip_reason : why there is no video to score
    drawn_per_s : frames per second of the dub's work; None if unknown, or if an earlier run made some
    gpu_mb : GPU memory in MB; None on a CPU
    consent : whether the run's table has a consent; None without a run
    """

    id: str
    video: str
    reference: str | None = None
    language: str | None = None
    model: str | None = None
    face_table: str | None = None
    source_table: str | None = None
    face: DubbedFaces = "all"
    turns: tuple[Turn, ...] | None = None
    loop: Loop | None = None
    still_rate: Fraction = DEFAULT_STILL_RATE
    pads: Pads = field(default_factory=Pads)
    deinterlace: Deinterlace = "estdif"
    voice: str | None = None
    strip: str | None = None
    skip_reason: str | None = None
    drawn_per_s: float | None = None
    gpu_mb: int | None = None
    consent: bool | None = None


def consents(items: Iterable[EvaluationInput]) -> int | None:
    """Number of a run's rows with a consent; None without a run."""
    named = [item.consent for item in items if item.consent is not None]
    return sum(named) if named else None


def read_inputs(source: str, face: FaceChoice | None) -> list[EvaluationInput]:
    """Read the items of a run folder or a table.

    Parameters
    ----------
    face : overrides the run's rule, or a table's "all"

    Raises
    ------
    ManifestError : neither, or a table with problems
    """
    if is_table(source) and storage.name_of(source) != FILE:
        return _of_table(source, face or "all")
    folder = source.rstrip("/").removesuffix(f"/{FILE}")
    try:
        record = record_of(folder, "dub", "enhance")
        results = read_results(folder)
    except FileNotFoundError:
        raise ManifestError(
            source,
            [
                f"neither a table (.csv, .jsonl, .parquet) nor the folder of a finished run (no run.json and {FILE} "
                "in it)"
            ],
        ) from None
    except ManifestError:
        raise
    except (OSError, LipsyncError, ValueError) as error:
        raise ManifestError(source, [f"cannot be read: {error}"]) from error
    settings = record["settings"]
    own_faces = drawn_anew(settings)
    voices = storage.list_names(storage.join(folder, VOICES))
    return [
        EvaluationInput(
            id=result.id,
            video=result.output or "",
            reference=result.video,
            language=result.language,
            model=result.model or record["model"]["name"],
            face_table=None if own_faces else result.face_table,
            source_table=result.face_table if own_faces else None,
            face=face or settings["face"],
            turns=result.turns if face is None else None,
            loop=settings["loop"],
            still_rate=Fraction(settings["still_rate"]),
            pads=Pads(**settings["pads"]),
            deinterlace=settings.get("deinterlace", "estdif"),
            voice=_voice_of(result, folder, voices),
            strip=previews.strip_url(storage.join(folder, previews.FOLDER), result.id),
            skip_reason=None if result.status == "done" else f"was not dubbed: {result.status}: {result.error}",
            drawn_per_s=result.drawn_per_s,
            gpu_mb=result.gpu_mb,
            consent=result.consent is not None,
        )
        for result in results
    ]


def _voice_of(result: Result, folder: str, voices: Collection[str]) -> str | None:
    """URL of a dub's voice without its background: of its folder, which may have been moved, or of the run that was enhanced.

    Parameters
    ----------
    voices : names of files in the folder's own
    """
    if result.voice is None:
        return None
    name = storage.name_of(result.voice)
    if name in voices:
        return storage.join(folder, VOICES, name)
    return result.voice if storage.exists(result.voice) else None


def _of_table(url: str, face: FaceChoice) -> list[EvaluationInput]:
    return [
        EvaluationInput(row["id"] or "", row["video"] or "", row["reference"], row["language"], row["model"], face=face)
        for row in read_rows(url, COLUMNS, _source_of)
    ]


def _source_of(row: Row) -> Source:
    return Source(
        row["video"] or "", (row["model"],) if row["model"] else (), (row["language"],) if row["language"] else ()
    )

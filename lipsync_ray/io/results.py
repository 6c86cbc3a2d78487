"""The rows of results.parquet, of the dub job and of the enhance job."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from lipsync_ray.io import storage
from lipsync_ray.io.formatting import number, text_or_dash
from lipsync_ray.io.manifest import Voice
from lipsync_ray.io.records import Records
from lipsync_ray.io.spoken_lines import SpokenLine
from lipsync_ray.io.turns import Turn

FILE = "results.parquet"
VOICES = "voices"  # folder of the voices of dubs with a background
ONE_FILE = "one-file"  # folder of files with all languages of a video
Status = Literal["done", "failed", "no_face"]


@dataclass(frozen=True)
class Drawn:
    """When and where pixels were generated.

    Attributes
    ----------
    start_s, stop_s : seconds of the output
    x, y, width, height : in pixels of the output: rectangle that contains them all in that time
    """

    start_s: float
    stop_s: float
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class PartIdentity:
    """What decides the pixels of a part, output frames [start, stop) of a video, in a digest."""

    start: int
    stop: int
    digest: str


@dataclass(frozen=True)
class Result:
    """Result of one row of the manifest.

    Attributes
    ----------
    id, video, audio, language : as in the manifest; of several voices, the first one's audio
    status : "done"; "failed", with a reason; "no_face" if no frame has a face to dub
    stage : where it failed
    error : reason, and what to do
    output : the finished video
    model : name of the generator
    frames : of the output
    faceless_frames : of these, passed through because no face was found, or no landmarks if the model needs them
    hidden_frames : of these, passed through because the mouth was occluded; None in rows of older versions
    restored_frames : of these, with a restored face; None without --restore, or if an earlier run made some
    tracks : faces tracked in the source
    seconds : of work, over all stages and workers; None for a head that an earlier run sampled, wholly or in part
    duration_s : of the output
    rate : frames/s of the output, as a fraction
    width, height : of the source, upright; for a generated head, its own
    segments : rows of work the dub was split into
    reused_segments : of these, committed by an earlier run, or taken from an earlier version
    copied_frames, reused_frames, made_frames : of the output: the source's own packets, of reused segments, encoded by this run; None
        in rows of older versions and of enhance
    attempts : largest number of processes that one of its segments needed
    face_table : of its source video
    fingerprint : of inputs, settings and weights
    warnings : problems that did not stop the dub, one sentence each
    gpu_mb : peak GPU memory in MB of a process that drew it, all its networks together; None on a CPU
    run : id of the run that ended this row, as in run.json; an earlier run's if the row was reused
    consent, rights : as in the manifest
    provenance : statements in the output: "none", "tags", "c2pa"
    signer : sha256 of the signing certificate
    mark : hash of all statements in the output
    drawn : when and where pixels were generated; None if unknown
    watermark : id in the pixels' mark; None without one
    label : text over the frames; None without one
    speakers : as in the manifest, or the file of --speakers
    turns : who of the source's people was dubbed when, in its time; None if faces were not chosen by who speaks
    cues : as in the manifest
    voices : as in the manifest, one a row of its id; empty of a dub that names no face
    lines : of `cues`, what became of each; None without
    background : as in the manifest, or that of --background; None without one
    sound : digest of what the output sounds like besides the voice; None where all is as by default
    voice : URL of the voice of a dub with a background, without that
    loudness_lufs, true_peak_db : measured of the output's first track, in LUFS and dBTP; None where no level was asked for
    parts : what decides the pixels of each part, so that a later version can reuse those that stay the same
    one_file : the file that has this dub beside those of its video in other languages; None without
    one_file_digest : of what is in that
    """

    id: str
    video: str
    audio: str | None
    language: str | None
    status: Status
    stage: str | None = None
    error: str | None = None
    output: str | None = None
    model: str | None = None
    frames: int | None = None
    faceless_frames: int | None = None
    restored_frames: int | None = None
    tracks: int | None = None
    seconds: float | None = None
    duration_s: float | None = None
    rate: str | None = None
    width: int | None = None
    height: int | None = None
    segments: int | None = None
    reused_segments: int | None = None
    attempts: int | None = None
    face_table: str | None = None
    fingerprint: str | None = None
    warnings: tuple[str, ...] = ()
    run: str | None = None
    gpu_mb: int | None = None
    hidden_frames: int | None = None
    consent: str | None = None
    rights: str | None = None
    provenance: str | None = None
    signer: str | None = None
    mark: str | None = None
    drawn: tuple[Drawn, ...] | None = None
    watermark: str | None = None
    label: str | None = None
    speakers: str | None = None
    turns: tuple[Turn, ...] | None = None
    cues: str | None = None
    voices: tuple[Voice, ...] = ()
    lines: tuple[SpokenLine, ...] | None = None
    parts: tuple[PartIdentity, ...] | None = None
    copied_frames: int | None = None
    reused_frames: int | None = None
    made_frames: int | None = None
    background: str | None = None
    sound: str | None = None
    voice: str | None = None
    loudness_lufs: float | None = None
    true_peak_db: float | None = None
    one_file: str | None = None
    one_file_digest: str | None = None

    @property
    def drawn_per_s(self) -> float | None:
        """Frames per second of work, without copied ones; None if unknown, or if an earlier run made some."""
        if not self.frames or not self.seconds or self.reused_segments:
            return None
        return round((self.frames - (self.copied_frames or 0)) / self.seconds, 3)


def line_of(result: Result) -> str:
    """Format a row as one line."""
    ended = f"{text_or_dash(result.frames)} frames, {number(result.seconds, 1)} s of work"
    return f"{result.id}: {result.status}, {ended}" + (f"; {result.stage}: {result.error}" if result.error else "")


@dataclass(frozen=True)
class Summary:
    """Result of a run.

    Attributes
    ----------
    results : one per row of the manifest, in its order
    results_url : of results.parquet
    detected_videos : distinct videos whose faces were detected in this run
    seconds : wall time
    """

    results: list[Result]
    results_url: str
    detected_videos: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every row is done."""
        return all(result.status == "done" for result in self.results)


RESULTS = Records(Result, FILE)


def read_results(out: str) -> list[Result]:
    """The rows of a run's results.parquet."""
    return RESULTS.read_table(out)


def has_output(out: str, folders: Iterable[str]) -> Callable[[Result], bool]:
    """Make a check that a row's output still exists in one of these folders of the run.

    A row without a face has no output; a failed row is tried again.
    """
    there: set[str] = set().union(*(storage.list_names(storage.join(out, folder)) for folder in folders))

    def usable(result: Result) -> bool:
        made = result.status == "done" and storage.name_of(result.output or "") in there
        return made or result.status == "no_face"

    return usable

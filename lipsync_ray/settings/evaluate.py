"""What decides a score."""

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any, Literal

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.choices import FaceChoice
from lipsync_ray.settings.checks import check, values_of
from lipsync_ray.settings.options import Option, described

Protocol = Literal["real", "lrs"]
ScorerName = Literal["syncnet", "mini-sync"]
FID_DIMS = (64, 192, 768, 2048)


_SAMPLE = re.compile(r"([0-9]+)|([0-9]+(?:\.[0-9]+)?)%")


@described
@dataclass(frozen=True)
class SampleSettings:
    """Which rows are scored; changes no score."""

    sample: Annotated[
        str | None,
        Option(
            "Score only so many rows, such as 500 or 5%, drawn from each language, model and source video by its share. A larger "
            "sample contains the smaller one. Default: all rows.",
            panel="Rows",
            metavar="N[%]",
        ),
    ] = None
    seed: Annotated[
        int | None,
        Option("For --sample: another seed draws other rows. Default: 0.", panel="Rows", least=0),
    ] = None
    only_new: Annotated[
        bool,
        Option(
            "Score only rows for which OUT has no score: new ones, and those whose files have changed. Rows that failed before "
            "are not tried again, and scores of rows that the table no longer has stay in the tables.",
            panel="Rows",
        ),
    ] = False

    def __post_init__(self) -> None:
        check(self)
        if self.sample is None:
            if self.seed is not None:
                raise SettingsError(f"--seed {self.seed}: for --sample alone; leave it out")
            return
        found = _SAMPLE.fullmatch(self.sample)
        if not found or not 0 < float(found[1] or found[2]) <= (100 if found[2] else math.inf):
            raise SettingsError(
                f"--sample {self.sample}: expected a number of rows, such as 500, or a part of them, such as 5%"
            )

    def count_of(self, rows: int) -> int:
        """How many of so many rows are scored: at least one of any, at most all."""
        if self.sample is None:
            return rows
        asked = Fraction(self.sample.removesuffix("%"))
        count = math.ceil(rows * asked / 100) if self.sample.endswith("%") else int(asked)
        return min(rows, count)


@described
@dataclass(frozen=True)
class EvaluateSettings:
    """What decides a score. Two evaluations with equal settings and inputs give the same numbers."""

    scorer: Annotated[
        ScorerName, Option("syncnet (LSE-D, LSE-C), or mini-sync (bundled, its own numbers).", panel="Sync")
    ] = "syncnet"
    scorer_weights: Annotated[str | None, Option("A file to use instead of the registered weights.", panel="Sync")] = (
        None
    )
    protocol: Annotated[
        Protocol, Option("real: face tracks; lrs: the whole frame, for face-centred clips.", panel="Sync")
    ] = "real"
    min_track: Annotated[
        int,
        Option("A face track counts if it is seen in more frames, at 25 a second.", panel="Sync", least=0),
    ] = 100
    min_face: Annotated[
        int | None,
        Option(
            "… and its face is larger, in pixels. Default: 100 for syncnet, 40 for mini-sync.", panel="Sync", least=0
        ),
    ] = None
    face: Annotated[
        FaceChoice | None,
        Option(
            "Whose tracks: all, largest, center, left, right. Default: the dubbed face of a run, all of a table.",
            panel="Sync",
        ),
    ] = None
    fid: Annotated[str, Option("inception, a file of its weights, or none to leave FID out.", panel="FID")] = (
        "inception"
    )
    dims: Annotated[int, Option(f"Inception features: {', '.join(map(str, FID_DIMS))}.", panel="FID")] = 2048
    fid_every: Annotated[int, Option("Use every Nth frame (25 fps).", panel="FID", least=1)] = 5
    judges: Annotated[
        bool,
        Option(
            "Measure the lips, and compare them with what a network never used to train a generator hears.",
            panel="Judges",
        ),
    ] = True
    rows: Annotated[SampleSettings, "which rows are scored; changes no score"] = field(default_factory=SampleSettings)

    def __post_init__(self) -> None:
        check(self)
        if self.protocol == "lrs" and self.scorer != "syncnet":
            raise SettingsError(f"--protocol lrs scores whole frames, which {self.scorer} cannot; use --protocol real")
        if self.dims not in FID_DIMS:
            raise SettingsError(f"--dims {self.dims}: expected one of {', '.join(map(str, FID_DIMS))}")

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return values_of(self)

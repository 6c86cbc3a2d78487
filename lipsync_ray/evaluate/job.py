"""The evaluation job from subjects to tables and report.

    look at every file ► faces, where no table is at hand ► scores: watch ► score ► judge ► FID: sums ► tables ► report

What an earlier run committed under the same fingerprint is kept: scores, face tables, sound features, stretches, sums.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version

from rich.console import Console

from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import started
from lipsync_ray.evaluate import scores
from lipsync_ray.evaluate.fid import Fid
from lipsync_ray.evaluate.passes import score_videos, sum_pictures
from lipsync_ray.evaluate.prepare import prepare
from lipsync_ray.evaluate.scores import Score
from lipsync_ray.evaluate.show import DETAILS, show_videos
from lipsync_ray.evaluate.state import Evaluation
from lipsync_ray.evaluate.subjects import Subject
from lipsync_ray.evaluate.summary import csv_text, flat_rows, groups, markdown, parquet, score_row
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_writable
from lipsync_ray.models import inception, scorers, weights
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.settings import EvaluateSettings, Workers

METRICS = "metrics"
_VERSIONS_OF = ("lipsync-ray", "ray", "torch", "av", "numpy", "pytorch-fid")


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation came to.

    Attributes
    ----------
    scores : one per subject, in their order
    fids : one per group; empty where FID was left out
    out : the folder
    seconds : wall time
    """

    scores: list[Score]
    fids: list[Fid]
    out: str
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every video was scored."""
        return all(score.status == "scored" for score in self.scores)


def run(
    subjects: list[Subject],
    settings: EvaluateSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
    details: int = DETAILS,
) -> Evaluated:
    """Score every subject and write the tables.

    Parameters
    ----------
    out : folder, path or fsspec URL
    details : most videos that get pictures and a player in the report, worst first

    Raises
    ------
    WeightsError, CheckpointError, SettingsError, ClusterError : before anything is started
    """
    check_writable(out)
    scorer = scorers.resolve(settings.scorer, settings.scorer_weights, fetching)
    fid_weights = None if settings.fid == "none" else inception.resolve(settings.fid, fetching)
    out = storage.absolute(out)
    with started(workers) as engine:
        allocate(engine.cluster, workers, alone=True)
        this = Evaluation(subjects, settings, workers, out, console, engine, scorer.sha256)
        prepare(this)
        score_videos(this, scorer)
        fids = sum_pictures(this, fid_weights) if fid_weights else []
        ordered = [this.scores[subject.id] for subject in subjects]
        show_videos(this, ordered, details)
        _write(this, ordered, scorer, fids, fid_weights)
        storage.remove(this.url("attempts"))
        return Evaluated(ordered, fids, out, time.time() - this.began)


def _write(
    this: Evaluation, ordered: list[Score], scorer: Checkpoint, fids: list[Fid], fid_weights: Checkpoint | None
) -> None:
    """Commit the tables and run.json."""
    settings = this.settings
    rows = groups(ordered, fids)
    flat = flat_rows(rows)
    videos = [score_row(score) for score in ordered]
    scores.write_scores(this.url(METRICS, scores.FILE), ordered)
    files = {
        "videos.csv": csv_text(videos).encode(),
        "groups.parquet": parquet(flat),
        "groups.csv": csv_text(flat).encode(),
        "tables.md": markdown(ordered, rows).encode(),
        "fid.json": json.dumps([asdict(fid) for fid in fids], indent=1).encode(),
    }
    for name, data in files.items():
        storage.commit_bytes(this.url(METRICS, name), data)
    counts = {status: sum(s.status == status for s in ordered) for status in ("scored", "not_scored", "failed")}
    record = {
        "run": this.id,
        "job": "evaluate",
        "settings": settings.record(),
        "scorer_weights": scorer.record(),
        "fid_weights": fid_weights and fid_weights.record(),
        "workers": asdict(this.crew.workers),
        "versions": {name: version(name) for name in _VERSIONS_OF},
        "began": this.began,
        "ended": time.time(),
        "status": counts,
    }
    storage.commit_bytes(this.url("run.json"), json.dumps(record, indent=1).encode())

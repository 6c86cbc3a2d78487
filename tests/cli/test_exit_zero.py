"""What a command's exit status says of its rows, with and without --exit-zero."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import typer
from typer.main import get_command

import lipsync_ray.api
from lipsync_ray.cli import app
from lipsync_ray.cli.options import end
from lipsync_ray.engine.stages import ENGINE
from lipsync_ray.errors import StorageError
from lipsync_ray.io.results import Result, Summary


@dataclass
class Row:
    id: str = "a"
    status: str = "failed"
    fingerprint: str | None = None
    stage: str | None = None


@pytest.mark.parametrize(
    ("rows", "exit_zero", "status"),
    [
        ([Row(status="done")], False, 0),
        ([Row(status="done")], True, 0),
        ([Row(status="done"), Row(stage="probe")], False, 1),
        ([Row(status="done"), Row(stage="probe")], True, 0),
        ([Row(status="no_face", stage="detect")], True, 0),
        ([Row(stage=ENGINE)], True, 1),
        ([Row(stage="probe"), Row(stage=ENGINE)], True, 1),
    ],
)
def test_rows_that_cannot_be_made_are_results_and_a_broken_engine_is_none(rows, exit_zero, status):
    with pytest.raises(typer.Exit) as ended:
        end(all(row.status == "done" for row in rows), rows, exit_zero)
    assert ended.value.exit_code == status


@pytest.mark.parametrize("command", ["dub", "enhance", "evaluate", "analyze", "train"])
def test_every_job_has_it(command):
    options = {option for one in get_command(app.app).commands[command].params for option in one.opts}
    assert "--exit-zero" in options


def lipsync(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["lipsync-ray", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code or 0


def dub_of(monkeypatch, outcome):
    def run(*arguments, **options):
        if isinstance(outcome, Exception):
            raise outcome
        return Summary([outcome], "out/results.parquet", 0, 1.0)

    monkeypatch.setattr(lipsync_ray.api, "_dub", run)


@pytest.mark.parametrize(("words", "status"), [((), 1), (("--exit-zero",), 0)])
@pytest.mark.parametrize("what", ["table", "pair", "enhance"])
def test_a_bad_row_and_a_run_that_ended(what, words, status, tmp_path, demo_inputs, monkeypatch):
    bad = Result("a", "v", "a", None, "failed", stage="probe", error="cut off")
    dub_of(monkeypatch, bad)
    monkeypatch.setattr(lipsync_ray.api, "enhance", lambda *a, **o: Summary([bad], "out/results.parquet", 0, 1.0))
    given = {
        "table": ("dub", demo_inputs / "manifest.csv", "--model", "warp"),
        "pair": ("dub", demo_inputs / "pan.mp4", demo_inputs / "en.ogg", "--model", "warp"),
        "enhance": ("enhance", demo_inputs / "pan.mp4"),
    }[what]
    assert lipsync(monkeypatch, *given, "-o", tmp_path / "out", *words) == status


@pytest.mark.parametrize("job", ["analyze", "evaluate", "train"])
def test_the_other_jobs_end_by_the_same_rule(job, tmp_path, demo_inputs, monkeypatch):
    from lipsync_ray.cli import analyze, evaluate, train

    ended = []
    for module in (analyze, evaluate, train):
        monkeypatch.setattr(module, "end", lambda complete, rows, exit_zero: ended.append((complete, exit_zero)))
        monkeypatch.setattr(module, "_print", lambda *arguments: None, raising=False)
    found = SimpleNamespace(
        complete=False, analyses=[], scores=[], rows=[], measured={}, steps=[1], seconds=1.0, model="m", out="o"
    )
    monkeypatch.setattr(lipsync_ray.api, job, lambda *arguments, **options: found)
    table = tmp_path / "t.csv"
    table.write_text(f"video\n{demo_inputs}/pan.mp4\n")
    words = {"analyze": ("analyze", table), "evaluate": ("evaluate", table), "train": ("train", "pose", table)}[job]
    assert lipsync(monkeypatch, *words, "-o", tmp_path / "out", "--exit-zero") == 0
    assert ended == [(False, True)]


def test_what_broke_is_no_result(tmp_path, demo_inputs, monkeypatch):
    dub_of(monkeypatch, StorageError("s3://bucket/out: no answer"))
    words = ("dub", demo_inputs / "manifest.csv", "--model", "warp", "-o", tmp_path / "out", "--exit-zero")
    assert lipsync(monkeypatch, *words) == 1

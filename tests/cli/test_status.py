"""``lipsync-ray status``: a run, told from its folder."""

import json
import sys

import pytest

from lipsync_ray.cli import app
from lipsync_ray.cli.status import _cells
from lipsync_ray.engine import occupancy
from lipsync_ray.io.formatting import NONE

PASS = {"name": "lips", "unit": "segments", "rows": 40, "done": 10, "failed": 1, "frames": 4000, "frames_done": 1000,
        "seconds": 20.0, "stages": {"crop": 5.0, "sync": 30.0, "compose": 5.0}}  # fmt: skip
RECORD = {"job": "dub", "run": "1-a", "rows": 3, "began": 1000.0, "ended": None, "status": {}, "passes": []}


def run(monkeypatch, capsys, folder):
    monkeypatch.setattr(sys, "argv", ["lipsync-ray", "status", str(folder)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        app.main()
    said = capsys.readouterr()
    return ended.value.code or 0, said.out + said.err


def outcomes(folder, **statuses):
    (folder / "outcomes").mkdir()
    for name, status in statuses.items():
        (folder / "outcomes" / f"{name}.json").write_text(json.dumps({"id": name, "status": status}))


def test_a_run_that_has_ended(tmp_path, monkeypatch, capsys):
    ended = RECORD | {"ended": 1065.0, "status": {"done": 2, "no_face": 1}, "passes": [PASS | {"done": 40}]}
    (tmp_path / "run.json").write_text(json.dumps(ended))
    status, said = run(monkeypatch, capsys, tmp_path)
    assert status == 0
    assert "dub 1-a: has ended after 1:05; 3 rows: 2 done, 1 no face" in said
    assert "40/40 segments" in said
    assert "sync, 75% of the work" in said


def test_a_run_that_lives_says_what_is_left(tmp_path, monkeypatch, capsys):
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    outcomes(tmp_path, a="done", b="failed")
    me = occupancy._process(occupancy.os.getpid())
    monkeypatch.setattr(occupancy, "_OWN_RUNS", {"x"})
    note = {"id": "x", "place": occupancy._machine(), "host": "here", "process": me, "beat": 4, "passes": [PASS]}
    (tmp_path / "running.json").write_text(json.dumps(note))
    status, said = run(monkeypatch, capsys, tmp_path)
    assert status == 0
    assert f"(process {me.split('-')[0]} on here); 3 rows: 1 done, 1 failed, 1 left" in said
    assert "10/40 segments" in said
    assert "50.0" in said  # 1000 frames in 20 s
    assert "1:00" in said  # the other 3000


def test_a_run_that_was_killed(tmp_path, monkeypatch, capsys):
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    note = {"id": "x", "place": occupancy._machine(), "host": "here", "process": "1-0", "beat": 4, "passes": [PASS]}
    (tmp_path / "running.json").write_text(json.dumps(note))
    status, said = run(monkeypatch, capsys, tmp_path)
    assert status == 1
    assert "was ended from outside: run the same command again (process 1 on here); 3 rows: 3 left" in said


@pytest.mark.parametrize(("text", "expected"), [(None, "no run was started here"), ("{}", "was not written by")])
def test_a_folder_without_a_run(tmp_path, monkeypatch, capsys, text, expected):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    status, said = run(monkeypatch, capsys, tmp_path)
    assert status == 2
    assert expected in said


@pytest.mark.parametrize(("limit", "left"), [({}, "0:30"), ({"limit": 25.0}, "0:05")])
def test_a_pass_without_frames_tells_the_time_left(limit, left):
    state = {
        "name": "pose 0", "unit": "steps", "rows": 100, "done": 70, "before": 50, "failed": 0, "frames": 0, "frames_done": 0,
        "seconds": 20.0, "bytes": 0, "stages": {}, "cpu": {},
    }  # fmt: skip
    assert _cells(state | limit, running=True)[4] == left
    assert _cells(state | limit, running=False)[4] == NONE


@pytest.mark.parametrize("inside", ["", "x", "x/y"])
def test_a_place_under_a_file_holds_no_run(inside, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("x")
    status, said = run(monkeypatch, capsys, tmp_path / "file" / inside)
    assert status == 2
    assert "no run was started here" in said

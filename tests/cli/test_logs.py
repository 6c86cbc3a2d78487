"""The package's log: why rows failed, in a file, in the terminal, or for whoever attaches a handler."""

import io
import logging
import sys
from pathlib import Path

import pytest
from rich.console import Console

import lipsync_ray
from lipsync_ray.cli import app
from lipsync_ray.cli.logs import end_logs, log_to
from lipsync_ray.engine.failures import FailureLog
from lipsync_ray.engine.stages import Failure, guarded
from lipsync_ray.errors import ProbeError, SettingsError

JOBS = ("dub", "demo", "analyze", "enhance", "evaluate", "train", "calibrate")
BROKEN = Failure("crop", "KeyError: 'x'", "Traceback (most recent call last):\n  …\nKeyError: 'x'\n")


@pytest.fixture(autouse=True)
def closed():
    yield
    end_logs()


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["lipsync-ray", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code or 0


def told(*failures):
    """What a run's console shows of failures."""
    where = io.StringIO()
    log = FailureLog(Console(file=where, width=200))
    for number, failure in enumerate(failures):
        log.report(f"row{number}", failure)
    return where.getvalue()


def test_an_application_that_configures_nothing_hears_nothing():
    assert lipsync_ray.__version__
    handlers = logging.getLogger("lipsync_ray").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)


def test_a_file_gets_every_reason_and_each_traceback_once(tmp_path, capsys):
    file = tmp_path / "run.log"
    log_to(str(file), verbose=False)
    shown = told(BROKEN, BROKEN, Failure("probe", "a.mp4: not a video"))
    end_logs()
    text = file.read_text()
    assert text.count("Traceback") == 1
    assert "ERROR lipsync_ray.engine.failures: row0: crop: KeyError: 'x'\nTraceback" in text
    assert "row1: crop: KeyError: 'x' (traceback above)" in text
    assert "WARNING lipsync_ray.engine.failures: row2: probe: a.mp4: not a video" in text
    assert shown == "row0: crop: KeyError: 'x'\n"
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_log_is_told_of_once_and_stops_nothing(capsys):
    log_to("/dev/full", verbose=False)
    told(BROKEN, BROKEN)
    end_logs()
    said = capsys.readouterr().err
    assert said.count("--log-file /dev/full") == 1
    assert "No space left on device" in said
    assert "Traceback" not in said


def test_the_terminal_gets_tracebacks_where_it_is_asked(capsys):
    log_to(None, verbose=True)
    assert told(BROKEN) == "row0: crop: KeyError: 'x'\n"
    assert "Traceback" in capsys.readouterr().err


def test_without_a_log_one_line_says_how_to_get_the_traceback(monkeypatch, capsys):
    # pytest's own handlers are on the root logger; whoever runs the command has none
    monkeypatch.setattr(logging.getLogger("lipsync_ray"), "propagate", False)
    assert told(BROKEN) == (
        "row0: crop: KeyError: 'x' (for the traceback: -v or --log-file FILE; in Python, the logger lipsync_ray)\n"
    )
    assert told(Failure("probe", "a.mp4: not a video")) == ""
    assert "Traceback" not in capsys.readouterr().err


def test_a_task_keeps_the_traceback_of_what_nobody_expected():
    def broken(item):
        raise KeyError(item)

    def refused(item):
        raise ProbeError("not a video")

    assert "Traceback" in guarded("probe", broken, "x").detail
    assert guarded("probe", refused, "x").detail == ""


@pytest.mark.parametrize("name", ["gone/run.log", "."])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "demo", "-o", tmp_path / "out", "--log-file", name) == 2
    assert f"--log-file {name}: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SettingsError, match="expected a file"):
        log_to(name, verbose=False)


@pytest.mark.parametrize("job", JOBS)
def test_every_job_has_both_options(monkeypatch, capsys, job):
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, job, "--help") == 0
    shown = capsys.readouterr().out
    assert "--log-file" in shown
    assert "--verbose" in shown


def test_an_error_is_one_line_in_the_terminal_and_has_its_traceback_in_the_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "dub", "gone.csv", "-o", "out", "--log-file", "run.log") == 2
    assert "Traceback" not in capsys.readouterr().err
    text = (tmp_path / "run.log").read_text()
    assert "gone.csv: 1 problem; nothing was started" in text
    assert "Traceback" in text
    assert "ManifestError" in text

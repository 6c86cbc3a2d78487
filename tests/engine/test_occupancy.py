"""Two runs in one folder at once."""

import io
import json
import subprocess
import sys
import threading

import pytest
from rich.console import Console

from lipsync_ray.engine import occupancy
from lipsync_ray.engine.occupancy import FILE, run_lock
from lipsync_ray.errors import SettingsError

QUIET = Console(quiet=True)
HOLD = "import sys\nfrom lipsync_ray.engine.occupancy import run_lock\nfrom rich.console import Console\nwith run_lock(sys.argv[1], Console()):\n    print('held', flush=True)\n    input()"


@pytest.fixture
def holder(tmp_path):
    """Another process that works in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_and_may_begin_when_the_first_has_ended(holder, tmp_path):
    with pytest.raises(SettingsError, match=f"process {holder.pid} on "), run_lock(str(tmp_path), QUIET):
        pass
    holder.communicate("\n")
    assert not (tmp_path / FILE).exists()
    with run_lock(str(tmp_path), QUIET):
        assert (tmp_path / FILE).exists()
    assert not (tmp_path / FILE).exists()


def test_a_run_that_was_killed_here_is_over_at_once(holder, tmp_path):
    holder.kill()  # and is not waited for yet: it may still be listed among the processes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occupancy.time, "sleep", lambda seconds: pytest.fail("waited"))
        for _ in range(200):
            if occupancy._process(holder.pid) == f"{holder.pid}-":
                break
            threading.Event().wait(0.02)
        with run_lock(str(tmp_path), QUIET):
            pass


@pytest.mark.parametrize("lives", [True, False])
def test_a_run_elsewhere_is_watched_for_a_sign_of_life(tmp_path, monkeypatch, lives):
    note = {"id": "x", "place": "another machine", "host": "far", "process": "7-1", "beat": 3}
    (tmp_path / FILE).write_text(json.dumps(note))
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if lives and len(looks) == 5:
            (tmp_path / FILE).write_text(json.dumps(note | {"beat": 4}))

    clock = iter(range(1000))
    monkeypatch.setattr(occupancy.time, "sleep", sleep)
    monkeypatch.setattr(occupancy.time, "monotonic", lambda: next(clock))
    text = io.StringIO()
    if lives:
        with (
            pytest.raises(SettingsError, match="process 7 on far"),
            run_lock(str(tmp_path), Console(file=text, width=400)),
        ):
            pass
        assert text.getvalue().count("\n") == 1
    else:
        with run_lock(str(tmp_path), Console(file=text, width=400)):
            pass
        assert "that run is over" in text.getvalue().splitlines()[1]


def test_it_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(occupancy, "BEAT_S", 0.01)
    with run_lock(str(tmp_path), QUIET):
        for _ in range(500):
            if json.loads((tmp_path / FILE).read_text())["beat"] >= 2:
                break
            threading.Event().wait(0.01)
        assert json.loads((tmp_path / FILE).read_text())["beat"] >= 2


def test_a_note_that_nobody_can_read_holds_nobody_up(tmp_path):
    (tmp_path / FILE).write_text("{")
    with run_lock(str(tmp_path), QUIET):
        pass


def test_an_error_in_the_run_gives_the_folder_back(tmp_path):
    with pytest.raises(RuntimeError), run_lock(str(tmp_path), QUIET):
        raise RuntimeError
    assert not (tmp_path / FILE).exists()

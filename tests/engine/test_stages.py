import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from lipsync_ray.engine import stages
from lipsync_ray.engine.attempts import AttemptCounter, Ledger
from lipsync_ray.engine.stages import Outcome, StageSpec, build_stage, run_stage, run_stages
from lipsync_ray.errors import DecodeError, StorageError, WorkerDiedError


@pytest.fixture
def ledger():
    return Ledger("run", 3, AttemptCounter())


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(stages, "PAUSE_S", 0)


def test_a_turn_is_the_stages_value_and_its_time(ledger):
    outcome = run_stage("double", lambda value: value * 2, Outcome("a", 21), ledger)
    assert (outcome.value, outcome.failure, outcome.attempts) == (42, None, 1)
    assert outcome.seconds["double"] >= 0


def test_an_error_is_a_failure_with_its_stage(ledger):
    def stage(value):
        raise DecodeError("a.mp4: damaged")

    outcome = run_stage("crop", stage, Outcome("a", 1), ledger)
    assert (outcome.failure.stage, outcome.failure.reason, outcome.failure.detail) == ("crop", "a.mp4: damaged", "")


def test_an_unexpected_error_keeps_its_traceback(ledger):
    outcome = run_stage("crop", lambda value: 1 / value, Outcome("a", 0), ledger)
    assert outcome.failure.reason == "ZeroDivisionError: division by zero"
    assert "Traceback" in outcome.failure.detail


def test_a_failed_row_passes_through(ledger):
    failed = run_stage("crop", lambda value: 1 / value, Outcome("a", 0), ledger)
    assert run_stage("sync", pytest.fail, failed, ledger) is failed


def test_the_rows_of_a_block_are_one_attempt_until_a_process_dies(ledger):
    begun = []

    class Noted(AttemptCounter):
        def begin(self, key, stage):
            begun.append((key, stage))
            return super().begin(key, stage)

    ledger = replace(ledger, attempts=Noted())
    rows = [Outcome("a", 1), Outcome("b", 2)]
    assert [one.attempts for one in run_stages([("crop", str)], rows, ledger)] == [1, 1]
    assert begun == [("run/a and others", "crop")]

    ledger.begin_block("a", "crop")  # and the process dies
    begun.clear()
    assert [one.attempts for one in run_stages([("crop", str)], rows, ledger)] == [2, 2]
    assert begun == [("run/a and others", "crop"), ("run/a", "crop"), ("run/b", "crop")]


def test_what_may_pass_is_tried_again(ledger):
    calls = []

    def flaky(value):
        calls.append(value)
        if len(calls) < 3:
            raise StorageError("503")
        return "done"

    assert run_stage("crop", flaky, Outcome("a", 1), ledger).value == "done"
    assert len(calls) == 3


def test_a_row_that_ends_its_process_is_given_up(ledger):
    for number in (1, 2, 3):
        assert ledger.begin("a", "sync").number == number  # and its process ends here
    assert ledger.begin("a", "crop").number == 1
    assert ledger.begin("b", "sync").number == 1
    with pytest.raises(WorkerDiedError, match="after 3 attempts"):
        ledger.begin("a", "sync")
    outcome = run_stage("sync", pytest.fail, Outcome("a", 1), ledger)
    assert "gave up after 3 attempts" in outcome.failure.reason
    assert outcome.attempts == 3
    again = pickle.loads(pickle.dumps(WorkerDiedError("gave up", 3)))
    assert (str(again), again.attempts) == ("gave up", 3)


def test_an_attempt_that_is_survived_leaves_nothing(ledger):
    for _ in range(5):
        ledger.begin("a", "sync").end()
    assert ledger.begin("a", "sync").number == 1
    assert replace(ledger, run="another").begin("a", "sync").number == 1


def test_where_a_crash_ends_the_run_nothing_is_counted():
    for _ in range(3):
        assert Ledger("run", 1).begin("a", "sync").number == 1


LOST = """
import sys
from lipsync_ray.engine.attempts import AttemptCounter, Ledger
from lipsync_ray.engine.stages import Outcome, run_stage

class Told(AttemptCounter):
    def begin(self, key, stage):
        print("begun", key, stage, flush=True)
        return super().begin(key, stage)

    def end(self, key, stage):
        print("ended", flush=True)

def stage(value):
    raise RuntimeError("CUDA error: an illegal memory access was encountered\\nmore")

run_stage("sync", stage, Outcome("a", 1), Ledger("run", 3, Told()))
"""


def test_a_lost_gpu_ends_the_process_and_counts_as_a_death():
    ended = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout == "begun run/a sync\n"
    assert "the GPU was lost at a (CUDA error: an illegal memory access was encountered)" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_stage_that_cannot_start_fails_its_rows(ledger):
    def make():
        raise FileNotFoundError("w.pth")

    outcome = run_stage("sync", build_stage(StageSpec("sync", make)), Outcome("a", 1), ledger)
    assert outcome.failure.reason == "sync cannot start: FileNotFoundError: w.pth"

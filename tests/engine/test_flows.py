"""Threads that take outcomes from an engine end before it does."""

import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lipsync_ray.engine import flows
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.flows import Flow
from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.ray_runner import RayRunner
from lipsync_ray.engine.stages import Failure, Outcome, StageSpec


@dataclass(frozen=True)
class Row:
    key: str


def same():
    return lambda row: row.key


def after_an_hour():
    time.sleep(3600)


def test_outcomes_come_and_at_last_why_no_more_do():
    came = queue.SimpleQueue()
    flow = Flow("test", lambda stop: iter([Outcome("a", 1), Outcome("b", 2)]), came.put)
    flow.end()
    assert [came.get(), came.get()] == [Outcome("a", 1), Outcome("b", 2)]
    assert came.get() == Failure("engine", "the pass has ended")
    assert flow not in flows._OPEN


def test_an_error_is_the_reason():
    came = queue.SimpleQueue()

    def begin(stop):
        raise OSError("no more")
        yield

    Flow("test", begin, came.put).end()
    last = came.get()
    assert (last.stage, last.reason) == ("engine", "no more")
    assert "Traceback" in last.detail


def test_all_that_are_left_are_ended():
    ended = []

    def begin(stop):
        stop.wait(60)
        return iter(())

    for _ in range(3):
        Flow("test", begin, ended.append)
    flows.end_all()
    assert len(ended) == 3
    assert not flows._OPEN


@pytest.fixture(params=["inline", "ray"])
def engine(request):
    return InlineRunner() if request.param == "inline" else RayRunner(request.getfixturevalue("cluster"))


@pytest.mark.slow
def test_a_pass_is_left_whose_rows_never_come(engine, tmp_path):
    feed, came, begun = engine.feed(), queue.SimpleQueue(), threading.Event()
    ledger = Ledger(str(tmp_path / "attempts"), 1)

    def take(outcome):
        came.put(outcome)
        begun.set()

    flow = Flow("test", lambda stop: engine.run_fed(feed, 4, [StageSpec("same", same, 1, 0.2)], ledger, stop), take)
    feed.add([Row("first")])
    assert begun.wait(120)
    flow.end()
    assert not flow._thread.is_alive()
    assert came.get().value == "first"
    assert came.get() == Failure("engine", "the pass has ended")


@pytest.mark.slow
def test_a_pass_is_left_while_its_processes_load(cluster, tmp_path):
    runner, came = RayRunner(cluster), queue.SimpleQueue()
    stages = [StageSpec("never", after_an_hour, 1, 0.2)]
    ledger = Ledger(str(tmp_path / "attempts"), 1)
    flow = Flow("test", lambda stop: runner.run([Row("a")], stages, ledger, stop), came.put)
    time.sleep(3)
    flow.end()
    assert not flow._thread.is_alive()
    assert came.get() == Failure("engine", "the pass has ended")


PROGRAM = """
import sys
from test_flows import Row, after_an_hour, same
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.flows import Flow
from lipsync_ray.engine.ray_runner import RayRunner
from lipsync_ray.engine.session import session
from lipsync_ray.engine.stages import StageSpec

with session("local") as cluster:
    runner, ledger = RayRunner(cluster), Ledger(sys.argv[1], 1)
    feed = runner.feed()
    Flow("fed", lambda stop: runner.run_fed(feed, 4, [StageSpec("never", after_an_hour, 1, 0.2)], ledger, stop), print)
    rows = [Row(str(n)) for n in range(4)]
    for outcome in runner.run(rows, [StageSpec("same", same, 1, 0.2)], ledger):
        print(outcome.value, flush=True)
        raise KeyError("of the program")
"""


@pytest.mark.nightly
@pytest.mark.slow
def test_a_program_that_fails_under_its_passes_ends_by_its_own_error(tmp_path):
    """One pass waits on a thread, the other is left by the thread that took its outcomes."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    arguments = [sys.executable, "-c", PROGRAM, str(tmp_path / "attempts")]
    ended = subprocess.run(
        arguments, capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": path}
    )
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[0] in "0123"
    assert ended.stderr.strip().endswith("KeyError: 'of the program'")
    assert "in the middle of its work" not in ended.stderr

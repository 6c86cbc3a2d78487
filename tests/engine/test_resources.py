import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lipsync_ray.engine.progress import ProgressReporter, seconds_left, time_left
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.session import Cluster
from lipsync_ray.engine.stages import StageSpec, pools
from lipsync_ray.errors import SettingsError
from lipsync_ray.settings import Workers


@given(st.integers(1, 256), st.integers(0, 16), st.one_of(st.none(), st.integers(1, 40)), st.booleans())
def test_pools_never_ask_for_more_than_there_is(cpus, gpus, actors, alone):
    layout = allocate(Cluster(cpus, gpus, 1), Workers(actors=actors), alone)
    pools = [layout.model] if alone else [layout.model, layout.read, layout.write]
    assert all(pool.workers >= 1 and 0 < pool.cpus <= 1 for pool in pools)
    assert sum(pool.workers * pool.cpus for pool in pools) <= cpus
    assert layout.device == ("cuda" if gpus else "cpu")


def test_gpus_are_shared_as_asked():
    assert allocate(Cluster(32, 4, 1), Workers(), False).model.workers == 4
    assert allocate(Cluster(32, 4, 1), Workers(gpus_per_actor=0.5), False).model.workers == 8
    assert allocate(Cluster(32, 4, 1), Workers(gpus_per_actor=0), False).device == "cpu"


def test_more_gpus_than_there_are_is_said():
    with pytest.raises(SettingsError, match="the cluster has 0 GPUs"):
        allocate(Cluster(8, 0, 1), Workers(gpus_per_actor=1), False)


def test_a_log_says_how_far_it_is():
    console = Console(file=io.StringIO(), width=100)
    with ProgressReporter(console, "lips", 3, 300) as phase:
        phase.advance(100)
        assert phase.line().startswith("lips: segments 1/3, ")
        assert "left" in phase.line()
        phase.advance(100, failed=True)
        assert "1 failed" in phase.line()
        phase.advance(100)
    assert "lips: segments 3/3" in console.file.getvalue()


def test_what_there_is_in_all_may_change():
    """More or fewer rows than were expected turn out to be needed."""
    console = Console(file=io.StringIO(), width=100)
    with ProgressReporter(console, "lips", 9, 900) as phase:
        phase.plan(-7, -600)
        phase.advance(150)
        assert phase.line().startswith("lips: segments 1/2, ")
        assert (phase.state()["rows"], phase.state()["frames"]) == (2, 300)
        phase.advance(150)
    assert "lips: segments 2/2" in console.file.getvalue()


def test_rows_without_frames_tell_the_time_left():
    console = Console(file=io.StringIO(), width=100)
    with ProgressReporter(console, "clips", 3, 0, "clips") as phase:
        assert phase.line() == "clips: clips 0/3"
        phase.advance(0)
        assert re.fullmatch(r"clips: clips 1/3, [\d.]+ clips/s, \d+:\d\d left", phase.line())
        phase.advance(0)
        phase.advance(0)
    assert re.fullmatch(r"clips: clips 3/3, [\d.]+ clips/s, \d+ s\n", console.file.getvalue())


def test_what_was_done_before_is_no_pace():
    with ProgressReporter(Console(quiet=True), "pose 0", 100, 0, "steps", before=90) as phase:
        assert phase.left_s() is None
        phase.set_done(95)
        assert phase.state()["before"] == 90
        phase.set_done(80)  # work was lost
        assert phase.done == 80
    with ProgressReporter(Console(quiet=True), "pose 0", 10**9, 0, "steps", limit_s=60.0) as phase:
        phase.set_done(1)
        assert 0 < phase.left_s() <= 60
        assert phase.state()["limit"] == 60


def test_rows_that_are_files_have_no_frames_a_second():
    console = Console(file=io.StringIO(), width=100)
    with ProgressReporter(console, "files", 3, 0, "files") as phase:
        assert phase.line() == "files: files 0/3"
        phase.advance(0)
        assert re.fullmatch(r"files: files 1/3, [\d.]+ files/s, \d+:\d\d left", phase.line())
        phase.advance(0, failed=True)
        assert re.fullmatch(r"files: files 2/3, [\d.]+ files/s, 1 failed, \d+:\d\d left", phase.line())
        phase.advance(0)
    assert re.fullmatch(r"files: files 3/3, [\d.]+ files/s, 1 failed, \d+ s\n", console.file.getvalue())


def test_no_time_is_told_before_something_was_measured():
    console = Console(file=io.StringIO(), width=100)
    with ProgressReporter(console, "lips", 2, 200) as phase:
        assert phase.line() == "lips: segments 0/2"
        phase.advance(100)
        assert re.fullmatch(r"lips: segments 1/2, \d+ frames/s, \d+:\d\d left", phase.line())
        phase.advance(100)


@pytest.mark.parametrize(
    ("frames", "frames_done", "done", "left"),
    [(400, 100, 1, 30.0), (400, 0, 1, None), (0, 0, 1, 30.0), (0, 0, 0, None), (400, 400, 4, 0.0)],
)
def test_what_is_left_follows_from_what_was_done(frames, frames_done, done, left):
    state = {"seconds": 10.0, "rows": 4, "done": done, "frames": frames, "frames_done": frames_done}
    assert seconds_left(state) == left


def test_a_terminal_shows_a_bar():
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with ProgressReporter(console, "lips", 2, 200) as phase:
        phase.advance(100)
        phase.advance(100)
    assert "segments 2/2" in console.file.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(None, "-:--"), (5, "0:05"), (65.4, "1:05"), (3725, "1:02:05")])
def test_time_left(seconds, text):
    assert time_left(seconds) == text


def stage(name, **options):
    return StageSpec(name, object, **options)


def test_neighbours_share_their_processes_where_there_is_an_actor_a_cpu():
    def groups(layout):
        stages = [layout.read.stage("a", object), layout.model.stage("b", object), layout.write.stage("c", object)]
        return ["".join(spec.name for spec in group) for group in pools(stages)]

    assert groups(allocate(Cluster(16, 0, 1), Workers(), False)) == ["abc"]
    assert groups(allocate(Cluster(2, 0, 1), Workers(actors=2), False)) == ["abc"]
    assert groups(allocate(Cluster(16, 0, 1), Workers(actors=1), False)) == ["a", "b", "c"]
    assert groups(allocate(Cluster(16, 1, 1), Workers(), False)) == ["a", "b", "c"]
    assert [
        len(g) for g in pools([stage("a", shares=True), stage("b", gpus=1, shares=True), stage("c", shares=True)])
    ] == [1, 1, 1]
    assert [len(g) for g in pools([stage("a"), stage("b", shares=True), stage("c", shares=True)])] == [1, 2]


def test_an_actor_fits_on_one_node():
    with pytest.raises(SettingsError, match="no node of the cluster has more than 1 GPUs"):
        allocate(Cluster(32, 4, 4, 1.0), Workers(gpus_per_actor=2), False)
    assert allocate(Cluster(32, 8, 4, 2.0), Workers(gpus_per_actor=2), False).model.workers == 4

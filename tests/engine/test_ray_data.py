"""The engine on a real Ray."""

import os
import time
from dataclasses import dataclass
from functools import partial

import pytest
from rich.console import Console

from lipsync_ray.engine import cluster_state, ray_data, session
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.feed import RayFeed
from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.ray_runner import RayRunner
from lipsync_ray.engine.stages import Failure, StageSpec
from lipsync_ray.engine.startup_barrier import StartupBarrier
from lipsync_ray.errors import ClusterError, ProbeError
from lipsync_ray.settings import Workers

pytestmark = pytest.mark.usefixtures("cluster")


@dataclass(frozen=True)
class Number:
    key: str
    value: int


def numbers(count):
    return [Number(f"n{i}", i) for i in range(count)]


def read():
    return lambda row: row.value


def tenfold():
    """Ends its process at 3, always; raises at 5; says who it is."""

    def stage(value):
        if value == 3:
            os._exit(139)
        if value == 5:
            raise ProbeError("five")
        return value * 10, os.getpid()

    return stage


def test_rows_go_through_and_what_kills_its_worker_is_given_up(tmp_path):
    ledger = Ledger(str(tmp_path / "attempts"), 2)
    stages = [StageSpec("read", read, 1, 0.5), StageSpec("tenfold", tenfold, 2, 0.5)]
    outcomes = {outcome.key: outcome for outcome in ray_data.run(numbers(8), stages, ledger)}
    assert sorted(outcomes) == [f"n{i}" for i in range(8)]
    good = {key: o.value[0] for key, o in outcomes.items() if o.failure is None}
    assert good == {f"n{i}": i * 10 for i in (0, 1, 2, 4, 6, 7)}
    assert outcomes["n5"].failure == Failure("tenfold", "five")
    assert "gave up after 2 attempts" in outcomes["n3"].failure.reason
    assert all(os.getpid() != o.value[1] for o in outcomes.values() if o.value)


def test_a_row_that_kills_its_worker_takes_no_other_of_its_block_along(tmp_path):
    ledger = Ledger(str(tmp_path / "attempts"), 2)
    stages = [StageSpec("read", read, 1, 0.5), StageSpec("tenfold", tenfold, 1, 0.5)]
    outcomes = {outcome.key: outcome for outcome in ray_data.run(numbers(12), stages, ledger, together=6)}
    good = {key: o.value[0] for key, o in outcomes.items() if o.failure is None}
    assert good == {f"n{i}": i * 10 for i in range(12) if i not in (3, 5)}
    assert outcomes["n5"].failure == Failure("tenfold", "five")
    assert "gave up after 3 attempts" in outcomes["n3"].failure.reason  # one of the block's, two of its own
    assert outcomes["n4"].attempts > 1
    assert outcomes["n8"].attempts == 1


def test_late_rows_travel_together(tmp_path):
    feed = RayFeed()
    feed.add(numbers(4))
    stages = [StageSpec("read", read, 1, 0.4), StageSpec("tenfold", tenfold, 1, 0.4)]
    outcomes = ray_data.run_fed(feed, 30, stages, Ledger(str(tmp_path / "attempts"), 1), together=5)
    feed.add([Number(f"m{i}", 10 + i) for i in range(20)])
    feed.close()
    values = {outcome.key: outcome.value and outcome.value[0] for outcome in outcomes}
    expected = {f"n{i}": i * 10 for i in range(3)} | {"n3": None} | {f"m{i}": (10 + i) * 10 for i in range(20)}
    assert values == expected


def test_no_rows_are_no_flow(tmp_path):
    assert list(ray_data.run([], [StageSpec("read", read)], Ledger(str(tmp_path), 1))) == []


def double(seconds, value):
    time.sleep(seconds)
    if value == 2:
        raise ProbeError("two")
    if value == 3:
        raise KeyError("three")
    return value * 2


@pytest.fixture(params=["inline", "ray"])
def engine(request):
    return InlineRunner() if request.param == "inline" else RayRunner(request.getfixturevalue("cluster"))


def test_tasks_come_back_as_results_or_failures(engine):
    crew = RunContext(engine, Workers(), Console(quiet=True), Ledger("attempts", 1))
    found = dict(crew.map_tasks("double", partial(double, 0), range(5)))
    assert [found[i] for i in (0, 1, 4)] == [0, 2, 8]
    assert found[2] == Failure("double", "two")
    assert found[3].reason == "KeyError: 'three'"
    assert "Traceback" in found[3].detail


def test_tasks_are_taken_as_they_end(engine):
    tasks = engine.tasks("double", partial(double, 0.01), 1)
    assert list(tasks.finished()) == []
    tasks.submit(5)
    tasks.submit(6)
    deadline = time.monotonic() + 60
    got = []
    while len(got) < 2 and time.monotonic() < deadline:
        got += tasks.finished()
    assert sorted(got) == [(5, 10), (6, 12)]


def slow_to_load():
    time.sleep(2)
    return lambda row: (row, time.time())


def begins():
    return lambda row: (row.value, time.time())


def test_the_first_stage_begins_when_all_have_loaded(tmp_path):
    began = time.time()
    stages = [StageSpec("read", begins, 1, 0.1), StageSpec("slow", slow_to_load, 1, 0.1)]
    outcomes = list(ray_data.run(numbers(3), stages, Ledger(str(tmp_path / "attempts"), 1)))
    firsts = [outcome.value[0][1] for outcome in outcomes]
    assert len(firsts) == 3
    assert min(firsts) > began + 2


def test_a_roll_that_is_lost_holds_nobody_back(cluster):
    import ray

    barrier = StartupBarrier()
    barrier.arrive("one")
    barrier.wait_for(["one"], 60)
    before = time.monotonic()
    barrier.wait_for(["one", "never"], 0.5)
    ray.kill(barrier._actor)
    barrier.wait_for(["never"], 600)
    assert time.monotonic() - before < 60


def end_unless_told(folder, value):
    """Ends its process, until it has done so as often as `value` says."""
    deaths = len(os.listdir(folder))
    if deaths < value:
        open(os.path.join(folder, str(deaths)), "w").close()
        os._exit(9)
    return value


@pytest.mark.parametrize(("deaths", "expected"), [(1, 1), (5, None)])
def test_a_task_that_ends_its_process_is_given_up(cluster, tmp_path, deaths, expected):
    crew = RunContext(RayRunner(cluster), Workers(), Console(quiet=True), Ledger("attempts", 2))
    [(_, answer)] = crew.map_tasks("end", partial(end_unless_told, str(tmp_path)), [deaths])
    if expected is not None:
        assert answer == expected
    else:
        assert answer.reason.startswith("gave up after 2 attempts: its worker process ended each time (")
        assert len(os.listdir(tmp_path)) == 2


def test_what_the_cluster_looks_like(cluster):
    """An actor that asks for more than there is has no place; one that sleeps in its constructor loads."""
    import ray

    class Loads:
        def __init__(self):
            time.sleep(60)

    many = ray.remote(num_cpus=10_000)(Loads).remote()
    slow = ray.remote(num_cpus=0)(Loads).remote()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        cluster_found = cluster_state.read()
        if cluster_found is not None and cluster_found.loading and cluster_found.asks:
            break
        time.sleep(0.2)
    assert dict(cluster_found.asks[0].needs) == {"CPU": 10_000.0}
    assert cluster_found.loading >= 1
    assert sum(node.total["CPU"] for node in cluster_found.nodes) == cluster.cpus
    assert cluster_found.killed == {}
    assert not cluster_state.has_autoscaler()
    for actor in (many, slow):
        ray.kill(actor)


def test_a_cluster_without_a_cpu_is_refused(cluster, monkeypatch):
    import ray

    monkeypatch.setattr(session, "NODES_S", 0.0)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"memory": 1.0})
    with pytest.raises(ClusterError, match="the cluster has no CPU"):
        session._cluster()
    monkeypatch.setattr(cluster_state, "has_autoscaler", lambda: True)
    assert session._cluster().nodes == 1

"""The runner that starts with the first work."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lipsync_ray.engine import session, start
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.ray_runner import RayRunner
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.engine.start import LateRunner, cluster_of, started
from lipsync_ray.errors import ClusterError
from lipsync_ray.settings import Workers

HERE = Workers(engine="ray")


@pytest.fixture
def alone(monkeypatch):
    """No cluster is named, and none is open."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(start, "sys", type("NoRay", (), {"modules": {}}))


@pytest.fixture
def refused(alone, monkeypatch):
    """A session that must not be opened."""

    def never(*arguments):
        raise ClusterError("Ray was started")

    monkeypatch.setattr(session, "session", never)


def late():
    starts = []

    def begin():
        starts.append(threading.current_thread())
        return InlineRunner()

    return LateRunner(Cluster(2, 0, 1), begin), starts


def test_nothing_is_started_for_nothing(tmp_path):
    runner, starts = late()
    assert list(runner.run([], [], Ledger(str(tmp_path), 1))) == []
    tasks = runner.tasks("double", lambda item: 2 * item, 2)
    assert tasks.idle
    assert list(tasks.finished(wait=True)) == []
    assert starts == []


def test_the_first_item_starts_it_and_the_next_ones_find_it(tmp_path):
    runner, starts = late()
    for _ in range(2):
        tasks = runner.tasks("double", lambda item: 2 * item, 2)
        tasks.submit(4)
        assert list(tasks.finished(wait=True)) == [(4, 8)]
        assert tasks.idle
    feed = runner.feed()
    feed.close()
    assert list(runner.run_fed(feed, 1, [StageSpec("none", lambda: str)], Ledger(str(tmp_path), 1))) == []
    runner.open()
    assert len(starts) == 1


def test_threads_that_begin_together_start_it_once():
    runner, starts = late()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: runner.open(), range(8)))
    assert len(starts) == 1


def test_a_machine_is_planned_without_ray(refused):
    with started(HERE) as runner:
        assert runner.cluster == cluster_of(HERE)
        assert runner.cluster.nodes == 1
        with pytest.raises(ClusterError, match="Ray was started"):
            runner.open()


def test_it_gets_the_gpus_that_were_planned_and_is_closed_at_the_end(alone, monkeypatch):
    told = []

    class Session:
        def __init__(self, address, gpus):
            told.append((address, gpus))

        def __enter__(self):
            return Cluster(1, 0, 1)

        def __exit__(self, *error):
            told.append("closed")

    monkeypatch.setattr(session, "session", Session)
    with started(HERE) as runner:
        assert told == []
        runner.open()
        runner.open()
        assert told == [(None, int(runner.cluster.gpus))]
    assert told[1:] == ["closed"]


@pytest.mark.parametrize("variable", [True, False])
def test_a_named_cluster_is_asked_at_once(refused, variable, monkeypatch):
    workers = HERE if variable else Workers(engine="ray", address="10.0.0.1:6379")
    if variable:
        monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ClusterError, match="Ray was started"), started(workers):
        pass


def test_a_session_of_the_callers_own_is_used_as_it_is(cluster):
    with started(HERE) as runner:
        assert isinstance(runner, RayRunner)
        assert runner.cluster == cluster

"""What a run says it waits for."""

import io

import pytest
from rich.console import Console

from lipsync_ray.engine import ray_executions
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.waiting import (
    AGAIN_S,
    STILL_S,
    ClusterState,
    NodeResources,
    ResourceRequest,
    Waiting,
    missing,
    reason,
)

FULL = NodeResources({"CPU": 2.0}, {})
EMPTY = NodeResources({"CPU": 2.0}, {"CPU": 2.0})


def test_cpus_that_other_programs_hold():
    cluster = ClusterState([ResourceRequest({"CPU": 0.95}, 2)], [FULL], {"Hold": {"CPU": 2.0}}, ["lips"])
    assert reason(cluster, {}) == (
        "waiting for CPUs: 2 processes are not scheduled (of lips), each needs 0.95 CPUs; 0 of 2 CPUs are free; other programs "
        "use Hold 2"
    )


def test_a_resource_that_is_there_is_not_told_of():
    cluster = ClusterState(
        [ResourceRequest({"CPU": 1.0, "GPU": 1.0})],
        [NodeResources({"CPU": 8.0, "GPU": 1.0}, {"CPU": 6.0})],
        {},
        ["lips"],
    )
    text = reason(cluster, {})
    assert text.startswith(
        "waiting for GPUs: 1 process is not scheduled (of lips), it needs 1 CPUs and 1 GPUs; 0 of 1 GPUs are free"
    )


def test_what_no_node_has_is_told_as_that():
    nodes = [NodeResources({"GPU": 1.0}, {"GPU": 1.0})] * 4
    text = reason(ClusterState([ResourceRequest({"GPU": 2.0})], nodes, {}, ["lips"]), {})
    assert text.endswith("2 GPUs are requested, no node has more than 1")


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (ClusterState(), ""),
        (
            ClusterState([ResourceRequest({"CPU": 1.0})], [FULL], {}, []),
            "",
        ),  # every stage has a process; others would be more
        (ClusterState([], [FULL], {}, ["lips"], 3), "waiting for 3 processes of lips to load"),
        (
            ClusterState([ResourceRequest({"CPU": 1.0})], [EMPTY], {}, ["lips"]),
            "waiting for 1 process of lips to start",
        ),
        (ClusterState([], [FULL], {}, None, 1), "waiting for 1 process to load"),
        (ClusterState([ResourceRequest({"CPU": 1.0})], [], {}, ["lips"]), None),
    ],
)
def test_other_reasons(cluster, expected):
    text = reason(cluster, {})
    assert text == expected if expected is not None else text.startswith("waiting for CPUs: ")


def test_memory_is_told_with_the_node_and_how_often():
    cluster = ClusterState(killed={"node-a": 3, "node-b": 1}, idle=[])
    assert reason(cluster, {"node-b": 1}).startswith(
        "waiting for memory on node-a: Ray has ended 3 processes of this run there"
    )
    assert "node-b" not in reason(cluster, {"node-b": 1})
    assert reason(cluster, {"node-a": 3, "node-b": 1}) == ""


def test_what_can_be_met():
    assert missing({"CPU": 1.0}, [{"CPU": 2.0}]) == ""
    assert missing({"CPU": 1.0}, []) == "1 CPUs are requested, no node has more than 0"
    apart = [{"CPU": 8.0}, {"CPU": 1.0, "GPU": 1.0}]
    assert missing({"CPU": 4.0, "GPU": 1.0}, apart) == "no node has 4 CPUs and 1 GPUs together"


def test_it_is_told_while_nothing_moves_and_forgotten_when_something_does():
    text = io.StringIO()
    console = Console(file=text, width=400)
    looks = []

    def read_cluster():
        looks.append(1)
        return ClusterState([ResourceRequest({"CPU": 1.0})], [FULL], {}, ["lips"])

    waiting = Waiting(console, read_cluster)
    with ProgressReporter(console, "lips", 4, 0) as progress:
        waiting.check(100.0)
        waiting.check(100.0 + STILL_S - 1)
        assert not looks
        waiting.check(100.0 + STILL_S)
        assert waiting.text.startswith("waiting for CPUs")
        waiting.check(100.0 + STILL_S + 5)
        assert text.getvalue().count("waiting for CPUs") == 1
        waiting.check(100.0 + STILL_S + AGAIN_S)
        assert text.getvalue().count("waiting for CPUs") == 2
        progress.advance(0)
        waiting.check(300.0)
        assert waiting.text == ""
        waiting.check(300.0 + STILL_S)
        assert text.getvalue().count("waiting for CPUs") == 3


def test_a_cluster_that_cannot_be_looked_at_is_not_told_of():
    waiting = Waiting(Console(quiet=True), lambda: None)
    waiting.check(0.0)
    waiting.check(1000.0)
    assert waiting.text == ""


def test_memory_of_before_is_no_reason_later():
    console, states = Console(quiet=True), [ClusterState(killed={"a": 2}, idle=[])]
    waiting = Waiting(console, lambda: states[0])
    with ProgressReporter(console, "lips", 4, 0) as progress:
        waiting.check(0.0)
        waiting.check(50.0)
        assert "memory on a" in waiting.text
        progress.advance(0)
        waiting.check(51.0)
        waiting.check(100.0)
        assert waiting.text == ""


def test_rows_that_ray_data_has_not_taken_in_wait_too():
    assert ray_executions.idle() is None
    with ray_executions.preparing(["faces", "lips"]):
        assert ray_executions.idle() == ["faces", "lips"]
        assert ray_executions.prepared() == 1
    assert ray_executions.idle() is None

"""Small tasks on Ray: quick ones go several to a call; one that crashes its process harms no other."""

import os
import time

import pytest

from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.tasks import CALL_S, MOST, RayTasks, items_of_call


@pytest.mark.parametrize(
    ("item_s", "waiting", "calls", "expected"),
    [
        (None, 1000, 2, 1),  # it is not known how quick they are
        (CALL_S, 1000, 2, 1),
        (10.0, 1000, 2, 1),
        (CALL_S / 4.5, 1000, 2, 4),
        (0.0, 1000, 2, MOST),
        (0.0, 10, 2, 5),  # for both
        (0.0, 1, 2, 1),
        (0.0, 0, 2, 1),
    ],
)
def test_items_of_a_call(item_s, waiting, calls, expected):
    assert items_of_call(item_s, waiting, calls) == expected


def all_of(tasks, items):
    for item in items:
        tasks.submit(item)
    return dict(tasks.finished(wait=True))


def test_many_quick_ones_are_few_calls(cluster, monkeypatch):
    tasks = RayTasks("square", lambda number: number**2 if number else 1 / 0, 2)
    calls = []
    remote = tasks._remote

    class Counted:
        def remote(self, name, function, items):
            calls.append(len(items))
            return remote.remote(name, function, items)

    tasks._remote = Counted()
    found = all_of(tasks, range(300))
    assert isinstance(found.pop(0), Failure)
    assert found == {number: number**2 for number in range(1, 300)}
    assert calls[:2] == [1, 1]
    assert sum(calls) == 300
    assert len(calls) < 300
    assert tasks.idle


def test_one_that_crashes_its_process_is_given_up_and_no_other(cluster):
    def work(number):
        if number == 7:
            os._exit(1)
        return -number

    tasks = RayTasks("work", work, 2, attempts=2)
    assert all_of(tasks, [100]) == {100: -100}
    tasks._item_s = 0.001  # quick ones: those beside it are in its call
    found = all_of(tasks, range(20))
    failure = found.pop(7)
    assert failure.reason.startswith("gave up after 2 attempts: its worker process ended each time")
    assert found == {number: -number for number in range(20) if number != 7}


def test_slow_ones_go_alone(cluster):
    tasks = RayTasks("sleep", lambda number: time.sleep(CALL_S) or number, 2)
    tasks.submit(0)
    assert dict(tasks.finished(wait=True)) == {0: 0}
    for number in range(6):
        tasks.submit(number)
    assert {len(together) for together in tasks._running.values()} == {1}
    assert dict(tasks.finished(wait=True)) == {number: number for number in range(6)}

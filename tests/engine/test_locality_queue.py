from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.engine.locality_queue import LocalityQueue, neighbourhood


@dataclass(frozen=True)
class Row:
    key: str
    near: str


@dataclass(frozen=True)
class Plain:
    key: str


def filled(*rows):
    waiting = LocalityQueue()
    for near, row in rows:
        waiting.add(near, row)
    return waiting


def test_a_row_says_what_it_reads():
    assert neighbourhood(Row("a-0", "v-0")) == "v-0"
    assert neighbourhood(Plain("a-0")) == "a-0"


def test_a_worker_goes_on_with_what_it_read_last():
    waiting = filled(("0", "A0"), ("1", "A1"), ("0", "B0"), ("1", "B1"))
    assert waiting.pop(None) == ("0", "A0")
    assert waiting.pop("0") == ("0", "B0")
    assert waiting.pop("0") == ("1", "A1")


def test_workers_begin_with_different_ranges_and_help_at_the_end():
    waiting = filled(("0", "A0"), ("1", "A1"), ("0", "B0"), ("1", "B1"), ("1", "C1"))
    assert waiting.pop(None) == ("0", "A0")
    assert waiting.pop(None) == ("1", "A1")
    assert waiting.pop("0") == ("0", "B0")
    assert waiting.pop("0") == ("1", "B1"), "nothing else is left"
    assert waiting.pop("1") == ("1", "C1")
    assert not waiting


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.integers(0, 2), min_size=30, max_size=30))
def test_every_row_is_handed_out_once(nears, workers):
    waiting = filled(*((near, number) for number, near in enumerate(nears)))
    last = {}
    given = []
    for worker in workers:
        if not waiting:
            break
        last[worker], row = waiting.pop(last.get(worker))
        assert nears[row] == last[worker]
        given.append(row)
    assert sorted(given) == list(range(len(nears)))


def test_rows_of_their_own_keep_their_order():
    waiting = filled(*((str(number), number) for number in range(5)))
    last, given = None, []
    while waiting:
        last, row = waiting.pop(last)
        given.append(row)
    assert given == list(range(5))

"""Blocks of records: read in order, merged, never lost and never there twice, whenever a run is killed."""

import json
from contextlib import nullcontext
from dataclasses import dataclass, replace

import pytest
from killed import Killed, kill_at

from lipsync_ray.io import outcomes, storage
from lipsync_ray.io.outcomes import RecordBlock, blocks_of, due
from lipsync_ray.io.records import Records, all_values


@dataclass(frozen=True)
class Place:
    x: int
    y: float


@dataclass(frozen=True)
class Made:
    id: str
    status: str = "done"
    fingerprint: str | None = None
    stage: str | None = None
    places: tuple[Place, ...] | None = None
    warnings: tuple[str, ...] = ()


ROWS = Records(Made, "made.parquet")


def rows(*names):
    return [Made(name, fingerprint=f"of {name}", places=(Place(1, 0.5),), warnings=("dark",)) for name in names]


def names_in(out):
    return sorted(storage.list_names(storage.join(out, outcomes.FOLDER)))


def test_a_block_has_its_numbers_and_rows_in_its_name():
    blocks = [RecordBlock(0, 63, 51402, table=True), RecordBlock(64, 64, 12), RecordBlock(123_456_789, 123_456_789, 1)]
    names = [block.name for block in blocks]
    assert names == ["00000000-00000063.51402.parquet", "00000064-00000064.12.jsonl", "123456789-123456789.1.jsonl"]
    assert blocks_of(reversed(names)) == (blocks, [])


def test_other_files_are_no_blocks():
    assert blocks_of(["a.json", ".00000000-00000000.1.jsonl.7-ab.tmp", "00000000.jsonl", "0-1.1.jsonl"]) == ([], [])


def test_what_was_merged_and_not_removed_yet_does_not_count():
    whole, parts, later = RecordBlock(0, 2, 3, True), [RecordBlock(n, n, 1) for n in range(3)], RecordBlock(3, 3, 1)
    assert blocks_of(block.name for block in [*parts, whole, later]) == ([whole, later], parts)
    assert blocks_of(block.name for block in [*parts[1:], whole]) == ([whole], parts[1:])
    alone = RecordBlock(0, 0, 9, True)
    assert blocks_of([alone.name, RecordBlock(0, 0, 9).name]) == ([alone], [RecordBlock(0, 0, 9)])


def test_two_drivers_that_wrote_the_same_number_lose_nothing(place):
    mine, other = rows("a", "b"), rows("c")
    for made in (mine, other):
        ROWS.commit(place, 5, made, "toy")
    blocks, merged = blocks_of(names_in(place))
    assert (len(blocks), merged) == (2, [])
    assert ROWS.read(place, ["a", "b", "c"], "toy") == {row.id: row for row in (*mine, *other)}
    ROWS.merge(place, blocks)
    assert names_in(place) == ["00000005-00000005.3.parquet"]
    assert ROWS.read(place, ["a", "b", "c"], "toy") == {row.id: row for row in (*mine, *other)}


def test_a_later_row_of_an_id_holds_and_older_files_come_first(place):
    for name in ("old", "a"):
        values = {"id": name, "status": "failed", "stage": "older"}
        storage.commit_bytes(storage.join(place, "outcomes", f"{name}.json"), json.dumps(values).encode())
    first, second = rows("a", "b"), [Made("b", "failed", stage="join"), *rows("c")]
    ROWS.commit(place, 0, first, "toy")
    ROWS.commit(place, 1, second, "toy")
    expected = {"old": Made("old", "failed", stage="older"), "a": first[0], "b": second[0], "c": second[1]}
    assert ROWS.read(place, ["old", "a", "b", "c", "d"], "toy") == expected
    assert ROWS.read(place, ["b"]) == {"b": second[0]}
    assert {values["id"]: values["status"] for values in all_values(place, "toy")} == {
        name: row.status for name, row in expected.items()
    }


def test_of_one_block_the_last_line_of_an_id_holds(place):
    ROWS.commit(place, 0, [*rows("a"), Made("a", "failed")], "toy")
    assert ROWS.read(place, ["a"]) == {"a": Made("a", "failed")}


def test_merged_rows_are_the_same(place):
    made = [*rows("a", "b"), Made("c", "failed", stage="draw")]
    blocks = [ROWS.commit(place, number, [row], "toy") for number, row in enumerate(made)]
    whole = ROWS.merge(place, blocks)
    assert names_in(place) == ["00000000-00000002.3.parquet"]
    assert whole == RecordBlock(0, 2, 3, table=True)
    assert ROWS.read(place, ["a", "b", "c"], "toy") == {row.id: row for row in made}
    assert ROWS.read(place, ["a"], "another") == {}
    later = ROWS.commit(place, 3, [replace(made[0], status="failed")], "toy")
    ROWS.merge(place, [whole, later])
    assert names_in(place) == ["00000000-00000003.4.parquet"]
    assert ROWS.read(place, ["a"])["a"].status == "failed"


def test_a_reader_lists_again_where_a_run_merges_meanwhile(place, monkeypatch):
    blocks = [ROWS.commit(place, number, [row], "toy") for number, row in enumerate(rows("a", "b"))]
    names = storage.list_names

    def merging(url):
        found = names(url)
        monkeypatch.setattr(storage, "list_names", names)
        ROWS.merge(place, blocks)
        return found

    monkeypatch.setattr(storage, "list_names", merging)
    assert set(ROWS.read(place, ["a", "b"])) == {"a", "b"}


def test_what_is_due():
    lines = [RecordBlock(number, number, 1) for number in range(200, 200 + outcomes.MANY)]
    assert due(lines[1:]) == []
    assert due(lines) == lines
    full = RecordBlock(0, 0, outcomes.FULL)
    assert due([full]) == [full]  # of lines
    table = replace(full, table=True)
    assert due([table]) == []
    small = [RecordBlock(10 * n, 10 * n + 9, 5, table=True) for n in range(1, 1 + outcomes.MANY)]
    assert due([table, *small]) == small
    assert due([*small[:4], replace(table, first=50, last=59), *small[5:]]) == []
    halves = [RecordBlock(n, n, outcomes.FULL // 2, table=True) for n in (1, 2)]
    assert due([table, *halves, *lines[1:]]) == halves


@pytest.mark.parametrize("afterwards", [False, True])
@pytest.mark.parametrize("step", range(1, 6))
def test_a_merge_that_is_killed_at_any_step_loses_nothing(place, monkeypatch, step, afterwards):
    made = rows("a", "b", "c")
    blocks = [ROWS.commit(place, number, [row], "toy") for number, row in enumerate(made)]
    with monkeypatch.context() as patch:
        kill_at(patch, step, afterwards)
        with pytest.raises(Killed) if step <= 4 else nullcontext():
            ROWS.merge(place, blocks)
    assert ROWS.read(place, ["a", "b", "c"]) == {row.id: row for row in made}
    assert sorted(values["id"] for values in all_values(place, "toy")) == ["a", "b", "c"]

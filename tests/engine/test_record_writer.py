"""Records are committed in a thread, in order; what made a row is removed after that; a run that is killed at any step goes on."""

import time
from contextlib import suppress
from dataclasses import dataclass

import pytest
from killed import Killed, kill_at

from lipsync_ray.engine import record_writer
from lipsync_ray.engine.record_writer import RecordWriter
from lipsync_ray.io import outcomes, storage
from lipsync_ray.io.records import Records, all_values


@dataclass(frozen=True)
class Made:
    id: str
    status: str = "done"
    fingerprint: str | None = None
    stage: str | None = None


ROWS = Records(Made, "made.parquet")
IDS = [f"r{number}" for number in range(9)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A block as soon as a row has ended, and few of them are merged."""
    monkeypatch.setattr(record_writer, "GATHER_S", 0.0)
    monkeypatch.setattr(outcomes, "MANY", 3)


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


def run_all(out, names):
    """A run that makes these rows of parts, one after another; each is seen committed before the next, or the writer is dead."""
    writer = RecordWriter(out, ROWS, "toy")
    for name in names:
        writer.add(Made(name), [storage.join(out, "parts", name, "0.mp4")])
        wait_for(lambda name=name: not writer._thread.is_alive() or not (writer._waiting or is_part(out, name)))
    writer.close()


def is_part(out, name):
    return name in storage.list_names(storage.join(out, "parts"))


def put_parts(out):
    for name in IDS:
        storage.commit_bytes(storage.join(out, "parts", name, "0.mp4"), b"-")


def test_rows_are_there_after_close_and_what_made_them_is_not(place):
    put_parts(place)
    writer = RecordWriter(place, ROWS, "toy")
    for name in IDS:
        writer.add(Made(name), [storage.join(place, "parts", name, "0.mp4")])
    writer.close()
    assert ROWS.read(place, IDS, "toy") == {name: Made(name) for name in IDS}
    assert storage.list_tree(storage.join(place, "parts")) == set()
    writer.add(Made("r0", "failed"))  # it may go on
    writer.close()
    assert ROWS.read(place, ["r0"]) == {"r0": Made("r0", "failed")}


def test_a_writer_without_rows_writes_and_lists_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "list_names", None)
    RecordWriter(str(tmp_path), ROWS, "toy").close()
    assert list(tmp_path.iterdir()) == []


def test_rows_that_end_together_are_one_block(tmp_path, monkeypatch):
    monkeypatch.setattr(record_writer, "GATHER_S", 60.0)
    writer = RecordWriter(str(tmp_path), ROWS, "toy")
    writer.add(Made("first"))
    wait_for(lambda: (tmp_path / "outcomes").exists() and list((tmp_path / "outcomes").glob("*.jsonl")))
    for name in IDS:
        writer.add(Made(name))
    writer.close()
    blocks, _ = outcomes.blocks_of(storage.list_names(str(tmp_path / "outcomes")))
    assert [block.rows for block in blocks] == [1, len(IDS)]


def test_blocks_are_merged_while_the_run_goes(place):
    put_parts(place)
    run_all(place, IDS)
    blocks, merged = outcomes.blocks_of(storage.list_names(storage.join(place, "outcomes")))
    assert merged == []
    assert len(blocks) < len(IDS)
    assert sum(block.rows for block in blocks) == len(IDS)


def test_a_fault_ends_the_run_with_the_next_row(tmp_path, monkeypatch):
    def full(url, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "commit_bytes", full)
    writer = RecordWriter(str(tmp_path), ROWS, "toy")
    writer.add(Made("a"), [str(tmp_path)])
    wait_for(lambda: not writer._thread.is_alive())
    with pytest.raises(OSError, match="No space left"):
        writer.add(Made("b"))
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    assert tmp_path.exists()  # nothing is removed that has no record


STEPS = 2 * len(IDS) + 4 * 4  # a record and a removal for each row, and merges of three


@pytest.mark.parametrize("afterwards", [False, True])
@pytest.mark.parametrize("step", range(1, STEPS))
def test_killed_at_any_step_the_next_run_goes_on(tmp_path, monkeypatch, step, afterwards):
    out = str(tmp_path)
    put_parts(out)
    with monkeypatch.context() as patch:
        kill_at(patch, step, afterwards)
        with pytest.raises(Killed) if step < 2 * len(IDS) else suppress(Killed):  # there may be fewer steps
            run_all(out, IDS)
    found = set(ROWS.read(out, IDS, "toy"))
    gone = {name for name in IDS if not is_part(out, name)}
    assert gone <= found  # what made a row is there as long as its record is not
    assert sorted(values["id"] for values in all_values(out, "toy")) == sorted(found)
    run_all(out, [name for name in IDS if name not in found])
    assert set(ROWS.read(out, IDS, "toy")) == set(IDS)
    blocks, merged = outcomes.blocks_of(storage.list_names(storage.join(out, "outcomes")))
    assert merged == [] or found == set(IDS)  # a run without new rows writes nothing
    assert sum(block.rows for block in blocks) == len(IDS)

"""Passes whose videos become ready one by one, on both engines."""

import threading
import time
from dataclasses import dataclass, field, replace

import pytest
from rich.console import Console

from lipsync_ray.engine import graph, ray_data
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.feed import RayFeed, RowSlot
from lipsync_ray.engine.graph import Ask, StreamedPass, run_graph
from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.progress import Wake, phases
from lipsync_ray.engine.ray_runner import RayRunner
from lipsync_ray.engine.stages import Failure, StageSpec
from lipsync_ray.engine.video_pass import VideoPass, VideoState
from lipsync_ray.errors import ProbeError
from lipsync_ray.settings import Workers

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Piece:
    key: str
    video: str
    start: int
    stop: int
    url: str


@dataclass(frozen=True)
class Order:
    key: str
    parts: tuple[str, ...]


@dataclass
class Clip(VideoState):
    name: str = ""
    pieces: int = 2
    done_parts: list = field(default_factory=list)


def write():
    """Commits a piece; the clip called "bad" fails."""

    def stage(piece):
        from lipsync_ray.io import storage

        if piece.video == "bad":
            raise ProbeError("bad piece")
        storage.commit_bytes(piece.url, piece.key.encode())
        return piece.key

    return stage


def join(order):
    if order.key == "unjoinable":
        raise ProbeError("does not fit")
    return f"{order.key}: {len(order.parts)}"


@pytest.fixture(params=["inline", "ray"])
def crew(request, tmp_path):
    engine = InlineRunner() if request.param == "inline" else RayRunner(request.getfixturevalue("cluster"))
    return RunContext(engine, Workers(), Console(quiet=True), Ledger(str(tmp_path / "attempts"), 2))


def work_of(clips, tmp_path, ended):
    active = {clip.name: clip for clip in clips}

    def end(clip, value):
        if active.pop(clip.name, None) is not None:
            ended[clip.name] = value

    return VideoPass(
        name="test",
        after=("others",),
        folder=str(tmp_path / "parts"),
        active=active,
        parts_of=lambda clip: [
            Piece(f"{clip.name}-{n}", clip.name, n, n + 1, str(tmp_path / "parts" / clip.name / str(n)))
            for n in range(clip.pieces)
        ],
        stages=[StageSpec("write", write, 1, 0.2), StageSpec("pass", lambda: lambda key: key, 1, 0.2)],
        on_part=lambda clip, key: clip.done_parts.append(key),
        assemble_args=lambda clip: Order(clip.name, tuple(clip.parts.values())),
        assemble=("join", join),
        on_done=end,
        fail=end,
    )


def test_videos_are_made_as_they_become_ready(crew, tmp_path):
    """One waits for long, one never comes, one fails, one cannot be joined, one is all there: nobody waits for another."""
    clips = [Clip(name=name) for name in ("first", "late", "never", "bad", "unjoinable", "there")]
    for n in range(2):
        (tmp_path / "parts" / "there").mkdir(parents=True, exist_ok=True)
        (tmp_path / "parts" / "there" / str(n)).write_bytes(b"")
    ended, order = {}, []
    work = work_of(clips, tmp_path, ended)
    wake = Wake()
    with phases(crew.console) as phase_of:
        streamed = StreamedPass(crew, work, dict(work.active), phase_of, wake.up)
        for name in ("first", "bad", "unjoinable", "there"):
            streamed.begin(name)
        deadline = time.monotonic() + 120
        while not streamed.done and time.monotonic() < deadline:
            wake.wait(0.1)
            streamed.poll()
        order = list(ended)
        assert set(order) == {"first", "bad", "unjoinable", "there"}
        streamed.begin("late")
        streamed.close()
        while not streamed.done and time.monotonic() < deadline:
            wake.wait(0.1)
            streamed.poll()
    assert ended == {
        "first": "first: 2",
        "late": "late: 2",
        "there": "there: 2",
        "bad": Failure("write", "bad piece"),
        "unjoinable": Failure("join", "does not fit"),
    }
    first = next(clip for clip in clips if clip.name == "first")
    assert sorted(first.done_parts) == ["first-0", "first-1"]
    assert clips[5].reused == 2


def test_rows_that_are_made_in_turn(crew, tmp_path):
    """Each is given out when the one before it is back; what is left of a video that fails does not come, and nobody waits."""
    clips = [Clip(name=name, pieces=4) for name in ("first", "second", "bad")]
    ended = {}
    work = replace(work_of(clips, tmp_path, ended), sequential=True, unit="steps")
    with phases(crew.console) as phase_of:
        streamed = StreamedPass(crew, work, dict(work.active), phase_of, lambda: None)
        for clip in clips:
            streamed.begin(clip.name)
        deadline = time.monotonic() + 120
        while not streamed.done and time.monotonic() < deadline:
            streamed.close()  # as a job says it in every turn; the rows that follow still come
            streamed.poll()
            time.sleep(0.01)
        assert streamed.done
        assert streamed.progress.line().startswith("test: steps 12/12")
    assert ended["first"] == "first: 4"
    assert ended["second"] == "second: 4"
    assert ended["bad"] == Failure("write", "bad piece")
    assert clips[0].done_parts == [f"first-{n}" for n in range(4)]
    assert clips[2].done_parts == []
    assert not (tmp_path / "parts" / "bad" / "1").exists()


def test_a_pass_with_nothing_to_do_starts_nothing(crew, tmp_path):
    ended = {}
    work = work_of([], tmp_path, ended)
    with phases(crew.console) as phase_of:
        streamed = StreamedPass(crew, work, {}, phase_of, lambda: None)
        streamed.close()
        streamed.poll()
        assert streamed.done
    run_graph(crew, [replace(work, after=())])
    assert ended == {}


def test_a_graph_ends_when_all_of_its_passes_have(crew, tmp_path):
    """Of the first pass comes a question, of its answer a video of the second; what nothing comes of is not waited for."""
    ended, asked = {}, []
    first = work_of([Clip(name=name) for name in ("a", "b", "bad")], tmp_path / "1", ended)
    second = work_of([Clip(name=name) for name in ("a", "b", "bad")], tmp_path / "2", ended)

    def on_first(clip, value):
        if first.active.pop(clip.name, None) is not None and not isinstance(value, Failure):
            question.ready.append(clip.name)

    def on_answer(name, answer):
        asked.append(name)
        if answer == "A":
            after.ready.append(name)

    before = replace(first, after=(), on_done=on_first, fail=on_first)
    question = Ask(name="ask", task=str.upper, on_answer=on_answer, after=(before,))
    after = replace(second, after=(question,))
    run_graph(crew, [before, question, after])
    assert sorted(asked) == ["a", "b"]
    assert ended == {"a": "a: 2"}


def test_a_pass_that_ray_gives_up_fails_what_is_under_way_and_what_still_comes(crew, tmp_path, monkeypatch):
    def give_up(*arguments):
        time.sleep(0.2)
        raise ray_data.FlowError("Ray gave up the pass: no reason")
        yield

    monkeypatch.setattr(type(crew.runner), "run_fed", give_up)
    clips = [Clip(name="first"), Clip(name="late")]
    ended = {}
    with phases(crew.console) as phase_of:
        work = work_of(clips, tmp_path, ended)
        streamed = StreamedPass(crew, work, dict(work.active), phase_of, lambda: None)
        streamed.begin("first")
        deadline = time.monotonic() + 30
        while not ended and time.monotonic() < deadline:
            streamed.poll()
        streamed.begin("late")
        streamed.poll()
    reasons = {name: (failure.stage, failure.reason) for name, failure in ended.items()}
    assert reasons == dict.fromkeys(("first", "late"), ("engine", "Ray gave up the pass: no reason"))


def test_a_slot_stands_for_the_same_rows_each_time(cluster):
    feed = RayFeed()
    rows = [Piece(f"p{n}", "v", n, n + 1, "") for n in range(3)]
    feed.add(rows)
    feed.close()
    slots = [RowSlot(number, 8, 8) for number in range(8)]
    assert feed.rows_for(slots[7]) == [rows[0]]
    assert feed.rows_for(slots[2]) == [rows[1]]
    assert feed.rows_for(slots[7]) == [rows[0]]
    assert feed.rows_for(slots[0]) == [rows[2]]
    assert feed.rows_for(slots[1]) == []
    assert feed.rows_for(slots[2]) == [rows[1]]


def test_slots_share_the_rows_that_there_are(cluster):
    feed = RayFeed()
    rows = [Piece(f"p{n}", "v", n, n + 1, "") for n in range(7)]
    feed.add(rows)
    feed.close()
    given = [feed.rows_for(RowSlot(number, 3, 9, 6)) for number in range(3)]
    assert [len(some) for some in given] == [3, 2, 2]
    assert [row for some in given for row in some] == rows


def test_every_row_finds_a_slot_however_late_it_comes():
    """A model of the feed: rows come one by one, and slots are asked for as soon as they may be."""
    for most, slots, rows in ((1, 5, 5), (4, 5, 12), (6, 7, 40)):
        given, taken, waiting = 0, 0, 0
        for come in range(1, rows + 1):
            waiting += 1
            slot = RowSlot(given, slots, rows, most)
            if given < slots and (waiting >= slot.needed(given, taken) or come == rows):
                count = min(waiting, most, max(slot.needed(given, taken), slot.usual(given, rows - taken)))
                given, taken, waiting = given + 1, taken + count, waiting - count
        while waiting and given < slots:
            count = min(waiting, most)
            given, taken, waiting = given + 1, taken + count, waiting - count
        assert taken == rows, (most, slots, rows)


def test_tasks_that_end_wake_the_graph(crew, tmp_path, monkeypatch):
    """Nobody looks again before something has ended: not each join of many waits for the next look."""
    monkeypatch.setattr(graph, "POLL_S", 600.0)
    clips = [Clip(name=f"c{number}", pieces=1) for number in range(30)]
    ended = {}
    work = replace(work_of(clips, tmp_path, ended), after=())
    asked = Ask(name="ask", task=str.upper, on_answer=lambda query, answer: ended.update({query: answer}))
    asked.ready.extend(["a", "b"])
    done = threading.Thread(target=run_graph, args=(crew, [asked, work]), daemon=True)
    done.start()
    done.join(240)
    assert not done.is_alive()
    assert ended == {"a": "A", "b": "B", **{clip.name: f"{clip.name}: 1" for clip in clips}}


@pytest.mark.parametrize("wait", [False, True])
def test_small_tasks_tell_when_they_end(crew, wait):
    told = threading.Semaphore(0)
    tasks = crew.tasks("double", lambda number: 2 * number if number else 1 / 0)
    tasks.notify(told.release)
    assert tasks.idle
    assert list(tasks.finished(wait)) == []
    found = {}
    for number in range(20):
        tasks.submit(number)
    while not tasks.idle:
        if not wait:
            assert told.acquire(timeout=240)
        found |= dict(tasks.finished(wait))
    assert isinstance(found.pop(0), Failure)
    assert found == {number: 2 * number for number in range(1, 20)}

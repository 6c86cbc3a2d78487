"""Whose faces are dubbed: by a rule, by who speaks, by what a user says."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lipsync_ray.engine.stages import Failure
from lipsync_ray.errors import ManifestError
from lipsync_ray.faces.speaker import asks_who_speaks
from lipsync_ray.faces.speaking import Decision
from lipsync_ray.faces.table import write_table
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.speaker_search import Speakers, decision_name
from lipsync_ray.inputs.speakers import (
    NOBODY_SPEAKS,
    GivenTurns,
    SpeakerQuery,
    SpeakingPerson,
    choose_speaker,
    flags_of,
    spans_of,
)
from lipsync_ray.io import storage
from lipsync_ray.io.turns import Turn
from lipsync_ray.io.written_turns import WrittenTurn

FRAMES, RATE = 100, Fraction(25)


def tracks_of(*people, still=()):
    """Tracks of persons 0, 1, …, each given as [start, stop) frames in which it is seen; later ones are larger, and stand further right."""
    frame, who = (
        np.array(column, np.int32)
        for column in zip(*((f, person) for person, seen in enumerate(people) for f in range(*seen)), strict=True)
    )
    order = np.lexsort((who, frame))
    frame, who = frame[order], who[order]
    side = 40 + 10 * who
    left = 10 + 100 * who
    box = np.stack([left, left * 0 + 20, left + side, 20 + side], axis=1).astype(np.float32)
    landmarks = np.repeat(box[:, None, :2] + 15, 5, axis=1).astype(np.float32)
    return Tracks(
        frame, who + 10, np.zeros_like(who), who, np.isin(who, still), box, landmarks,
        np.ones(len(who), np.float32), np.ones(len(who), bool),
    )  # fmt: skip


@pytest.fixture
def ask(tmp_path):
    """Ask whose faces are dubbed in a video of some tracks."""

    def asked(tracks, rule, **more):
        url = str(tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet")
        write_table(url, tracks, ["a note"])
        return choose_speaker(SpeakerQuery("v", url, rule, 400, 100, RATE, **more))

    return asked


def test_one_person_is_dubbed_wherever_seen(ask):
    found = ask(tracks_of((0, 60)), "auto", has_sound=True)
    assert found.persons == (SpeakingPerson("auto", (10,)),)
    assert (found.frames, found.turns, found.undecided) == (60, None, False)


def test_of_several_the_sound_is_asked(ask):
    two = tracks_of((0, 60), (30, FRAMES))
    assert ask(two, "auto", has_sound=True).undecided
    assert ask(two, "speaking", has_sound=True).undecided
    assert ask(tracks_of((0, 60)), "speaking", has_sound=True).undecided
    assert not ask(two, "largest", has_sound=True).undecided


def test_a_large_face_that_never_moves_may_be_a_person(ask):
    still = tracks_of((0, 60), (30, FRAMES), still=[1])
    assert asks_who_speaks(still, "auto")
    assert not asks_who_speaks(still, "auto", has_sound=False)
    small = replace(still, box=np.where((still.person == 1)[:, None], [0, 0, 9, 9], still.box).astype(still.box.dtype))
    assert not asks_who_speaks(small, "auto")
    assert ask(still, "auto", has_sound=True).undecided
    found = ask(still, "auto", has_sound=True, alone=True)  # it was a picture after all
    assert (found.persons, found.turns, found.undecided) == ((SpeakingPerson("auto", (10,)),), None, False)


@pytest.mark.parametrize("more", [{}, {"has_sound": True, "turns": (), "untold": "it has no sound"}])
def test_where_it_cannot_be_told_the_largest_is_dubbed_and_that_is_said(ask, more):
    found = ask(tracks_of((0, FRAMES), (0, FRAMES)), "auto", **more)
    assert found.persons == (SpeakingPerson("auto", (11,)),)
    assert found.notes[0] == "a note"
    assert "who speaks in the video cannot be told: it has no sound; the largest face was taken" in found.notes[1]


def test_each_is_dubbed_where_it_speaks_and_is_seen(ask):
    turns = Turn(0.0, 1.0, 0), Turn(1.2, 3.2, 1), Turn(3.6, 4.0, 0), Turn(0.0, 4.0, 7)
    found = ask(tracks_of((0, 95), (40, FRAMES)), "auto", has_sound=True, turns=turns)
    second, first = found.persons  # who is dubbed for longest comes first
    assert first == SpeakingPerson("person-0", (10,), ((0, 25), (90, 100)))
    assert second == SpeakingPerson("person-1", (11,), ((30, 80),))
    assert found.frames == 25 + 40 + 5
    assert found.turns == turns
    assert found.chosen == (11,)


@pytest.mark.parametrize("turns", [(), (Turn(0.0, 1.0, 3),)])
def test_nobody_in_view_speaks(ask, turns):
    found = ask(tracks_of((0, FRAMES), (0, FRAMES)), "auto", has_sound=True, turns=turns)
    assert (found.persons, found.turns, found.without) == ((), turns, NOBODY_SPEAKS)


def test_everybody_is_dubbed_but_pictures(ask):
    three = tracks_of((0, FRAMES), (0, 50), (0, FRAMES), still=[2])
    assert [one.chosen for one in ask(three, "all").persons] == [(10,), (11,)]
    assert ask(three, "all").frames == FRAMES
    assert len(ask(three, "all", pictures=True).persons) == 3


def test_frames_are_those_whose_middle_is_spoken():
    assert spans_of([Turn(0.02, 0.1, 0), Turn(0.1, 0.2, 0), Turn(3.9, 9.0, 0)], RATE, FRAMES) == ((0, 5), (98, 100))
    assert spans_of([], RATE, FRAMES) == ()
    assert flags_of(((1, 3),), 4).tolist() == [False, True, True, False]
    assert flags_of(None, 2).all()


def given(*turns):
    return GivenTurns("t.csv", tuple(WrittenTurn(f"line {n}", "", *turn) for n, turn in enumerate(turns, 2)))


def test_what_a_user_says_is_obeyed(ask):
    found = ask(tracks_of((0, FRAMES), (0, FRAMES)), "largest", given=given((1, 2, "person:0"), (2, 3, "nobody")))
    assert found.persons == (SpeakingPerson("person-0", (10,), ((25, 50),)),)
    assert found.turns == (Turn(1, 2, 0),)


def test_a_name_is_whom_the_sound_finds(ask):
    written, two = given((0, 2, "ann"), (2, 4, "bob")), tracks_of((0, FRAMES), (0, FRAMES))
    assert ask(two, "largest", given=written, has_sound=True).undecided
    decided = Turn(0.0, 1.9, 1), Turn(2.0, 4.0, 0)
    found = ask(two, "largest", given=written, has_sound=True, turns=decided)
    assert [(one.name, one.spans) for one in found.persons] == [("person-0", ((50, 100),)), ("person-1", ((0, 50),))]
    with pytest.raises(ManifestError, match="'ann' is a name, and who it is could not be found"):
        ask(two, "largest", given=written)


def test_who_is_not_seen_cannot_be_named(ask):
    with pytest.raises(ManifestError, match=r"person:5 is not seen in the video; expected one of: person:0"):
        ask(tracks_of((0, FRAMES)), "auto", given=given((0, 1, "person:5")))


class Info:
    """Of a video, what the choice asks of it."""

    url, content, frames, rate, width, height = "v.mp4", "", FRAMES, RATE, 400, 100
    has_audio, still, origin_s = True, False, Fraction(0)


def speakers(tmp_path, dubs, rule="auto"):
    answered = {}
    made = Speakers(
        lambda *names: storage.join(str(tmp_path), *names), rule, {"v": Info()}, {"v": dubs}, answered.__setitem__, ()
    )
    return made, answered


def run(made):
    """Answer every choice as a worker would; (rows, decisions) that are asked for."""
    choose, mouths, decide, again = made.nodes
    for node in (choose, again):
        while node.ready:
            query = node.ready.popleft()
            node.on_answer(query, choose_speaker(query))
    return mouths, decide


def test_a_decision_is_looked_for_once_for_all_dubs_of_a_video(tmp_path):
    table = str(tmp_path / "faces.parquet")
    write_table(table, tracks_of((0, FRAMES), (0, FRAMES)))
    mine = given((0, 4, "person:0"))
    made, answered = speakers(tmp_path, {"a": None, "b": None, "c": mine, "d": given((0, 4, "ann"))})
    assert made.expected("v") == ()
    made.begin("v", table)
    mouths, decide = run(made)
    (row,) = mouths.ready
    mouths.on_answer(row, 3)
    (order,) = decide.ready
    assert answered == {}
    decide.on_answer(order, Decision((Turn(0.0, 4.0, 1),)))
    run(made)
    chosen = {dub: [one.name for one in answer.persons] for dub, answer in answered["v"].items()}
    assert chosen == {"a": ["person-1"], "b": ["person-1"], "c": ["person-0"], "d": ["person-1"]}


def test_a_decision_that_fails_ends_only_dubs_that_need_it(tmp_path):
    table = str(tmp_path / "faces.parquet")
    write_table(table, tracks_of((0, FRAMES), (0, FRAMES)))
    made, answered = speakers(tmp_path, {"a": None, "b": given((0, 4, "person:0"))})
    made.begin("v", table)
    mouths, _ = run(made)
    failure = Failure("mouths", "cannot be decoded")
    mouths.on_answer(mouths.ready.popleft(), failure)
    assert answered["v"]["a"] == failure
    assert answered["v"]["b"].persons


def test_what_was_decided_before_is_known(tmp_path):
    import json
    from dataclasses import asdict

    decision = Decision((Turn(0.0, 1.0, 2), Turn(1.0, 4.0, 0)))
    url = storage.join(str(tmp_path), "faces", "speakers", decision_name("v"))
    storage.commit_bytes(url, json.dumps(asdict(decision)).encode())
    table = str(tmp_path / "faces.parquet")
    write_table(table, tracks_of((0, FRAMES), (0, FRAMES), (0, FRAMES)))
    made, answered = speakers(tmp_path, {"a": None, "b": given((0, 4, "person:1"))})
    assert set(made.expected("v")) == {"person-2", "person-0", "person-1"}
    assert speakers(tmp_path, {"a": None}, "largest")[0].expected("v") == ("largest",)
    made.begin("v", table)
    mouths, decide = run(made)
    assert not mouths.ready
    assert not decide.ready
    assert [one.name for one in answered["v"]["a"].persons] == ["person-0", "person-2"]


def test_a_person_before_a_large_picture_is_dubbed_throughout(tmp_path):
    import json
    from dataclasses import asdict

    table = str(tmp_path / "faces.parquet")
    write_table(table, tracks_of((0, FRAMES), (0, FRAMES), still=[1]))
    made, answered = speakers(tmp_path, {"a": None, "b": given((0, 4, "ann"))})
    made.begin("v", table)
    mouths, decide = run(made)
    mouths.on_answer(mouths.ready.popleft(), 3)
    decision = Decision((Turn(0.0, 1.0, 0),), alone=True)
    decide.on_answer(decide.ready.popleft(), decision)
    run(made)
    chosen = {dub: answer.persons for dub, answer in answered["v"].items()}
    assert chosen["a"] == (SpeakingPerson("auto", (10,)),)
    assert [one.name for one in chosen["b"]] == ["person-0"]  # the name's turns are compared with what was decided

    storage.commit_bytes(
        storage.join(str(tmp_path), "faces", "speakers", decision_name("v")), json.dumps(asdict(decision)).encode()
    )
    again, answered = speakers(tmp_path, {"a": None})
    assert again.expected("v") == ("auto",)
    again.begin("v", table)
    run(again)
    assert answered["v"]["a"].persons == chosen["a"]

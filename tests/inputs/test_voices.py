"""Whose mouths say the voices of a dub, and in which frames."""

from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest

from lipsync_ray.errors import ModelError
from lipsync_ray.faces.sight import FADE
from lipsync_ray.faces.table import write_table
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.speaker_search import Speakers
from lipsync_ray.inputs.speakers import GivenTurns, SpeakerQuery, SpeakingPerson
from lipsync_ray.inputs.voices import choose_faces
from lipsync_ray.io import storage
from lipsync_ray.io.turns import Turn
from lipsync_ray.io.written_faces import VoiceLine, WrittenVoice
from lipsync_ray.io.written_turns import WrittenTurn

FRAMES, RATE = 100, Fraction(25)


def tracks_of(*seen):
    """Tracks of persons 0, 1, … in [start, stop) frames; each stands 100 pixels right of the one before, and is larger."""
    rows = sorted((frame, who) for who, span in enumerate(seen) for frame in range(*span))
    frame, who = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    left, side = 10 + 100 * who, 40 + 10 * who
    box = np.stack([left, 0 * left + 20, left + side, 20 + side], axis=1).astype(np.float32)
    landmarks = np.repeat(box[:, None, :2] + 15, 5, axis=1).astype(np.float32)
    return Tracks(
        frame, who + 10, np.zeros_like(who), who, np.zeros(len(who), bool), box, landmarks,
        np.ones(len(who), np.float32), np.ones(len(who), bool),
    )  # fmt: skip


TWO = ((0, FRAMES), (0, FRAMES))


def voice(face, *times):
    """A voice with lines at (start, end) times; without any, one that is heard all the time."""
    lines = tuple(VoiceLine(Fraction(a), Fraction(b), f"line {n}") for n, (a, b) in enumerate(times, 2))
    return WrittenVoice(face, lines or None)


@pytest.fixture
def ask(tmp_path):
    """Ask whose faces are dubbed."""

    def asked(voices, seen=TWO, rule="auto", **more):
        url = str(tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet")
        write_table(url, tracks_of(*seen) if seen else tracks_of((0, 1)), ["a note"])
        return choose_faces(SpeakerQuery("v", url, rule, 400, 100, RATE, voices=tuple(voices), **more))

    return asked


def drawn(found):
    return {(one.name, one.voice): one.spans for one in found.persons}


def test_without_voices_the_rule_decides(ask):
    assert ask([], rule="largest").persons == (SpeakingPerson("largest", (11,)),)


@pytest.mark.parametrize(
    ("face", "person"),
    [("left", 0), ("Right", 1), ("largest", 1), ("person:0", 0), ("1.2s@30,40", 0), ("1.2s@108x40", 1), ("0@61,40", 0)],
)
def test_a_voice_goes_to_the_face_it_names(ask, face, person):
    found = ask([voice(face)])
    assert found.persons == (SpeakingPerson(f"person-{person}", (10 + person,)),)
    assert (found.whose, found.turns, found.notes) == ((((person,),),), None, ("a note",))


@pytest.mark.parametrize(
    ("face", "said"),
    [
        (
            "2@80,40",
            "face: 2@80,40: no face is there; at that time the video shows person:0 at 10,20 to 50,60, person:1 at 110",
        ),
        ("9s@30,40", "9s@30,40: no face is there; at that time the video shows nobody"),
        ("person:7", "face: person:7 is not seen in the video; expected one of: person:0, person:1"),
    ],
)
def test_a_face_that_is_not_there_is_refused(ask, face, said):
    with pytest.raises(ModelError, match=said):
        ask([voice(face)])


def test_an_unknown_person_in_a_line_is_refused_with_its_place(ask):
    with pytest.raises(ModelError, match="line 2, speaker: person:7 is not seen"):
        ask([voice("person:7", (1, 2))])


def test_each_is_drawn_in_the_own_lines_and_as_it_fades_around_them(ask):
    found = ask([voice("left", (1, 2), (3, 3.2)), voice("right", (1.5, 2.5))])
    assert drawn(found) == {
        ("person-0", 0): ((25 - FADE, 50 + FADE), (75 - FADE, 80 + FADE)),
        ("person-1", 1): ((38 - FADE, 62 + FADE),),
    }
    assert found.turns == (Turn(1.0, 2.0, 0), Turn(3.0, 3.2, 0), Turn(1.5, 2.5, 1))
    assert found.whose == (((0,), (0,)), ((1,),))


def test_what_fades_leaves_out_another_line_of_the_same_mouth(ask):
    found = ask([voice("left", (1, 2)), voice("person:0", (2, 3), (3.2, 3.4))])
    assert drawn(found) == {("person-0", 0): ((25 - FADE, 50),), ("person-0", 1): ((50, 85 + FADE),)}


def test_the_first_and_the_last_frame_are_no_obstacle(ask):
    assert drawn(ask([voice("left", (0, 4))])) == {("person-0", 0): ((0, FRAMES),)}


@pytest.mark.parametrize(
    ("voices", "said"),
    [
        (
            [voice("left"), voice("person:0")],
            "the voice of 'left' and the voice of 'person:0' are both said by person 0",
        ),
        (
            [voice("left", (0, 3)), voice("person:0", (1, 2))],
            "line 2 of 'left' and line 2 of 'person:0' are both said by",
        ),
        ([voice("left", (0, 4), (1, 1.5)), voice("person:0", (3, 3.5))], "line 2 of 'left' and line 2 of 'person:0'"),
    ],
)
def test_a_mouth_says_one_thing_at_a_time(ask, voices, said):
    with pytest.raises(ModelError, match=said):
        ask(voices)


def test_a_picture_says_all_its_lines_with_one_voice(ask):
    found = ask([voice("left", (50, 60))], still=True)
    assert (drawn(found), found.turns) == ({("person-0", 0): None}, None)
    with pytest.raises(ModelError, match="are both said by person 0 of one picture"):
        ask([voice("left", (1, 2)), voice("person:0", (5, 6))], still=True)


def test_names_go_to_whom_the_sound_finds_each_person_once(ask):
    lines = [voice("Ann", (0, 2)), voice("Bob", (2, 4)), voice("Cy", (2.5, 3))]
    assert ask(lines, has_sound=True).undecided
    found = ask(lines, has_sound=True, turns=(Turn(0.0, 2.0, 1), Turn(2.0, 4.0, 0)))
    assert found.whose == (((1,),), ((0,),), ((),))
    assert "line 2 of 'Cy': a voice off screen; nobody in view goes with it, and nobody is drawn" in found.notes
    assert set(drawn(found)) == {("person-1", 0), ("person-0", 1)}


def test_a_person_who_is_named_is_no_others(ask):
    found = ask(
        [voice("person:1", (0, 1)), voice("Ann", (1, 2))], has_sound=True, turns=(Turn(0.0, 2.0, 1), Turn(3.0, 4.0, 0))
    )
    assert found.whose == (((1,),), ((),))


@pytest.mark.parametrize("more", [{}, {"has_sound": True, "turns": (), "untold": "no voice in it"}])
def test_a_name_that_no_sound_can_find_is_refused(ask, more):
    with pytest.raises(ModelError, match="line 2, speaker: 'Ann' is a name, and who it is could not be found"):
        ask([voice("Ann", (1, 2))], **more)


def test_a_single_name_is_the_single_person(ask):
    assert ask([voice("Ann", (1, 2))], seen=[(0, FRAMES)]).whose == (((0,),),)


def test_nobody_is_nobody(ask):
    found = ask([voice("nobody", (1, 2)), voice("left", (2, 3))])
    assert found.whose == (((),), ((0,),))


def test_lines_without_a_speaker_are_said_by_who_speaks_then(ask):
    lines = voice(None, (0, 1), (1, 2), (3, 4))
    assert ask([lines], has_sound=True).undecided
    found = ask([lines], has_sound=True, turns=(Turn(0.0, 1.4, 1), Turn(1.4, 2.0, 0)))
    assert found.whose == (((1,), (0,), ()),)
    assert any("line 4 without a speaker: a voice off screen" in note for note in found.notes)
    assert ask([lines], rule="left").whose == (((0,),) * 3,)
    assert ask([lines], rule="all").whose == (((0, 1),) * 3,)


def test_of_several_in_a_silent_video_the_largest_says_lines_without_a_speaker_and_that_is_said(ask):
    found = ask([voice(None, (0, 1))])
    assert found.whose == (((1,),),)
    assert "who speaks in the video cannot be told: it has no sound; the largest face was taken" in found.notes[1]


def test_a_video_without_a_face_asks_nothing(tmp_path):
    url = str(tmp_path / "t.parquet")
    none = tracks_of((0, 1))
    write_table(url, Tracks(*(getattr(none, one.name)[:0] for one in fields(none))), [], "too dark")
    for written in ("left", "Ann", "person:0", "1s@2,3", None):
        query = SpeakerQuery("v", url, "auto", 400, 100, RATE, True, voices=(voice(written, (1, 2)),))
        found = choose_faces(query)
        assert (found.persons, found.undecided, found.turns, found.without) == ((), False, None, "too dark")


def test_who_speaks_by_a_users_file_is_obeyed(ask):
    given = GivenTurns("t.csv", (WrittenTurn("line 2", "", 0.0, 1.0, "person:0"),))
    assert ask([voice(None, (0, 1), (2, 3))], has_sound=True, given=given).whose == (((0,), ()),)


def test_who_is_out_of_view_in_the_own_lines_is_said(ask):
    found = ask([voice("person:1", (3, 4)), voice("left", (0, 1))], seen=[(0, FRAMES), (0, 50)])
    assert set(drawn(found)) == {("person-0", 1)}
    assert "person 1 is not in view when the voice of 'person:1' is heard, and is not drawn" in found.notes


def test_nobody_to_draw_is_a_reason(ask):
    found = ask([voice("person:1", (3, 4))], seen=[(0, FRAMES), (0, 50)])
    assert (found.persons, found.turns) == ((), (Turn(3.0, 4.0, 1),))
    assert found.without.startswith("nobody who is to speak is in view; person 1 is not in view when")


class Info:
    """Of a video, what the choice asks of it."""

    url, content, frames, rate, width, height = "v.mp4", "", FRAMES, RATE, 400, 100
    has_audio, still, origin_s = True, False, Fraction(0)


def test_dubs_of_a_video_with_other_voices_are_other_questions(tmp_path):
    table = str(tmp_path / "faces.parquet")
    write_table(table, tracks_of(*TWO))
    voices = {"a": (voice("person:0"), voice("person:1")), "b": (voice("left"),), "c": (voice("left"),)}
    answered = {}
    made = Speakers(
        lambda *names: storage.join(str(tmp_path), *names), "auto", {"v": Info()}, {"v": dict.fromkeys(voices)},
        answered.__setitem__, (), voices,
    )  # fmt: skip
    assert made.expected("v") == ()
    made.begin("v", table)
    choose = made.nodes[0]
    assert len(choose.ready) == 2
    while choose.ready:
        query = choose.ready.popleft()
        choose.on_answer(query, choose_faces(query))
    found = {dub: [one.name for one in answer.persons] for dub, answer in answered["v"].items()}
    assert found == {"a": ["person-0", "person-1"], "b": ["person-0"], "c": ["person-0"]}


def test_persons_of_voices_by_number_are_known_before_their_faces(tmp_path):
    made = Speakers(
        lambda *names: storage.join(str(tmp_path), *names), "auto", {"v": Info()}, {"v": {"a": None}},
        lambda *_: None, (), {"a": (voice("person:0"), voice("2", (1, 2)))},
    )  # fmt: skip
    assert made.expected("v") == ("person-0", "person-2")

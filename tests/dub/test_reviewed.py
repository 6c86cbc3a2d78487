"""A review, obeyed: which dubs are made anew, for whom, and which stay; nothing is drawn here."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lipsync_ray.errors import ManifestError
from lipsync_ray.faces.table import write_table
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.speakers import SpeakerQuery, choose_speaker
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Dub, Voice
from lipsync_ray.io.results import RESULTS, Result
from lipsync_ray.io.reviews import Reviewed, read_decisions
from lipsync_ray.jobs.dub.reviewed import NOBODY_DUBBED, Reviews, reviews_of

T1 = "2026-10-11T12:00:00.000Z"
IDS = ["a", "b", "c", "d", "e"]
DUBS = [Dub(name, "v.mp4", "a.wav") for name in IDS]


def two_people():
    """Tracks of persons 0 and 1, side by side, for 50 frames."""
    frame, person = np.repeat(np.arange(50, dtype=np.int32), 2), np.tile(np.array([0, 1], np.int32), 50)
    left = 10 + 100 * person
    box = np.stack([left, left * 0 + 20, left + 50, left * 0 + 70], axis=1).astype(np.float32)
    landmarks = np.repeat(box[:, None, :2] + 15, 5, axis=1).astype(np.float32)
    flags = np.zeros(len(frame), bool)
    return Tracks(
        frame, person, np.zeros_like(person), person, flags, box, landmarks, np.ones(len(frame), np.float32), ~flags
    )


@pytest.fixture
def out(place):
    """A run's folder: a and b are done, c shows no face, d failed, of e nothing is known."""
    write_table(storage.join(place, "faces", "v-0123456789abcdef.parquet"), two_people())
    rows = [
        Result("a", "v.mp4", "a.wav", None, "done", output="x/videos/a.mp4"),
        Result("b", "v.mp4", "a.wav", None, "done", output="x/videos/b.mp4"),
        Result("c", "v.mp4", "a.wav", None, "no_face"),
        Result("d", "v.mp4", "a.wav", None, "failed"),
    ]
    table = "elsewhere/faces/v-0123456789abcdef.parquet"  # the folder was moved since
    RESULTS.commit(place, 0, [replace(row, face_table=table, fingerprint=f"print-{row.id}") for row in rows], "dub")
    for name in ("a", "b"):
        storage.commit_bytes(storage.join(place, "videos", f"{name}.mp4"), b"x")
    return place


@pytest.fixture
def review(tmp_path):
    def write(*rows):
        file = tmp_path / "review.csv"
        file.write_text("\n".join(["id,verdict,person,note,time", *rows]) + "\n")
        return str(file)

    return write


def test_without_a_review_nothing_is_special(out):
    found = reviews_of(out, DUBS)
    assert found == Reviews(out)
    assert found.kept(IDS, "dub") == {}
    assert found.fingerprint("a", "p") == "p"
    assert found.given("a", 2) is None
    found.write()
    assert read_decisions(out) == {}


def test_what_is_finished_stays_but_what_the_review_asks_for(out, review):
    found = reviews_of(out, DUBS, review(f"a,redo,,,{T1}", "d,accept,,,"))
    assert found.asked == {"a"}
    assert set(found.kept(IDS, "dub")) == {"b", "c", "d"}  # d by its accept; e is made as always
    assert found.fingerprint("a", "p") != "p"
    assert found.fingerprint("b", "p") == "p"


def test_an_accepted_dub_stays_and_a_missing_video_is_made(out, review):
    storage.remove(storage.join(out, "videos", "b.mp4"))
    found = reviews_of(out, DUBS, review("a,accept,,,"))
    assert set(found.kept(IDS, "dub")) == {"a", "c"}


def test_decisions_hold_in_later_runs(out, review):
    first = reviews_of(out, DUBS, review(f"a,wrong_person,person:1,left one,{T1}"))
    first.write()
    later = reviews_of(out, DUBS)
    assert later.decisions == {"a": Reviewed(T1, "person:1", "left one")}
    assert later.fingerprint("a", "p") == first.fingerprint("a", "p")
    again = reviews_of(out, DUBS, review(f"a,wrong_person,person:1,left one,{T1}"))
    assert again.fingerprint("a", "p") == first.fingerprint("a", "p")
    newer = reviews_of(out, DUBS, review("a,redo,,,2026-10-12T12:00:00.000Z"))
    assert newer.decisions["a"].person == "person:1"
    assert newer.fingerprint("a", "p") != first.fingerprint("a", "p")


def test_a_review_that_only_accepts_writes_nothing(out, review):
    reviews_of(out, DUBS, review("a,accept,,,")).write()
    assert read_decisions(out) == {}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("z,redo,,,", "line 2, id: 'z' is none of the dubs"),
        ("a,again,,,", "line 2, verdict: again"),
        ("a,wrong_person,person:7,,", r"line 2, person: person:7 is not seen in the video of a; expected one of: person:0, person:1, nobody"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_with_its_line(out, review, row, told):
    with pytest.raises(ManifestError, match=told):
        reviews_of(out, DUBS, review(row))


def test_a_person_is_checked_later_if_there_is_no_face_table(out, review):
    assert reviews_of(out, DUBS, review("e,wrong_person,person:7,,")).asked == {"e"}
    storage.remove(storage.join(out, "faces"))
    assert reviews_of(out, DUBS, review("a,wrong_person,person:7,,")).asked == {"a"}


def choice(out, tmp_path, person):
    reviews = Reviews(out, {"a": Reviewed(T1, person)})
    table = str(tmp_path / "t.parquet")
    write_table(table, two_people())
    return choose_speaker(SpeakerQuery("v", table, "auto", 400, 100, has_sound=True, given=reviews.given("a", 2.0)))


def test_the_person_is_dubbed_from_the_first_frame_to_the_last(tmp_path):
    found = choice("out", tmp_path, "person:1")
    assert [(one.name, one.chosen, one.spans) for one in found.persons] == [("person-1", (1,), ((0, 50),))]
    assert [(turn.start_s, turn.end_s, turn.person) for turn in found.turns] == [(0.0, 2.0, 1)]


def test_nobody_is_dubbed_and_the_reason_is_said(tmp_path):
    found = choice("out", tmp_path, "nobody")
    assert (found.persons, found.without, found.turns) == ((), NOBODY_DUBBED, ())


def test_an_unknown_person_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"reviewed\.json[\s\S]*person:4 is not seen"):
        choice("out", tmp_path, "person:4")


def test_decisions_are_json_that_a_person_can_read(out, review):
    reviews_of(out, DUBS, review(f"a,redo,,mouth late,{T1}")).write()
    text = storage.read_bytes(storage.join(out, "reviewed.json")).decode()
    assert json.loads(text) == {"a": {"time": T1, "person": None, "note": "mouth late"}}


@pytest.mark.parametrize(
    "several", [{"cues": "lines.srt"}, {"voices": (Voice("a.wav", "left"), Voice("b.wav", "right"))}]
)
def test_one_person_is_not_for_several_voices(out, review, several):
    dubs = [Dub("a", "v.mp4", "a.wav", **several)]
    with pytest.raises(ManifestError, match="line 2, person: a has lines or several voices"):
        reviews_of(out, dubs, review("a,wrong_person,person:1,,"))
    assert reviews_of(out, dubs, review("a,wrong_person,nobody,,")).names_somebody("a")

"""The table of who speaks when: written, edited, read back; RTTM; what is wrong names its line."""

import pytest

from lipsync_ray.errors import ManifestError
from lipsync_ray.io.parquet import csv_url
from lipsync_ray.io.turns import Turn, commit_turns, read_committed
from lipsync_ray.io.written_turns import WrittenTurn, check_times, dubs_of, known_turns, matched, read_written

HEADER = "dub,start_s,end_s,person,confidence\n"


def written(folder, text, name="speakers.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def problems_of(folder, text, name="speakers.csv"):
    with pytest.raises(ManifestError) as caught:
        read_written(written(folder, text, name))
    return caught.value.problems


def test_a_table_is_read_back_as_it_was_committed(place):
    url = f"{place}/speakers.parquet"
    turns = {"a": [Turn(0.0, 1.24, 1, 0.9), Turn(2.0, 3.0, 0, 0.75)], "b": [Turn(0.5, 0.9, 2)]}
    commit_turns(url, turns)
    assert read_committed(url) == turns


def test_no_turns_are_a_table_too(tmp_path):
    url = str(tmp_path / "speakers.parquet")
    commit_turns(url, {})
    assert read_committed(url) == {}
    assert (tmp_path / "speakers.csv").read_text(encoding="utf-8") == HEADER


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_committed_table_can_be_given_back(tmp_path, kind):
    url = str(tmp_path / "speakers.parquet")
    commit_turns(url, {"a": [Turn(0.0, 1.24, 1, 0.9), Turn(1.0, 3.0, 0, 0.75)]})
    given = read_written(csv_url(url) if kind == "csv" else url)
    assert [(turn.dub, turn.start_s, turn.end_s, turn.speaker, turn.confidence) for turn in given] == [
        ("a", 0.0, 1.24, "person:1", 0.9),
        ("a", 1.0, 3.0, "person:0", 0.75),
    ]
    assert known_turns(url, given, {0, 1}) == (Turn(0.0, 1.24, 1, 0.9), Turn(1.0, 3.0, 0, 0.75))


def test_dub_and_confidence_may_be_left_away(tmp_path):
    given = read_written(written(tmp_path, "start_s;end_s;person\n0;1.5;Person:3\n"))
    assert given == [WrittenTurn("line 2", "", 0.0, 1.5, "person:3", 1.0)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,2,1,1,", "line 3: ends at 1 s, before it starts, at 2 s"),
        ("a,1,1,1,", "line 3: ends at 1 s, before it starts, at 1 s"),
        ("a,-1,1,1,", "line 3, start_s: -1; expected seconds"),
        ("a,,1,1,", "line 3, start_s: empty; expected seconds"),
        ("a,0,inf,1,", "line 3, end_s: inf; expected seconds"),
        ("a,0:12,1,1,", "line 3, start_s: 0:12; expected seconds"),
        ("a,0,1,,", "line 3, person: empty; expected a number"),
        ("a,0,1,1,7", "line 3, confidence: 7; expected 0 to 1"),
        ("a,8,12,1,", "line 3: person:1 from 8 s on, but of line 2 until 9 s"),
    ],
)
def test_what_is_wrong_in_a_row_is_said_with_its_line(tmp_path, row, said):
    (problem,) = problems_of(tmp_path, f"{HEADER}a,7,9,1,\n{row}\n")
    assert problem.startswith(said)


def test_different_persons_may_speak_at_once(tmp_path):
    given = read_written(written(tmp_path, f"{HEADER}a,0,2,1,\na,1,3,2,\nb,0,2,1,\n"))
    assert len(given) == 3


def test_columns_are_named_when_missing_or_unknown(tmp_path):
    assert problems_of(tmp_path, "start_s,end_s,who\n0,1,1\n") == [
        "column 'who': unknown; expected dub, start_s, end_s, person, confidence",
        "column 'person': missing",
    ]


def test_an_unknown_kind_and_an_empty_file_are_said(tmp_path):
    assert problems_of(tmp_path, "x", "speakers.txt")[0].startswith("unknown kind of table")
    assert problems_of(tmp_path, "", "speakers.rttm") == ["the table is empty"]
    assert problems_of(tmp_path, ";; nothing\n", "speakers.rttm") == ["no turn in it"]
    with pytest.raises(ManifestError, match="no such file"):
        read_written(str(tmp_path / "absent.csv"))


def test_rttm_is_read(tmp_path):
    text = (
        ";; a comment\n"
        "SPKR-INFO a 1 <NA> <NA> <NA> unknown SPEAKER_00 <NA> <NA>\n"
        "SPEAKER a 1 0.50 1.25 <NA> <NA> SPEAKER_00 0.8 <NA>\n"
        "SPEAKER a 1 2.00 1.00 <NA> <NA> person:2 <NA> <NA>\n"
    )
    assert read_written(written(tmp_path, text, "a.RTTM")) == [
        WrittenTurn("line 3", "a", 0.5, 1.75, "SPEAKER_00", 0.8),
        WrittenTurn("line 4", "a", 2.0, 3.0, "person:2", 1.0),
    ]


def test_what_is_wrong_in_rttm_is_said_with_its_line(tmp_path):
    text = "SPEAKER a 1 0.5\nSPEAKER a 1 x 1 <NA> <NA> b\nSPEAKER a 1 3 -1 <NA> <NA> b\n"
    first, second, third = problems_of(tmp_path, text, "a.rttm")
    assert first.startswith("line 1: 4 fields; expected SPEAKER file")
    assert second == "line 2: onset x, duration 1; expected seconds"
    assert third == "line 3: ends at 2 s, before it starts, at 3 s"


def test_turns_go_to_their_dubs():
    a, none, other = (WrittenTurn(f"line {n}", dub, 0, 1, "person:1") for n, dub in ((2, "a"), (3, ""), (4, "c")))
    assert dubs_of("f", [a], ["a", "b"]) == {"a": [a]}
    assert dubs_of("f", [none], ["a"]) == {"a": [none]}
    with pytest.raises(ManifestError) as caught:
        dubs_of("f", [a, none, other], ["a", "b"])
    assert caught.value.problems == [
        "line 4, dub: 'c' is none of the dubs (a, b), nor the name of a video",
    ]
    assert dubs_of("f", [a, none], ["a", "b"]) == {"a": [a, none], "b": [none]}
    assert dubs_of("f", [other], ["a", "b", "d"], {"a": "c", "b": "c", "d": "e"}) == {"a": [other], "b": [other]}


def test_times_beyond_the_video_are_said():
    turns = [WrittenTurn("line 2", "a", 0, 10.04, "person:1"), WrittenTurn("line 3", "a", 9, 11, "person:2")]
    with pytest.raises(ManifestError) as caught:
        check_times("f", turns, 10.0)
    assert caught.value.problems == ["line 3: ends at 11 s, but the video ends at 10 s"]


def test_persons_that_are_not_seen_are_said():
    turns = [WrittenTurn("line 2", "a", 0, 1, "person:1"), WrittenTurn("line 3", "a", 0, 1, "person:7")]
    with pytest.raises(ManifestError) as caught:
        known_turns("f", turns, {0, 1})
    assert caught.value.problems == [
        "line 3, person: person:7 is not seen in the video; expected one of: person:0, person:1"
    ]


def test_nobody_is_no_turn():
    assert known_turns("f", [WrittenTurn("line 2", "a", 0, 1, "nobody")], {0}) == ()


def test_names_go_to_who_was_found_to_speak_in_their_turns():
    turns = [
        WrittenTurn("line 1", "a", 0, 4, "SPEAKER_00"),
        WrittenTurn("line 2", "a", 4, 6, "SPEAKER_01"),
        WrittenTurn("line 3", "a", 6, 8, "SPEAKER_02"),
        WrittenTurn("line 4", "a", 8, 9, "person:5"),
    ]
    decided = [Turn(0, 3.5, 1), Turn(3.5, 6.5, 0), Turn(6.5, 7, 1)]
    assert matched(turns, decided) == {"person:5": 5, "SPEAKER_00": 1, "SPEAKER_01": 0}
    assert known_turns("f", turns, {0, 1, 5}, decided) == (Turn(0, 4, 1), Turn(4, 6, 0), Turn(8, 9, 5))


def test_names_of_which_nothing_was_found_are_said():
    with pytest.raises(ManifestError) as caught:
        known_turns("f", [WrittenTurn("line 1", "a", 0, 4, "SPEAKER_00")], {0, 1})
    assert caught.value.problems[0].startswith("line 1, person: 'SPEAKER_00' is a name")

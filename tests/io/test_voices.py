"""Voices and lines in the table of dubs; whose face it is, as a user writes it; what became of lines."""

import json
from fractions import Fraction

import pytest

from lipsync_ray.errors import ManifestError
from lipsync_ray.io.manifest import Dub, Voice, given_cues, read_manifest, sound_files
from lipsync_ray.io.spoken_lines import SCHEMA, SpokenLine, commit_lines, what_was_done
from lipsync_ray.io.written_faces import FacePoint, written_face


@pytest.mark.parametrize(
    ("text", "face"),
    [
        ("left", "left"),
        (" Largest", "largest"),
        ("person:0", 0),
        ("Person:12", 12),
        ("3", 3),
        ("12.4s@640,320", FacePoint(Fraction(62, 5), 640.0, 320.0)),
        ("12.4 @ 640.5x320", FacePoint(Fraction(62, 5), 640.5, 320.0)),
        ("0s@0,0", FacePoint(Fraction(0), 0.0, 0.0)),
        *((name, None) for name in ("Ann", "lft", "all", "auto", "12.4s", "@1,2", "1s@2", "-1s@2,3", "person:", "")),
    ],
)
def test_a_face_by_its_text(text, face):
    assert written_face(text) == face


@pytest.fixture
def folder(tmp_path):
    for name in ("v.mp4", "w.mp4", "a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "s.csv").write_text("start,end,audio\n0,1,a.wav\n")
    (tmp_path / "s.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    return tmp_path


def table(folder, *rows):
    path = folder / "t.jsonl"
    path.write_text("\n".join(json.dumps({"video": "v.mp4"} | row) for row in rows))
    return str(path)


def test_rows_of_one_id_are_voices_of_one_dub(folder):
    rows = [
        {"id": "two", "audio": "a.wav", "face": "left", "consent": "Ann's"},
        {"id": "one", "audio": "b.wav"},
        {"id": "two", "audio": "b.wav", "face": "2s@10,20", "consent": "Bob's"},
        {"id": "own", "audio": "b.wav", "face": "person:1"},
    ]
    two, one, own = read_manifest(table(folder, *rows))
    a, b = str(folder / "a.wav"), str(folder / "b.wav")
    assert two == Dub(
        "two", str(folder / "v.mp4"), a, voices=(Voice(a, "left"), Voice(b, "2s@10,20")), consent="Ann's; Bob's"
    )
    assert one == Dub("one", str(folder / "v.mp4"), b)
    assert own == Dub("own", str(folder / "v.mp4"), b, voices=(Voice(b, "person:1"),))
    assert sound_files(two, ()) == (a, b)


def test_lines_take_the_place_of_audio(folder):
    dubs = read_manifest(table(folder, {"id": "x", "cues": "s.csv"}, {"cues": "s.srt", "audio": "b.wav"}))
    assert [(dub.id, dub.audio and dub.audio[-5:], dub.cues[-5:]) for dub in dubs] == [
        ("x", None, "s.csv"),
        ("v-b", "b.wav", "s.srt"),
    ]
    cues = given_cues(dubs)
    assert [sound_files(dub, cues[dub.id])[0][-5:] for dub in dubs] == ["a.wav", "b.wav"]
    assert cues["v-b"][0].text == "Hello"


def test_an_id_of_lines_is_made_of_their_file(folder):
    assert read_manifest(table(folder, {"cues": "s.csv"}))[0].id == "v-s"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"audio": "a.wav", "face": "lft"}], "row 1, column 'face': 'lft'; expected largest, center, left, right, a person"),
        ([{"audio": "a.wav"}, {"id": "x"}], "row 2, column 'audio': empty, and so is 'cues'"),
        ([{"id": "x", "speakers": "s.csv"}], "column 'audio': missing; expected the sound of each dub there, or its lines"),
        ([{"cues": "gone.srt"}], "row 1, column 'cues'"),
        ([{"cues": "s.csv", "face": "left"}], "row 1, column 'face': 'left', but its lines name their speakers"),
        ([{"audio": "a.wav", "face": "left", "speakers": "s.csv"}], "row 1, column 'speakers': for a dub whose persons are not"),
    ],
)  # fmt: skip
def test_what_is_no_voice_is_named(folder, rows, said):
    with pytest.raises(ManifestError) as caught:
        read_manifest(table(folder, *rows))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(said)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"audio": "b.wav"}, "row 2, column 'id': 'x' is used 2 times; rows of one id are the voices of one dub, and each names"),
        ({"audio": "b.wav", "face": "Left"}, "row 2, column 'face': 'Left' is the face of row 1, too; a mouth has one voice"),
        ({"audio": "b.wav", "face": "right", "video": "w.mp4"}, "row 2, column 'video': another than in row 1"),
        ({"audio": "b.wav", "face": "right", "language": "ko"}, "row 2, column 'language': another than in row 1"),
        ({"face": "right"}, "row 2, column 'audio': empty, and so is 'cues'"),
    ],
)  # fmt: skip
def test_rows_of_one_id_that_are_no_voices_of_one_dub_are_named(folder, second, said):
    with pytest.raises(ManifestError) as caught:
        read_manifest(table(folder, {"id": "x", "audio": "a.wav", "face": "left"}, {"id": "x"} | second))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(said)


@pytest.mark.parametrize(
    ("tempo", "cut_s", "overlaps", "what"),
    [
        (1.0, 0.0, False, "as it is"),
        (1.2, 0.0, False, "stretched"),
        (1.0, 0.4, False, "cut"),
        (1.3, 0.1, False, "stretched and cut"),
        (1.0, 0.0, True, "overlaps"),
    ],
)
def test_what_was_done_to_a_line(tempo, cut_s, overlaps, what):
    assert what_was_done(tempo, cut_s, overlaps) == what


def test_lines_are_committed_twice(place):
    from lipsync_ray.io import storage
    from lipsync_ray.io.parquet import table_of

    line = SpokenLine("line 2", 0.5, 1.5, "left", 1, 'say "x, y"', 1.0, 0.0, "as it is")
    other = SpokenLine("line 3", 2.0, 3.0, None, None, None, 1.3, 0.25, "stretched and cut")
    commit_lines(f"{place}/lines.parquet", {"a": [line, other]})
    found = table_of(storage.read_bytes(f"{place}/lines.parquet"))
    assert found.schema.equals(SCHEMA)
    assert found.to_pylist()[0] == {"dub": "a"} | vars(line)
    assert storage.read_bytes(f"{place}/lines.csv").decode().splitlines() == [
        ",".join(SCHEMA.names),
        'a,line 2,0.5,1.5,left,1,"say ""x, y""",1.0,0.0,as it is',
        "a,line 3,2.0,3.0,,,,1.3,0.25,stretched and cut",
    ]

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lipsync_ray.errors import ManifestError
from lipsync_ray.io.manifest import Dub, one_dub, read_manifest

ROWS = [
    {"id": "one", "video": "v.mp4", "audio": "ko.wav", "language": "ko"},
    {"id": None, "video": "v.mp4", "audio": "es.wav", "language": None},
]


@pytest.fixture
def folder(tmp_path):
    for name in ("v.mp4", "ko.wav", "es.wav"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def csv_of(rows):
    names = list(rows[0])
    return "\n".join([",".join(names), *(",".join(str(row[n] or "") for n in names) for row in rows)])


def write(folder, kind, rows):
    path = folder / f"table.{kind}"
    if kind == "csv":
        path.write_text(csv_of(rows))
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_kind_of_table_is_the_same_dubs(folder, kind):
    assert read_manifest(write(folder, kind, ROWS)) == [
        Dub("one", str(folder / "v.mp4"), str(folder / "ko.wav"), "ko"),
        Dub("v-es", str(folder / "v.mp4"), str(folder / "es.wav"), None),
    ]


def test_ids_that_nobody_wrote_are_made_different(folder):
    rows = [{"video": "v.mp4", "audio": "ko.wav"}] * 3
    assert [dub.id for dub in read_manifest(write(folder, "csv", rows))] == ["v-ko", "v-ko-2", "v-ko-3"]


def test_a_spreadsheets_csv_is_read(folder):
    (folder / "t.csv").write_bytes("\ufeffvideo , audio\r\n v.mp4,ko.wav\r\n".encode())
    assert read_manifest(str(folder / "t.csv"))[0].audio.endswith("ko.wav")


def test_all_problems_are_named_at_once(folder):
    rows = [
        {"id": "a", "video": "v.mp4", "audio": "ko.wav"},
        {"id": "a", "video": "v.mp4", "audio": "gone.wav"},
        {"id": "../up", "video": "", "audio": "es.wav"},
        {"id": "c", "video": ".", "audio": "es.wav"},
    ]
    with pytest.raises(ManifestError) as caught:
        read_manifest(write(folder, "csv", rows))
    said = caught.value.problems
    for part in (
        "row 1, column 'id': 'a' is used 2 times",
        "row 2, column 'id': 'a' is used 2 times",
        "row 2, column 'audio'",
        "row 3, column 'id': '../up' is not a valid file name",
        "row 3, column 'video': empty",
        "row 4, column 'video'",
    ):
        assert any(part in line for line in said), part
    assert "nothing was started" in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (
            ["Anna", "anna"],
            ["row 1, column 'id': 'Anna' and 'anna' are the same name", "row 2, column 'id': 'anna' and 'Anna'"],
        ),
        (["a", "A", "a"], ["row 1, column 'id': 'a' is used 2 times", "row 2, column 'id': 'A' and 'a'", "row 3"]),
        (
            ["NUL", "com1.x", "ok"],
            ["row 1, column 'id': 'NUL' is not a valid", "row 2, column 'id': 'com1.x' is not a valid"],
        ),
        (["a.", "b"], ["row 1, column 'id': 'a.' is not a valid"]),
    ],
)
def test_ids_that_some_file_systems_cannot_tell_apart_or_hold_are_named(folder, ids, said):
    rows = [{"id": name, "video": "v.mp4", "audio": "ko.wav"} for name in ids]
    with pytest.raises(ManifestError) as caught:
        read_manifest(write(folder, "csv", rows))
    assert len(caught.value.problems) == len(said)
    for problem, expected in zip(caught.value.problems, said, strict=True):
        assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "video,sound\nv.mp4,ko.wav", "column 'sound': unknown"),
        ("t.csv", "video,sound\nv.mp4,ko.wav", "column 'audio': missing"),
        ("t.csv", "", "empty"),
        ("t.csv", "video,audio\n", "no rows"),
        ("t.parquet", "not parquet", "not a readable Parquet"),
        ("t.jsonl", '{"video": ', "line 1: not JSON"),
        ("t.jsonl", "[1]", "row 1 is not an object"),
        ("t.jsonl", '{"video": "v.mp4", "audio": "ko.wav"}\n7', "line 2 is not an object"),
        ("t.xlsx", "x", "a spreadsheet; save it as CSV"),
        ("t.txt", "x", "unknown kind of table"),
        ("t.csv", None, "no such file"),
    ],
)
def test_what_is_no_manifest_is_refused(folder, name, content, said):
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ManifestError, match=said):
        read_manifest(str(folder / name))


@pytest.mark.parametrize(
    ("video", "language", "name"),
    [
        ("My Film (1).mp4", "pt-BR", "My_Film_1_-pt-BR"),
        ("a.mp4", "", "a-b.c"),
        ("ü 日本.mp4", "ü", "ü_日本-ü"),
        ("…!.mp4", "", "b.c"),
    ],
)
def test_made_up_ids_are_safe(folder, video, language, name):
    for file in (video, "b.c.wav"):
        (folder / file).write_bytes(b"x")
    (folder / "t.csv").write_text(f"video,audio,language\n{video},b.c.wav,{language}\n")
    assert read_manifest(str(folder / "t.csv"))[0].id == name


def test_one_pair_needs_no_table(folder):
    dub = one_dub(str(folder / "v.mp4"), str(folder / "ko.wav"))
    assert (dub.id, dub.audio) == ("v-ko", str(folder / "ko.wav"))
    with pytest.raises(ManifestError, match=r"gone\.wav: no such file"):
        one_dub(str(folder / "v.mp4"), str(folder / "gone.wav"))


def test_a_consent_that_is_required(folder):
    rows = [
        {"video": "v.mp4", "audio": name, "consent": said} for name, said in (("ko.wav", "signed"), ("es.wav", "  "))
    ]
    table = write(folder, "csv", rows)
    assert [dub.consent for dub in read_manifest(table)] == ["signed", None]
    with pytest.raises(ManifestError, match="row 2, column 'consent': empty"):
        read_manifest(table, require_consent=True)
    with pytest.raises(ManifestError, match="column 'consent': missing"):
        read_manifest(write(folder, "jsonl", [{"video": "v.mp4", "audio": "ko.wav"}]), require_consent=True)

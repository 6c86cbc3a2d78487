"""What is written in a table is what is read; what cannot be read is named, with its line and what to do."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.errors import ManifestError
from lipsync_ray.io.manifest import read_manifest
from lipsync_ray.io.table_files import parse

COLUMNS = ("video", "audio", "id", "language")
ROW = {"video": "v.mp4", "audio": "a.wav"}


def rows(name, data):
    raw = parse(name, data if isinstance(data, bytes) else data.encode(), COLUMNS)
    assert raw.problems == []
    return raw.rows


def problems(name, data):
    return parse(name, data if isinstance(data, bytes) else data.encode(), COLUMNS).problems


@pytest.mark.parametrize("text", ["NA", "null", "NULL", "nan", "None", "N/A", "1", "0012", "TRUE", "1e5"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_text_stays_text(tmp_path, text, kind):
    if kind == "csv":
        found = rows("t.csv", f"video,audio,language\nv.mp4,a.wav,{text}\n")
    elif kind == "jsonl":
        found = rows("t.jsonl", json.dumps(ROW | {"language": text}))
    else:
        pq.write_table(pa.Table.from_pylist([ROW | {"language": text}]), tmp_path / "t.parquet")
        found = rows("t.parquet", (tmp_path / "t.parquet").read_bytes())
    assert found == [ROW | {"language": text}]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(COLUMNS), st.text(min_size=1).filter(lambda t: t.strip() == t), min_size=1),
        min_size=1,
    )
)
def test_json_lines_keep_any_text(items):
    """Also U+2028, U+0085 and their kin, which Python's own idea of a line breaks at."""
    assert rows("t.jsonl", "\n".join(json.dumps(item, ensure_ascii=False) for item in items)) == items


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\u0085", "\x0b", "\x1c"])
def test_signs_that_look_like_line_ends_are_none(sign):
    name = f"a{sign}b.mp4"
    assert rows("t.jsonl", json.dumps(ROW | {"video": name}, ensure_ascii=False))[0]["video"] == name
    assert rows("t.csv", f"video,audio\n{name},a.wav\n")[0]["video"] == name


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv", "video,audio\nv.mp4,a.wav\n"),
        ("t.csv", "\ufeffvideo;audio\r\nv.mp4;a.wav\r\n"),
        ("t.csv", "video\taudio\nv.mp4\ta.wav\n"),
        ("t.tsv", "video\taudio\nv.mp4\ta.wav"),
        ("t.csv.gz", gzip.compress(b"video,audio\nv.mp4,a.wav\n", mtime=0)),
        ("t.CSV", 'video,audio\n\n"v.mp4", a.wav \n\n'),
        ("t.json", '[{"video": "v.mp4", "audio": "a.wav"}]'),
        ("t.jsonl", '[\n {"video": "v.mp4",\n "audio": "a.wav"}\n]\n'),
        ("t.json", '{"video": "v.mp4", "audio": "a.wav"}\n'),
        ("t.jsonl.gz", gzip.compress(b'{"video": "v.mp4", "audio": "a.wav"}', mtime=0)),
    ],
)
def test_kinds_that_are_read(name, data):
    assert rows(name, data) == [ROW]


def test_a_value_may_hold_the_separator_quotes_and_line_ends():
    assert rows("t.csv", 'video,audio\n"a, ""b""\n.mp4",a.wav\n') == [{"video": 'a, "b"\n.mp4', "audio": "a.wav"}]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.csv", "video,audio\nä.mp4,a.wav\n".encode("latin-1"), r"line 2: not UTF-8 .*Latin-1 .*save it as UTF-8"),
        ("t.csv", "video,audio\nv.mp4,a.wav\n".encode("utf-16"), "UTF-16"),
        ("t.csv", "video,audio\nv.mp4,a.wav\n".encode("utf-16-le"), "UTF-16"),
        ("t.jsonl", json.dumps(ROW).encode("utf-16"), "UTF-16"),
        ("t.csv", b"PK\x03\x04 and the rest of an .xlsx", "spreadsheet; save it as CSV"),
        ("t.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "spreadsheet"),
        ("t.xlsx", b"PK\x03\x04", "spreadsheet"),
        ("t.csv", "video,audio,video\na,b,c\n", "column 'video': appears 2 times"),
        ("t.jsonl", '{"video": "a", "video": "b", "audio": "c"}', "line 1: contains a name twice"),
        ("t.csv", "video,audio\nv.mp4\n", "line 2: 1 values, the header has 2"),
        ("t.csv", "video,audio\na,b.mp4,a.wav\n", "line 2: 3 values, the header has 2; a value with ',' in it needs"),
        ("t.csv", 'video,audio\nv.mp4,"a.wav\n', "line 2: unexpected end of data"),
        ("t.jsonl", '{"video": ["a"], "audio": "b"}', "line 1, 'video': expected a text"),
        ("t.json", '[{"video": "a"}, 7', "not a JSON array"),
        ("t.csv.gz", gzip.compress(b"video,audio\n" * 100, mtime=0)[:-9], "gzip"),
        ("t.csv", "\n\n", "empty"),
    ],
)
def test_what_cannot_be_read_is_named(name, data, said):
    import re

    found = problems(name, data)
    assert any(re.search(said, problem) for problem in found), found


def test_a_broken_line_has_its_own_number_and_every_fault_is_told():
    lines = [json.dumps(ROW)] * 60
    lines[56], lines[58] = '{"video": ', "[]"
    assert [p.partition(":")[0] for p in problems("t.jsonl", "\n".join(lines))] == [
        "line 57",
        "line 59 is not an object",
    ]
    text = "video,audio\n" + "v.mp4,a.wav\n" * 55 + "v.mp4\n" + "v.mp4,a.wav\n" + "a,b,c\n"
    assert [p.partition(":")[0] for p in problems("t.csv", text)] == ["line 57", "line 59"]


def test_all_faults_of_a_table_are_told_at_once(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"x")
    (tmp_path / "t.csv").write_text("video,audio\nv.mp4\nv.mp4,gone.wav\n,v.mp4\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(tmp_path / "t.csv"))
    said = "\n".join(caught.value.problems)
    for part in ("line 2: 1 values", "row 2, column 'audio'", "gone.wav: no such file", "row 3, column 'video': empty"):
        assert part in said


def test_a_long_list_of_faults_is_cut_where_it_is_shown(tmp_path):
    (tmp_path / "t.csv").write_text("video,audio\n" + "gone.mp4,gone.wav\n" * 100)
    with pytest.raises(ManifestError) as caught:
        read_manifest(str(tmp_path / "t.csv"))
    assert len(caught.value.problems) == 200
    assert "… and 160 more" in str(caught.value)
    assert len(str(caught.value).splitlines()) < 50

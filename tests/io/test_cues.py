"""Lines of a dub, as tables and as subtitles; every fault named with its place."""

from fractions import Fraction

import pytest
from clips import tone, write_audio
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.errors import ManifestError
from lipsync_ray.io.cues import Cue, beyond, read_cues, seconds


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav", "whole.wav"):
        write_audio(tmp_path / name, tone(0.2))
    return tmp_path


def written(folder, text, name="cues.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def problems(url, audio=None):
    with pytest.raises(ManifestError) as found:
        read_cues(url, audio)
    return found.value.problems


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1", 1),
        ("1.5", Fraction(3, 2)),
        ("0.1", Fraction(1, 10)),
        ("01:02.250", Fraction(249, 4)),
        ("1:00:00,5", Fraction(7201, 2)),
        ("00:00:01.000", 1),
        ("90:00", None),
        ("1:60", None),
        ("1:75.0", None),
        ("-1", None),
        ("", None),
        ("one", None),
        ("1e3", None),
    ],
)
def test_a_time_is_exact_or_none(text, wanted):
    assert seconds(text) == wanted


@given(st.integers(0, 10**9))
def test_milliseconds_come_back(number):
    hours, rest = divmod(number, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    assert seconds(f"{hours}:{minutes:02}:{rest // 1000:02},{rest % 1000:03}") == Fraction(number, 1000)


def test_a_table_of_lines_sorted_by_start(folder):
    url = written(folder, "start,end,audio,speaker,text\n2,3.5,b.wav,Ben,Yes.\n0:00.5,1.25,a.wav,Anna,\n")
    assert read_cues(url) == [
        Cue(Fraction(1, 2), Fraction(5, 4), str(folder / "a.wav"), speaker="Anna", place="line 3"),
        Cue(Fraction(2), Fraction(7, 2), str(folder / "b.wav"), speaker="Ben", text="Yes.", place="line 2"),
    ]


def test_a_line_says_a_stretch_of_a_file(folder):
    url = written(folder, '{"start": 1, "end": 2, "audio": "a.wav", "audio_start": 10.5, "audio_end": 11}\n', "c.jsonl")
    (cue,) = read_cues(url)
    assert (cue.audio_start_s, cue.audio_end_s) == (Fraction(21, 2), 11)


def test_a_line_without_a_file_says_the_same_stretch_of_the_rows(folder):
    url = written(folder, "start,end\n1,2\n")
    (cue,) = read_cues(url, str(folder / "whole.wav"))
    assert (cue.audio, cue.audio_start_s, cue.audio_end_s) == (str(folder / "whole.wav"), 1, 2)


SRT = """1
00:00:01,000 --> 00:00:02,500
First <i>line</i>,
in two rows.

2
00:00:03,000 --> 00:00:04,000 X1:10
{\\an8}Second
"""
VTT = """WEBVTT - a title

NOTE not said
00:00:00.000 --> 00:00:09.000

STYLE
::cue { color: red }

00:01.000 --> 00:02.500 align:start
<v.loud Anna Lee>First &amp; last</v>

the name of a cue
01:00:00.000 --> 01:00:01.000
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_subrip(folder, ends):
    url = written(folder, SRT.replace("\n", ends), "c.srt")
    first, second = read_cues(url, str(folder / "whole.wav"))
    assert (first.start_s, first.end_s, first.place) == (1, Fraction(5, 2), "line 2")
    assert first.text == "First line,\nin two rows."
    assert (second.text, second.place) == ("Second", "line 7")
    assert (second.audio_start_s, second.audio_end_s) == (3, 4)


def test_webvtt(folder):
    url = written(folder, b"\xef\xbb\xbf" + VTT.encode(), "c.vtt")
    first, second = read_cues(url, str(folder / "whole.wav"))
    assert (first.speaker, first.text) == ("Anna Lee", "First & last")
    assert (second.start_s, second.text, second.speaker) == (3600, None, None)


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("start,end,audio\n2,1,a.wav\n", "c.csv", "line 2: ends at 1, not after its start at 2"),
        ("start,end,audio\nx,1,a.wav\n", "c.csv", "line 2, start: 'x' is not a time"),
        ("start,end,audio\n,1,a.wav\n", "c.csv", "line 2, start: empty"),
        ("start,end,audio\n0,1,gone.wav\n", "c.csv", "line 2, audio: "),
        ("start,end,audio\n0,1,\n", "c.csv", "line 2: names no sound"),
        ("start,audio\n0,a.wav\n", "c.csv", "column 'end': missing"),
        ("start,end,audio,who\n0,1,a.wav,me\n", "c.csv", "column 'who': unknown"),
        ("start,end,audio\n0,2,a.wav\n\n1,3,b.wav\n", "c.csv", "line 4: begins at 1.000 s, before the end of line 2"),
        ("start,end,audio,audio_start,audio_end\n0,2,a.wav,3,2\n", "c.csv", "line 2: its sound ends at 2"),
        ("start,end,audio\n", "c.csv", "no line in it"),
        ("", "c.srt", "the subtitle is empty"),
        ("1\n00:00:01,000 -> 00:00:02,000\nwords\n", "c.srt", "line 1: '1' is not a time"),
        ("WEBVTT\n\n00:01 --> nowhere\nwords\n", "c.vtt", "line 3, end: 'nowhere' is not a time"),
        ("WEBVTT\n", "c.vtt", "no line in it"),
        ("1\n00:00:01,000 --> 00:00:02,000\ngr\xfc\xdfe\n".encode("latin-1"), "c.srt", "line 3: not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(folder, text, name, wanted):
    assert any(problem.startswith(wanted) for problem in problems(written(folder, text, name)))


def test_two_speakers_may_overlap_one_may_not(folder):
    both = "start,end,audio,speaker\n0,2,a.wav,A\n1,3,b.wav,B\n"
    assert len(read_cues(written(folder, both))) == 2
    assert "both are lines of 'A', who says one at a time" in problems(written(folder, both + "1.5,2.5,a.wav,A\n"))[0]


def test_a_long_line_hides_no_overlap_behind_a_short_one(folder):
    rows = "start,end,audio\n0,9,a.wav\n9,9.5,a.wav\n"
    assert len(read_cues(written(folder, rows))) == 2
    found = problems(written(folder, "start,end,audio\n0,9,a.wav\n1,2,a.wav\n3,4,a.wav\n"))
    assert [problem.split(":")[0] for problem in found] == ["line 3", "line 4"]


def test_lines_beyond_the_video(folder):
    cues = read_cues(written(folder, "start,end,audio\n0,1,a.wav\n1,2.5,b.wav\n"))
    assert beyond(cues, Fraction(2)) == ["line 3: ends at 2.500 s, the video at 2.000 s"]
    assert beyond(cues, Fraction(5, 2)) == []

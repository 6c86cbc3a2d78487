"""What Whisper doubts is kept, and said: in the row, in report.txt and on the page."""

from dataclasses import replace
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lipsync_ray.errors import ManifestError
from lipsync_ray.jobs.analyze.analysis import ANALYSES, read_analyses
from lipsync_ray.jobs.analyze.assemble import build_row, report_text
from lipsync_ray.jobs.analyze.files import File
from lipsync_ray.jobs.analyze.page import page_phrases, write_page
from lipsync_ray.jobs.analyze.plan import FileRow, Known
from lipsync_ray.jobs.analyze.rejected import read_rejected
from lipsync_ray.media.details import AudioDetails, VideoDetails
from lipsync_ray.media.sound_probe import Sound
from lipsync_ray.models.spoken import Phrase, Transcript

SOUND = Sound("pcm_s16le", 16000, 1, 64000, 0.7, loudness_lufs=-23.0)
AUDIO = AudioDetails("a.wav", "wav", "pcm_s16le", 16000, 1, 64000, Fraction(4), 256_000, -3.0, -20.0, 0.1, -23.0, SOUND)
VIDEO = VideoDetails(
    "a.mp4", "mp4", "h264", "High", 640, 480, 0, "yuv420p", Fraction(25), Fraction(25), False, 100, Fraction(4),
    1_000_000, 500_000, True, False,
)  # fmt: skip
SAID = (Phrase(0.0, 2.0, "어제 저녁에는 비가 많이 와서 우리는 집에서", -0.3, 1.1, 0.0, 0.01),)
SALAD = (
    Phrase(0.0, 1.0, "Rain came.", -0.4, 1.0, 0.0, 0.02),
    Phrase(1.0, 2.0, "buy a hotel香港 fork <b>", -1.2, 1.0, 0.8, 0.1, "sampled at temperature 0.8; letters of Cjk"),
)


def row_of(heard, languages=("ko",), **audio):
    row = FileRow("f", File("f", "a.wav", ("audio",), languages), "i", "p", "out", 2, 0, "base", None)
    return build_row(Known(row, audio=replace(AUDIO, **audio), speech=heard), None)


def test_details_outlast_the_merging_of_records(tmp_path):
    video = replace(VIDEO, mirrored=True, interlaced=True, notes=("a second picture is left out",))
    audio = replace(AUDIO, notes=("the first of two",))
    files = [File(name, f"{name}.mp4", ("video",), ()) for name in "ab"]
    known = [FileRow(file.id, file, "i", "p", "out", 2, 0, "base", None) for file in files]
    rows = [build_row(Known(row, video, audio), None) for row in known]
    blocks = [ANALYSES.commit(str(tmp_path), number, [row], "analyze") for number, row in enumerate(rows)]
    before = ANALYSES.read(str(tmp_path), ["a", "b"], "analyze")
    ANALYSES.merge(str(tmp_path), blocks)
    after = ANALYSES.read(str(tmp_path), ["a", "b"], "analyze")
    assert list(after.values()) == list(before.values()) == rows
    assert after["a"].video["notes"] == ["a second picture is left out"]
    assert (after["a"].video["mirrored"], after["a"].video["interlaced"]) == (True, True)


@pytest.fixture
def uncertain():
    return row_of(Transcript("ko", 0.99, SAID, SALAD, 1.5))


@pytest.fixture
def wordless():
    return row_of(Transcript(None, None, (), (), 0.0))


def test_the_row_keeps_the_doubts_and_the_words(uncertain):
    assert (uncertain.text_uncertain, uncertain.speech_s, uncertain.language) == (0, 1.5, "ko")
    assert 0.5 < uncertain.translation_uncertain < 1
    assert uncertain.translation == "Rain came. buy a hotel香港 fork <b>"
    assert uncertain.audio_verdict == uncertain.verdict == "good"
    assert "of its translation is uncertain: sampled at temperature 0.8; letters of Cjk" in uncertain.warnings[0]


def test_where_nobody_speaks_no_language_is_told(wordless):
    assert (wordless.language, wordless.languages, wordless.whisper_language) == (None, None, None)
    assert (wordless.text, wordless.segments, wordless.translation, wordless.text_error) == ("", (), "", None)
    assert wordless.audio_verdict == "poor: no speech was heard in it"
    text = report_text(wordless)
    assert "by ear: no speech" in text
    assert "In English" not in text
    assert "by ear: no words" in report_text(replace(wordless, speech_s=2.0))


def test_uncertain_words_tell_langdetect_nothing():
    salad = (Phrase(0.0, 1.0, "Buenas noches y bienvenidos al programa", uncertain="improbable, -1.50 a token"),)
    row = row_of(Transcript("ko", 0.9, salad, (), 1.0))
    assert row.language == "unknown"
    assert row.verdict == "poor: its transcript is uncertain: improbable, -1.50 a token"


def test_another_language_than_the_tables_is_in_both_verdicts():
    row = row_of(Transcript("ko", 0.99, SAID, SAID, 1.5), languages=("ar",))
    assert row.verdict == row.audio_verdict == "poor: the table says 'ar', Whisper hears 'ko' and langdetect reads 'ko'"


def test_quiet_speech_is_heard_and_not_called_silent():
    row = row_of(Transcript("ko", 0.99, SAID, SAID, 1.5), silence=1.0, sound=replace(SOUND, loudness_lufs=None))
    assert (row.verdict, len(row.warnings)) == ("good", 1)


def test_report_and_page_show_the_words_with_the_reason(uncertain, wordless, tmp_path):
    lines = report_text(uncertain).splitlines()
    assert "0:00.00 – 0:01.00  Rain came." in lines
    assert any(line.endswith("fork <b>  [uncertain: sampled at temperature 0.8; letters of Cjk]") for line in lines)
    page = tmp_path / "index.html"
    write_page([uncertain, replace(wordless, id="g")], str(tmp_path))
    text = page.read_text()
    marked = '<span class="uncertain">buy a hotel香港 fork &lt;b&gt;</span> <em>uncertain: sampled at temperature 0.8'
    assert marked in text
    assert "<dt>by ear</dt><dd>no speech</dd>" in text


def test_the_page_shows_a_beginning():
    phrases = [Phrase(0.0, 1.0, "a" * 30), Phrase(1.0, 2.0, "b" * 30), Phrase(2.0, 3.0, "c" * 30, uncertain="why")]
    assert page_phrases(phrases, 200) == [(f"{'a' * 30} {'b' * 30}", None), ("c" * 30, "why")]
    assert page_phrases(phrases, 61) == [(f"{'a' * 30} {'b' * 30}", None), ("…", None)]
    assert page_phrases(None) == []


def test_a_table_of_an_earlier_version_is_read(uncertain, tmp_path):
    url = ANALYSES.write_table(
        str(tmp_path), [replace(uncertain, verdict="impossible: x", audio_verdict="impossible: x")]
    )
    assert read_analyses(url)[0].translation_segments == SALAD
    new = pq.read_table(url)
    phrases = [
        [{k: p[k] for k in ("start_s", "end_s", "text")} for p in found] for found in new["segments"].to_pylist()
    ]
    old = new.drop_columns(
        ["speech_s", "text_uncertain", "translation_uncertain", "whisper_others", "segments", "translation_segments"]
    ).append_column("segments", pa.array(phrases))
    pq.write_table(old, tmp_path / "old.parquet")
    (found,) = read_analyses(str(tmp_path / "old.parquet"))
    assert found.segments == (replace(SAID[0], log_probability=None, compression_ratio=None, temperature=None,
                                      no_speech_probability=None),)  # fmt: skip
    assert (found.speech_s, found.whisper_others) == (None, ())
    assert read_rejected(str(tmp_path / "old.parquet")) == {("i", "audio"): "x"}
    pq.write_table(new.drop_columns(["verdict"]), tmp_path / "none.parquet")
    with pytest.raises(ManifestError, match="no column 'verdict'"):
        read_analyses(str(tmp_path / "none.parquet"))

"""When a file of several languages is written, kept, made anew and removed; nothing is drawn."""

from dataclasses import replace

import av
import numpy as np
import pytest
from clips import barcode, tone, write_both
from rich.console import Console

from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.errors import ManifestError, SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.results import RESULTS, Result
from lipsync_ray.io.run_contents import kind_of
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.provenance.inspection import inspect_file
from lipsync_ray.provenance.marking import UNMARKED, Marking
from lipsync_ray.restoration.one_file import check_languages, make_one_files
from lipsync_ray.settings import Workers

MP4, MKV = VideoCoding(), VideoCoding(container="mkv")
SPEC = JobSpec("dub", RESULTS, noun="dubs")


class Run(JobRun):
    """A run whose rows have ended."""

    def __init__(self, out, rows):
        super().__init__(
            SPEC, [row.id for row in rows], {}, Workers(engine="inline"), out, Console(quiet=True), InlineRunner()
        )
        self.said = []
        for row in rows:
            self.end(row)

    def row_of(self, video, status, **values):
        raise NotImplementedError

    def log(self, line):
        self.said.append(line)


def write_dub(out, name, language="en", video="/in/talk.mp4", frames=10, number=0, ending="mp4", **columns):
    """A finished dub; its row."""
    url = storage.join(out, "videos", f"{name}.{ending}")
    row = Result(
        name, video, "a.wav", language, "done", output=url, frames=frames, rate="25", model="warp", fingerprint=f"print-{number}",
        duration_s=frames / 25,
    )  # fmt: skip
    return replace(row, **columns)


@pytest.fixture
def table(place, tmp_path):
    """Writes a row's file, and returns the row."""

    def written(name, language, frames=10, number=0, ending="mp4", **columns):
        path = tmp_path / f"{name}.{ending}"
        pictures = [np.ascontiguousarray(barcode(number + index)) for index in range(frames)]
        write_both(path, pictures, tone(frames / 25, 48_000))
        row = write_dub(place, name, language, frames=frames, number=number, ending=ending, **columns)
        storage.commit_file(path, row.output)
        return row

    return written


def tracks(out, name="talk.mp4"):
    """Kinds and languages of a file's tracks; None where it is not there."""
    if name not in storage.list_names(storage.join(out, "one-file")):
        return None
    with storage.opened(storage.join(out, "one-file", name)) as source, av.open(source) as container:
        return [(one.type, one.language) for one in container.streams]


def pairs(*languages):
    return [(kind, language) for language in languages for kind in ("video", "audio")]


def finish(out, rows, asked=True, coding=MP4, marking=UNMARKED):
    """Ends a run with these rows; returns it. Its rows are those of the records afterwards."""
    with Run(out, rows) as run:
        make_one_files(run, asked, coding, marking)
    return run


def test_dubs_of_a_video_are_put_into_one_file_and_their_rows_name_it(table, place):
    rows = [table("b", "es"), table("a", "en", number=50), table("c", "ko", video="/in/other.mp4")]
    run = finish(place, rows)
    assert tracks(place) == pairs("spa", "eng")
    assert storage.list_names(storage.join(place, "one-file")) == {"talk.mp4"}
    assert kind_of("dub", "one-file/talk.mp4").use == "result"
    assert [row.one_file and storage.name_of(row.one_file) for row in run.rows] == ["talk.mp4", "talk.mp4", None]
    assert list(RESULTS.read(place, ["a", "b", "c"]).values()) == [run.ended[name] for name in "abc"]
    assert not run.said


def test_dubs_that_are_kept_in_another_container_are_named_and_stay_done(table, place):
    rows = [table("a", "en"), table("b", "es", ending="mkv")]
    run = finish(place, rows)
    assert tracks(place) is None
    assert run.rows == rows
    assert run.said == ["--one-file: talk.mp4 is not written, as b is kept in another container"]


def test_a_file_is_kept_as_long_as_its_dubs_are(table, place, monkeypatch):
    rows = finish(place, [table("a", "en"), table("b", "es")]).rows

    def refuse(order):
        raise AssertionError(order.key)

    monkeypatch.setattr("lipsync_ray.restoration.one_file.make_one_file", refuse)
    for asked in (True, False):
        assert finish(place, rows, asked).rows == rows
        assert tracks(place) == pairs("eng", "spa")


def test_a_file_that_somebody_removed_is_made_again_or_no_longer_named(table, place):
    rows = finish(place, [table("a", "en"), table("b", "es")]).rows
    storage.remove(storage.join(place, "one-file", "talk.mp4"))
    assert not any(row.one_file for row in finish(place, rows, asked=False).rows)
    assert finish(place, rows).rows == rows
    assert tracks(place) == pairs("eng", "spa")


@pytest.mark.parametrize(
    "changes", [{"fingerprint": "new"}, {"sound": "louder"}, {"mark": "signed"}, {"language": "de"}]
)
def test_a_file_is_made_anew_when_one_of_its_dubs_is(table, place, changes):
    before = finish(place, [table("a", "en"), table("b", "es")]).rows
    after = finish(place, [before[0], replace(before[1], **changes)]).rows
    assert after[0].one_file_digest == after[1].one_file_digest != before[0].one_file_digest
    assert tracks(place) == pairs("eng", "deu" if "language" in changes else "spa")


@pytest.mark.parametrize("changes", [{"fingerprint": "new", "one_file": None}, {"status": "failed", "one_file": None}])
def test_a_file_of_other_dubs_than_there_are_is_removed_where_none_is_asked_for(table, place, changes):
    before = finish(place, [table("a", "en"), table("b", "es")]).rows
    after = finish(place, [before[0], replace(before[1], **changes)], asked=False).rows
    assert tracks(place) is None
    assert [row.one_file for row in after] == [None, None]


def test_a_language_that_failed_keeps_the_file_back(table, place):
    rows = finish(place, [table("a", "en"), table("b", "es")]).rows
    failed = replace(write_dub(place, "c", "ko"), status="failed", output=None)
    run = finish(place, [*rows, failed])
    assert run.said == ["--one-file: talk.mp4 is not written, as c is not done"]
    assert tracks(place) is None
    assert not any(row.one_file for row in run.rows)
    finish(place, [*run.rows[:2], table("c", "ko")])
    assert tracks(place) == pairs("eng", "spa", "kor")


def test_a_language_that_left_the_table_leaves_the_file_and_one_alone_has_none(table, place):
    rows = finish(place, [table("a", "en"), table("b", "es"), table("c", "ko")]).rows
    rows = finish(place, rows[:2]).rows
    assert tracks(place) == pairs("eng", "spa")
    (row,) = finish(place, rows[:1]).rows
    assert tracks(place) is None
    assert row.one_file is None


def test_another_container_replaces_the_file(table, place):
    finish(place, [table("a", "en"), table("b", "es")])
    finish(place, [table("a", "en", ending="mkv"), table("b", "es", ending="mkv")], coding=MKV)
    assert storage.list_names(storage.join(place, "one-file")) == {"talk.mkv"}
    assert tracks(place, "talk.mkv") == pairs("eng", "spa")


def test_videos_of_one_name_have_files_of_their_own(table, place):
    rows = [
        table(f"{folder}-{language}", language, video=f"/in/{folder}/talk.mp4")
        for folder in "xy"
        for language in ("en", "es")
    ]
    finish(place, rows)
    assert storage.list_names(storage.join(place, "one-file")) == {"x-talk.mp4", "y-talk.mp4"}


def test_a_video_that_is_signed_again_is_the_same_and_no_signature_is_kept(table, place):
    rows = [
        table(f"d{n}", language, video=f"https://h/talk.mp4?X-Amz-Signature={n}")
        for n, language in enumerate(("en", "es"))
    ]
    run = finish(place, rows)
    assert tracks(place) == pairs("eng", "spa")
    assert all("Signature" not in str(row) for row in run.rows)


def test_a_file_that_cannot_be_written_is_tried_again_by_the_next_run(table, place):
    row = table("b", "es")
    video = storage.read_bytes(row.output)
    storage.commit_bytes(row.output, b"no video")
    run = finish(place, [table("a", "en"), row])
    assert [(one.status, one.stage) for one in run.rows] == [("failed", "one file")] * 2
    assert "talk.mp4: " in run.rows[0].error
    records = RESULTS.read(place, ["a", "b"])
    assert {one.status for one in records.values()} == {"done"}
    assert tracks(place) is None
    storage.commit_bytes(row.output, video)
    done = finish(place, list(records.values())).rows
    storage.commit_bytes(row.output, b"no video")
    finish(place, [done[0], replace(done[1], fingerprint="new")])
    assert tracks(place) is None
    storage.commit_bytes(row.output, video)
    assert {one.status for one in finish(place, list(records.values())).rows} == {"done"}
    assert tracks(place) == pairs("eng", "spa")


def test_languages_that_do_not_last_equally_long_are_told_of(table, place):
    run = finish(place, [table("a", "en"), table("b", "es", frames=15)])
    assert run.said == [
        "talk.mp4: its languages last 0.40 to 0.60 s; a shorter one ends with a still picture. --length video gives them one length"
    ]


def test_a_file_says_that_a_computer_drew_it(table, place):
    rows = [table(name, language, consent=consent) for name, language, consent in (("a", "en", "X"), ("b", "es", "Y"))]
    run = finish(place, rows, marking=Marking("tags"))
    found = inspect_file(run.rows[0].one_file, pixels=False)
    assert found.marked
    assert found.comment.startswith("This file has dubs of one video in several languages, each drawn by a computer")
    assert finish(place, run.rows, marking=UNMARKED).rows[0].one_file_digest != run.rows[0].one_file_digest
    assert not inspect_file(run.rows[0].one_file, pixels=False).marked


def rows_of(*languages, video="/in/talk.mp4"):
    return [Result(f"d{number}", video, "a.wav", language, "done") for number, language in enumerate(languages)]


def test_a_table_says_how_many_files_it_has():
    assert (
        check_languages(
            [*rows_of("en", "es-ES", "es-MX"), *rows_of("en", "fr", video="/b.mp4"), *rows_of(None, video="/c.mp4")]
        )
        == 2
    )


def test_a_table_without_two_languages_of_a_video_is_refused():
    with pytest.raises(
        SettingsError, match="--one-file: no video has two rows; expected a table with several languages"
    ):
        check_languages([*rows_of("en"), *rows_of("es", video="/b.mp4")])


def test_languages_that_tracks_cannot_name_are_refused_together():
    with pytest.raises(ManifestError) as raised:
        check_languages(rows_of("en", None, "xx-nowhere", "English"))
    assert raised.value.problems == [
        "d1, column 'language': empty; expected the language of each dub of talk.mp4",
        "d2, column 'language': 'xx-nowhere' is not known; expected a language such as es or pt-BR",
        "d3, column 'language': the same as that of d0, for the same video; expected one dub per language",
    ]

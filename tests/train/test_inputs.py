"""The clips of a training: refused before work, kept from an earlier run, warned of."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.errors import SettingsError
from lipsync_ray.io import storage
from lipsync_ray.jobs.train import inputs
from lipsync_ray.jobs.train.clip_features import _warnings
from lipsync_ray.jobs.train.clips import CLIPS, Clip, ClipRow
from lipsync_ray.jobs.train.corpus import make_corpus
from lipsync_ray.jobs.train.inputs import TrainRun, check, extract_features, settle
from lipsync_ray.jobs.train.settings import TrainSettings
from lipsync_ray.settings import Workers


class Glance:
    """Looks at no clip, and says that it did."""

    def __init__(self, device):
        pass

    def __call__(self, order):
        storage.commit_bytes(order.url, b"seen")
        return 30, "25", ("two of them",)


def clips_of(folder, people):
    clips = []
    for number, person in enumerate(people):
        path = folder / f"{number}.mp4"
        if not path.exists():
            path.write_bytes(b"clip %d" % number)
        clips.append(Clip(str(number), str(path), person))
    return clips


@pytest.fixture
def run_of(tmp_path, monkeypatch):
    """People → a run on so many clips into one folder."""
    monkeypatch.setattr(inputs, "ExtractClipFeatures", Glance)

    def of(people):
        (tmp_path / "clips").mkdir(exist_ok=True)
        clips = clips_of(tmp_path / "clips", people)
        workers = Workers(engine="inline", actors=1)
        console = Console(file=io.StringIO(), width=200)
        run = TrainRun(clips, TrainSettings(), workers, str(tmp_path / "out"), console, InlineRunner())
        run.write()
        return run

    return of


def test_a_person_column_counts_where_the_clips_were_looked_at_before(run_of):
    with run_of([None] * 8) as run:
        assert {row.person for row in extract_features(run)} == {None}
    for people in (list("aabbccdd"), list("abababab"), [None] * 8):
        with run_of(people) as run:
            rows = extract_features(run)
        assert "8 of 8 clips were processed before" in run.context.console.file.getvalue()
        assert [row.person for row in rows] == people
        assert rows[0].warnings == ("two of them",)


@pytest.fixture
def copied(seen, tmp_path):
    """Where clips 1, 2 and 4 of eight are copies: names of the people → their corpus."""

    def of(people):
        urls = [seen[1 if clip in (1, 2, 4) else clip] for clip in range(8)]
        return make_corpus(tmp_path / "".join(people), urls, people, 0.4, 0)

    return of


def test_a_clip_that_is_there_several_times_is_said(run_of, copied):
    people = list("abbbbccc")
    run, corpus = run_of(people), copied(people)
    rows = settle(run, extract_features(run), corpus)
    assert [len(row.warnings) for row in rows] == [1, 2, 2, 1, 2, 1, 1, 1]
    assert rows[2].warnings[-1] == "the same clip as 1, 4: it counts 3 times"
    run.finish()
    assert CLIPS.read_table(run.out)[2].warnings == rows[2].warnings


def test_a_copy_on_the_other_side_is_said(run_of, copied):
    people = list("aabbcccc")
    run, corpus = run_of(people), copied(people)
    corpus = replace(corpus, held_out=np.array([person == "b" for person in people]))
    rows = settle(run, extract_features(run), corpus)
    assert rows[1].warnings[-1] == "the same clip as 2, 4, under another person: the held-out clip is also trained on"


def test_two_people_in_a_clip_are_said():
    here, there = [10.0, 10.0, 60.0, 80.0], [200.0, 10.0, 260.0, 90.0]
    assert _warnings(np.array([here, here, here]), 1) == []
    assert _warnings(np.array([here]), 1) == []
    assert "3 faces in a frame" in _warnings(np.array([here]), 3)[0]
    assert "changes its position" in _warnings(np.array([here, here, there]), 1)[0]


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([None] * 7, "7 clips: at least 8 are needed"),
        (["a"] * 8, "all clips show one person"),
        (list("aabbccddee"), "expected --held-out 0.2"),
    ],
)
def test_clips_of_which_nothing_comes_are_refused_before_work(people, said):
    with pytest.raises(SettingsError, match=said):
        check([Clip(str(number), "", person) for number, person in enumerate(people)], TrainSettings())


def test_likeness_may_still_tell_them_apart():
    check([Clip(str(number), "", "a" if number else None) for number in range(8)], TrainSettings())


def test_a_row_of_an_older_run_has_no_warnings():
    assert ClipRow("a", "a.mp4", "used").warnings == ()

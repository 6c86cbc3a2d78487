"""Marks in the pixels and labels: by the commands, from a dub to what is made of it."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from clips import tone, write_audio
from material import random_gfpgan
from PIL import features

sys.path.insert(0, str(Path(__file__).parent))
from commands import frame_digests, lipsync_ray

from lipsync_ray import DubSettings, MarkSettings, VideoCoding, Workers, quote_table
from lipsync_ray.engine.cleaning import contents
from lipsync_ray.io.results import read_results
from lipsync_ray.media import decode, fonts
from lipsync_ray.media.probe import probe_video
from lipsync_ray.provenance.inspection import inspect_file

pytestmark = pytest.mark.skipif(
    not features.check("fribidi"), reason="needs FriBidi, which orders letters (apt-get install libfribidi0)"
)
KEY = "a key of these tests, which is long enough"


@pytest.fixture(scope="module", autouse=True)
def _no_key_of_the_machine():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LIPSYNC_WATERMARK_KEY", raising=False)
        yield


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("marks")
    write_audio(folder / "a.wav", tone(1.6))
    rows = [f"{language},{demo_inputs / 'pan.mp4'},{folder / 'a.wav'},{language}" for language in ("de", "ar")]
    (folder / "t.csv").write_text("\n".join(["id,video,audio,language", *rows]))
    return folder / "t.csv"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "mark.key"
    path.write_text(KEY)
    return path


def dub(table, out, *more, model="warp"):
    return lipsync_ray("dub", table, "-o", out, "--model", model, "--crf", "0", "--actors", "1", *more)


def lumas(path):
    info = probe_video(str(path))
    return np.stack([picture.y.copy() for picture in decode.pictures(info, 0, info.frames)]).astype(int)


@pytest.fixture(scope="module")
def plain(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("plain") / "run"
    assert dub(table, out) == 0
    return out


@pytest.fixture(scope="module")
def marked(table, plain, tmp_path_factory):
    """With the key that everybody has, and a label of a second."""
    out = tmp_path_factory.mktemp("marked") / "run"
    shutil.copytree(plain / "faces", out / "faces")
    assert dub(table, out, "--watermark", "--label", "auto", "--label-seconds", "1") == 0
    return out


def test_inspection_finds_what_the_results_say(marked, plain):
    rows = read_results(str(marked))
    assert len({row.watermark for row in rows}) == 2
    for row in rows:
        assert inspect_file(row.output).watermark.id == row.watermark
    assert {row.id: row.label for row in rows} == {
        "de": "Dieses Video wurde mit KI verändert",
        "ar": "تم تعديل هذا الفيديو بالذكاء الاصطناعي",
    }
    for row in read_results(str(plain)):
        assert (row.watermark, row.label, inspect_file(row.output).watermark) == (None, None, None)
    settings = json.loads((marked / "run.json").read_text())["settings"]["marks"]
    assert settings == {"watermark": True, "label": "auto", "label_seconds": 1.0, "label_corner": "top-left"}


def test_a_mark_is_faint_and_a_label_in_its_corner_for_its_time(marked, plain):
    before, after = (lumas(out / "videos" / "de.mp4") for out in (plain, marked))
    changed = np.abs(after - before)
    assert len(changed) == 40
    assert changed[:25, :60, :200].max() > 50
    assert changed[25:].max() <= 12
    assert 10 * np.log10(255**2 / np.mean(changed[25:] ** 2)) > 42


@pytest.mark.nightly
def test_frames_are_the_same_however_the_work_is_split(table, marked, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(marked / "faces", out / "faces")
    assert dub(table, out, "--watermark", "--label", "auto", "--label-seconds", "1", "--segment", "0.7") == 0
    for name in ("de.mp4", "ar.mp4"):
        assert frame_digests(out / "videos" / name) == frame_digests(marked / "videos" / name)


def test_a_run_goes_on_and_another_mark_is_another_dub(table, marked, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(marked, out)
    assert dub(table, out, "--watermark", "--label", "auto", "--label-seconds", "1") == 0
    assert "2 of 2 dubs were finished before" in capsys.readouterr().out
    settings = DubSettings(
        model="warp", coding=VideoCoding(0.0), marks=MarkSettings(True, label="auto", label_seconds=1.0)
    )
    assert quote_table(table, out, settings=settings, workers=Workers(engine="inline")).before == 2
    assert dub(table, out, "--watermark") == 0
    prints = [{row.fingerprint for row in read_results(str(run))} for run in (marked, out)]
    assert not prints[0] & prints[1]
    assert {row.label for row in read_results(str(out))} == {None}


def test_a_key_of_ones_own_is_needed_to_find_the_mark_and_is_nowhere(table, key, plain, tmp_path):
    """By `mini`, which pastes a face."""
    out, log = tmp_path / "run", tmp_path / "log"
    shutil.copytree(plain / "faces", out / "faces")
    assert dub(table, out, "--watermark", "--watermark-key", key, "--log-file", log, model="mini") == 0
    for row in read_results(str(out)):
        assert inspect_file(row.output).watermark is None
        assert inspect_file(row.output, watermark_key=str(key)).watermark.id == row.watermark
    files = [log, *(path for path in out.rglob("*") if path.is_file())]
    assert len(files) > 6
    for path in files:
        data = path.read_bytes()
        assert KEY.encode() not in data, path
        assert str(key).encode() not in data, path


@pytest.mark.nightly
def test_a_dub_that_is_enhanced_keeps_its_mark_and_its_label(marked, tmp_path):
    network = random_gfpgan(tmp_path / "narrow.pth", 0.0625)
    out = tmp_path / "enhanced"
    more = "--actors", "1", "--watermark", "--label", "another one", "--label-seconds", "all"
    assert lipsync_ray("enhance", marked, "-o", out, "--restore", network, *more) == 0
    before = read_results(str(marked))
    for row, dubbed in zip(read_results(str(out)), before, strict=True):
        assert (row.watermark, row.label) == (dubbed.watermark, dubbed.label)
        assert inspect_file(row.output).watermark.id == dubbed.watermark
    assert not (out / "labels").exists()


def test_videos_and_pictures_that_are_enhanced_are_marked(demo_inputs, plain, tmp_path):
    network = random_gfpgan(tmp_path / "narrow.pth", 0.0625)
    out = tmp_path / "enhanced"
    sources = plain / "videos" / "de.mp4", demo_inputs / "portrait.jpg"
    more = "--actors", "1", "--watermark", "--label", "auto"
    assert lipsync_ray("enhance", *sources, "-o", out, "--restore", network, *more) == 0
    for row in read_results(str(out)):
        assert row.label == "This video was altered with AI"
        assert inspect_file(row.output).watermark.id == row.watermark
    files = [path for one in contents(str(out), False) if one.use is None for path in one.files]
    assert files == []  # that `clean` does not know


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--watermark", "--watermark-key", "gone.key"), "gone.key: cannot be read"),
        (("--watermark-key", "gone.key"), "--watermark-key is for --watermark"),
        (("--label", "auto", "--label-font", "gone.ttf"), "--label-font gone.ttf: no such file"),
        (("--label", "auto", "--label-seconds", "some"), "--label-seconds some: expected a number of seconds, or all"),
        (("--label", "\U00013000 あ"), "no single font here has all of its letters"),
        (("--label", "字", "--label-font", fonts._own()), "DejaVuSans.ttf: it lacks “字”"),
    ],
)
def test_what_cannot_be_marked_starts_nothing(more, said, table, tmp_path, capsys):
    out = tmp_path / "run"
    assert dub(table, out, *more) == 2
    assert said in capsys.readouterr().err
    assert not (out / "results.parquet").exists()


def test_a_label_that_does_not_fit_is_a_row_with_its_reason(demo_inputs, tmp_path):
    small = tmp_path / "small.mp4"
    shutil.copy(demo_inputs / "pan.mp4", small)
    write_audio(tmp_path / "a.wav", tone(0.5))
    text = "W" * 120
    assert (
        lipsync_ray("dub", small, tmp_path / "a.wav", "-o", tmp_path / "run", "--model", "mini", "--label", text) == 1
    )
    (row,) = read_results(str(tmp_path / "run"))
    assert (row.status, row.stage) == ("failed", "label")
    assert "too long to be read in a picture of 384×384" in row.error

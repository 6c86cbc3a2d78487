"""What goes into frames besides what a model draws: keys, ids, labels in a row's language; and what finds it in a file."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import features
from typer.testing import CliRunner

from lipsync_ray.cli.app import app
from lipsync_ray.errors import EncodeError, SettingsError
from lipsync_ray.media import fonts, watermark
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.picture import RGB_AS, YuvFrame
from lipsync_ray.provenance.frame_marks import NO_MARKS, FrameMarking, frame_marking_of, id_of, mark_columns
from lipsync_ray.provenance.inspection import inspect_file
from lipsync_ray.provenance.mark_keys import PUBLIC, VARIABLE, key_of, read_key
from lipsync_ray.settings.marks import MarkSettings

pytestmark = pytest.mark.skipif(
    not features.check("fribidi"), reason="needs FriBidi, which orders letters (apt-get install libfribidi0)"
)
OWN = "a key of these tests, which is long enough"
SQUARE, RATE = Fraction(1), Fraction(25)


@pytest.fixture(autouse=True)
def _no_key_of_the_machine(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def key(tmp_path):
    (tmp_path / "key").write_text(OWN + "\n")
    return str(tmp_path / "key")


def frame(seed=0, width=256, height=256):
    luma = np.random.default_rng(seed).normal(120, 3, (height, width)).clip(16, 235).astype(np.uint8)
    half = np.full((height // 2, width // 2), 128, np.uint8)
    return YuvFrame(luma, half, half, RGB_AS)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"watermark_key": "k"}, "--watermark-key is for --watermark"),
        ({"label_seconds": 3.0}, "--label-seconds is for --label"),
        ({"label_seconds": None}, "--label-seconds is for --label"),
        ({"label_corner": "top-right"}, "--label-corner is for --label"),
        ({"label_font": "f.ttf"}, "--label-font is for --label"),
        ({"label": "x", "label_corner": "middle"}, "--label-corner middle: expected one of top-left"),
        ({"label": "x", "label_seconds": 0.0}, "--label-seconds 0.0: expected 0.1 to"),
        ({"label": "x", "label_seconds": float("nan")}, "--label-seconds nan: expected 0.1 to 86400 seconds, or all"),
        ({"label": " "}, "the text is empty"),
        ({"label": "two\nlines"}, "expected one line"),
        ({"label": "x" * 121}, "121 characters; expected 120 at most"),
    ],
)
def test_what_cannot_work_is_refused(how, said):
    with pytest.raises(SettingsError, match=said):
        MarkSettings(**how)


def test_a_record_tells_nothing_of_keys(key):
    record = json.dumps(MarkSettings(True, key, "auto", None).record())
    assert json.loads(record) == {
        "watermark": True,
        "label": "auto",
        "label_seconds": "all",
        "label_corner": "top-left",
    }
    assert MarkSettings().record() == {"watermark": False, "label": None}


def test_nothing_asked_for_is_nothing_done():
    marking = frame_marking_of(MarkSettings(), ["de", None])
    picture = frame()
    assert marking.identity("de") == ()
    assert marking.label("de", 640, 360, SQUARE, RATE, "nowhere") is None
    assert marking.on("a", "print", None) is NO_MARKS
    assert NO_MARKS.put(picture, 0, drawn=True) is picture
    assert mark_columns(NO_MARKS) == {"watermark": None, "label": None}


def test_keys_are_told_apart_and_not_told(key, tmp_path, monkeypatch):
    public, own = key_of(None), key_of(key)
    assert (public.path, public.secret(), own.secret()) == (None, PUBLIC, OWN.encode())
    assert public.digest != own.digest
    assert OWN not in repr(own)
    monkeypatch.setenv(VARIABLE, key)
    assert key_of(None) == own


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b"short", "5 bytes; expected 16 to")])
def test_a_key_that_is_none_is_refused(content, said, tmp_path):
    path = tmp_path / "other"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"--watermark-key {path}: {said}"):
        frame_marking_of(MarkSettings(True, str(path)), [])


def test_another_key_in_the_middle_of_a_run_is_refused(key):
    before = key_of(key)
    Path(key).write_text("another one, which is long enough, too")
    read_key.cache_clear()
    with pytest.raises(EncodeError, match="another key than this run began with"):
        before.secret()
    Path(key).unlink()
    read_key.cache_clear()
    with pytest.raises(EncodeError, match="cannot be read"):
        before.secret()


def test_an_id_is_of_row_and_fingerprint():
    ids = {id_of("a", "1"), id_of("a", "2"), id_of("b", "1")}
    assert len(ids) == 3
    assert id_of("a", "1") in ids
    assert all(len(one) == 10 and int(one, 16) < 2**40 for one in ids)


def test_what_decides_pixels_is_in_the_fingerprint(key, tmp_path):
    asked = [
        MarkSettings(True),
        MarkSettings(True, key),
        MarkSettings(label="auto"),
        MarkSettings(label="auto", label_seconds=None),
        MarkSettings(label="auto", label_corner="bottom-right"),
        MarkSettings(label="Dubbed"),
    ]
    prints = [frame_marking_of(one, ["de"]).identity("de") for one in asked]
    prints += [
        frame_marking_of(asked[2], ["fr"]).identity("fr"),
        frame_marking_of(asked[2], ["de"], True).identity("de"),
    ]
    assert len(set(prints)) == len(prints)
    assert not any(str(tmp_path) in str(one) or OWN in str(one) for one in prints)


def test_only_drawn_frames_are_marked():
    marks = frame_marking_of(MarkSettings(True), []).on("a", "print", None)
    picture = frame()
    assert marks.put(picture, 3, drawn=False) is picture
    assert np.array_equal(marks.put(picture, 3, drawn=True).y, watermark.marked(picture, PUBLIC, marks.ident).y)
    assert mark_columns(marks)["watermark"] == id_of("a", "print") == f"{marks.ident:010x}"


@pytest.mark.parametrize(("seconds", "until"), [(5.0, 125), (0.1, 3), (None, None)])
def test_a_label_lies_over_the_first_seconds(seconds, until, tmp_path):
    marking = frame_marking_of(MarkSettings(label="auto", label_seconds=seconds), ["de"])
    label = marking.label("de", 255, 256, SQUARE, RATE, str(tmp_path))
    assert (label.text, label.until) == ("Dieses Video wurde mit KI verändert", until)
    marks, picture = marking.on("a", "print", label), frame()
    assert mark_columns(marks) == {"watermark": None, "label": label.text}
    for drawn in (True, False):
        assert not np.array_equal(marks.put(picture, 0, drawn).y, picture.y)
    if until is not None:
        assert not np.array_equal(marks.put(picture, until - 1, True).y, picture.y)
        assert marks.put(picture, until, True) is picture
    assert [path.parent.name for path in tmp_path.rglob("*.png")] == ["labels"]


def test_a_label_is_drawn_once_for_many_rows(tmp_path):
    marking = frame_marking_of(MarkSettings(label="Dubbed"), [None])
    labels = {marking.label(language, 256, 256, SQUARE, RATE, str(tmp_path)) for language in (None, None, "")}
    assert len(labels) == 1
    assert len(list((tmp_path / "labels").iterdir())) == 1


def test_a_text_without_a_font_is_refused_before_anything_starts():
    with pytest.raises(SettingsError, match=r"--label-font .*DejaVuSans.ttf: it lacks"):
        frame_marking_of(MarkSettings(label="auto", label_font=fonts._own()), ["en", "ja"])


@pytest.mark.parametrize(
    ("language", "size", "said"),
    [
        ("de", (640, 360), []),
        (None, (640, 360), []),
        ("Klingon", (640, 360), ["its label is in English: there is no text in Klingon; set one with --label TEXT"]),
        (
            "en",
            (96, 128),
            ["its watermark may not survive recoding: the picture has 96×128 pixels; 192 or more"],
        ),
    ],
)
def test_what_a_person_should_know_is_in_the_row(language, size, said):
    notes = frame_marking_of(MarkSettings(True, label="auto"), [language]).notes(language, *size)
    assert len(notes) == len(said)
    assert all(note.startswith(start) for note, start in zip(notes, said, strict=True))


def test_a_video_that_has_a_mark_and_a_label_gets_no_second_one(tmp_path):
    marking = frame_marking_of(MarkSettings(True, label="Dubbed", label_seconds=3.0), [None])
    both = marking.without_existing(watermarked=True, labelled=True, generated=False)
    assert both.identity(None) == ()
    assert both.label(None, 256, 256, SQUARE, RATE, str(tmp_path)) is None
    neither = marking.without_existing(watermarked=False, labelled=False, generated=False)
    assert neither == marking
    assert FrameMarking().without_existing(True, True, True).identity(None) == ()


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A second that is marked by the public key, by another one, and not at all; nothing else says so."""
    folder = tmp_path_factory.mktemp("pixels")
    still = frame(1)
    for name, secret in (("public", PUBLIC), ("own", OWN.encode()), ("none", None)):
        shown = still if secret is None else watermark.marked(still, secret, 0xABCDE)
        data = encode([shown] * 25, RATE, SQUARE, VideoCoding())
        (folder / f"{name}.mp4").write_bytes(data)
    return folder


def test_inspection_finds_a_mark_which_counts(video, key):
    found = inspect_file(video / "public.mp4")
    assert (found.marked, found.watermark.id, found.source_type, found.manifest) == (True, "00000abcde", "", None)
    assert found.watermark.false_alarm < 1e-6
    assert found.line.endswith("public.mp4: marked; a mark in the pixels, id 00000abcde")
    assert not inspect_file(video / "own.mp4").marked
    assert inspect_file(video / "own.mp4", watermark_key=key).watermark.id == "00000abcde"
    assert inspect_file(video / "public.mp4", watermark_key=key).marked
    nothing = inspect_file(video / "none.mp4")
    assert (nothing.marked, nothing.watermark) == (False, None)
    assert "no mark in the pixels" in nothing.line
    assert inspect_file(video / "public.mp4", pixels=False).watermark is None


def test_the_command_line_and_the_environment(video, key, monkeypatch):
    def inspect(*arguments):
        done = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
        return done.exit_code, done.output

    assert inspect(video / "public.mp4")[0] == 0
    assert inspect(video / "none.mp4")[0] == 1
    assert inspect(video / "own.mp4")[0] == 1
    assert inspect(video / "own.mp4", "--watermark-key", key)[0] == 0
    monkeypatch.setenv(VARIABLE, key)
    status, said = inspect(video / "own.mp4", "--json")
    assert (status, json.loads(said)["watermark"]["id"]) == (0, "00000abcde")
    assert inspect(video / "public.mp4", "--no-pixels")[0] == 1


def test_a_picture_is_looked_at_too(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "p.png"), watermark.marked(frame(2, 384, 384), PUBLIC, 77).bgr())
    assert inspect_file(tmp_path / "p.png").watermark.id == f"{77:010x}"


def test_a_long_video_is_looked_at_in_stretches(tmp_path):
    """Of 24 seconds the last six are marked."""
    still = frame(3)
    shown = watermark.marked(still, PUBLIC, 5)
    frames = (shown if number >= 18 * 5 else still for number in range(24 * 5))
    (tmp_path / "v.mp4").write_bytes(encode(frames, Fraction(5), SQUARE, VideoCoding()))
    assert inspect_file(tmp_path / "v.mp4").watermark.id == f"{5:010x}"


def test_sound_alone_has_no_pixels(tmp_path):
    with av.open(str(tmp_path / "s.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        block.sample_rate, block.pts = 16_000, 0
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    assert inspect_file(tmp_path / "s.m4a").watermark is None

"""Restoration stages without Ray, with a narrow GFPGAN of random weights, on the demo's moving portrait."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from clips import all_visible, tone, write_audio
from material import random_gfpgan, random_parsenet

from lipsync_ray.faces.choices import Pads
from lipsync_ray.faces.masks import ellipse_mask, parsing_mask
from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.inputs.face_tables import Detect, TableOrder, face_rows, make_table
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.inputs.speakers import SpeakerQuery, choose_speaker
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.methods.paste import Crop
from lipsync_ray.jobs.dub.segment import Segment
from lipsync_ray.jobs.dub.stages import RestoreDrawn
from lipsync_ray.jobs.enhance import stages as enhance
from lipsync_ray.jobs.enhance.plan import EnhanceRow
from lipsync_ray.media import decode
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.timeline import split
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.restoration.compose import Compose
from lipsync_ray.restoration.faces import PARSE_EVERY, RestoreFiles
from lipsync_ray.restoration.previews import preview_frames
from lipsync_ray.settings import RestoreSettings

FRAMES = 14


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    gfpgan = random_gfpgan(folder / "narrow.pth", 0.0625)
    return RestoreFiles(Checkpoint.of(gfpgan), Checkpoint.of(random_parsenet(folder / "parsenet.pth")))


@pytest.fixture(scope="module")
def segment(demo_inputs, tmp_path_factory):
    """Half a second of the portrait, as a dub would have it."""
    out = tmp_path_factory.mktemp("run")
    video = probe(VideoSource(str(demo_inputs / "pan.mp4"), "v", Fraction(25)))
    write_audio(out / "a.wav", tone(1.0))
    speech = extract_audio_features(AudioSource(str(out / "a.wav"), "a", False, str(out / "sources")))
    rows = face_rows("v", video, str(out / "parts" / "v"), 30)
    for row in rows:
        Detect("cpu")(row)
    table = str(out / "v.parquet")
    make_table(TableOrder("v", video, tuple(row.url for row in rows), table))
    chosen = choose_speaker(SpeakerQuery("v", table, "largest", video.width, video.height)).chosen
    seen = str(out / "v.sight")
    storage.commit_bytes(seen, all_visible(video.frames).to_bytes())
    return Segment(
        "d-0", "d", 0, FRAMES, video, speech, "pingpong", table, None, seen, chosen, Pads(), "none", "feather", VideoCoding(crf=0),
        str(out / "0.mp4"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def restore(files):
    return RestoreDrawn(replace(files, parsenet=None), "cpu", "auto")


@pytest.fixture(scope="module")
def parsing(files):
    return RestoreDrawn(files, "cpu", "auto")


def pictures(path):
    info = probe_video(str(path))
    return [p.bgr().astype(int) for p in decode.pictures(info, 0, info.frames)]


def made(segment, stage, settings, folder, cuts=((0, FRAMES),)):
    """The pictures of a segment that went through crop, restore and compose in pieces."""
    out = []
    for start, stop in cuts:
        url = str(folder / f"{start}.mp4")
        crops = Crop(96)(replace(segment, start=start, stop=stop, url=url))
        composed = Compose(settings)(stage(crops))
        assert composed.restored == stop - start
        out += pictures(url)
    return out


@pytest.fixture(scope="module")
def plain(segment, tmp_path_factory):
    url = str(tmp_path_factory.mktemp("plain") / "p.mp4")
    Compose()(Crop(96)(replace(segment, url=url)))
    return pictures(url)


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("mask", ["ellipse", "parsing"])
def test_frames_do_not_depend_on_the_split(segment, restore, parsing, tmp_path, mask):
    stage, settings = (restore, RestoreSettings()) if mask == "ellipse" else (parsing, RestoreSettings(mask="parsing"))
    for name in "abc":
        (tmp_path / name).mkdir()
    whole = made(segment, stage, settings, tmp_path / "a")
    for name, length in (("b", 4), ("c", 8)):
        cuts = tuple((start, min(FRAMES, start + length)) for start in range(0, FRAMES, length))
        cut_spans = made(segment, stage, settings, tmp_path / name, cuts)
        assert all(np.array_equal(x, y) for x, y in zip(whole, cut_spans, strict=True))


def test_the_same_video_twice_is_the_same(segment, restore):
    crops = Crop(96)(replace(segment, stop=3))
    assert np.array_equal(restore(crops).restored.faces, restore(crops).restored.faces)


def test_only_the_face_changes(segment, restore, plain, tmp_path):
    after = made(segment, restore, RestoreSettings(), tmp_path)
    changed = np.stack([np.abs(a - b).max(axis=2) for a, b in zip(plain, after, strict=True)]).max(axis=0)
    assert changed.max() > 10
    assert changed[:, :60].max() == 0
    assert changed[-30:].max() == 0


def test_strength_and_region(segment, restore, plain, tmp_path):
    found = {}
    for name, settings in (
        ("whole", RestoreSettings()),
        ("half", RestoreSettings(strength=0.5)),
        ("mouth", RestoreSettings(region="mouth")),
    ):
        (tmp_path / name).mkdir()
        found[name] = np.abs(made(segment, restore, settings, tmp_path / name)[5] - plain[5]).astype(float)
    assert found["half"].sum() == pytest.approx(found["whole"].sum() / 2, rel=0.05)
    rows = {name: np.flatnonzero(change.max(axis=(1, 2)) > 1) for name, change in found.items()}
    assert rows["mouth"][0] > rows["whole"][0] + 30  # the upper face is the person's own
    assert found["mouth"].sum() < 0.6 * found["whole"].sum()


def test_enhancing_without_a_table_row_leaves_the_frame_alone(segment, files, tmp_path):
    row = EnhanceRow(
        "e", "e", 0, 4, segment.video, segment.table, (99,), None, (1.0, 1.0), Pads(), VideoCoding(crf=0), 1,
        str(tmp_path / "e.mp4"),
    )  # fmt: skip
    ready = enhance.RestoreRange(replace(files, parsenet=None), "cpu", "auto")(row)
    composed = Compose(RestoreSettings())(ready)
    assert (composed.restored, composed.drawn) == (0, 0)
    source = [p.bgr().astype(int) for p in decode.pictures(segment.video, 0, 4)]
    assert all(np.array_equal(a, b) for a, b in zip(pictures(row.url), source, strict=True))


def test_a_face_is_put_back_where_it_was_when_enlarged(segment, files, tmp_path):
    row = EnhanceRow(
        "e", "e", 0, 4, segment.video, segment.table, segment.chosen, None, (1.0, 1.0), Pads(), VideoCoding(crf=0), 2,
        str(tmp_path / "e.mp4"),
    )  # fmt: skip
    stage = enhance.RestoreRange(replace(files, parsenet=None), "cpu", "auto")

    class Same:
        notes = ()

        def __call__(self, faces):
            return faces

    stage._restorer._restorer = Same()  # what comes out is what went in: only the geometry is seen
    Compose(RestoreSettings())(stage(row))
    once = [enhance.enlarged(p, 2).bgr().astype(int) for p in decode.pictures(segment.video, 0, 4)]
    for found, wanted in zip(pictures(row.url), once, strict=True):
        assert found.shape == (768, 768, 3)
        face, same = found[300:500, 280:480], wanted[300:500, 280:480]
        moved = {
            (dy, dx): np.abs(np.roll(face, (dy, dx), (0, 1)) - same).mean() for dy in (-1, 0, 1) for dx in (-1, 0, 1)
        }
        assert min(moved, key=moved.get) == (0, 0)
        for one, other in (((0, 1), (0, -1)), ((1, 0), (-1, 0))):  # not even by part of a pixel
            assert moved[one] == pytest.approx(moved[other], rel=0.15)


def test_rows_begin_where_masks_do():
    assert all(start % PARSE_EVERY == 0 for start, _ in split(101, Fraction(25), 0.7, multiple=PARSE_EVERY))
    assert split(10, Fraction(25), 0.1, multiple=PARSE_EVERY) == [(0, 4), (4, 8), (8, 10)]
    starts = [start for start, _ in split(500, Fraction(30), 1.6, 16, PARSE_EVERY)]
    assert starts[1] == 48
    assert all(start % PARSE_EVERY == 0 for start in starts)


def test_masks():
    ellipse = ellipse_mask()
    assert (ellipse[0].max(), ellipse[:, 0].max(), ellipse[300, 256]) == (0, 0, 1)
    labels = np.zeros((512, 512), np.uint8)
    labels[150:400, 150:360] = 1
    parsed = parsing_mask(labels, (0,))
    assert parsed[270, 256] == pytest.approx(1, abs=1e-3)
    assert parsed[60, 256] == pytest.approx(0, abs=1e-3)
    assert 0.3 < parsed[150, 256] < 0.7  # soft at the edge


def test_moments_are_spread_and_inside():
    assert preview_frames(100) == (16, 33, 50, 66, 82)
    assert preview_frames(1) == (0,)
    assert set(preview_frames(3)) <= {0, 1, 2}

"""Restoration by the dub and enhance commands, with a narrow GFPGAN of random weights."""

import json
import shutil
import warnings
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
import torch
from clips import tone, write_audio, write_video
from commands import lipsync_ray
from material import random_gfpgan

from lipsync_ray.io.results import RESULTS, read_results
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models import weights


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return random_gfpgan(tmp_path_factory.mktemp("gfpgan") / "narrow.pth", 0.0625)


@pytest.fixture(scope="module")
def dubbed(demo_inputs, tmp_path_factory):
    """A short finished run of its own: one second of one dub, lossless."""
    folder = tmp_path_factory.mktemp("short")
    source = demo_inputs / "pan.mp4"
    write_audio(folder / "a.wav", tone(1.2))
    (folder / "t.csv").write_text(f"id,video,audio\none,{source},{folder / 'a.wav'}\n")
    assert (
        lipsync_ray("dub", folder / "t.csv", "-o", folder / "run", "--model", "mini", "--crf", "0", "--actors", "1")
        == 0
    )
    return folder


def pictures(path):
    info = probe_video(str(path))
    return [p.bgr().astype(int) for p in decode.pictures(info, 0, info.frames)]


def test_a_dub_is_restored_and_only_in_the_face(dubbed, network):
    out = dubbed / "restored"
    shutil.copytree(dubbed / "run" / "faces", out / "faces")
    command = ("dub", dubbed / "t.csv", "-o", out, "--model", "mini", "--crf", "0", "--restore", network)
    assert lipsync_ray(*command, "--actors", "1") == 0
    (result,) = read_results(str(out))
    assert (result.model, result.frames, result.restored_frames) == ("mini+narrow", 30, 30)
    before, after = pictures(dubbed / "run" / "videos" / "one.mp4"), pictures(out / "videos" / "one.mp4")
    changed = np.stack([np.abs(a - b).max(axis=2) for a, b in zip(before, after, strict=True)]).max(axis=0)
    assert changed.max() > 10
    assert changed[:, :60].max() == 0  # the wall beside the face
    assert changed[-30:].max() == 0
    sheet = cv2.imread(str(out / "pictures" / "one.png"))
    assert sheet.shape == (26 + 5 * 260, 3 * 256, 3)
    row = sheet[26:282].astype(int)
    source, drawn, restored = (row[:, i * 256 : (i + 1) * 256] for i in range(3))
    assert np.abs(source - drawn).max() > 3
    assert np.abs(restored - drawn).mean() > np.abs(source - drawn).mean()
    assert sorted(p.name for p in (out / "pictures").iterdir()) == ["one-strip.jpg", "one.png", "parts"]


def test_enhancing_a_run_keeps_its_sound_and_what_it_says(dubbed, network, cluster, capsys):
    out = dubbed / "enhanced"
    (row,) = read_results(str(dubbed / "run"))
    lost = replace(row, id="two", status="failed", stage="probe", error="broken", output=None)
    RESULTS.write_table(str(dubbed / "run"), [row, lost])
    command = ("enhance", dubbed / "run", "-o", out, "--restore", network, "--upscale", "2", "--actors", "1")
    assert lipsync_ray(*command, engine="ray") == 1
    result, undone = read_results(str(out))
    assert (undone.status, undone.error) == ("failed", "broken")
    assert json.loads((out / "run.json").read_text())["job"] == "enhance"
    assert (result.status, result.model, result.width, result.height) == ("done", "mini+narrow", 768, 768)
    assert (result.restored_frames, result.faceless_frames) == (30, 0)
    assert cv2.imread(str(out / "pictures" / "one.png")).shape[1] == 3 * 256  # the source is still at hand
    with av.open(str(dubbed / "run" / "videos" / "one.mp4")) as a, av.open(str(out / "videos" / "one.mp4")) as b:
        before, after = ([bytes(p) for p in c.demux(audio=0) if p.dts is not None] for c in (a, b))
        assert before == after  # packet by packet
        assert b.streams.video[0].start_time == b.streams.audio[0].start_time == 0
    with av.open(str(dubbed / "run" / "videos" / "one.mp4")) as a, av.open(str(out / "videos" / "one.mp4")) as b:
        sound = [np.concatenate([f.to_ndarray() for f in c.decode(audio=0)], axis=1) for c in (a, b)]
        assert np.array_equal(*sound)
    assert lipsync_ray(*command) == 1
    assert "1 of 2 videos were finished before" in capsys.readouterr().out
    scores = dubbed / "scores"
    scored = ("--scorer", "mini-sync", "--fid", "none", "--previews", "1", "--min-track", "10")
    assert lipsync_ray("evaluate", out, "-o", scores, *scored) == 1
    assert "mini+narrow" in (scores / "metrics" / "tables.md").read_text()
    assert "before restoration, restored" in (scores / "report" / "index.html").read_text()


def test_any_video_and_what_cannot_be_restored(dubbed, network, demo_inputs, tmp_path, capsys):
    face = cv2.imread(str(demo_inputs / "portrait.jpg"))[..., ::-1]
    tall = np.full((300, 420, 3), 120, np.uint8)
    tall[20:260, :205] = cv2.resize(face, (205, 240))
    tall[20:260, 210:415] = cv2.resize(face, (205, 240))
    two = write_video(tmp_path / "two.mp4", [tall] * 12)
    cut = face[:, 200:]  # a third of it lies outside
    border = write_video(
        tmp_path / "border.mp4", [np.ascontiguousarray(cut[: cut.shape[0] // 2 * 2, : cut.shape[1] // 2 * 2])] * 8
    )
    small = np.full((480, 640, 3), 120, np.uint8)
    small[200:260, 300:351] = cv2.resize(face, (51, 60), interpolation=cv2.INTER_AREA)
    tiny = write_video(tmp_path / "tiny.mp4", [small] * 8)
    gap = write_video(tmp_path / "gap.mp4", [tall] * 8 + [np.full_like(tall, 120)] * 8 + [tall] * 8)
    blank = write_video(tmp_path / "blank.mp4", [np.full((96, 128, 3), 90, np.uint8)] * 8)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(two.read_bytes()[:2000])
    videos = (two, border, tiny, gap, blank, broken)
    assert lipsync_ray("enhance", *videos, "-o", tmp_path / "out", "--restore", network, "--actors", "1") == 1
    found = {result.id: result for result in read_results(str(tmp_path / "out"))}
    assert (found["two"].status, found["two"].restored_frames) == ("done", 12)
    assert (found["gap"].status, found["gap"].restored_frames, found["gap"].faceless_frames) == ("done", 16, 8)
    seen = {name: (r.status, r.restored_frames, r.faceless_frames) for name, r in found.items()}
    assert seen["border"] == ("done", 8, 0)  # aligned by landmarks some of which lie outside
    assert seen["tiny"] == ("done", 8, 0)
    assert found["blank"].status == "no_face"
    assert (found["broken"].status, found["broken"].stage) == ("failed", "probe")
    changed = np.abs(pictures(tmp_path / "out" / "videos" / "two.mp4")[5] - pictures(two)[5]).max(axis=2)
    assert changed[100:200, 60:140].mean() > 2  # both people
    assert changed[100:200, 270:350].mean() > 2


def eager_detector(path):
    """A RetinaFace that sees faces in every picture, at its largest anchors, with eyes two fifths of them apart."""
    from facexlib.detection.retinaface import RetinaFace

    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchvision's, of an argument's old name
        torch.manual_seed(0)
        network = RetinaFace(network_name="resnet50", half=False, device=torch.device("cpu"))
    for heads in (network.ClassHead, network.BboxHead, network.LandmarkHead):
        for head in heads:
            torch.nn.init.zeros_(head.conv1x1.weight)
            torch.nn.init.zeros_(head.conv1x1.bias)
    for level, head in enumerate(network.ClassHead):
        sure = torch.tensor([20.0, -20.0, 20.0, -20.0])  # nothing, for both anchors
        head.conv1x1.bias.data = torch.tensor([20.0, -20.0, -20.0, 20.0]) if level == 2 else sure
    points = torch.tensor([[-2.0, -1.5], [2.0, -1.5], [0.0, 0.5], [-1.6, 2.5], [1.6, 2.5]]).flatten()
    for head in network.LandmarkHead:
        head.conv1x1.bias.data = torch.cat([torch.zeros(10), points])
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, path)
    return path


@pytest.mark.nightly
def test_retinaface_looks_at_every_frame_itself(network, tmp_path, monkeypatch):
    detector = eager_detector(tmp_path / "detector.pth")
    ensure = weights.ensure
    monkeypatch.setattr(
        weights,
        "ensure",
        lambda found, progress=None: detector if found.name == "retinaface" else ensure(found, progress),
    )
    flat = write_video(tmp_path / "flat.mp4", [np.full((640, 640, 3), 90 + i, np.uint8) for i in range(3)])
    command = ("enhance", flat, "-o", tmp_path / "out", "--restore", network, "--actors", "1", "--crf", "0")
    assert lipsync_ray(*command) == 1  # the face table's detector sees nobody
    assert [r.status for r in read_results(str(tmp_path / "out"))] == ["no_face"]
    assert lipsync_ray(*command, "--restore-detector", "retinaface", "--engine", "inline") == 0
    (result,) = read_results(str(tmp_path / "out"))
    assert (result.status, result.restored_frames, result.faceless_frames) == ("done", 3, 0)
    changed = np.abs(pictures(result.output)[1] - pictures(flat)[1]).max(axis=2)
    assert changed[250:400, 250:400].mean() > 2


def test_a_picture_comes_out_as_a_picture(network, demo_inputs, tmp_path):
    face = cv2.imread(str(demo_inputs / "portrait.jpg"))
    odd = face[: face.shape[0] // 2 * 2 - 1, : face.shape[1] // 2 * 2 - 1]
    cv2.imwrite(str(tmp_path / "odd.png"), odd)
    pair = (demo_inputs / "portrait.jpg", tmp_path / "odd.png")
    command = ("enhance", *pair, "-o", tmp_path / "out", "--restore", network, "--upscale", "2", "--actors", "1")
    assert lipsync_ray(*command) == 0
    results = read_results(str(tmp_path / "out"))
    assert [r.output for r in results] == [str(tmp_path / "out" / "images" / f"{n}.png") for n in ("portrait", "odd")]
    for result, source in zip(results, (face, odd), strict=True):
        made = cv2.imread(result.output).astype(float)
        assert made.shape == (source.shape[0] * 2, source.shape[1] * 2, 3)
        small = cv2.resize(made, source.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(small - source)[:40].mean() < 2  # above the head
        assert np.abs(small - source).max() > 20
    assert not (tmp_path / "out" / "videos").exists()
    made = (tmp_path / "out" / "images" / "odd.png").stat().st_mtime_ns
    assert lipsync_ray(*command) == 0
    assert made == (tmp_path / "out" / "images" / "odd.png").stat().st_mtime_ns


def test_without_weights_nothing_starts(dubbed, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))

    def refuse(url, target, progress):
        from lipsync_ray.errors import WeightsError

        raise WeightsError(f"{url}: cannot be downloaded: no network")

    monkeypatch.setattr(weights, "download", refuse)
    for command in (("enhance", dubbed / "run"), ("dub", dubbed / "t.csv", "--model", "mini", "--restore", "gfpgan")):
        assert lipsync_ray(*command, "-o", tmp_path / "out") == 2
        said = capsys.readouterr().err
        for part in ("GFPGANv1.4.pth", "https://github.com/TencentARC", "348,632,874 bytes", str(tmp_path / "cache")):
            assert part in said
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_none_is_refused(tmp_path, network, capsys):
    assert lipsync_ray("enhance", tmp_path, "-o", tmp_path / "out", "--restore", network) == 2
    assert "nor the folder of a finished dub run" in capsys.readouterr().err
    assert lipsync_ray("enhance", "gone.mp4", "-o", tmp_path / "out", "--restore", network) == 2
    assert "no such file" in capsys.readouterr().err

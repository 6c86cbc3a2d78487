"""Two faces of one video drawn by each way to draw, and restored: each in its place and time, and both in one frame."""

import csv

import av
import numpy as np
import pytest
import torch
from clips import write_audio, write_video
from commands import lipsync_ray
from filled import fill
from material import random_gfpgan
from montages import mirrored_pair, mono

from lipsync_ray.faces.table import read_table
from lipsync_ray.io.results import read_results
from lipsync_ray.models.wav2lip import Wav2Lip

FRAMES, SIDE, RATE = 16, 256, 16_000
TURNS = ((0, 10), (6, 16))  # frames of persons 0 and 1
BESIDE = 0.6  # of a face's size: how far beside its box it is drawn at most


@pytest.fixture(scope="module")
def folder(demo_inputs, tmp_path_factory):
    """A video of two people side by side, a sound for each, who speaks when, and a narrow GFPGAN."""
    folder = tmp_path_factory.mktemp("faces")
    write_video(folder / "two.mp4", mirrored_pair(demo_inputs / "pan.mp4", FRAMES, SIDE), options={"crf": "0"})
    sound, count = mono(demo_inputs / "en.ogg", RATE), round(FRAMES / 25 * RATE)
    for number in (0, 1):
        write_audio(folder / f"{number}.wav", sound[number * count :][:count], RATE)
    with (folder / "turns.csv").open("w", newline="") as file:
        turns = [(start / 25, stop / 25, person) for person, (start, stop) in enumerate(TURNS)]
        csv.writer(file).writerows([("start_s", "end_s", "person"), *turns])
    rows = [
        ("both", "two.mp4", "0.wav", "person:0", ""),
        ("both", "two.mp4", "1.wav", "person:1", ""),
        ("alone", "two.mp4", "1.wav", "person:1", ""),
        ("turns", "two.mp4", "0.wav", "", "turns.csv"),
    ]
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio", "face", "speakers"), *rows])
    random_gfpgan(folder / "narrow.pth", 0.0625)
    return folder


def wav2lip(folder):
    torch.save({"state_dict": fill(Wav2Lip(), 0.5).state_dict()}, folder / "wav2lip.pth")
    return folder / "wav2lip.pth"


def musetalk(folder):
    pytest.importorskip("diffusers", reason="the extra `musetalk` is not installed")
    pytest.importorskip("transformers", reason="the extra `musetalk` is not installed")
    import small_musetalk

    small_musetalk.write(folder / "models", parser=True)
    return folder / "models"


def lumas(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


@pytest.mark.parametrize(
    "model",
    [
        lambda folder: "mini",
        pytest.param(wav2lip, marks=pytest.mark.nightly),
        pytest.param(musetalk, marks=pytest.mark.nightly),
    ],
    ids=["mini", "wav2lip", "musetalk"],
)
def test_each_face_is_drawn_and_restored_in_its_own_place_and_time(folder, tmp_path, model):
    command = ("dub", folder / "t.csv", "-o", tmp_path, "--model", model(folder), "--crf", "0", "--length", "video")
    assert lipsync_ray(*command, "--restore", folder / "narrow.pth") == 0
    rows = {row.id: row for row in read_results(str(tmp_path))}
    assert {row.restored_frames for row in rows.values()} == {FRAMES}
    tracks, source = read_table(rows["both"].face_table), lumas(folder / "two.mp4")
    made = {name: lumas(row.output) for name, row in rows.items()}
    changed = {name: video != source for name, video in made.items()}
    for person, (start, stop) in enumerate(TURNS):
        box = tracks.box[tracks.person == person].mean(axis=0)
        half = slice(0, SIDE) if box[0] + box[2] < 2 * SIDE else slice(SIDE, 2 * SIDE)
        far = BESIDE * (box[2:] - box[:2])
        x0, y0, x1, y1 = (*np.maximum(box[:2] - far, 0).astype(int), *(box[2:] + far).astype(int))
        outside = np.ones(source.shape[1:], bool)
        outside[y0:y1, x0:x1] = False
        outside[:, : half.start], outside[:, half.stop :] = False, False
        assert not any(one[:, outside].any() for one in changed.values())
        assert changed["both"][:, :, half].any(axis=(1, 2)).all()
        drawn = np.flatnonzero(changed["turns"][:, :, half].any(axis=(1, 2)))
        assert drawn.tolist() == list(range(start, stop))
        alone = made["alone"][:, :, half]
        assert np.array_equal(alone, made["both"][:, :, half] if person == 1 else source[:, :, half])

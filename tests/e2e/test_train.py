"""`lipsync-ray train` on clips of the demo's portrait: nothing to learn there, but all that it takes."""

import csv
import json
import shutil

import numpy as np
import pytest
import s3fs
import torch
from clips import write_both
from commands import lipsync_ray

from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.faces.mesh import SPEAKING
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clip_features import FACE, ClipFeatures
from lipsync_ray.jobs.train.clips import CLIPS
from lipsync_ray.media import audio, decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models.checkpoint import read_state
from lipsync_ray.models.lip_poses import load_ensemble
from lipsync_ray.models.weights import by_name

COUNT, FRAMES = 9, 30


@pytest.fixture(scope="module")
def clips(demo_inputs, tmp_path_factory):
    """A table of nine clips of two "people", and one of nobody."""
    folder = tmp_path_factory.mktemp("talking")
    video = probe_video(str(demo_inputs / "pan.mp4"))
    sound = np.concatenate(list(audio.speech_blocks(audio.SoundTrack(str(demo_inputs / "en.ogg")))))
    rows = []
    for clip in range(COUNT):
        pictures = [p.bgr()[..., ::-1] for p in decode.pictures(video, 7 * clip, 7 * clip + FRAMES)]
        piece = sound[clip * 8000 : clip * 8000 + FRAMES * 640]
        rows.append((write_both(folder / f"{clip}.mp4", pictures, piece, rate=16_000), "ab"[clip % 3 == 0]))
    grey = [np.full((96, 96, 3), 90, np.uint8)] * FRAMES
    rows.append((write_both(folder / "nobody.mp4", grey, sound[: FRAMES * 640], rate=16_000), "c"))
    table = folder / "clips.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("video", "person"), *((path.name, person) for path, person in rows)])
    return table


@pytest.fixture(scope="module")
def looked_at(clips, tmp_path_factory):
    """A folder in which the clips were looked at."""
    out = tmp_path_factory.mktemp("looked") / "out"
    lipsync_ray("train", "judge", clips, "-o", out, "--steps", 1, "--seed", 3, "--held-out", 0.3)
    return out


def test_clips_become_a_model_that_dubs(clips, demo_inputs, tmp_path, capsys):
    out = tmp_path / "out"
    command = ("train", "pose", clips, "-o", out, "--steps", 3, "--seeds", 1, "--held-out", 0.3)
    assert lipsync_ray(*command) == 1
    rows = {row.id: row for row in CLIPS.read_table(str(out))}
    assert "no face" in (rows["nobody"].error or "")
    used = [row for row in rows.values() if row.status == "used"]
    assert len(used) == COUNT
    assert {row.person for row in used if row.held_out} != {row.person for row in used if not row.held_out}
    assert len(load_ensemble(out / "model.safetensors").networks) == 1
    seen = ClipFeatures.from_bytes((out / "clips" / f"{used[0].fingerprint}.npz").read_bytes(), "faces")
    assert seen.faces.shape == (FRAMES, FACE, FACE, 3)
    assert seen.lips.shape == (FRAMES, len(SPEAKING), 2)
    assert seen.mel.shape[1] == 80
    assert len(seen.mel) == pytest.approx(FRAMES / 25 * 80, abs=8)
    assert {"MODEL_CARD.md", "curve.csv", "curve.png"} <= {path.name for path in out.iterdir()}
    # Again: clips are not looked at anew, and training has nothing left to do.
    before = {name: (out / "clips" / name).stat().st_mtime_ns for name in storage.list_names(str(out / "clips"))}
    first = (out / "model.safetensors").read_bytes()
    assert lipsync_ray(*command) == 1
    assert "9 of 10 clips were processed before" in capsys.readouterr().out
    assert {name: (out / "clips" / name).stat().st_mtime_ns for name in before} == before
    assert (out / "model.safetensors").read_bytes() == first
    # Another kind would put its model over this one.
    capsys.readouterr()
    assert lipsync_ray("train", "judge", clips, "-o", out, "--steps", 3, "--held-out", 0.3) == 2
    assert "holds a run of `lipsync-ray train pose`" in capsys.readouterr().err
    assert (out / "model.safetensors").read_bytes() == first
    options = ("--model", out / "model.safetensors", "--length", "video")
    assert (
        lipsync_ray("dub", demo_inputs / "pan.mp4", demo_inputs / "en.ogg", "-o", tmp_path / "dub.mp4", *options) == 0
    )


def test_too_few_clips_are_said_before_work(clips, tmp_path, capsys):
    few = tmp_path / "few.csv"
    few.write_text("video\n" + "\n".join(str(clips.parent / f"{n}.mp4") for n in range(3)) + "\n")
    assert lipsync_ray("train", "judge", few, "-o", tmp_path / "out") == 2
    assert "3 clips: at least 8 are needed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert lipsync_ray("train", "judge", tmp_path / "empty", "-o", tmp_path / "out") == 2
    assert lipsync_ray("train", "nothing", few, "-o", tmp_path / "out") == 2


@pytest.mark.parametrize("kind", ["pose", "closure", "painter", "judge", "expert", "sync-judge", "generator"])
def test_time_that_is_up_at_once_leaves_a_step(kind, clips, looked_at, tmp_path, capsys):
    out = tmp_path / "out"  # where clips were looked at, as by a run of this kind
    shutil.copytree(looked_at, out)
    record = json.loads((out / "run.json").read_text())
    record["settings"]["kind"] = kind
    (out / "run.json").write_text(json.dumps(record))
    command = ("train", kind, clips, "-o", out, "--minutes", 0.0001, "--seeds", 1, "--held-out", 0.3)
    assert lipsync_ray(*command) == 1
    said = capsys.readouterr().out
    assert "1 of " in said.splitlines()[-1]
    assert " steps; 9 of 10 clips of use" in said.splitlines()[-1]
    assert json.loads((out / "run.json").read_text())["steps"] == [1]
    assert "for 1 of " in (out / "MODEL_CARD.md").read_text()


def test_no_step_is_no_model(clips, looked_at, capsys, monkeypatch):
    monkeypatch.setattr(InlineRunner, "together", lambda *arguments: None)
    (looked_at / "model.safetensors").unlink(missing_ok=True)
    assert lipsync_ray("train", "judge", clips, "-o", looked_at, "--seed", 7, "--held-out", 0.3) == 1
    assert "no step came back, so no model is written" in capsys.readouterr().err
    assert not (looked_at / "model.safetensors").exists()


def test_a_person_column_that_comes_later_decides(clips, looked_at):
    table = clips.with_name("renamed.csv")
    rows = list(csv.reader(clips.open()))
    table.write_text(
        "".join(f"{video},{person if row == 0 else 'xy'[row % 4 == 0]}\n" for row, (video, person) in enumerate(rows))
    )
    assert lipsync_ray("train", "judge", table, "-o", looked_at, "--steps", 1, "--held-out", 0.3) == 1
    used = [row for row in CLIPS.read_table(str(looked_at)) if row.status == "used"]
    assert {row.person for row in used} == {"x", "y"}
    assert {row.person for row in used if row.held_out}.isdisjoint(row.person for row in used if not row.held_out)


@pytest.mark.nightly
def test_a_generator_is_trained_on_and_dubs(clips, demo_inputs, tmp_path):
    out = tmp_path / "out"
    command = ("train", "generator", clips, "-o", out, "--init", "mini", "--steps", 2, "--held-out", 0.3)
    assert lipsync_ray(*command) == 1
    before, after = read_state(by_name("mini").here()), read_state(out / "model.safetensors")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("face_decoder"))
    card = (out / "MODEL_CARD.md").read_text()
    assert "cosine of its training expert" in card
    assert "It started from `mini`, whose licence still applies" in card
    options = ("--model", out / "model.safetensors", "--length", "video")
    assert (
        lipsync_ray("dub", demo_inputs / "pan.mp4", demo_inputs / "en.ogg", "-o", tmp_path / "dub.mp4", *options) == 0
    )


@pytest.mark.nightly
def test_two_processes_train_into_a_bucket(clips, cluster, s3_server):
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("trained", exist_ok=True)
    out = "s3://trained/judge"
    command = ("train", "sync-judge", clips, "-o", out, "--steps", 3, "--held-out", 0.3, "--trainers", 2)
    assert lipsync_ray(*command, engine="ray") == 1
    assert {"model.safetensors", "MODEL_CARD.md", "curve.csv", "curve.png"} <= storage.list_names(out)
    lines = storage.read_bytes(f"{out}/curve.csv").decode().splitlines()
    assert lines[0] == "network,step,loss,cosine,cosine_other,right_first,offset_within_1,clips_per_s"
    assert [line.split(",")[1] for line in lines[1:]] == ["3"]
    # Its end is known: the same command has nothing left to teach.
    assert lipsync_ray(*command, engine="ray") == 1
    assert storage.read_bytes(f"{out}/curve.csv").decode().splitlines() == lines


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("generator", "--init", "warp"), "does not draw faces"),
        (("generator", "--init", "nosuch"), "--init nosuch: expected mini, wav2lip, wav2lip_gan, or a file"),
        (("generator", "--init", "musetalk"), "--init musetalk: expected mini, wav2lip, wav2lip_gan, or a file"),
        (("generator", "--init", "mini-sync"), "--init mini-sync: "),
        (("generator", "--expert", "nosuch"), "--expert nosuch: neither mini-sync nor a file"),
        (("expert", "--init", "mini"), "--init mini: neither mini-sync nor a file"),
        (("sync-judge", "--init", "nosuch"), "--init nosuch: neither sync-judge nor a file"),
        (("closure", "--init", "nosuch"), "--init nosuch: neither warp nor a file"),
        (("pose", "--init", "mini"), "--init mini: goes with"),
        (("generator", "--trainers", "2"), "--engine inline trains in this process alone"),
    ],
)
def test_what_cannot_be_trained_is_said_first(clips, tmp_path, capsys, words, said):
    kind, *options = words
    assert lipsync_ray("train", kind, clips, "-o", tmp_path / "out", *options) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out" / "clips").exists()

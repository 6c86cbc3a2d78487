"""EchoMimic from the command line on real pictures, its networks small and random: length, seeds, splits, kills, what is refused."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import read_sound, write_audio, write_video
from material import add_sound, random_inception

sys.path.insert(0, str(Path(__file__).parent))
from commands import frame_digests, lipsync_ray

from lipsync_ray.faces.head import head_of, portrait_of
from lipsync_ray.faces.table import read_table
from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.io.results import read_results
from lipsync_ray.jobs.dub.methods import head_steps
from lipsync_ray.jobs.dub.methods.head_steps import Animate, HeadPlan, StepRow
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models import generators, weights
from lipsync_ray.provenance.inspection import inspect_file
from lipsync_ray.settings import HeadSettings

pytest.importorskip("diffusers", reason="the extra `echomimic` is not installed")
pytest.importorskip("transformers", reason="the extra `echomimic` is not installed")
import small_echomimic

pytestmark = pytest.mark.slow
SIDE = 64


def pictures(path):
    """(n, h, w, 3) RGB of a video, by PyAV."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small_echomimic.write(tmp_path_factory.mktemp("echo") / "models")


@pytest.fixture(scope="module")
def inputs(corpus, tmp_path_factory):
    """A portrait, a video of 30000/1001 frames/s, and somebody speaking for 1.3 seconds."""
    folder = tmp_path_factory.mktemp("echomimic")
    samples, rate = read_sound(corpus / "audio" / "en.wav")
    write_audio(folder / "en.wav", samples[rate : rate + round(1.3 * rate)], rate)
    write_audio(folder / "long.wav", samples[rate : 6 * rate], rate)
    shutil.copy(corpus / "faces" / "portrait.jpg", folder / "portrait.jpg")
    shutil.copy(corpus / "videos" / "square_590.mp4", folder / "face.mp4")
    with (folder / "table.csv").open("w", newline="") as file:
        rows = [("still", folder / "portrait.jpg"), ("moving", folder / "face.mp4")]
        csv.writer(file).writerows([("id", "video", "audio"), *((*row, folder / "en.wav") for row in rows)])
    return folder


def arguments(inputs, models, *more):
    plain = ["--model", models, "--head-side", SIDE, "--crf", "0", "--precision", "fp32"]
    return ["dub", inputs / "table.csv", *plain, *more]


@pytest.fixture(scope="module")
def made(inputs, models, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    assert lipsync_ray(*arguments(inputs, models), "-o", out) == 0
    return out


@pytest.fixture(scope="module")
def made_on_ray(inputs, models, tmp_path_factory, cluster):
    out = tmp_path_factory.mktemp("made-on-ray")
    assert lipsync_ray(*arguments(inputs, models), "-o", out, engine="ray") == 0
    return out


@pytest.mark.nightly
def test_on_ray_it_is_the_same(made, made_on_ray):
    for path in (made / "videos").iterdir():
        assert frame_digests(made_on_ray / "videos" / path.name) == frame_digests(path)


def rows_of(out):
    return {row.id: row for row in read_results(str(out))}


def test_every_head_is_as_long_as_its_sound(made, inputs):
    for name, row in rows_of(made).items():
        found = pictures(made / "videos" / f"{name}.mp4")
        with av.open(str(made / "videos" / f"{name}.mp4")) as container:
            rate = container.streams.video[0].average_rate
            sound = container.streams.audio[0]
            heard = float(sound.duration * sound.time_base)
        with av.open(str(inputs / "en.wav")) as container:
            lasts = container.duration / 1e6
        assert row.status == "done"
        assert len(found) == row.frames == int(np.ceil(round(lasts * rate, 6)))
        assert found.shape[1:] == (SIDE, SIDE, 3)
        assert (row.width, row.height, row.faceless_frames) == (SIDE, SIDE, 0)
        assert heard == pytest.approx(lasts, abs=0.05)
        assert any("drawn anew from frame" in said for said in row.warnings)
        assert np.abs(np.diff(found.astype(int), axis=0)).mean() > 0.5  # it moves


def test_heads_say_that_no_camera_saw_them(made):
    for row in rows_of(made).values():
        found = inspect_file(row.output)
        assert (found.marked, found.source_type.rpartition("/")[2]) == (True, "trainedAlgorithmicMedia")
        assert found.comment.startswith("This talking head was drawn by a computer")
        (drawn,) = row.drawn
        assert (drawn.start_s, drawn.stop_s) == (0, pytest.approx(row.duration_s, abs=1e-3))
        assert (drawn.x, drawn.y, drawn.width, drawn.height) == (0, 0, SIDE, SIDE)


def test_a_time_is_told_before_sampling_begins_and_steps_while_it_lasts(inputs, models, tmp_path, capsys):
    assert lipsync_ray(*arguments(inputs, models, "--steps", "3"), "-o", tmp_path, engine="inline") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "still: 33 frames in 3 steps, 13 windows in all: about" in said
    assert "animate: steps 8/8" in said  # three steps and a look, of two heads
    passes = {one["name"]: one for one in json.loads((tmp_path / "run.json").read_text())["passes"]}
    assert passes["animate"]["unit"] == "steps"


@pytest.mark.nightly
def test_a_plan_counts_steps_and_what_is_sampled_already(made_on_ray, inputs, models, tmp_path, capsys):
    words = [*arguments(inputs, models, "--crf", "9"), "--dry-run", "--rates", made_on_ray]
    frames = sum(row.frames for row in rows_of(made_on_ray).values())
    for out, steps in ((tmp_path / "fresh", 6 * frames), (made_on_ray, 0)):
        assert lipsync_ray(*words, "-o", out) == 0
        said = capsys.readouterr().out
        (line,) = (line.split() for line in said.splitlines() if line.startswith("animate"))
        assert line[4] == f"{steps:,}"
        assert "by rates of echomimic-acc-models at 64 pixels on cpu" in " ".join(said.split())
    assert not (tmp_path / "fresh").exists()


@pytest.mark.nightly
@pytest.mark.parametrize("more", [("--segment", "0.4"), ("--segment", "0.7", "--actors", "2")])
def test_frames_do_not_depend_on_how_they_were_split(more, made, inputs, models, tmp_path):
    assert lipsync_ray(*arguments(inputs, models, *more), "-o", tmp_path, engine="inline") == 0
    for name in ("still", "moving"):
        assert frame_digests(tmp_path / f"videos/{name}.mp4") == frame_digests(made / f"videos/{name}.mp4")


@pytest.mark.nightly
@pytest.mark.parametrize("more", [("--seed", "7"), ("--steps", "5"), ("--guidance", "2"), ("--parity",)])
def test_what_decides_a_head_decides_its_frames(more, made, inputs, models, tmp_path):
    assert lipsync_ray(*arguments(inputs, models, *more), "-o", tmp_path, engine="inline") == 0
    before, after = (rows_of(out)["still"] for out in (made, tmp_path))
    assert before.fingerprint != after.fingerprint
    assert frame_digests(tmp_path / "videos/still.mp4") != frame_digests(made / "videos/still.mp4")
    assert before.frames == after.frames


@pytest.mark.nightly
def test_in_a_bucket_and_begun_by_another_run(made, inputs, models, s3_server):
    """Steps are committed, gone on with and cleared away there as in a folder."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("heads")
    (latents, *_) = sorted((made / "heads").iterdir())
    assert lipsync_ray(*arguments(inputs, models), "-o", "s3://heads/run") == 0
    assert sorted(store.ls("heads/run/heads")) == sorted(
        f"heads/run/heads/{p.name}" for p in (made / "heads").iterdir()
    )
    assert store.cat_file(f"heads/run/heads/{latents.name}") == latents.read_bytes()
    # What a run leaves that is killed behind its last commit, and one that is killed before it.
    store.pipe_file(f"heads/run/heads/{latents.stem}/5", b"old")
    other = next(path for path in (made / "heads").iterdir() if path != latents)
    store.mv(f"heads/run/heads/{other.name}", f"heads/run/heads/{other.stem}/5")
    store.rm(["heads/run/results.parquet", "heads/run/outcomes"], recursive=True)
    words = [*arguments(inputs, models, "--crf", "9"), "-o", "s3://heads/run"]
    assert lipsync_ray(*words) == 0
    assert sorted(store.find("heads/run/heads")) == sorted(
        f"heads/run/heads/{p.name}" for p in (made / "heads").iterdir()
    )
    assert (
        store.cat_file(f"heads/run/heads/{other.name}") != other.read_bytes()
    )  # one step more, of what had all of them


def test_another_coding_samples_nothing_again(made, inputs, models, tmp_path, capsys):
    out = tmp_path / "again"
    shutil.copytree(made, out)
    latents = {path.name: path.stat().st_mtime_ns for path in (out / "heads").iterdir()}
    assert len(latents) == 2
    assert lipsync_ray(*arguments(inputs, models, "--crf", "9"), "-o", out, engine="inline") == 0
    assert {path.name: path.stat().st_mtime_ns for path in (out / "heads").iterdir()} == latents
    assert "windows in all" not in capsys.readouterr().out
    # What its sampling cost is not known any more: no speed is told, rather than that of decoding alone.
    assert [(row.seconds, row.drawn_per_s) for row in read_results(str(out))] == [(None, None)] * 2
    assert all(row.drawn_per_s > 0 for row in read_results(str(made)))


@pytest.mark.nightly
def test_a_killed_run_goes_on_with_the_step_that_it_had_committed(made, inputs, models, tmp_path, capsys):
    words = [*arguments(inputs, models, "--steps", "30"), "-o", tmp_path / "killed"]
    driver = subprocess.Popen(
        [sys.executable, "-m", "lipsync_ray", *map(str, words), "--engine", "inline"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def far() -> bool:
        return any(int(path.name) >= 10 for path in (tmp_path / "killed" / "heads").glob("*/*") if path.name.isdigit())

    try:
        deadline = time.monotonic() + 200
        while not far():
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    assert not list((tmp_path / "killed" / "videos").glob("*"))
    assert lipsync_ray(*words, engine="inline") == 0
    passes = {one["name"]: one for one in json.loads((tmp_path / "killed" / "run.json").read_text())["passes"]}
    assert passes["animate"]["rows"] <= 2 * 31 - 11
    calm = tmp_path / "calm"
    assert lipsync_ray(*words[:-1], calm, engine="inline") == 0
    for name in ("still", "moving"):
        assert frame_digests(calm / f"videos/{name}.mp4") == frame_digests(tmp_path / f"killed/videos/{name}.mp4")
    assert sorted(path.suffix for path in (calm / "heads").iterdir()) == [".latents", ".latents"]


@pytest.fixture(scope="module")
def plan(made, inputs, models):
    """A head as a worker is told of it; (frames ↦ plan, the stage)."""
    checkpoint = generators.resolve(str(models))
    table = rows_of(made)["still"].face_table
    source = AudioSource(
        SoundTrack(str(inputs / "en.wav")),
        "s",
        False,
        str(made / "x"),
        "whisper-layers",
        hearer=checkpoint.part("hearer"),
    )
    speech = extract_audio_features(source)
    video = probe_video(str(inputs / "portrait.jpg"), Fraction(25))
    how = HeadSettings(steps=2, guidance=1.0, side=SIDE)

    def of(frames=20):
        return HeadPlan("k", video, table, tuple(set(read_table(table).track.tolist())), speech, frames, how)

    return of, Animate(generators.spec_of(checkpoint), checkpoint, "cpu", "fp32")


def steps_of(plan, folder):
    urls = [str(folder / "k" / "0"), str(folder / "k" / "1"), str(folder / "k.latents")]
    return [StepRow(f"k-{n}", plan, n, n, n + 1, urls[n - 1] if n else None, url) for n, url in enumerate(urls)]


def test_a_step_that_was_committed_by_a_process_that_then_died(plan, tmp_path):
    """What it began with is gone: the step is neither made again nor missed."""
    of, animate = plan
    rows = steps_of(of(), tmp_path)
    for row in rows:
        first = animate(row)
        data = Path(row.url).read_bytes()
        assert row.before is None or not Path(row.before).exists()
        assert animate(row).number == first.number == row.number
        assert Path(row.url).read_bytes() == data
    assert not (tmp_path / "k").exists()
    assert (animate(rows[2]).pace_s, first.pace_s) == (None, None)
    assert len(data) == 20 * 4 * 8 * 8 * 4


def test_long_sounds_are_read_window_by_window(plan, tmp_path, monkeypatch):
    of, animate = plan
    made = []
    for held in (30_000, 0):
        monkeypatch.setattr(head_steps, "_HELD_COLUMNS", held)
        folder = tmp_path / str(held)
        for row in steps_of(of(), folder):
            animate(row)
        made.append((folder / "k.latents").read_bytes())
    assert made[0] == made[1]


def test_one_frame_and_the_same_dub_twice(inputs, models, tmp_path):
    write_audio(tmp_path / "blip.wav", np.sin(np.arange(500) / 5).astype(np.float32) * 0.3, 16_000)
    rows = [("a", "en.wav"), ("b", "en.wav"), ("c", tmp_path / "blip.wav")]
    lines = ["id,video,audio", *(f"{name},{inputs}/portrait.jpg,{inputs / sound}" for name, sound in rows)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    words = ["dub", tmp_path / "t.csv", *arguments(inputs, models, "--guidance", "2", "--steps", "2")[2:]]
    assert lipsync_ray(*words, "-o", tmp_path / "out") == 0
    assert {name: row.frames for name, row in rows_of(tmp_path / "out").items()} == {"a": 33, "b": 33, "c": 1}
    assert len(list((tmp_path / "out" / "heads").iterdir())) == 2
    assert frame_digests(tmp_path / "out/videos/a.mp4") == frame_digests(tmp_path / "out/videos/b.mp4")


def test_a_head_goes_back_into_its_frame(made, inputs, models, tmp_path):
    """Outside the square every pixel is the source's; within it is the head's."""
    out = tmp_path / "pasted"
    assert lipsync_ray(*arguments(inputs, models, "--paste-back"), "-o", out, engine="inline") == 0
    (table,) = (out / "faces").glob("face-*.parquet")
    tracks = read_table(str(table))
    row = portrait_of(tracks, tuple(set(tracks.track.tolist())))
    source = pictures(inputs / "face.mp4")[tracks.frame[row]].astype(int)
    found = pictures(out / "videos" / "moving.mp4").astype(int)
    height, width = source.shape[:2]
    assert found.shape[1:] == source.shape
    square = head_of(tracks.box[row], width, height).square
    assert inspect_file(out / "videos" / "moving.mp4").source_type.endswith("/compositeWithTrainedAlgorithmicMedia")
    (drawn,) = rows_of(out)["moving"].drawn
    assert (drawn.x, drawn.y) == (square.x0 & ~1, square.y0 & ~1)
    inside = np.zeros((height, width), bool)
    inside[square.y0 : square.y1, square.x0 : square.x1] = True
    rim = np.zeros_like(inside)
    rim[max(0, square.y0 - 2) : square.y1 + 2, max(0, square.x0 - 2) : square.x1 + 2] = True
    assert np.abs(found - source)[:, ~rim].max() <= 2  # the decoder's two ways to RGB
    assert np.abs(found - source)[:, inside].mean() > 10
    assert rows_of(out)["moving"].width == width


@pytest.mark.nightly
def test_a_head_is_scored_by_its_own_faces(models, inputs, corpus, tmp_path):
    """Random networks draw no face: real ones stand in their place, larger and elsewhere than in the source."""
    run = tmp_path / "run"
    assert lipsync_ray(*arguments(inputs, models, "--steps", "1"), "-o", run) == 0
    with av.open(str(corpus / "videos" / "hdtf_a.mp4")) as container:
        decoded = zip(container.decode(video=0), range(120), strict=False)
        faces = [frame.reformat(400, 400, "rgb24").to_ndarray() for frame, _ in decoded]
    samples, rate = read_sound(inputs / "long.wav")
    for name in ("still", "moving"):
        silent = write_video(tmp_path / "silent.mp4", faces)
        add_sound(str(silent), samples, rate, str(run / "videos" / f"{name}.mp4"))
    inception = random_inception(tmp_path / "random.pth")
    words = ["evaluate", run, "-o", tmp_path / "scores", "--scorer", "mini-sync", "--min-track", "20"]
    assert lipsync_ray(*words, "--fid", inception, "--dims", "64", "--fid-every", "2") == 0
    with (tmp_path / "scores" / "metrics" / "videos.csv").open(newline="") as file:
        scores = list(csv.DictReader(file))
    assert [score["status"] for score in scores] == ["scored", "scored"]
    for score in scores:
        assert "generated head" in score["reference_error"]
        assert not score["compared_frames"]
    (fid,) = json.loads((tmp_path / "scores" / "metrics" / "fid.json").read_text())
    # Sixty faces of each head; beside them the portrait's one, and every second of the video's own, at 25 a second.
    with av.open(str(inputs / "face.mp4")) as container:
        stream = container.streams.video[0]
        shown = round(stream.frames / stream.average_rate * 25)
    assert fid["generated"] == 120
    assert fid["real"] == pytest.approx(1 + shown / 2, abs=2)
    assert fid["fid"] > 0


def test_nobody_in_the_picture_is_a_row_that_says_so(corpus, inputs, models, tmp_path):
    (tmp_path / "t.csv").write_text(f"id,video,audio\nn,{corpus}/faces/no_face.jpg,{inputs}/en.wav\n")
    words = ["dub", tmp_path / "t.csv", *arguments(inputs, models)[2:], "-o", tmp_path / "out"]
    assert lipsync_ray(*words) == 1
    assert rows_of(tmp_path / "out")["n"].status == "no_face"


def test_numbers_that_overflow_are_no_video(inputs, models, tmp_path):
    import torch

    broken = tmp_path / "broken"
    shutil.copytree(models, broken)
    state = torch.load(broken / "denoising_unet_acc.pth")
    state["conv_out.bias"] += float("inf")
    torch.save(state, broken / "denoising_unet_acc.pth")
    assert lipsync_ray(*arguments(inputs, broken), "-o", tmp_path / "out") == 1
    row = rows_of(tmp_path / "out")["still"]
    assert (row.status, row.stage) == ("failed", "animate")
    assert "step 1 of 6" in row.error
    assert not list((tmp_path / "out" / "videos").glob("*"))


@pytest.mark.parametrize("name", ["echomimic", "echomimic-acc"])
def test_without_weights_every_file_is_named(name, inputs, tmp_path, monkeypatch, capsys):
    from lipsync_ray.errors import WeightsError

    def nowhere(url, target, progress=None):
        raise WeightsError(f"{url}: no network here")

    monkeypatch.setattr(weights, "download", nowhere)
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))
    assert lipsync_ray("dub", inputs / "table.csv", "--model", name, "-o", tmp_path / "out") == 2
    said = " ".join(capsys.readouterr().err.split())
    ending = "_acc" if name.endswith("acc") else ""
    assert f"huggingface.co/BadToBest/EchoMimic/resolve/main/denoising_unet{ending}.pth" in said
    assert f"lipsync-ray weights fetch {name}" in said
    assert "Licence of" in said
    assert not (tmp_path / "out").exists()


def test_a_folder_without_its_motion_module_is_refused_at_once(inputs, models, tmp_path, capsys):
    part = tmp_path / "part"
    shutil.copytree(models, part)
    (part / "motion_module_acc.pth").unlink()
    assert lipsync_ray(*arguments(inputs, part), "-o", tmp_path / "out") == 2
    assert "motion_module_acc.pth: not there" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--restore", "gfpgan"), "lipsync-ray enhance"),
        (("--pads", "0", "0.2", "0", "0"), "as it was taught"),
        (("--blend", "feather"), "no seam in it"),
        (("--loop", "freeze"), "animates one frame"),
        (("--reference", "closed"), "is shown no reference"),
        (("--close-in-silence",), "know no silence"),
        (("--head-side", "100"), "multiple of 64"),
        (("--steps", "0"), "expected 1 to 1000"),
    ],
)
def test_options_that_would_do_nothing_are_refused(words, said, inputs, models, tmp_path, capsys):
    assert lipsync_ray(*arguments(inputs, models), *words, "-o", tmp_path / "x", engine="inline") == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "words", [("--steps", "6"), ("--guidance", "2"), ("--seed", "1"), ("--paste-back",), ("--parity",)]
)
def test_what_is_a_head_s_is_not_taken_by_others(words, inputs, tmp_path, capsys):
    assert lipsync_ray("dub", inputs / "table.csv", "--model", "mini", *words, "-o", tmp_path / "x") == 2
    assert "EchoMimic" in capsys.readouterr().err

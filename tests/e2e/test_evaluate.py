"""The evaluate and report commands on real dubs."""

import csv
import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from clips import write_video
from commands import lipsync_ray
from material import add_sound, random_inception

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.faces.choices import Pads
from lipsync_ray.jobs.evaluate.fid import AccumulateFID, FidRow, GroupOrder, Unit, distance
from lipsync_ray.jobs.evaluate.scores import SCORES
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models.weights import Checkpoint

QUICK = ("--scorer", "mini-sync", "--fid", "none", "--previews", "0")


def scores_of(folder):
    return {score.id: score for score in SCORES.read_table(str(folder))}


def table(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "reference", "language", "model"), *rows])
    return path


def test_a_run_is_scored_and_its_tables_are_written(demo_scores):
    found = scores_of(demo_scores)
    assert {name: score.status for name, score in found.items()} == dict.fromkeys(
        ["pan-en", "pan-es", "pan-ko", "pan-ar", "sway-en", "still-es"], "scored"
    )
    pan = found["pan-en"]
    assert (pan.scorer, pan.protocol, pan.tracks, pan.lse_d) == ("mini-sync", "real", 1, None)
    assert 0 < pan.mini_sync_d < 2
    assert abs(pan.offset) <= 1
    assert len(pan.curve) == 31
    assert len(pan.confidence) == pan.windows > 50
    assert pan.psnr_db > 30  # its chin moves, below the crop
    assert pan.openness_corr > 0.3 > (pan.openness_corr_other or 0)
    assert pan.leak is None  # the source holds still
    assert 0.9 < pan.ssim <= 1
    assert 0 < pan.sharpness_ratio < 1.5
    assert pan.jitter_ratio > 0
    names = {path.name for path in (demo_scores / "metrics").iterdir()}
    assert names == {"videos.parquet", "videos.csv", "groups.parquet", "groups.csv", "tables.md", "fid.json"}
    assert "| en | warp | 2/2 |" in (demo_scores / "metrics" / "tables.md").read_text()
    assert not list((demo_scores / "parts").glob("*"))


def test_a_second_evaluation_scores_nothing_again(demo_run, demo_scores, capsys):
    before = {p.name: p.stat().st_mtime_ns for p in (demo_scores / "outcomes").iterdir()}
    assert lipsync_ray("evaluate", demo_run, "-o", demo_scores, "--scorer", "mini-sync", "--fid", "none") == 0
    assert "6 of 6 videos were scored before" in capsys.readouterr().out
    assert {p.name: p.stat().st_mtime_ns for p in (demo_scores / "outcomes").iterdir()} == before


@pytest.mark.nightly
def test_any_split_gives_the_same_numbers_on_any_engine(demo_run, demo_scores, cluster, tmp_path):
    command = ("evaluate", demo_run, "-o", tmp_path, *QUICK, "--segment", "1.6", "--actors", "1")
    assert lipsync_ray(*command, engine="ray") == 0
    same = {"seconds": 0.0, "attempts": 1}
    wanted, found = scores_of(demo_scores), scores_of(tmp_path)
    assert {k: replace(v, **same) for k, v in found.items()} == {k: replace(v, **same) for k, v in wanted.items()}


def test_what_cannot_be_scored_is_a_row_with_its_reason(demo_run, demo_inputs, tmp_path, capsys):
    good, source = demo_run / "videos" / "pan-en.mp4", demo_inputs / "pan.mp4"
    damaged, silent, short = tmp_path / "damaged.mp4", tmp_path / "silent.mp4", tmp_path / "short.mp4"
    damaged.write_bytes(good.read_bytes()[:4000])
    shutil.copy(source, silent)
    info = probe_video(str(good))
    frames = [p.bgr()[..., ::-1] for p in decode.pictures(info, 0, 60)]
    write_video(short, frames)
    hushed = tmp_path / "hushed.mkv"
    add_sound(str(good), np.zeros(3 * 16_000, np.float32), 16_000, str(hushed))
    upside_down = write_video(
        tmp_path / "upside-down.mp4", [p.bgr()[::-1, :, ::-1] for p in decode.pictures(info, 0, info.frames)]
    )
    blank = write_video(tmp_path / "blank.mp4", [np.full((128, 128, 3), 90, np.uint8)] * 130)
    rows = [
        ("good", good, good, "en", "m"),
        ("gone-reference", good, tmp_path / "gone.mp4", "en", "m"),
        ("other-length", good, source, "en", "m"),
        ("other-scene", good, upside_down, "en", "m"),
        ("no-reference", good, "", "en", "m"),
        ("damaged", damaged, good, "en", "m"),
        ("silent", silent, "", "en", "m"),
        ("short", short, "", "en", "m"),
        ("blank", blank, "", "en", "m"),
        ("hushed", hushed, "", "en", "m"),
    ]
    assert lipsync_ray("evaluate", table(tmp_path / "t.csv", rows), "-o", tmp_path / "out", *QUICK) == 1
    found = scores_of(tmp_path / "out")
    assert {name: score.status for name, score in found.items()} == {
        "good": "scored",
        "gone-reference": "scored",
        "other-length": "scored",
        "other-scene": "scored",
        "no-reference": "scored",
        "damaged": "failed",
        "silent": "not_scored",
        "short": "not_scored",
        "blank": "not_scored",
        "hushed": "not_scored",
    }
    good = found["good"]
    assert (good.psnr_db, good.ssim, good.sharpness_ratio, good.jitter_ratio) == (100, 1, 1, 1)
    assert "no such file" in found["gone-reference"].reference_error
    assert "frames do not correspond" in found["other-length"].reference_error
    assert "upside-down.mp4 shows another scene" in found["other-scene"].reference_error
    assert (found["other-scene"].psnr_db, found["other-scene"].leak) == (None, None)
    shown = capsys.readouterr().out
    assert "1 of 10 videos not compared with the reference: " in shown
    assert "no reference" in found["no-reference"].reference_error
    assert found["other-length"].psnr_db is None
    assert found["no-reference"].mini_sync_d == good.mini_sync_d
    assert "not a readable video" in found["damaged"].error
    assert "no audio stream" in found["silent"].error
    assert "--min-track" in found["short"].error
    assert "no face is seen" in found["blank"].error
    assert found["blank"].mini_sync_d is None
    assert "silent" in found["hushed"].error
    assert (found["hushed"].mini_sync_c, found["hushed"].offset) == (None, None)
    assert "5 of 10 videos scored" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scorer", "lipnet"), "--scorer lipnet: expected one of syncnet, mini-sync"),
        (("--scorer", "mini-sync", "--protocol", "lrs"), "--protocol lrs scores whole frames"),
        (("--scorer", "mini-sync", "--dims", "100"), "--dims 100"),
        (("--scorer", "mini-sync", "--fid", "gone.pth"), "neither"),
    ],
)
def test_unusable_options_start_nothing(demo_run, tmp_path, capsys, arguments, said):
    assert lipsync_ray("evaluate", demo_run, "-o", tmp_path / "out", *arguments) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_no_run_is_refused(tmp_path, capsys):
    assert lipsync_ray("evaluate", tmp_path, "-o", tmp_path / "out", *QUICK) == 2
    assert "nor the folder of a finished run" in capsys.readouterr().err
    assert lipsync_ray("report", tmp_path, "-o", tmp_path / "out") == 2
    assert "not the folder of a finished evaluation" in capsys.readouterr().err


def test_two_runs_of_one_model_are_told_apart(demo_scores, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(demo_scores, again)
    assert lipsync_ray("report", demo_scores, again, "-o", tmp_path / "both", "--previews", "2") == 0
    text = (tmp_path / "both" / "report" / "tables.md").read_text()
    assert f"| en | warp ({demo_scores.name}) | 2/2 |" in text
    assert "| en | warp (again) | 2/2 |" in text


@pytest.mark.nightly
def test_fid_is_the_same_for_one_actor_and_for_three(demo_run, demo_scores, tmp_path):
    weights = random_inception(tmp_path / "random.pth")
    units = []
    for name in ("pan-en", "pan-ko", "sway-en"):
        (tracks,) = (demo_scores / "tracks").glob(f"{name}-*.npz")
        for side, path in (("generated", f"videos/{name}.mp4"), ("real", f"inputs/{name.split('-')[0]}.mp4")):
            video = probe_video(str(demo_run / path))
            units.append(Unit(name, side, video, str(tracks), 384, 384, Pads(), 5, 60, (("x", "m"),)))
    found = []
    for workers, bundles in ((1, [units[::2], units[1::2]]), (2, [[unit] for unit in units])):
        rows = [
            FidRow(f"{workers}-{i}", b[0].side, b[0].groups, tuple(b), str(tmp_path / f"{workers}-{i}.npz"))
            for i, b in enumerate(bundles)
        ]
        spec = StageSpec("inception", partial(AccumulateFID, Checkpoint.of(weights), 64, "cpu", None), workers, 0.5)
        outcomes = list(InlineRunner().run(rows, [spec], Ledger(str(tmp_path / "attempts"), 3)))
        assert all(outcome.failure is None for outcome in outcomes)
        sides = [tuple(row.url for row in rows if row.side == side) for side in ("generated", "real")]
        found.append(distance(GroupOrder(("x", "m"), 64, *sides)))
    assert found[0].generated == found[1].generated > 64
    assert found[0].fid > 0
    assert found[1].fid == pytest.approx(found[0].fid, rel=1e-6)
    evaluated = tmp_path / "out"
    shutil.copytree(demo_scores, evaluated)
    # The whole command with these weights: they are named wherever the number is.
    status = lipsync_ray(
        "evaluate",
        demo_run,
        "-o",
        evaluated,
        "--scorer",
        "mini-sync",
        "--fid",
        weights,
        "--dims",
        "64",
        "--fid-every",
        "4",
        "--previews",
        "0",
    )
    assert status == 0
    fids = json.loads((evaluated / "metrics" / "fid.json").read_text())
    groups = {(fid["language"], fid["model"]): fid for fid in fids}
    assert set(groups) == {*((name, "warp") for name in ("ar", "en", "es", "ko")), (None, "warp")}
    assert (
        groups[None, "warp"]["generated"]
        == groups[None, "warp"]["real"]
        == sum(fid["generated"] for key, fid in groups.items() if key[0])
    )
    assert json.loads((evaluated / "run.json").read_text())["fid_weights"]["published"] is False
    assert "not with the published Inception" in (evaluated / "report" / "index.html").read_text()

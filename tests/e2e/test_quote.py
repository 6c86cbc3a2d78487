"""A plan against what the run then does: frames, segments, what is done already, and what a changed row costs."""

import csv
import shutil
from pathlib import Path

import cv2
import pytest
from clips import tone, write_audio, write_fields
from commands import frame_digests, lipsync_ray

import lipsync_ray as package
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.errors import SettingsError
from lipsync_ray.inputs.face_tables import key_of_pictures
from lipsync_ray.io.results import read_results
from lipsync_ray.jobs.quote import calibration, codecs, rates
from lipsync_ray.jobs.quote.job import quote_table
from lipsync_ray.jobs.quote.plan import Prices
from lipsync_ray.jobs.quote.rates import Rate, Rates
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.probe import probe_video
from lipsync_ray.settings import DubSettings, RestoreSettings, Workers

CPUS = Cluster(4.0, 0.0, 1)


def planned(table, out, settings=None, cluster=CPUS, **more):
    settings = settings or DubSettings(model="warp")
    return quote_table(table, out, settings=settings, workers=Workers(engine="inline"), cluster=cluster, **more)


@pytest.fixture(scope="module")
def table(demo_run):
    return demo_run / "inputs" / "manifest.csv"


def test_a_plan_is_what_the_run_does(table, demo_run, tmp_path, demo_record):
    plan, rows = planned(table, tmp_path / "out"), read_results(str(demo_run))
    assert not (tmp_path / "out").exists()
    assert (plan.dubs, plan.before, plan.videos, plan.fresh, plan.unreadable) == (6, 0, 3, 3, ())
    assert plan.frames == pytest.approx(sum(row.frames for row in rows), abs=len(rows))
    assert plan.segments == sum(row.segments for row in rows)
    assert plan.source_s == pytest.approx(8, abs=0.1)
    assert {stage: load.frames for stage, load in plan.loads.items()} == {
        "detect": 201, "mesh": 201, "pose": plan.frames, "compose": plan.frames,
    }  # fmt: skip
    assert plan.seconds is None
    passes = demo_record["passes"]
    assert {stage for stage, _ in plan.pools} == {stage for one in passes for stage in one.get("stages", ())}


def test_what_is_done_costs_nothing(table, demo_run):
    plan = planned(table, demo_run)
    assert (plan.before, plan.frames, plan.segments, plan.fresh, plan.loads) == (6, 0, 0, 0, {})


def test_time_and_cost_follow_from_rates(table, tmp_path):
    of = {"detect": Rate(0.02, 0.01), "mesh": Rate(0.01), "pose": Rate(0.001), "compose": Rate(0.01, 0.02)}
    rates.save(str(tmp_path / "r.json"), Rates("warp on cpu", of, {}, 10.0, 0.5, 2.0))
    plan = planned(table, tmp_path / "out", rates=tmp_path / "r.json", prices=Prices(cpu=0.5))
    moved = 384 * 384 / 1e6
    assert plan.loads["pose"].cpu == pytest.approx(0.001 * plan.frames)
    assert plan.loads["compose"].cpu > 0.01 * plan.frames + 0.02 * moved * 900
    work = sum(load.cpu for load in plan.loads.values())
    assert plan.seconds == pytest.approx(10 + work / (4 * 0.5))
    assert plan.cost == pytest.approx(plan.seconds / 3600 * 4 * 0.5)
    assert planned(table, tmp_path / "out", rates=tmp_path / "r.json").cost is None
    with pytest.raises(SettingsError, match="no measurement of 'mini on cpu', only of warp on cpu"):
        planned(table, tmp_path / "out", DubSettings(model="mini"), rates=tmp_path / "r.json")


def test_codecs_are_told_where_they_were_measured(table, demo_run, tmp_path):
    stages = {"detect": Rate(0.02, 0.01), "mesh": Rate(0.01), "pose": Rate(0.001), "compose": Rate(0.01, 0.02)}
    more = {"h264, 8 bits": Rate(0), "hevc, 8 bits": Rate(0.01, 0.03)}
    sizes = {"h264, 8 bits": Rate(0, 4000.0), "hevc, 8 bits": Rate(0, 3000.0)}
    known = Rates("warp on cpu", stages, {}, 10.0, 0.5, 2.0, encode=more, sizes=sizes)
    rates.save(str(tmp_path / "r.json"), known)

    def plan(**coding):
        settings = DubSettings(model="warp", coding=VideoCoding(**coding))
        return planned(table, tmp_path / "out", settings, rates=tmp_path / "r.json")

    h264, hevc = plan(), plan(codec="hevc")
    pixels = sum(row.frames * row.width * row.height / 1e6 for row in read_results(str(demo_run)))
    assert hevc.loads["compose"].cpu - h264.loads["compose"].cpu == pytest.approx(
        0.01 * h264.frames + 0.03 * pixels, rel=0.05
    )
    assert (h264.bytes, hevc.bytes) == (pytest.approx(4000 * pixels, rel=0.05), pytest.approx(3000 * pixels, rel=0.05))
    assert h264.unmeasured == hevc.unmeasured == ()
    for other in ({"codec": "av1"}, {"codec": "hevc", "preset": "slow"}, {"preset": "slow"}):
        found = plan(**other)
        assert found.unmeasured == (f"{other.get('codec', 'h264')}, 8 bits",)
        assert found.bytes is None
        assert found.seconds == h264.seconds
    assert plan(crf=30).unmeasured == ()
    assert plan(crf=30).bytes is None


def test_a_plan_for_gpus_fetches_nothing(table, tmp_path, monkeypatch):
    monkeypatch.setenv("LIPSYNC_RAY_WEIGHTS", str(tmp_path / "empty"))
    settings = DubSettings(model="wav2lip_gan", restore=RestoreSettings())
    plan = planned(table, tmp_path / "out", settings, Cluster(64.0, 2.0, 3))
    assert [stage for stage, _ in plan.pools] == ["detect", "mesh", "crop", "sync", "restore", "compose"]
    assert sum(pool.gpus for stage, pool in plan.pools if stage not in ("crop", "compose")) == pytest.approx(1)
    assert not (tmp_path / "empty").exists()


def test_what_cannot_be_read_is_told_and_not_counted(table, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    text = table.read_text() + f"bad,{tmp_path / 'bad.mp4'},{table.parent / 'en.ogg'},en\n"
    (tmp_path / "t.csv").write_text(text)
    plan = planned(tmp_path / "t.csv", tmp_path / "out")
    ((name, reason),) = plan.unreadable
    assert (plan.dubs, name) == (7, "bad")
    assert "not a readable video" in reason
    assert plan.frames == planned(table, tmp_path / "out").frames


def test_segments_of_a_stopped_run_are_not_counted_again(table, demo_run, tmp_path):
    before = planned(table, tmp_path / "out")
    row = read_results(str(demo_run))[0]
    parts = tmp_path / "out" / "parts" / row.id
    parts.mkdir(parents=True)
    (parts / f"{row.fingerprint}-0-96.mp4").write_bytes(b"x")
    (parts / "0123456789abcdef-96-168.mp4").write_bytes(b"of other settings")
    after = planned(table, tmp_path / "out")
    assert (after.frames, after.segments) == (before.frames - 96, before.segments - 1)


@pytest.mark.parametrize("how", ["estdif", "bwdif-fields"])
def test_faces_and_parts_of_an_interlaced_source_are_not_counted_again(tmp_path, how):
    portrait = cv2.imread(str(Path(package.__file__).parent / "demo" / "data" / "portrait.jpg"), 0)
    source = write_fields(tmp_path / "a.mp4", [cv2.resize(portrait[:512], (256, 256))] * 20)
    write_audio(tmp_path / "a.wav", tone(0.4))
    (tmp_path / "t.csv").write_text(f"id,video,audio\nx,{source},{tmp_path / 'a.wav'}\n")
    settings, out = DubSettings(model="warp", deinterlace=how), tmp_path / "out"
    assert planned(tmp_path / "t.csv", out, settings).fresh == 1
    words = ("--model", "warp", "--deinterlace", how, "--engine", "inline")
    assert lipsync_ray("dub", tmp_path / "t.csv", "-o", out, *words) == 0
    (row,) = read_results(str(out))
    shutil.rmtree(out / "videos")
    plan = planned(tmp_path / "t.csv", out, settings)
    assert (plan.fresh, set(plan.loads), plan.segments) == (0, {"pose", "compose"}, 1)
    name = key_of_pictures(row.fingerprint, probe_video(str(source), deinterlace=how))
    part = out / "parts" / "x" / f"{name}-0-{row.frames}.mp4"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"x")
    plan = planned(tmp_path / "t.csv", out, settings)
    assert (plan.frames, plan.segments) == (0, 0)


def test_one_row_that_is_changed_is_one_row_that_is_made(table, demo_run, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(demo_run, out)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    rows[1] |= {"audio": str(table.parent / "ar.ogg")}
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    plan = planned(tmp_path / "t.csv", out)
    assert (plan.before, plan.fresh, set(plan.loads)) == (5, 0, {"pose", "compose"})
    before = {row.id: (row, frame_digests(row.output)) for row in read_results(str(demo_run))}
    times = {path.name: path.stat().st_mtime_ns for path in (out / "videos").iterdir()}
    assert lipsync_ray("dub", tmp_path / "t.csv", "-o", out, "--model", "warp") == 0
    results = read_results(str(out))
    changed = rows[1]["id"]
    made = {row.id for row in results if row.run != before[row.id][0].run}
    assert made == {changed}
    assert {name for name, time in times.items() if (out / "videos" / name).stat().st_mtime_ns != time} == {
        f"{changed}.mp4"
    }
    (row,) = (row for row in results if row.id == changed)
    assert plan.frames == pytest.approx(row.frames, abs=1)
    assert plan.segments == row.segments
    assert frame_digests(row.output) != before[changed][1]


@pytest.mark.nightly
@pytest.mark.usefixtures("cluster")
def test_calibrate_measures_what_a_plan_needs(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibration, "SIZES", ((256, 256), (512, 512)))
    assert lipsync_ray("calibrate", "--model", "warp", "-o", tmp_path / "r.json", "--actors", "1") == 0
    found = rates.load(str(tmp_path / "r.json"), "warp on cpu")
    assert set(found.stages) == {"detect", "mesh", "pose", "compose"}
    assert found.stages["compose"].megapixel > 0
    assert found.start_s > 0
    assert 0 < found.busy <= 1
    assert set(found.decode) <= {*codecs.ENCODERS, "10 bits", "HDR"}
    assert found.encode["h264, 8 bits"] == Rate(0)
    assert found.encode["hevc, 10 bits"].cpu(1, 0.26) > 0
    assert found.sizes["ffv1, 8 bits"].cpu(1, 0.26) > 2 * found.sizes["h264, 8 bits"].cpu(1, 0.26)
    capsys.readouterr()
    arguments = ("dub", table, "-o", tmp_path / "out", "--model", "warp", "--dry-run", "--rates", tmp_path / "r.json")
    assert lipsync_ray(*arguments, "--cpus", "8", "--price-cpu", "0.04") == 0
    said = capsys.readouterr().out
    assert "6 dubs of 3 videos to make" in said
    assert " on 8 CPUs, costs 0.0" in said
    assert "written by --codec h264 --audio-codec aac --container mp4\n" in said
    assert "nothing was started" in said
    assert not (tmp_path / "out").exists()
    assert lipsync_ray("dub", table, "-o", tmp_path / "out", "--model", "warp", "--price-cpu", "1") == 2
    assert "--price-cpu is for --dry-run" in capsys.readouterr().err

"""A second run of a finished table looks first: it starts nothing, and ends as the first one did."""

import json

import pytest
from commands import lipsync_ray
from material import random_gfpgan, random_inception

from lipsync_ray.engine import session, start
from lipsync_ray.errors import ClusterError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import identity

EVERY_RUN = (
    "run.json",
    "results.parquet",
    "videos.parquet",
    "analysis.parquet",
    "warnings.csv",
    "metrics",
    "report",
    "index.html",
)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return random_gfpgan(folder / "narrow.pth", 0.0625), random_inception(folder / "inception.pth")


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    """One dub."""
    file = tmp_path_factory.mktemp("table") / "t.csv"
    file.write_text(f"id,video,audio\none,{demo_inputs}/pan.mp4,{demo_inputs}/en.ogg\n")
    return file


@pytest.fixture(scope="module")
def dubbed(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("dubbed") / "out"
    assert lipsync_ray("dub", table, "-o", out, "--model", "warp", "--actors", "1") == 0
    return out


@pytest.fixture
def no_ray(monkeypatch):
    """A session that must not be opened, whatever other tests have left open."""

    def never(*arguments):
        raise ClusterError("Ray was started")

    monkeypatch.setattr(session, "session", never)
    monkeypatch.setattr(start, "sys", type("NoRay", (), {"modules": {}}))


def command(name, table, dubbed, networks):
    gfpgan, inception = networks
    scorer = ("--scorer", "mini-sync", "--min-track", "20", "--previews", "1")
    return {
        "dub": ("dub", table, "--model", "warp", "--actors", "1"),
        "enhance": ("enhance", dubbed, "--restore", gfpgan, "--actors", "1"),
        "analyze": ("analyze", dubbed / "videos" / "one.mp4", "--whisper", "none", "--frames", "2"),
        "evaluate": ("evaluate", dubbed, *scorer, "--fid", inception, "--dims", "64", "--fid-every", "10"),
        "evaluate without FID": ("evaluate", dubbed, *scorer, "--fid", "none"),
    }[name]


def kept(out):
    """Files that a second run has no reason to write."""
    names = [name for name in storage.list_tree(str(out)) if not name.startswith(EVERY_RUN)]
    return {name: identity(storage.join(str(out), name)) for name in names}


def tables(out):
    """What it writes again, which has to be the same."""
    names = [name for name in storage.list_tree(str(out)) if name.endswith((".parquet", ".csv", ".json", ".md"))]
    return {name: storage.read_bytes(storage.join(str(out), name)) for name in names if name != "run.json"}


@pytest.mark.parametrize(
    "name", ["dub", pytest.param("enhance", marks=pytest.mark.nightly), "analyze", "evaluate", "evaluate without FID"]
)
def test_it_starts_nothing(name, table, dubbed, networks, tmp_path, no_ray, capsys):
    words = (*command(name, table, dubbed, networks), "-o", tmp_path / "out")
    status = lipsync_ray(*words)
    files, values = kept(tmp_path / "out"), tables(tmp_path / "out")
    first = capsys.readouterr().out.splitlines()
    assert lipsync_ray(*words, engine="ray") == status == 0
    again = capsys.readouterr().out.splitlines()
    assert "1 of 1" in again[0]
    assert "before" in again[0]
    assert kept(tmp_path / "out") == files
    assert tables(tmp_path / "out") == values
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["ended"]
    assert record["rows"] == sum(record["status"].values()) == 1
    assert len(again) <= len(first)


def test_what_is_missing_starts_it(table, dubbed, networks, tmp_path, no_ray, capsys):
    words = (*command("dub", table, dubbed, networks), "-o", dubbed)
    assert lipsync_ray(*words, "--crf", "30", engine="ray") == 2
    assert "Ray was started" in capsys.readouterr().err


@pytest.mark.nightly
def test_another_fid_of_scored_videos_is_computed(table, dubbed, networks, tmp_path, capsys):
    words = (*command("evaluate", table, dubbed, networks), "-o", tmp_path / "out")
    assert lipsync_ray(*words) == 0
    place = tmp_path / "out" / "fid" / "distances.json"
    before = json.loads(place.read_text())
    assert lipsync_ray(*words, "--fid-every", "5") == 0
    after = json.loads(place.read_text())
    assert after["of"] != before["of"]
    assert after["fids"][0]["generated"] > before["fids"][0]["generated"]


@pytest.mark.nightly
def test_more_previews_of_scored_videos_are_made(table, dubbed, networks, tmp_path):
    words = (*command("evaluate without FID", table, dubbed, networks), "-o", tmp_path / "out")
    assert lipsync_ray(*words, "--previews", "0") == 0
    assert not list((tmp_path / "out").rglob("*.webm"))
    assert lipsync_ray(*words, "--previews", "1") == 0
    assert list((tmp_path / "out").rglob("*.webm"))

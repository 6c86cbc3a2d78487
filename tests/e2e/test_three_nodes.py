"""A table of dubs on three nodes, and again while one of them is lost."""

import json
import shutil
import time

import pytest
from commands import frame_digests, lipsync_ray
from nodes import ROOT, cluster_of

from lipsync_ray.io.results import read_results

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    for name in ("pan.mp4", "sway.mp4", "en.ogg", "ko.ogg"):
        shutil.copy(demo_inputs / name, folder / name)
    rows = [f"{video}.mp4,{audio}.ogg" for video in ("pan", "sway") for audio in ("en", "ko")]
    (folder / "table.csv").write_text("video,audio\n" + "\n".join(rows) + "\n")
    return folder / "table.csv"


OPTIONS = ("--model", "warp", "--segment", "1", "--precision", "fp32")


@pytest.fixture(scope="module")
def alone(table, tmp_path_factory):
    """Digests of every dub's frames, made in one process."""
    out = tmp_path_factory.mktemp("alone")
    assert lipsync_ray("dub", table, "-o", out, *OPTIONS) == 0
    return {row.id: frame_digests(row.output) for row in read_results(str(out))}


def test_a_spot_node_is_lost_in_the_middle_and_every_row_is_done(table, alone, tmp_path):
    """The networks are on the spot node while it is there, and elsewhere when it is gone."""
    with cluster_of(head_cpus=0) as nodes:
        nodes.join(2, "ray.io/market-type=on-demand")
        lost = nodes.join(2, "ray.io/market-type=spot")
        where = ("tests/e2e/where.py", tmp_path / "ledger", "spot")  # in the folder that travels with the submission
        said = nodes.submitted(*where)
        assert "rows were on: spot\n" in said, said[-1500:]
        job = nodes.submit(
            ROOT / "jobs" / "dub.py", table, "-o", tmp_path / "out", *OPTIONS, "--actors", "2", "--profile", "spot", baked=True
        )  # fmt: skip
        parts = tmp_path / "out" / "parts"
        until = time.monotonic() + 200
        while time.monotonic() < until and job.poll() is None and len(list(parts.rglob("*.mp4"))) < 2:
            time.sleep(0.1)
        assert job.poll() is None, job.communicate()[0]
        nodes.kill(lost)
        said = job.communicate(timeout=300)[0]
        assert job.returncode == 0, said
        said = nodes.submitted(*where)
        assert "rows were on: on-demand\n" in said, said[-1500:]
    rows = read_results(str(tmp_path / "out"))
    assert {row.status for row in rows} == {"done"}
    assert {row.id: frame_digests(row.output) for row in rows} == alone
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == {"done": 4}
    assert not parts.exists() or not list(parts.rglob("*.mp4"))

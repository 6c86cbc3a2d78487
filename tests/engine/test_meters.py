"""Our metrics, as Prometheus would read them from the node."""

import time
import urllib.request
from dataclasses import dataclass

import pytest
from rich.console import Console

from lipsync_ray.engine import meters
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.ray_runner import RayRunner
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.errors import ProbeError
from lipsync_ray.settings import Workers


@dataclass(frozen=True)
class Row:
    key: str


def work():
    def stage(row):
        if row.key == "bad":
            raise ProbeError("bad row")
        time.sleep(0.05)
        return row.key

    return stage


def read():
    import ray

    node = next(node for node in ray.nodes() if node["Alive"])
    address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(address, timeout=5) as answer:
        text = answer.read().decode()
    out = {}
    for line in text.splitlines():
        if line.startswith("ray_lipsync_") and ('pass="measured"' in line or 'kind="counted"' in line):
            name, value = line.rsplit(" ", 1)
            tags = dict(part.split("=", 1) for part in name[name.index("{") + 1 : -1].split(","))
            kept = tuple(tags[key].strip('"') for key in ("outcome", "stage") if key in tags)
            out[(name.split("{")[0], *kept)] = float(value)
    return out


@pytest.mark.nightly
def test_what_a_pass_does_can_be_scraped(cluster, tmp_path):
    context = RunContext(RayRunner(cluster), Workers(), Console(quiet=True), Ledger(str(tmp_path), 1))
    rows = [Row("a"), Row("b"), Row("bad")]
    found = list(context.run_rows("measured", "rows", rows, [StageSpec("work", work, 1, 0.5)], lambda row: 100))
    assert len(found) == 3
    meters.faces("counted", 7)
    meters.faces("counted", 0)
    wanted = {
        ("ray_lipsync_rows_total", "done"): 2,
        ("ray_lipsync_rows_total", "failed"): 1,
        ("ray_lipsync_frames_total",): 200,
        ("ray_lipsync_rows_left",): 0,
        ("ray_lipsync_faces_total",): 7,
    }
    until = time.monotonic() + 60
    while time.monotonic() < until:
        told = read()
        if wanted.items() <= told.items():
            break
        time.sleep(1)
    assert wanted.items() <= told.items(), told
    assert told[("ray_lipsync_stage_seconds_total", "work")] == pytest.approx(0.1, abs=0.09)


def test_without_ray_nothing_is_counted(monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(meters, "_made", lambda: pytest.fail("made"))
    meters.count("x", 1, False, {})
    meters.left("x", 1)

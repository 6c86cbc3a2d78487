"""A job that somebody else writes: short, and with everything that the four jobs have."""

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy_job
from rich.console import Console

from lipsync_ray.io.identity import identity
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.timeline import split
from lipsync_ray.settings import SEGMENT_S, Workers


@pytest.fixture(params=["inline", "ray"])
def workers(request):
    if request.param == "ray":
        request.getfixturevalue("cluster")
        from ray import cloudpickle

        cloudpickle.register_pickle_by_value(toy_job)  # it lies in no package that a worker could import
    return Workers(engine=request.param)


def test_a_job_is_short():
    assert len(Path(toy_job.__file__).read_text().splitlines()) <= 60


def test_it_makes_its_table_and_a_second_run_keeps_it(workers, demo_inputs, tmp_path):
    videos = {name: str(demo_inputs / f"{name}.mp4") for name in ("pan", "sway")}
    text = io.StringIO()
    rows = toy_job.run(videos, workers, str(tmp_path), Console(file=text))
    for row, url in zip(rows, videos.values(), strict=True):
        info = probe_video(url)
        lumas = [picture.y.mean() for picture in decode.pictures(info, 0, info.frames)]
        assert row.status == "done"
        assert row.luma == pytest.approx(sum(lumas) / info.frames)
    assert pq.read_table(tmp_path / "brightness.parquet")["luma"].to_pylist() == [row.luma for row in rows]
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["job"], record["rows"], record["status"]) == ("brightness", 2, {"done": 2})
    assert toy_job.run(videos, workers, str(tmp_path), Console(file=text)) == rows
    assert "2 of 2 videos were finished before" in text.getvalue()


def test_a_part_that_is_there_is_not_made_again_and_a_bad_one_is_a_row(workers, demo_inputs, tmp_path, caplog):
    url = str(demo_inputs / "pan.mp4")
    info, found = probe_video(url), identity(url)
    (tmp_path / "parts" / "pan").mkdir(parents=True)
    for start, stop in split(info.frames, info.rate, SEGMENT_S):
        (tmp_path / "parts" / "pan" / f"{found}-{start}-{stop}").write_bytes(b"no number")
    (row,) = toy_job.run({"pan": url}, workers, str(tmp_path), Console(quiet=True))
    assert (row.status, row.stage) == ("failed", "mean")
    assert "could not convert" in row.error
    assert "Traceback" in caplog.text  # of a worker, where Ray works
    assert "Traceback" not in row.error

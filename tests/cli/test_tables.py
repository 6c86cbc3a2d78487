"""What a job prints at its end, on terminals of any width: every name and path is whole on one line."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from lipsync_ray.cli import analyze, summary_table
from lipsync_ray.io.results import Result, Summary

OUT = "/home/somebody/projects/autumn campaign/renderings-of-the-second-week"


def shown(summary, width):
    where = Console(file=io.StringIO(), width=width, force_terminal=False)
    summary_table.print_summary(summary, where)
    return where.file.getvalue()


def result(name, **values):
    values = {"status": "done", "output": f"{OUT}/videos/{name}.mp4", "frames": 168, "seconds": 1.6, **values}
    return Result(name, "v.mp4", "a.wav", "ko", **values)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", ["pan-en", "a-rather-long-name-of-a-video-that-somebody-chose-ko"])
def test_paths_and_ids_are_whole(width, name):
    gone = "s3://a-bucket/with/a/long/path/to/a/recording-of-the-second-week.mp4"
    failed = result("x", status="failed", stage="probe", error=f"{gone}: no such file", output=None)
    rows = [failed, result(name), result("w", warnings=("interlaced: made progressive",))]
    text = shown(Summary(rows, f"{OUT}/results.parquet", 1, 3.0), width)
    lines = text.splitlines()
    for whole in (gone, f"videos/{name}.mp4", f"{OUT}/results.parquet"):
        assert any(whole in line for line in lines), text
    assert any(name in line and "done" in line for line in lines), text
    assert "! interlaced" in text


def test_a_table_that_fits_is_one():
    text = shown(Summary([result("pan-en"), result("pan-ko")], f"{OUT}/results.parquet", 1, 3.0), 80)
    assert text.splitlines()[0].split() == ["id", "status", "frames", "no", "face", "hidden", "work", "s"]
    assert all(len(line) <= 80 for line in text.splitlines()[:3])


@pytest.mark.parametrize("width", [40, 80, 120])
def test_an_analysis_breaks_no_id(width):
    name = "a-rather-long-name-of-a-video-that-somebody-chose"
    row = SimpleNamespace(
        id=name,
        verdict="poor: only 12 frames a second",
        warnings=(),
        language="ko",
        whisper_language=None,
        wordless=None,
    )
    where = Console(file=io.StringIO(), width=width)
    analyze._print(SimpleNamespace(analyses=[row], seconds=1.0, url="u.parquet", page="p.html"), where)
    assert any(name in line for line in where.file.getvalue().splitlines())

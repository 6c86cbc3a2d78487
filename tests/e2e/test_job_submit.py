"""``ray job submit -- python jobs/….py``, on a cluster of its own."""

import subprocess
import sys

import pytest
from nodes import ROOT, cluster_of

from lipsync_ray.io.results import read_results

pytestmark = pytest.mark.slow


@pytest.fixture
def head():
    """A head node of this test's own."""
    with cluster_of(head_cpus=2) as nodes:
        yield nodes


@pytest.mark.parametrize("script", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_is_its_command(script):
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"Usage: {script.name} {script.stem} " in done.stdout


def test_the_job_scripts_run_on_the_cluster_they_are_submitted_to(head, demo_inputs, tmp_path):
    run, scores = tmp_path / "run", tmp_path / "scores"
    pair = demo_inputs / "portrait.jpg", demo_inputs / "en.ogg"
    assert "1 done" in head.submitted("jobs/dub.py", *pair, "-o", run, "--model", "mini")
    (result,) = read_results(str(run))
    assert (result.status, result.width) == ("done", 512)
    # The other jobs' way to the cluster is the same; that they work there is tested without a submission.
    options = ("--scorer", "mini-sync", "--fid", "none", "--previews", "1", "--engine", "inline")
    assert "1 of 1 videos scored" in head.submitted("jobs/evaluate.py", run, "-o", scores, *options)
    assert (scores / "report" / "index.html").is_file()

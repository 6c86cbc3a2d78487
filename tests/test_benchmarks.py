"""Every script of benchmarks/ tells what it measures, before it loads or does anything."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
HEAVY = ("numpy", "torch", "ray", "av", "cv2", "psutil", "rich", "lipsync_ray")
# Runs a script as a command does, and tells what it has imported by its end.
RUN = f"""
import atexit, runpy, sys
script = sys.argv[1]
sys.argv[:2] = [script]
sys.path.insert(0, {str(FOLDER)!r})
atexit.register(lambda: print("imported", [name for name in {HEAVY!r} if name in sys.modules]))
runpy.run_path(script, run_name="__main__")
"""


def test_there_are_scripts():
    assert len(SCRIPTS) > 15


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_says_what_is_measured_and_loads_nothing(script, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(script), "--help"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
    first = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))).splitlines()[0]
    assert " ".join(first.split()) in " ".join(done.stdout.split())
    assert done.stdout.splitlines()[-1] == "imported []"
    assert list(tmp_path.iterdir()) == []

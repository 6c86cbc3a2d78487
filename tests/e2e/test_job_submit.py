"""The scripts that ``ray job submit`` is given; that they run where they are submitted, test_three_nodes.py sees."""

import subprocess
import sys

import pytest
from nodes import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_is_its_command(script):
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"Usage: {script.name} {script.stem} " in done.stdout

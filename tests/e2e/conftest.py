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
def demo_run(made_once):
    """The folder of a finished `lipsync-ray demo`."""

    def make(folder):
        assert lipsync_ray("demo", "-o", folder) == 0

    return made_once("demo-run", make)


@pytest.fixture(scope="session")
def demo_scores(demo_run, made_once):
    """The folder of its evaluation."""

    def make(folder):
        assert lipsync_ray("evaluate", demo_run, "-o", folder, "--scorer", "mini-sync", "--fid", "none") == 0

    return made_once("demo-scores", make)


@pytest.fixture(scope="session")
def whisper(made_once):
    return made_once("whisper", lambda folder: random_whisper(folder / "nonsense.pt")) / "nonsense.pt"


@pytest.fixture(scope="session")
def analysed(demo_inputs, whisper, made_once):
    """The folder of an analysis of a video, a picture and a sentence, with Whisper's code and random numbers."""
    sources = [demo_inputs / name for name in ("pan.mp4", "portrait.jpg", "ko.ogg")]

    def make(folder):
        assert lipsync_ray("analyze", *sources, "-o", folder, "--whisper", whisper, "--frames", "4") == 0

    return made_once("analysed", make)

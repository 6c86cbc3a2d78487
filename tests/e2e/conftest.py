"""Runs that several end-to-end tests look at. What is in this folder takes tens of seconds."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from chromium import CHROMIUM, OPTIONS
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
        shutil.copy(folder / "run.json", folder.with_name("demo-run.json"))  # a second run there writes another one

    return made_once("demo-run", make)


@pytest.fixture(scope="session")
def demo_record(demo_run):
    """What `run.json` said when the demo had been made."""
    return json.loads(demo_run.with_name("demo-run.json").read_text())


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


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: apt-get install -y chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


def gave_up(request):
    """Whether the page itself ended a request: of a player that is far away."""
    return request.failure == "net::ERR_ABORTED"


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1240, "height": 900})
    page.complaints = []
    page.on("console", lambda message: message.type in ("error", "warning") and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("requestfailed", lambda request: gave_up(request) or page.complaints.append(request.url[:200]))
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    yield page
    page.close()

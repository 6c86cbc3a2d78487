"""The report in a real browser: it opens from disk, complains of nothing, and everything on it loads."""

import json
import os
from dataclasses import fields

import pytest

from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.scores import SCORES, Score
from lipsync_ray.report.page import write_report


@pytest.fixture
def one_score(tmp_path):
    """The report of one video, with every number, out of sync."""
    numbers = {
        field.name: 0.123
        for field in fields(Score)
        if field.name not in ("id", "video", "status") and field.type == "float | None"
    }
    score = Score("a", "a.mp4", "b.mp4", "ko", "warp", "scored", offset=5, gpu_mb=900, **numbers)
    record = {"job": "evaluate", "settings": {"scorer": "mini-sync", "protocol": "real"}, "fid_weights": None}
    storage.commit_bytes(str(tmp_path / "run.json"), json.dumps(record).encode())
    storage.commit_bytes(str(tmp_path / "metrics" / "fid.json"), b"[]")
    SCORES.write_table(str(tmp_path), [score])
    write_report([str(tmp_path)], str(tmp_path))
    return tmp_path


LOADED = """async () => {
  const videos = [];
  for (const video of document.querySelectorAll('video')) {
    if (video.readyState < 2) await new Promise(done => { video.onloadeddata = done; video.onerror = done; video.load(); });
    videos.push([video.videoWidth, video.duration, video.error && video.error.message]);
  }
  const pictures = [...document.images].map(image => [image.complete, image.naturalWidth]);
  return {videos, pictures};
}"""


def test_the_page_is_whole(page, demo_scores):
    page.goto(f"file://{demo_scores}/report/index.html")
    loaded = page.evaluate(LOADED)
    assert page.complaints == []
    assert all(url.startswith(("file://", "data:")) for url in page.asked)
    assert len(loaded["videos"]) == len(loaded["pictures"]) == 6
    assert all(width in (600, 512) and duration > 3 and error is None for width, duration, error in loaded["videos"])
    assert all(complete and width == 1000 for complete, width in loaded["pictures"])
    assert page.locator("section.video h3").count() == 6
    assert page.locator(".plots svg").count() >= 6
    confidences = [float(t) for t in page.locator("#all + .card tbody tr td:nth-child(8)").all_inner_texts()]
    assert confidences == sorted(confidences)  # worst first
    text = page.locator("main").inner_text()
    assert "FID was left out" in text
    for word in ("None", "nan", "undefined"):
        assert word not in text.split()
    # Nothing is wider than the window but tables that scroll in their own frame.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/report.png", full_page=True)


def test_it_fits_a_phone(page, demo_scores):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"file://{demo_scores}/report/index.html")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [1300, 800, 400])
def test_a_table_that_is_cut_off_says_so(page, one_score, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"file://{one_score}/report/index.html")
    assert page.locator(".scroll").count() >= 3
    cut = []
    for table in page.locator(".scroll").all():
        hidden = table.evaluate("box => box.scrollWidth > box.clientWidth + 1")
        assert table.locator("xpath=following-sibling::p[1]").is_visible() == hidden
        assert ("more" in table.get_attribute("class").split()) == hidden
        table.evaluate("box => box.scrollLeft = box.scrollWidth")
        cut.append(hidden)
    if width == 1300:  # the tables of the study are whole on a usual screen
        assert not any(cut[:3])
    assert cut[-1]  # that of all videos is not


def test_every_badge_can_be_read(page, one_score):
    page.goto(f"file://{one_score}/report/index.html")
    badge = page.locator(".rank").first
    assert "bad" in badge.get_attribute("class").split()
    colours = badge.evaluate("one => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]")
    assert (badge.inner_text(), colours[0]) == ("1", "rgb(255, 255, 255)")
    assert colours[1] != colours[0]


def test_one_bar_is_no_wall(page, one_score):
    page.goto(f"file://{one_score}/report/index.html")
    bars = page.locator(".plots svg path[style*='fill: #2f6db3']").all()
    assert bars
    for bar in bars:
        plot = bar.locator("xpath=ancestor::*[local-name()='svg']").bounding_box()
        assert bar.bounding_box()["width"] < plot["width"] / 5


def test_captions_stand_below_their_halves(page, demo_scores):
    page.goto(f"file://{demo_scores}/report/index.html")
    page.evaluate(LOADED)
    page.add_style_tag(content=".video video { width: 168px; }")  # as of portrait videos
    for player in page.locator(".player").all():
        video = player.locator("video").bounding_box()
        for number, caption in enumerate(player.locator(".sides span").all()):
            box = caption.bounding_box()
            middle = video["x"] + video["width"] * (1 + 2 * number) / 4
            assert box["x"] + box["width"] / 2 == pytest.approx(middle, abs=2)


def test_the_analysis_is_whole(page, analysed):
    page.goto(f"file://{analysed}/index.html")
    loaded = page.evaluate(LOADED)
    assert page.complaints == []
    assert all(url.startswith(("file://", "data:")) for url in page.asked)
    assert len(loaded["pictures"]) > 5
    assert all(complete and width > 8 for complete, width in loaded["pictures"])
    assert page.locator("section.file").count() == 3
    assert {heading.inner_text() for heading in page.locator("section.file h2").all()} == {"pan", "portrait", "ko"}
    for link in page.locator("a").all():
        assert (analysed / link.get_attribute("href")).is_file()

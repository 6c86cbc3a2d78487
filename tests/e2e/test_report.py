"""The report in a real browser: it opens from disk, complains of nothing, and everything on it loads."""

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium")
# Keeps the browser from looking for its maker's hosts.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: apt-get install -y chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1240, "height": 900})
    page.complaints = []
    page.on("console", lambda message: message.type in ("error", "warning") and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("requestfailed", lambda request: page.complaints.append(request.url[:200]))
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    yield page
    page.close()


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

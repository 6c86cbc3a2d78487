"""Make docs/review.png: the page of a small run, of the demo's inputs and of a conversation that is made of them.

Needs Debian's chromium. uv run python docs/make_review.py
"""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

import lipsync_ray
from lipsync_ray.demo.corpus import make_corpus
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video

WINDOW = {"width": 1300, "height": 720}
TURNS = ((0.0, 1.1, 0), (1.1, 2.3, 1), (2.3, 2.9, 0), (2.9, 4.0, 1))  # from, to in seconds, person
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def conversation(left: Path, right: Path, target: Path) -> None:
    """Two videos side by side, the right one mirrored and grey."""
    one, other = probe_video(str(left)), probe_video(str(right))
    frames = min(one.frames, other.frames)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=one.rate, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = 2 * one.width, one.height, "yuv420p"
        pairs = zip(decode.pictures(one, 0, frames), decode.pictures(other, 0, frames), strict=True)
        for number, (first, second) in enumerate(pairs):
            grey = cv2.cvtColor(cv2.cvtColor(second.bgr(), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            frame = av.VideoFrame.from_ndarray(np.concatenate([first.bgr(), grey[:, ::-1]], axis=1), format="bgr24")
            frame.pts, frame.time_base = number, 1 / Fraction(one.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def table(folder: Path) -> Path:
    """A table of the conversation, whose turns are given, and of two videos of one person."""
    inputs = folder / "inputs"
    make_corpus(inputs)
    conversation(inputs / "pan.mp4", inputs / "sway.mp4", inputs / "conversation.mp4")
    with (inputs / "turns.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("start_s", "end_s", "person"), *TURNS])
    with (inputs / "table.csv").open("w", newline="") as file:
        rows = [
            ("conversation-es", "conversation.mp4", "es.ogg", "es", "turns.csv"),
            ("pan-ko", "pan.mp4", "ko.ogg", "ko", ""),
            ("still-en", "portrait.jpg", "en.ogg", "en", ""),
        ]
        csv.writer(file).writerows([("id", "video", "audio", "language", "speakers"), *rows])
    return inputs / "table.csv"


def main() -> None:
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        out = Path(scratch) / "run-1"
        workers = lipsync_ray.Workers(engine="inline")
        lipsync_ray.dub_table(table(out), out, model="warp", workers=workers)
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        page = browser.new_page(viewport=WINDOW)
        page.goto(f"file://{out}/index.html")
        page.locator("[data-id=pan-ko] button.accept").click()
        page.locator("[data-id=conversation-es] button.wrong_person").click()
        page.evaluate("scrollTo(0, 0)")
        page.locator("[data-id=conversation-es] .lanes").click(position={"x": 250, "y": 20})
        page.wait_for_function(
            "[...document.querySelectorAll('video')].every(video => video.readyState > 1 && !video.seeking)"
        )
        page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    target = Path(__file__).with_name("review.png")
    picture.quantize(256).save(target, optimize=True)
    print(target, target.stat().st_size)


if __name__ == "__main__":
    main()

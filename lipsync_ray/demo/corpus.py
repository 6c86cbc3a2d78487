"""Creates the demo's inputs: two videos and a picture from one portrait, speech in four languages, a manifest.

The videos show the portrait under a moving camera, so that tracking, smoothing and looping are exercised.
"""

from __future__ import annotations

import csv
from fractions import Fraction
from importlib import resources
from pathlib import Path

import av
import cv2
import numpy as np

RATE = Fraction(25)
VIDEO_FRAMES = 100
SIDE = 384  # pixels: side of the videos
FACE = (266.0, 225.0)  # pixels: centre of the face in the portrait
LANGUAGES = ("en", "es", "ko", "ar")


def make_corpus(folder: Path) -> Path:
    """Write the demo's inputs to a folder; return the path of the manifest.

    Existing files are kept, so that a second demo finds the results of the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = resources.files("lipsync_ray.demo") / "data"
    for name in ("portrait.jpg", *(f"{language}.ogg" for language in LANGUAGES)):
        if not (folder / name).exists():
            (folder / name).write_bytes((data / name).read_bytes())
    for name, turn in (("pan.mp4", 0.0), ("sway.mp4", 4.0)):
        if not (folder / name).exists():
            _moving_portrait(folder / "portrait.jpg", folder / name, turn)
    rows = [(f"pan-{language}", "pan.mp4", f"{language}.ogg", language) for language in LANGUAGES]
    rows += [("sway-en", "sway.mp4", "en.ogg", "en"), ("still-es", "portrait.jpg", "es.ogg", "es")]
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "video", "audio", "language"))
        writer.writerows(
            (name, str((folder / video).absolute()), str((folder / audio).absolute()), language)
            for name, video, audio, language in rows
        )
    return manifest


def _moving_portrait(portrait: Path, target: Path, turn: float) -> None:
    """Write an mp4 of the portrait under a camera that drifts, zooms in and rotates by up to ``turn`` degrees."""
    picture = cv2.imread(str(portrait))
    if picture is None:
        raise FileNotFoundError(portrait)
    temporary = target.with_name(f".{target.name}.part")
    with av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "20"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for index in range(VIDEO_FRAMES):
            phase = 2 * np.pi * index / VIDEO_FRAMES
            x, y = FACE[0] + 8 * np.cos(phase), FACE[1]
            matrix = cv2.getRotationMatrix2D((x, y), turn * np.sin(2 * phase), 0.95 + 0.05 * np.sin(phase))
            matrix[:, 2] += np.array([SIDE / 2 - x, SIDE * 0.45 - y])
            view = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(view), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    temporary.replace(target)

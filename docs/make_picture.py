"""Draw docs/picture.png from a demo's results: the source above, the same frames of its dubs below.

uv run lipsync-ray demo && uv run python docs/make_picture.py lipsync-demo
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lipsync_ray.media import decode
from lipsync_ray.media.picture import Box
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.timeline import source_frames

FRAMES = (22, 35, 44, 63, 72, 86, 99)
VIEW = Box(72, 40, 312, 280)
SIDE, GAP, LEFT = 180, 6, 96


def main(demo: Path) -> None:
    rows = [("source", demo / "inputs" / "pan.mp4")]
    rows += [(name, demo / "videos" / f"pan-{code}.mp4") for name, code in (("English", "en"), ("Korean", "ko"))]
    sheet = Image.new("RGB", (LEFT + len(FRAMES) * (SIDE + GAP), len(rows) * (SIDE + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    for row, (name, path) in enumerate(rows):
        info = probe_video(str(path))
        draw.text((8, GAP + row * (SIDE + GAP) + SIDE // 2 - 12), name, "black", font)
        numbers = source_frames(np.array(FRAMES), info.frames, "pingpong").tolist()
        for column, number in enumerate(numbers):
            bgr = next(decode.pictures(info, number, number + 1)).bgr(VIEW)
            tile = Image.fromarray(np.ascontiguousarray(bgr[..., ::-1])).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (LEFT + column * (SIDE + GAP), GAP + row * (SIDE + GAP)))
    sheet.save(Path(__file__).with_name("picture.png"), optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

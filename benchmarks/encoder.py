"""Is x264 a function of its pictures, and what does making it one cost?

    python benchmarks/encoder.py [VIDEO …]

Encodes noisy pictures of many sizes in processes whose fresh memory holds different values (glibc's MALLOC_PERTURB_), and
counts the different results. Then encodes real videos and compares bytes at equal PSNR, and time, with x264's default.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import subprocess
import sys
import time
from fractions import Fraction
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*")
    parser.add_argument("--digests", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import av
import numpy as np

from lipsync_ray.media import decode
from lipsync_ray.media.encode import ENCODER_THREADS
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.media.probe import probe_video

CHOICES = {
    "default": "",
    "without AVX-512": "asm=MMX2,SSE2Fast,SSSE3,SSE4.2,AVX,FMA3,BMI2,AVX2",
    "SSE4.2": "asm=MMX2,SSE2Fast,SSSE3,SSE4.2",
    "asm=0": "asm=0",
    "mbtree=0": "mbtree=0",
}
SIZES = ((590, 590), (854, 480), (1080, 1920), (512, 512), (600, 600), (322, 242), (176, 144), (400, 320), (606, 480))
FILLINGS = (0, 85, 170, 255)
CRFS = (14, 16, 18, 20, 22)
FRAMES = 8


def noisy(width: int, height: int) -> list[YuvFrame]:
    """A few pictures of noise on a pattern that moves."""
    rng = np.random.default_rng(0)
    base = np.kron(rng.integers(0, 255, (height // 8 + 3, width // 8 + 3)), np.ones((8, 8), int))
    out = []
    for index in range(FRAMES):
        y = base[index : index + height, index : index + width] + rng.integers(-20, 20, (height, width))
        y = np.clip(y, 0, 255).astype(np.uint8)
        out.append(YuvFrame(y, y[::2, ::2].copy(), y[1::2, 1::2].copy(), Colour()))
    return out


def encoded(pictures: list[YuvFrame], parameters: str, crf: int = 18) -> tuple[bytes, float]:
    """(mp4, seconds of CPU)."""
    buffer, began = io.BytesIO(), time.process_time()
    with av.open(buffer, "w", format="mp4") as container:
        options = {"crf": str(crf), "preset": "veryfast"} | ({"x264-params": parameters} if parameters else {})
        stream: Any = container.add_stream("libx264", rate=Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = pictures[0].width, pictures[0].height, "yuv420p"
        stream.codec_context.thread_count = ENCODER_THREADS
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame(picture.width, picture.height, "yuv420p")
            for plane, source in zip(frame.planes, (picture.y, picture.u, picture.v), strict=True):
                np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width] = source
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue(), time.process_time() - began


def psnr(data: bytes, pictures: list[YuvFrame]) -> float:
    """Of the luma, in dB, over all pictures."""
    errors = []
    with av.open(io.BytesIO(data)) as container:
        for frame, picture in zip(container.decode(video=0), pictures, strict=True):
            luma = frame.to_ndarray()[: picture.height, : picture.width].astype(np.float32)
            errors.append(float(np.square(luma - picture.y).mean()))
    return float(10 * np.log10(255**2 / np.mean(errors)))


def digests() -> None:
    """Print a digest for every choice and size; run in a process of its own."""
    for name, parameters in CHOICES.items():
        for width, height in SIZES:
            print(
                name,
                f"{width}x{height}",
                hashlib.md5(encoded(noisy(width, height), parameters)[0]).hexdigest(),
                sep="|",
            )


def determinism() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for filling in FILLINGS:
        environment = os.environ | {"MALLOC_PERTURB_": str(filling)}
        out = subprocess.run(
            [sys.executable, __file__, "--digests"], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for line in out.splitlines():
            name, size, digest = line.split("|")
            found.setdefault((name, size), set()).add(digest)
    print(f"different results of {len(FILLINGS)} processes\n")
    print("| | " + " | ".join(f"{w} × {h}" for w, h in SIZES) + " |\n|" + "---|" * (len(SIZES) + 1))
    for name in CHOICES:
        print(f"| {name} | " + " | ".join(str(len(found[name, f"{w}x{h}"])) for w, h in SIZES) + " |")


def cost(urls: list[str]) -> None:
    print("\nbytes at equal PSNR, and time, beside the default\n\n| video | choice | bytes | time |\n|---|---|---|---|")
    for url in urls:
        info = probe_video(url)
        pictures = list(decode.pictures(info, 0, min(100, info.frames)))
        default, seconds = encoded(pictures, "")
        goal = psnr(default, pictures)
        for name in ("without AVX-512", "mbtree=0"):
            curve = [encoded(pictures, CHOICES[name], crf) for crf in CRFS]
            quality = [psnr(data, pictures) for data, _ in curve][::-1]
            size = np.exp(np.interp(goal, quality, [np.log(len(data)) for data, _ in curve][::-1]))
            spent = curve[CRFS.index(18)][1]
            print(f"| {url.rsplit('/', 1)[-1]} | {name} | {size / len(default):.3f} | {spent / seconds:.2f} |")


def main(arguments: argparse.Namespace) -> None:
    if arguments.digests:
        digests()
    else:
        determinism()
        cost(arguments.videos)


if __name__ == "__main__":
    main(ARGUMENTS)

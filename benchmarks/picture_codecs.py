"""What each codec costs a frame, how large and how like its source the result is, and whether it is always the same.

    python benchmarks/picture_codecs.py VIDEO … [--frames 50] [--processes 3]

CPU milliseconds and bytes a frame, and SSIM (by FFmpeg, of all planes) of what is encoded at each codec's defaults against what was
given to it: of videos whose samples have more than 8 bits, these. Then the pictures are encoded in processes whose fresh memory
holds different values (glibc's MALLOC_PERTURB_), and different results are counted.
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
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--processes", type=int, default=3, help="different memories; 0 leaves that out")
    parser.add_argument("--digests", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import av

from lipsync_ray.media import decode
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import CODECS
from lipsync_ray.media.encode import encode
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.probe import VideoInfo, probe_video

TICK = Fraction(1, 25)  # frames are compared by number
FILLINGS = (0, 85, 170, 255)
ON_CPUS = [name for name, spec in CODECS.items() if not spec.nvenc]


def encoded(info: VideoInfo, coding: VideoCoding, frames: int) -> tuple[bytes, float]:
    """(file, CPU seconds of encoding alone) of a video's first frames."""
    kept = keeping(info, coding)
    pictures = list(decode.pictures(kept, 0, min(frames, info.frames)))
    began = time.process_time()
    data = encode(pictures, info.rate, info.pixel_aspect, coding, info.light)
    return data, time.process_time() - began


def ssim(data: bytes, reference: bytes) -> float:
    """Mean SSIM of a file's frames against a lossless one of the same frames, by FFmpeg's filter; the filter converts neither."""
    totals: list[float] = []
    with av.open(io.BytesIO(data)) as one, av.open(io.BytesIO(reference)) as other:
        graph: Any = None
        for frame, own in zip(one.decode(video=0), other.decode(video=0), strict=True):
            if graph is None:
                graph = av.filter.Graph()
                inputs = [
                    graph.add_buffer(width=each.width, height=each.height, format=each.format, time_base=TICK)
                    for each in (frame, own)
                ]
                meter, sink = graph.add("ssim"), graph.add("buffersink")
                same = graph.add("format", own.format.name)
                inputs[0].link_to(same)
                same.link_to(meter, 0, 0)
                inputs[1].link_to(meter, 0, 1)
                meter.link_to(sink)
                graph.configure()
            for place, each in zip(inputs, (frame, own), strict=True):
                each.pts, each.time_base = len(totals), TICK
                place.push(each)
            totals.append(float(graph.pull().metadata["lavfi.ssim.All"]))
    return sum(totals) / len(totals)


def row(info: VideoInfo, coding: VideoCoding, frames: int, reference: bytes) -> str:
    data, seconds = encoded(info, coding, frames)
    count = min(frames, info.frames)
    return f"{1000 * seconds / count:.1f} | {len(data) / count / 1000:.1f} | {ssim(data, reference):.4f}"


def tables(arguments: argparse.Namespace) -> None:
    for url in arguments.videos:
        info = probe_video(url)
        name = url.rsplit("/", 1)[-1]
        print(f"\n{name}: {info.width} × {info.height}, {info.pixel_format}{' ' + info.hdr if info.hdr else ''}\n")
        print("| codec | CPU ms a frame | kB a frame | SSIM |\n|---|---|---|---|")
        wholes = {plain: lossless(info, plain, arguments.frames) for plain in (True, False)}
        for codec in ON_CPUS:
            plain = not CODECS[codec].hdr
            print(f"| {codec} | {row(info, VideoCoding(codec=codec), arguments.frames, wholes[plain])} |", flush=True)


def lossless(info: VideoInfo, plain: bool, frames: int) -> bytes:
    """The frames as they are given to H.264, or to a codec that keeps more."""
    coding = VideoCoding(codec="ffv1")
    kept = info if plain else keeping(info, coding)
    pictures = decode.pictures(kept, 0, min(frames, info.frames))
    return encode(pictures, info.rate, info.pixel_aspect, coding)


def digests(arguments: argparse.Namespace) -> None:
    """Print a digest for every video and codec; run in a process of its own."""
    for url in arguments.videos:
        info = probe_video(url)
        for codec in ON_CPUS:
            data, _ = encoded(info, VideoCoding(codec=codec), min(arguments.frames, 12))
            print("digest", url, codec, hashlib.md5(data).hexdigest(), sep="|")


def determinism(arguments: argparse.Namespace) -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for filling in FILLINGS[: arguments.processes]:
        command = [sys.executable, __file__, "--digests", "--frames", str(arguments.frames), *arguments.videos]
        environment = os.environ | {"MALLOC_PERTURB_": str(filling)}
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for line in out.splitlines():
            if line.startswith("digest|"):
                _, url, codec, digest = line.split("|")
                found.setdefault((url, codec), set()).add(digest)
    print(f"\ndifferent results of {arguments.processes} processes\n\n| video | " + " | ".join(ON_CPUS) + " |")
    print("|---" * (len(ON_CPUS) + 1) + "|")
    for url in arguments.videos:
        print(f"| {url.rsplit('/', 1)[-1]} | " + " | ".join(str(len(found[url, codec])) for codec in ON_CPUS) + " |")


def main(arguments: argparse.Namespace) -> None:
    if arguments.digests:
        digests(arguments)
        return
    tables(arguments)
    if arguments.processes:
        determinism(arguments)


if __name__ == "__main__":
    main(ARGUMENTS)

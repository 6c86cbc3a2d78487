"""Presets against quality: CPU, bytes and SSIM of each preset of H.264, HEVC and AV1, over several videos.

    python benchmarks/presets.py VIDEO … [--frames 30] [--codecs h264,hevc,av1] [--slowest slow]

Every preset encodes each video's first frames at the codec's default quality and at a coarser one. Two points tell the bytes
at the SSIM (FFmpeg's filter, all planes) that the default preset has at the default quality. Printed: a row for each video and preset, then
geometric means over the videos, beside the default preset. (VMAF is in no build of FFmpeg that PyAV's wheels or Debian ship.)
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--codecs", default="h264,hevc,av1")
    parser.add_argument("--slowest", default="veryslow", help="preset after which none is tried")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

from picture_codecs import encoded, lossless, ssim

from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import CODECS, decided
from lipsync_ray.media.probe import VideoInfo, probe_video

STEPS = {"h264": 4, "hevc": 4, "av1": 10}  # of quality, between the two points: about as much SSIM as between presets


def points(
    info: VideoInfo, codec: str, preset: str, frames: int, reference: bytes
) -> tuple[float, list[tuple[float, float]]]:
    """(CPU milliseconds a frame at the default quality, [(SSIM in dB, kB a frame)] at both)."""
    usual = decided(VideoCoding(codec=codec)).crf or 0.0  # type: ignore[arg-type]
    count, spent, out = min(frames, info.frames), [], []
    for crf in (usual, usual + STEPS[codec]):
        data, seconds = encoded(info, VideoCoding(crf, preset, codec), frames)  # type: ignore[arg-type]
        spent.append(1000 * seconds / count)
        out.append((-10 * math.log10(1 - ssim(data, reference)), len(data) / count / 1000))
    return spent[0], out


def at_quality(found: list[tuple[float, float]], goal: float) -> float:
    """kB a frame at an SSIM, on the line through two points of SSIM in dB and the logarithm of kB."""
    (fine, large), (coarse, small) = found
    return math.exp(math.log(large) + (goal - fine) / (coarse - fine) * math.log(small / large))


def main(arguments: argparse.Namespace) -> None:
    for codec in arguments.codecs.split(","):
        spec = CODECS[codec]
        crf = decided(VideoCoding(codec=codec)).crf
        names = list(spec.presets)
        names = names[: names.index(arguments.slowest) + 1]
        ratios: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        quality: dict[str, list[float]] = defaultdict(list)
        print(
            f"\n{codec}, crf {crf:g}\n\n| video | preset | CPU ms | kB | SSIM | kB at the default's SSIM |\n|---|---|---|---|---|---|"
        )
        for url in arguments.videos:
            info = probe_video(url)
            reference = lossless(info, True, arguments.frames)
            found = {name: points(info, codec, name, arguments.frames, reference) for name in names}
            usual_ms, usual = found[spec.preset]
            for name, (spent, both) in found.items():
                same = at_quality(both, usual[0][0])
                ratios[name].append((spent / usual_ms, both[0][1] / usual[0][1], same / usual[0][1]))
                quality[name].append(1 - 10 ** (-both[0][0] / 10))
                print(
                    f"| {url.rsplit('/', 1)[-1]} | {name} | {spent:.1f} | {both[0][1]:.1f} | {quality[name][-1]:.4f} | {same:.1f} |",
                    flush=True,
                )
        print(
            f"\n| {codec}, of {len(arguments.videos)} videos | CPU | bytes | SSIM | bytes at the same SSIM |\n|---|---|---|---|---|"
        )
        for name, each in ratios.items():
            means = [math.exp(sum(map(math.log, one)) / len(one)) for one in zip(*each, strict=True)]
            mean = sum(quality[name]) / len(quality[name])
            print(f"| {name} | {means[0]:.2f} | {means[1]:.2f} | {mean:.4f} | {means[2]:.2f} |", flush=True)


if __name__ == "__main__":
    main(ARGUMENTS)

"""What FFmpeg's own tools show of a file: pictures at their times, marks drawn into them, an MP4's timing. No product code.

Every picture is looked at in grey, 400 × 320, upright. The base video of `cases/media.sh` draws its frame number into
it: a white 16 × 16 block at column n % 25 of the first row and at column n // 25 of the second.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a part of odd_media.py; it measures nothing alone
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, BLOCK = 400, 320, 16
NO_MARK = -1
CONTRAST = 40  # grey levels by which a mark is lighter than the next block
BEFORE = {  # what has to be done to a source before its pictures stand where the base video's do
    "v_blackbars.mp4": "crop=400:320:0:200",
    "v_interlaced.mp4": "field=top",
    "v_i.mpg": "field=top",
}
Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """A file's pictures in the order in which they are shown.

    Attributes
    ----------
    grey : (n, 320, 400)
    times : of each, seconds, as the player gives them
    rate : frames/s that FFmpeg takes for the stream's
    """

    grey: Grey
    times: list[Fraction]
    rate: Fraction

    @property
    def marks(self) -> list[int]:
        """The number drawn into each picture; NO_MARK where there is none."""
        rows = [self.grey[:, top : top + BLOCK].reshape(-1, BLOCK, WIDTH // BLOCK, BLOCK) for top in (0, BLOCK)]
        levels = [row[:, 4:12, :, 4:12].mean((1, 3)) for row in rows]
        sure = np.logical_and(*(np.ptp(np.sort(level)[:, -2:], axis=1) > CONTRAST for level in levels))
        numbers = levels[0].argmax(1) + levels[1].argmax(1) * (WIDTH // BLOCK)
        return [int(n) for n in np.where(sure, numbers, NO_MARK)]

    @property
    def small(self) -> NDArray[np.float32]:
        """(n, 80, 100) means of 4 × 4."""
        return np.asarray(self.grey.reshape(-1, HEIGHT // 4, 4, WIDTH // 4, 4).mean((2, 4)), np.float32)


def opened(path: Path) -> list[str]:
    """A file as an input; a picture's name is no pattern."""
    picture = path.suffix.lower() in {".jpg", ".png"} and "%" in path.name
    return [*(["-f", "image2", "-pattern_type", "none"] if picture else []), "-i", f"file:{path}"]


def cut(source: Path) -> str:
    """What has to be done to a dub of a source, which keeps its shape."""
    before = BEFORE.get(source.name, "")
    return before if before.startswith("crop") else ""


def look(path: Path, before: str = "") -> Look | None:
    """Decode a file; None where FFmpeg gives no picture."""
    chain = ",".join(filter(None, ["showinfo=checksum=0", before, f"scale={WIDTH}:{HEIGHT}:flags=area,format=gray"]))
    end = ["-map", "0:v:0", "-vsync", "passthrough", "-vf", chain, "-f", "rawvideo", "-"]
    ran = subprocess.run(
        ["ffmpeg", "-nostdin", "-hide_banner", "-threads", "1", *opened(path), *end],
        capture_output=True,
        check=False,
    )
    grey = np.frombuffer(ran.stdout, np.uint8)[: len(ran.stdout) // (WIDTH * HEIGHT) * WIDTH * HEIGHT]
    grey = grey.reshape(-1, HEIGHT, WIDTH)
    base, rate, times = Fraction(1), Fraction(0), []
    for line in ran.stderr.decode(errors="replace").splitlines():
        if "Parsed_showinfo" not in line:
            continue
        if found := re.search(r"config in time_base: (\d+/\d+), frame_rate: (\d+)/(\d+)", line):
            base = Fraction(found[1])
            rate = Fraction(int(found[2]), int(found[3]) or 1)
        elif found := re.search(r" pts: *(-?\d+) ", line):
            times.append(int(found[1]) * base)
    return Look(grey, times[: len(grey)], rate) if len(grey) else None


def rgb(path: Path, number: int = 0, before: str = "") -> NDArray[np.float32] | None:
    """(80, 100, 3) colours of one frame, as the file's tags say they are meant."""
    chain = ",".join(filter(None, [before, f"select=eq(n\\,{number})", "scale=100:80:flags=area,format=rgb24"]))
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-threads", "1", *opened(path), "-map", "0:v:0"]
    end = ["-vf", chain, "-frames:v", "1", "-f", "rawvideo", "-"]
    data = subprocess.run([*command, *end], capture_output=True, check=False).stdout
    return np.frombuffer(data, np.uint8).reshape(80, 100, 3).astype(np.float32) if len(data) == 24000 else None


def sound(path: Path) -> NDArray[np.float32]:
    """The left of two channels, 16,000 samples/s, from the file's first sample."""
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-threads", "1", *opened(path), "-map", "0:a:0"]
    end = ["-ac", "2", "-ar", "16000", "-f", "f32le", "-"]
    data = subprocess.run([*command, *end], capture_output=True, check=False).stdout
    return np.frombuffer(data, np.float32)[::2]


def probed(path: Path, *options: str) -> dict[str, Any]:
    """What ffprobe says, with all streams."""
    command = ["ffprobe", "-v", "quiet", "-of", "json", "-show_streams", *options, f"file:{path}"]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=False).stdout or b"{}")
    return found


def streams(path: Path) -> dict[str, dict[str, Any]]:
    """The first stream of each kind; a cover picture is none."""
    kinds: dict[str, dict[str, Any]] = {}
    for stream in probed(path).get("streams", []):
        if not stream.get("disposition", {}).get("attached_pic"):
            kinds.setdefault(stream.get("codec_type", "?"), stream)
    return kinds


def packed_hash(path: Path) -> str:
    """A hash of the encoded pictures."""
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "quiet",
        "-i",
        f"file:{path}",
        "-map",
        "0:v:0",
        "-c",
        "copy",
        "-f",
        "md5",
        "-",
    ]
    return subprocess.run(command, capture_output=True, check=False, text=True).stdout.strip()


def steps_of(path: Path) -> list[tuple[int, int]]:
    """(count, duration) entries of the `stts` box of an MP4's picture track."""
    data = path.read_bytes()
    for track in _boxes(_inside(data, b"moov"), b"trak"):
        media = _inside(track, b"mdia")
        if _inside(media, b"hdlr")[8:12] == b"vide":
            table = _inside(_inside(_inside(media, b"minf"), b"stbl"), b"stts")
            return [struct.unpack_from(">II", table, 8 + 8 * i) for i in range(struct.unpack_from(">I", table, 4)[0])]
    return []


def _boxes(data: bytes, kind: bytes) -> list[bytes]:
    found, at = [], 0
    while at + 8 <= len(data):
        size, head = struct.unpack_from(">I", data, at)[0], 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        size = size or len(data) - at
        if data[at + 4 : at + 8] == kind:
            found.append(data[at + head : at + size])
        at += size
    return found


def _inside(data: bytes, kind: bytes) -> bytes:
    return next(iter(_boxes(data, kind)), b"")


def timing_faults(path: Path, rate: Fraction) -> list[str]:
    """What is wrong with an output's times, against a constant rate."""
    found = probed(path, "-select_streams", "v:0", "-show_packets")
    stream, packets = found["streams"][0], found["packets"]
    unit = Fraction(stream["time_base"])
    faults = [
        f"{name} {stream[name]}, not {rate}"
        for name in ("avg_frame_rate", "r_frame_rate")
        if Fraction(stream[name]) != rate and len(packets) > 1
    ]
    if int(stream.get("nb_frames", 0)) != len(packets):
        faults.append(f"nb_frames {stream.get('nb_frames')}, packets {len(packets)}")
    for name in ("dts", "pts"):
        times = sorted(int(p[name]) for p in packets) if name == "pts" else [int(p[name]) for p in packets]
        wrong = [n for n in range(1, len(times)) if (times[n] - times[n - 1]) * unit != 1 / rate]
        if wrong:
            n = wrong[0]
            faults.append(f"{name} of packet {n} is {float((times[n] - times[n - 1]) * unit):.5f} s after the last one")
        if name == "pts" and times and times[0] != 0:
            faults.append(f"begins at {float(times[0] * unit):.4f} s")
    steps = steps_of(path)
    if len({step for _, step in steps}) != 1 or sum(count for count, _ in steps) != len(packets):
        faults.append(f"stts {steps[:4]}")
    if abs(Fraction(stream["duration"]) - len(packets) / rate) > Fraction(1, 1000):
        faults.append(f"duration {stream['duration']} s of {len(packets)} frames")
    return faults

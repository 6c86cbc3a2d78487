"""Short films with and without cuts, made of a folder of videos: hand-held cameras, pans, flashes, passers-by, look-alike shots."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a part of the others; it measures nothing alone
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import cv2
import numpy as np

from lipsync_ray.media import decode
from lipsync_ray.media.picture import U8
from lipsync_ray.media.probe import probe_video

SHORT = 240  # pixels: short side of the sources
SIZES = ((427, 240), (240, 240), (240, 427), (320, 240))
SHOT = 16  # frames on either side of a cut
LONG = 150  # frames without one
RATE = 25


@dataclass(frozen=True)
class Reel:
    """A film: what it is, its (h, w, 3) uint8 RGB frames at 25 a second, the frames that begin a scene."""

    kind: str
    frames: list[U8]
    cuts: tuple[int, ...] = ()


class Corpus:
    """Videos by their folder; `videos` of one shot each, `news` and `grid` clips of a second or three."""

    def __init__(self, folder: str, rng: Any) -> None:
        root, self._rng = Path(folder), rng
        self.videos = [str(p) for p in sorted((root / "videos").iterdir()) if p.stem != "no_face"]
        self.news = [str(p) for p in sorted((root / "train").glob("*.mp4"))]
        self.grid = [str(p) for p in sorted((root / "grid").glob("*.mp4"))]

    def one(self, of: Any) -> Any:
        return of[int(self._rng.integers(len(of)))]

    def any(self) -> str:
        draw = self._rng.random()
        return str(self.one(self.videos if draw < 0.5 else self.news if draw < 0.9 else self.grid))

    def two(self, of: Callable[[], str]) -> tuple[str, str]:
        first = second = of()
        while first == second:
            second = of()
        return first, second

    def shot(self, url: str, length: int) -> list[U8]:
        """So many neighbouring frames; there and back again where it has fewer."""
        frames = frames_of(url)
        if len(frames) >= length:
            start = int(self._rng.integers(len(frames) - length + 1))
            return frames[start : start + length]
        around = 2 * len(frames) - 2
        return [frames[len(frames) - 1 - abs(i % around - (len(frames) - 1))] for i in range(length)]


@lru_cache(maxsize=24)
def frames_of(url: str) -> list[U8]:
    """The first ten seconds, small; of a video with a jump cut in it what comes before."""
    info = probe_video(url)
    most = min(info.frames, 230 if "portrait_hevc_30" in url else 250)
    scale = SHORT / min(info.width, info.height)
    return list(decode.small_rgb(info, 0, most, round(info.width * scale), round(info.height * scale)))


def reels(folder: str, seed: int, share: float = 1.0) -> Iterator[Reel]:
    """The films of a seed; with a smaller share fewer of each kind."""
    rng = np.random.default_rng(seed)
    corpus = Corpus(folder, rng)

    def many(count: int) -> range:
        return range(max(1, round(count * share)))

    yield from _cuts(corpus, rng, many)
    yield from _shots(corpus, rng, many)


def _cuts(corpus: Corpus, rng: Any, many: Callable[[int], range]) -> Iterator[Reel]:
    def joined(kind: str, two: tuple[str, str], size: tuple[int, int]) -> Reel:
        return Reel(kind, [covered(f, size) for url in two for f in corpus.shot(url, SHOT)], (SHOT,))

    for _ in many(60):
        yield joined("cut: other videos", corpus.two(lambda: corpus.one(corpus.videos)), corpus.one(SIZES))
    for _ in many(150):
        yield joined("cut: two news clips", corpus.two(lambda: corpus.one(corpus.news)), corpus.one(SIZES[:2]))
    for _ in many(80):
        place = int(rng.integers(len(corpus.news) - 1))
        yield joined("cut: neighbouring news clips", tuple(corpus.news[place : place + 2]), corpus.one(SIZES[:2]))  # type: ignore[arg-type]
    for _ in many(60):
        path = np.tile([0, 0, 1.05, 0], (2 * SHOT, 1))
        path[SHOT:] = [*rng.uniform(-0.1, 0.1, 2), 1.05 * rng.uniform(1.3, 2.2), 0]
        yield Reel("cut: zoom in", filmed(corpus.shot(corpus.any(), 2 * SHOT), corpus.one(SIZES), path), (SHOT,))
    for _ in many(60):
        size, shots = corpus.one(SIZES), []
        for url in corpus.two(corpus.any):
            path = camera_path(20, rng, rng.uniform(0.03, 0.2), rng.uniform(0.7, 2.5))
            shots += filmed(corpus.shot(url, 20), size, path)
        yield Reel("cut: hand-held", shots, (20,))
    for turn in many(40):
        made = joined("cut: beside a flash", corpus.two(corpus.any), corpus.one(SIZES))
        place = SHOT - 3 if turn % 2 else SHOT
        made.frames[place : place + 3] = flashed(made.frames[place : place + 3], rng, 0.8, 1, 2)
        yield made
    for _ in many(60):
        yield joined("jump: another take (GRID)", corpus.two(lambda: corpus.one(corpus.grid)), (300, 240))


def _shots(corpus: Corpus, rng: Any, many: Callable[[int], range]) -> Iterator[Reel]:
    for turn in many(45):
        path = camera_path(LONG, rng, rng.uniform(0.02, 0.3), rng.uniform(0.5, 3))
        frames = filmed(corpus.shot(corpus.any(), LONG), corpus.one(SIZES), path)
        yield Reel("hand-held", blurred(frames) if turn % 2 else frames)
    for turn in many(32):
        url, size = corpus.one(corpus.videos), corpus.one(((120, 160), (160, 160), (200, 120)))
        shot = corpus.shot(url, LONG)
        zoom = rng.uniform(1.3, 2.2)
        room = np.array([shot[0].shape[1] / size[0], shot[0].shape[0] / size[1]])
        room = (room * zoom / room.min() - 1) / 2
        path = _swept(rng, room) if turn % 2 else _whipped(rng, room)
        path[:, 2] = zoom
        yield Reel("pan" if turn % 2 else "whip pan", blurred(filmed(shot, size, path)))
    for turn in many(24):
        size, shot = corpus.one(SIZES), corpus.shot(corpus.any(), LONG)
        frames = [covered(f, size) for f in shot]
        if turn % 3 == 0:
            frames = filmed(shot, size, camera_path(LONG, rng, rng.uniform(0.02, 0.12), 1.5))
        args = rng.uniform(0.2, 1.2), int(rng.integers(1, 4)), int(rng.integers(8, 30))
        yield Reel("flashes", flashed(frames, rng, *args))
    for _ in many(12):
        size = corpus.one(SIZES)
        yield Reel("exposure", exposed([covered(f, size) for f in corpus.shot(corpus.any(), LONG)], rng))
    for _ in many(20):
        (url, other), size = corpus.two(corpus.any), corpus.one(SIZES)
        passer_by = corpus.shot(other, LONG)
        yield Reel("passers-by", passed([covered(f, size) for f in corpus.shot(url, LONG)], passer_by, rng))
    for url in corpus.videos:
        yield Reel("as filmed", frames_of(url))
    for _ in many(40):
        yield Reel("as filmed", frames_of(corpus.one(corpus.news)))


def covered(frame: U8, size: tuple[int, int]) -> U8:
    """The middle of a frame, scaled to (width, height)."""
    width, height = size
    scale = max(width / frame.shape[1], height / frame.shape[0])
    wide = max(width, round(frame.shape[1] * scale)), max(height, round(frame.shape[0] * scale))
    scaled = cv2.resize(frame, wide, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x, y = (wide[0] - width) // 2, (wide[1] - height) // 2
    return np.ascontiguousarray(scaled[y : y + height, x : x + width])


def filmed(frames: list[U8], size: tuple[int, int], path: Any) -> list[U8]:
    """Seen by a camera: (n, 4) shift right and down in parts of its picture, zoom, turn in radians."""
    width, height = size
    out = []
    for frame, (right, down, zoom, turn) in zip(frames, path, strict=True):
        tall, wide = frame.shape[:2]
        scale = min(wide / width, tall / height) / zoom
        c, s = np.cos(turn) * scale, np.sin(turn) * scale
        x, y = wide / 2 + right * width * scale, tall / 2 + down * height * scale
        matrix = np.array([[c, -s, x - c * width / 2 + s * height / 2], [s, c, y - s * width / 2 - c * height / 2]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out.append(
            np.asarray(cv2.warpAffine(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT), np.uint8)
        )
    return out


def camera_path(length: int, rng: Any, amplitude: float, hz: float) -> Any:
    """(n, 4) path of a camera that is held: three waves about `hz`, up to `amplitude` of the picture either way."""
    seconds, path = np.arange(length) / RATE, np.zeros((length, 4))
    path[:, 2] = 1.35
    for _ in range(3):
        turns, begin, weight = hz * rng.uniform(0.6, 1.4, 4), rng.uniform(0, 6.28, 4), rng.uniform(0.3, 1, 4)
        pace, much = np.array([1, 1, 0.4, 0.5]), amplitude * np.array([0.5, 0.5, 0.15, 0.25])
        path += much * weight * np.sin(2 * np.pi * turns * pace * seconds[:, None] + begin)
    return path


def _swept(rng: Any, room: Any) -> Any:
    path = np.zeros((LONG, 4))
    path[:, 0] = room[0] * np.sin(2 * np.pi * rng.uniform(0.2, 0.8) * np.arange(LONG) / RATE)
    return path


def _whipped(rng: Any, room: Any) -> Any:
    """Still, then elsewhere within 5 to 11 frames, and so on."""
    places: list[Any] = []
    here = np.zeros(2)
    while len(places) < LONG:
        places += [here] * int(rng.integers(10, 25))
        there, steps = rng.uniform(-room, room), int(rng.integers(5, 12))
        part = (np.arange(steps) + 1) / (steps + 1)
        places += [here + (there - here) * p for p in part * part * (3 - 2 * part)]
        here = there
    return np.concatenate((places[:LONG], np.zeros((LONG, 2))), axis=1)


def blurred(frames: list[U8]) -> list[U8]:
    """With a shutter that is open into the next frame."""
    return [np.uint8(0.7 * a + 0.3 * b) for a, b in zip(frames, [*frames[1:], frames[-1]], strict=True)]  # type: ignore[misc]


def flashed(frames: list[U8], rng: Any, strength: float, length: int, every: int) -> list[U8]:
    """With a photographer's flashes: over all of a frame, from a row on (a rolling shutter), or from a place."""
    out, place = list(frames), every // 2
    height, width = frames[0].shape[:2]
    while place + length < len(out):
        for step in range(length):
            how, light = int(rng.integers(3)), np.ones((height, width, 1), np.float32)
            if how == 1:
                light[: int(rng.integers(height))] = 0
            elif how == 2:
                rows, columns = np.mgrid[:height, :width]
                away = ((rows - rng.uniform(0, height)) / height) ** 2 + (
                    (columns - rng.uniform(0, width)) / width
                ) ** 2
                light = np.exp(-2 * away)[..., None].astype(np.float32)
            light = light * strength * (1.0 if step == 0 else 0.6)
            seen = out[place + step].astype(np.float32)
            out[place + step] = np.clip(seen * (1 + 0.8 * light) + 140 * light, 0, 255).astype(np.uint8)
        place += every + int(rng.integers(-3, 4))
    return out


def exposed(frames: list[U8], rng: Any) -> list[U8]:
    """With another exposure from every second on."""
    out, gain, lift = [], 1.0, 0.0
    for number, frame in enumerate(frames):
        if number % RATE == RATE // 2:
            gain, lift = rng.uniform(0.5, 1.5), rng.uniform(-25, 25)
        out.append(np.clip(frame * gain + lift, 0, 255).astype(np.uint8))
    return out


def passed(frames: list[U8], other: list[U8], rng: Any) -> list[U8]:
    """With somebody who walks through, near the camera, again and again: an oval of another video."""
    height, width = frames[0].shape[:2]
    size = round(width * rng.uniform(0.3, 0.6)), round(height * rng.uniform(0.6, 1))
    span = int(rng.integers(8, 26))
    rows, columns = np.mgrid[: size[1], : size[0]]
    oval = ((rows / size[1] - 0.6) / 0.62) ** 2 + ((columns / size[0] - 0.5) * 2) ** 2 < 1
    out = []
    for number, frame in enumerate(frames):
        shown = frame.copy()
        left = round(-size[0] + (width + size[0]) * (number % 40) / span)
        low, high = max(0, left), min(width, left + size[0])
        if high > low:
            inside = oval[:, low - left : high - left]
            shown[height - size[1] :, low:high][inside] = covered(other[number], size)[:, low - left : high - left][
                inside
            ]
        out.append(shown)
    return out

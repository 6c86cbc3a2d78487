"""What a dub of an odd file should be, by other tools than the product, and what it is."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import ceil, floor
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a part of odd_media.py; it measures nothing alone
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import numpy as np
import odd_players as players
from PIL import Image, ImageOps

COUNTED = {  # without true times: frames count in file order
    *("v_bframes.avi", "n_xvid_b.avi", "n_noctts.mp4", "d_cut.avi", "v_raw.h264", "v_raw.mjpeg", "v_raw.mjpg"),
    "v_resize.h264",
}
JOINED = {"v_cat_back.ts", "v_cat_restart.ts", "v_resize.ts", "n_resize.ts"}
TWICE = {"a_monostereo.ts", "a_rates.aac"}  # the same words two times over: no one time fits best
NOWHERE = -1  # the place of a frame whose time lies before that of a frame shown already
HELD_FIRST = {
    "d_nokey.ts": 8
}  # frames before the first that can be decoded, which is held in their place, as by -vsync cfr
REFUSED = {  # inputs that cannot be dubbed, and a word of the reason
    "d_nomoov.mp4": "moov|cut|read|Invalid",
    "d_text.mp4": "read|Invalid",
    "d_zero.mp4": "empty|read|Invalid",
    "d_cutfast.mp4": "cut off",
    "d_cut.avi": "cut off",
    "v_anim.webp": "animated",
    "a_empty.wav": "sound|audio|empty",
}
WARNED = {  # a word of the warning that docs/odd-inputs.md promises
    **dict.fromkeys(("v_cat_back.ts", "v_cat_restart.ts", "v_resize.ts"), "clock"),
    **dict.fromkeys(("v_bframes.avi", "n_noctts.mp4", "v_raw.h264", "v_raw.mjpeg", "v_raw.mjpg"), "counted"),
    **dict.fromkeys(("n_resize.ts", "v_resize.h264"), "size"),
    **dict.fromkeys(("v_interlaced.mp4", "v_i.mpg"), "interlaced"),
    **dict.fromkeys(("v_hdr10.mp4", "v_pq10.mp4"), "HDR"),
    **dict.fromkeys(("v_full444p10.mkv", "v_gray10.mp4", "v_ramp10.mkv", "v_prores.mov", "s_gray16.png"), "bits"),
    **dict.fromkeys(("v_alpha.mov", "v_alpha.webm", "s_rgba.png", "s_ya8.png"), "transparent"),
    **dict.fromkeys(("d_cut.mkv", "v_lie.mkv", "v_lie.mp4"), "header"),
    "a_antiphase.wav": "channel",
    "a_silent.wav": "silen",
}
CLIP = 10.0  # levels beyond which a difference is no larger: a mouth that was drawn anew
DOUBT = (0.25, 1.15)  # levels, and share, by which the right frame may be farther than the nearest
COLOURS = 8.0  # mean levels by which the first frame's colours may differ outside the face


@dataclass(frozen=True)
class Row:
    """One dub of a table; `odd` is the input that it is about."""

    id: str
    video: Path
    audio: Path
    odd: Path


@dataclass
class Outcome:
    """What became of a row: result is ok, refused, no_face, wrong, crash."""

    result: str
    detail: str = ""
    warnings: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    packed: str = ""


@cache
def source_of(path: Path) -> players.Look | None:
    """The file as an independent player shows it; pictures with an orientation as Pillow shows them."""
    return players.look(upright(path), players.BEFORE.get(path.name, ""))


@cache
def upright(path: Path) -> Path:
    try:
        with Image.open(path) as picture:
            if picture.getexif().get(274, 1) == 1 or getattr(picture, "n_frames", 1) > 1:
                return path
            turned = path.parent.parent / "talk" / f"{path.name}.upright.png"
            ImageOps.exif_transpose(picture).convert("RGB").save(turned)
            return turned
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return path


def is_still(path: Path, look: players.Look) -> bool:
    return len(look.grey) == 1 or path.suffix.lower() in {".jpg", ".png"}


def places_of(path: Path, look: players.Look, rate: Fraction) -> tuple[list[int], int]:
    """(place of each source frame on the grid, places of the grid)."""
    if path.name in COUNTED or len(look.times) < len(look.grey):
        return list(range(len(look.grey))), len(look.grey)
    first = HELD_FIRST.get(path.name, 0)
    places = [first + floor((t - look.times[0]) * rate + Fraction(1, 2)) for t in look.times]
    places = [
        NOWHERE if place < max(places[: n + 1]) else place for n, place in enumerate(places)
    ]  # the clock went back
    packets = players.probed(path, "-select_streams", "v:0", "-show_packets").get("packets", [])
    stamped = [p for p in packets if "pts" in p]
    last = float(max(stamped, key=lambda p: int(p["pts"])).get("duration_time", 0)) if stamped else 0.0
    return places, max(places) + max(1, floor(last * float(rate) + 0.5))


def expected(path: Path, look: players.Look, rate: Fraction, count: int, loop: str) -> list[int]:
    """The source frame (ordinal in `look`) that each of ``count`` output frames should show."""
    if is_still(path, look):
        return [0] * count
    places, length = places_of(path, look, rate)
    shown = []
    for k in range(count):
        at = {"restart": k % length, "freeze": min(k, length - 1)}.get(loop, -1)
        if at < 0:
            at = k % max(1, 2 * (length - 1))
            at = at if at < length else 2 * (length - 1) - at
        shown.append(max((n for n, place in enumerate(places) if NOWHERE < place <= at), default=0))
    return shown


def judge(row: Row, result: dict[str, Any], output: Path, loop: str) -> Outcome:
    """Compare a finished dub with its source."""
    source, seen = source_of(row.video), players.look(output, players.cut(row.video))
    outcome = Outcome("ok", warnings=tuple(result.get("warnings") or ()), packed=players.packed_hash(output))
    if source is None or seen is None:
        outcome.result, outcome.faults = (
            "wrong",
            ["made, but FFmpeg shows no picture of " + ("source" if seen else "dub")],
        )
        return outcome
    still = is_still(row.video, source)
    rate = Fraction(25) if still else source.rate
    outcome.faults = players.timing_faults(output, rate) + shape_faults(row.video, output)
    heard = players.sound(row.audio)
    frames = ceil(Fraction(len(heard), 16000) * rate)
    if not row.id.startswith("own-") and abs(len(seen.grey) - frames) > (row.odd == row.audio):
        outcome.faults.append(f"{len(seen.grey)} frames, not {frames}")
    if result.get("frames") not in (None, len(seen.grey)):
        outcome.faults.append(f"its row says {result['frames']} frames, it has {len(seen.grey)}")
    order = expected(row.video, source, rate, len(seen.grey), loop)
    wrong, how = differences(source, seen, order)
    if wrong:
        first = ", ".join(f"{k}: {want} not {got}" for k, want, got in wrong[:6])
        outcome.faults.insert(0, f"{len(wrong)} of {len(order)} frames wrong ({how}; output: source frame): {first}")
    outcome.faults += colour_faults(row.video, output, order[0])
    outcome.faults += (
        [] if row.id.startswith("own-") or row.odd.name in TWICE else sound_faults(heard, players.sound(output))
    )
    promised = WARNED.get(row.odd.name)
    if promised and "warnings" in result and not any(re.search(promised, warning) for warning in outcome.warnings):
        outcome.faults.append(f"no warning of “{promised}” among {list(outcome.warnings)}")
    if row.odd.name in REFUSED:
        outcome.faults.append("made, though it cannot be")
    outcome.result = "wrong" if outcome.faults else "ok"
    outcome.detail = f"{len(order)} frames by {how}"
    return outcome


def differences(source: players.Look, seen: players.Look, order: list[int]) -> tuple[list[tuple[int, int, int]], str]:
    """((output frame, right source frame, shown one) of those that are wrong, how they were told apart)."""
    for turn in (slice(None), slice(None, None, -1)):
        one = players.Look(source.grey[:, turn, turn], [], source.rate).marks
        two = players.Look(seen.grey[:, turn, turn], [], seen.rate).marks
        if sum(mark != players.NO_MARK for mark in one) * 2 > len(one):
            return [(k, one[j] - 1, two[k] - 1) for k, j in enumerate(order) if one[j] != two[k]], "marks"
    border = np.zeros((80, 100), bool)
    border[:30], border[:, :12], border[:, 88:] = True, True, True
    there, here = source.small[:, border], seen.small[:, border]
    apart = np.minimum(np.abs(there[1:] - there[:-1]), CLIP).mean(1) if len(there) > 1 else np.zeros(1)
    wrong = []
    for k, j in enumerate(order):
        far = np.minimum(np.abs(there - here[k]), CLIP).mean(1)
        if far[j] > far.min() * DOUBT[1] + DOUBT[0] or far[j] > CLIP / 3:
            wrong.append((k, j, int(far.argmin())))
    return wrong, f"border, frames {float(np.median(apart)):.2f} levels apart"


def shape_faults(video: Path, output: Path) -> list[str]:
    one, two = players.streams(upright(video)).get("video", {}), players.streams(output).get("video", {})
    turned = any(abs(int(side.get("rotation", 0))) % 180 == 90 for side in one.get("side_data_list", []))
    size = [int(one.get("width", 0)), int(one.get("height", 0))][:: -1 if turned else 1]
    even = [side + side % 2 for side in size]
    if even != [two.get("width"), two.get("height")] and not video.suffix.lower().startswith((".ts", ".h26")):
        return [f"{two.get('width')} × {two.get('height')} pixels, not {even[0]} × {even[1]}"]
    wide = [Fraction(s.get("sample_aspect_ratio", "1:1").replace(":", "/").replace("0/1", "1/1")) for s in (one, two)]
    return [] if turned or wide[0] == wide[1] else [f"pixel aspect {wide[1]}, not {wide[0]}"]


def colour_faults(video: Path, output: Path, number: int) -> list[str]:
    if number or video.name in {"v_facelate.mp4", "v_interlaced.mp4"}:
        return []
    before = players.BEFORE.get(video.name, "")
    one, two = players.rgb(upright(video), 0, before), players.rgb(output, 0, players.cut(video))
    if one is None or two is None:
        return ["no colours to compare"]
    away = np.abs(one - two)[np.r_[0:26, 64:80]].mean()
    return [f"colours of the first frame are {away:.0f} levels off"] if away > COLOURS else []


def sound_faults(heard: np.ndarray[Any, Any], said: np.ndarray[Any, Any]) -> list[str]:
    """Whether the output's sound is the input's, at its time."""
    if len(heard) < 1600 or np.abs(heard).max() < 1e-4:
        return []
    size = 1 << (len(heard) + len(said)).bit_length()
    together = np.fft.irfft(np.fft.rfft(said, size) * np.conj(np.fft.rfft(heard, size)), size)
    at = int(np.abs(together).argmax())
    likeness = abs(together[at]) / (np.linalg.norm(heard) * np.linalg.norm(said) + 1e-9)
    late = (at if at < size // 2 else at - size) / 16
    if likeness < 0.5:
        return [f"its sound is another one (likeness {likeness:.2f})"]
    return [f"its sound is {late:.0f} ms late"] if abs(late) > 15 else []

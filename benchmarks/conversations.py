"""Whether who speaks is found: montages of talking people, by kind of conversation, of people kept apart from the tuning.

    uv run python benchmarks/conversations.py OUT CORPUS --half report

OUT keeps what is decoded, made and looked at; a second run only decides anew. CORPUS is a folder with `videos`, `grid` and `train`;
montages.py says which people are in which half. "Right" is the part of frames in which the one who speaks is in view, and
is found; "moved" the part of all frames in which somebody is taken to speak who does not: neither just before or after the
own turn, nor in the pause beside it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for clips, montages and what is seen in them")
    parser.add_argument("corpus", type=Path, help="folder with videos, grid and train")
    parser.add_argument("--half", choices=("tune", "report"), default="report", help="whose people are shown")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13], help="one montage of each kind for each")
    parser.add_argument("--seconds", type=float, default=16.0, help="of a montage, about")
    parser.add_argument("--raw", action="store_true", help="leave each clip's sound as far off as its file has it")
    parser.add_argument("--kinds", nargs="+", help="of conversation; all, if nothing is said")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import montages
import numpy as np

from lipsync_ray.faces.speaking import USUAL, Decision
from lipsync_ray.faces.table import read_table
from lipsync_ray.faces.talking import MouthSamples
from lipsync_ray.inputs.audio_features import AudioSource
from lipsync_ray.inputs.face_tables import Detect, TableOrder, face_rows, make_table
from lipsync_ray.inputs.talking_tables import FindTalking, SpeakersOrder, decide_speakers, talking_rows
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import probe_video

SHORT = 50  # frames: a turn of less than two seconds
NEAR = 3  # frames to either side of a turn in which its speaker may be taken to speak


class Looker:
    """Looks at files, once each: their faces and what every mouth does."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._detect: Any = None
        self._talking: Any = None

    def order(self, path: Path) -> SpeakersOrder:
        """What is to be decided of a video; costs in milliseconds a frame are printed when it is looked at."""
        info, name = probe_video(str(path)), path.stem
        folder = self._out / "seen" / name
        table = folder / "faces.parquet"
        begun = time.process_time()
        if not table.exists():
            self._detect = self._detect or Detect("cpu")
            scans = face_rows(name, info, str(folder / "scans"), 6.0)
            for scan in scans:
                self._detect(scan)
            make_table(TableOrder(name, info, tuple(scan.url for scan in scans), str(table)))
        looked = time.process_time()
        rows = talking_rows(name, info, str(table), str(folder / "mouths"))
        if fresh := [row for row in rows if not Path(row.url).exists()]:
            self._talking = self._talking or FindTalking("cpu")
            count = sum(self._talking(row) for row in fresh)
            cost = (looked - begun, time.process_time() - looked)
            print(
                f"{name}: faces {1000 * cost[0] / info.frames:.1f} ms/frame, mouths {1000 * cost[1] / info.frames:.1f} ms/frame, {1000 * cost[1] / max(1, count):.1f} ms/mouth",
                flush=True,
            )
        sound = AudioSource(
            SoundTrack(str(path), begin_s=info.origin_s),
            name,
            False,
            str(self._out / "sounds"),
            "speech-mel",
            voice=True,
        )
        return SpeakersOrder(
            name, info, str(table), sound, tuple(row.url for row in rows), str(folder / "speakers.json")
        )


def opening_of(order: SpeakersOrder) -> Any:
    """(n,) opening of the largest mouth of a video at 25 frames a second; NaN where there is none."""
    mouths = MouthSamples.joined([MouthSamples.from_bytes(Path(url).read_bytes()) for url in order.parts])
    tracks = read_table(order.table)
    out = np.full(int(order.video.duration_s * montages.RATE) + 2, np.nan)
    if len(mouths.track):
        widths = {
            track: np.median((tracks.box[:, 2] - tracks.box[:, 0])[tracks.track == track])
            for track in np.unique(mouths.track)
        }
        own = mouths.track == max(widths, key=lambda track: widths[track])
        out[mouths.place[own]] = mouths.opening[own]
    return out


def clips_of(half: str, corpus: Path, out: Path, raw: bool, looker: Looker) -> dict[str, list[montages.Clip]]:
    """Person → decoded clips."""
    cache = out / "clips"
    cache.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[montages.Clip]] = {}
    for source in montages.HALVES[half]:
        opening = opening_of(looker.order(corpus / source.file))
        found.setdefault(source.person, []).append(montages.clip_of(source, corpus, cache, raw, opening))
    return found


def measured(decision: Decision, order: SpeakersOrder, truth: Any) -> dict[str, int]:
    """Counts of frames."""
    tracks, speaker = read_table(order.table), truth["speaker"]
    frames = len(speaker)
    said = np.full(frames, montages.NOBODY)  # person of the truth who is taken to speak
    shown = np.zeros(frames, bool)
    place = np.clip((tracks.box[:, 0] + tracks.box[:, 2]) / 2 // montages.SIDE, 0, truth["shown"].shape[1] - 1).astype(
        int
    )
    who = truth["shown"][tracks.frame, place]
    shown[tracks.frame[who == speaker[tracks.frame]]] = True
    shown &= speaker != montages.NOBODY
    under = truth["under"].max(axis=1)
    for turn in decision.turns:
        rows = (
            (tracks.person == turn.person)
            & (tracks.frame >= round(turn.start_s * 25))
            & (tracks.frame < round(turn.end_s * 25))
        )
        at = tracks.frame[rows]
        faded = (under[at] != montages.NOBODY) & (under[at] == speaker[at])
        said[at] = np.where(faded, speaker[at], who[rows])
    taken = said != montages.NOBODY
    right = taken & (said == speaker)
    known = np.flatnonzero(speaker != montages.NOBODY)
    after = np.searchsorted(known, np.arange(frames)).clip(0, len(known) - 1)
    beside = (speaker == montages.NOBODY) & (
        (said == speaker[known[after]]) | (said == speaker[known[np.maximum(after - 1, 0)]])
    )
    near = np.zeros(frames, bool)
    for person in range(len(truth["people"])):
        near |= (said == person) & (np.convolve(speaker == person, np.ones(2 * NEAR + 1), "same") > 0)
    lengths = np.bincount(truth["turn"][truth["turn"] >= 0])
    short = (truth["turn"] >= 0) & (lengths[np.maximum(truth["turn"], 0)] < SHORT)
    moved = taken & ~right & ~beside
    return {
        "frames": frames,
        "shown": int(shown.sum()),
        "right": int((right & shown).sum()),
        "short": int((shown & short).sum()),
        "short_right": int((right & shown & short).sum()),
        "moved": int(moved.sum()),
        "moved_far": int((moved & ~near).sum()),
    }


def line(name: str, counts: list[dict[str, int]]) -> str:
    """A row of the table of figures."""
    total = {key: sum(one[key] for one in counts) for key in counts[0]}
    parts = (
        total["right"] / max(1, total["shown"]),
        total["short_right"] / max(1, total["short"]),
        total["moved"] / total["frames"],
        total["moved_far"] / total["frames"],
    )
    return f"| {name} | {total['frames']} | " + " | ".join(f"{100 * part:.1f} %" for part in parts) + " |"


def main(arguments: argparse.Namespace) -> None:
    looker = Looker(arguments.out)
    clips: dict[str, list[montages.Clip]] = {}
    found: dict[str, list[dict[str, int]]] = {}
    sure: list[tuple[float, float]] = []
    for seed in arguments.seeds:
        for kind in arguments.kinds or montages.KINDS:
            late = (5 * seed + 2 * montages.KINDS.index(kind)) % 7 - 3
            path = arguments.out / f"{arguments.half}-{kind}-{seed}{'-raw' if arguments.raw else ''}.mp4"
            if not path.with_suffix(".truth.npz").exists():
                clips = clips or clips_of(arguments.half, arguments.corpus, arguments.out, arguments.raw, looker)
                montages.write(montages.made(kind, clips, seed, arguments.seconds, late), path)
            order = looker.order(path)
            decision = decide_speakers(order, USUAL)
            with np.load(path.with_suffix(".truth.npz")) as truth:
                counts = measured(decision, order, truth)
                sure += certainties(decision, order, truth)
            found.setdefault(kind, []).append(counts)
            print(
                f"{line(path.stem, [counts])} source {late} frames late, found {-round(25 * decision.late_s)}",
                flush=True,
            )
    print(
        "| montages | frames | right | right, turns under 2 s | moved | moved, 3 frames from the own turn |\n|---|---|---|---|---|---|"
    )
    for kind, several in found.items():
        print(line(kind, several))
    print(line("all", [one for own in found.values() for one in own]))
    for low, high in ((0.0, 0.7), (0.7, 0.9), (0.9, 1.01)):
        some = [part for said, part in sure if low <= said < high]
        if some:
            print(
                f"turns of confidence {low:.1f} to {min(high, 1):.1f}: {len(some)}, of whose frames {100 * np.mean(some):.0f} % are right"
            )


def certainties(decision: Decision, order: SpeakersOrder, truth: Any) -> list[tuple[float, float]]:
    """Of each turn its confidence, and the part of its frames in which somebody speaks that is right."""
    tracks, speaker, out = read_table(order.table), truth["speaker"], []
    place = np.clip((tracks.box[:, 0] + tracks.box[:, 2]) / 2 // montages.SIDE, 0, truth["shown"].shape[1] - 1).astype(
        int
    )
    who = truth["shown"][tracks.frame, place]
    for turn in decision.turns:
        rows = (
            (tracks.person == turn.person)
            & (tracks.frame >= round(turn.start_s * 25))
            & (tracks.frame < round(turn.end_s * 25))
        )
        spoken = speaker[tracks.frame[rows]] != montages.NOBODY
        if spoken.any():
            out.append((turn.confidence, float((who[rows] == speaker[tracks.frame[rows]])[spoken].mean())))
    return out


if __name__ == "__main__":
    main(ARGUMENTS)

"""Whether lips move alike however a voice was recorded: quiet, loud, clipped, by telephone, coded.

    uv run python benchmarks/loudness.py CORPUS [WORK] [--dub VIDEO]

Eight seconds of each voice of CORPUS/audio are made worse by FFmpeg's command in each of the ways below. A row says how the
opening that `warp` hears in them correlates with that of the clean recording (least and mean over voices), and how far the mouth
opens at most beside it (least and largest). With `--dub`, the video is dubbed with each of them besides, by `warp` and by `mini`,
and the same is told of the openings that the face mesh finds in the dubbed frames. WORK keeps what was made.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--dub", type=Path, metavar="VIDEO")
    parser.add_argument("--voices", type=int, default=99, help="only so many of them")
    parser.add_argument("--kinds", default="", help="only these, with semicolons between")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import csv
import re
import subprocess
import sys
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

import lipsync_ray
from lipsync_ray.faces.mesh import SPEAKING, gap_of
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clip_features import ClipFeatures, ExtractClipFeatures
from lipsync_ray.jobs.train.clips import Clip, ClipOrder
from lipsync_ray.media import mel
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.media.speech_mel import speech_mel
from lipsync_ray.models.generators import GENERATORS
from lipsync_ray.models.lip_poses import LipPoses
from lipsync_ray.models.weights import by_name

SECONDS, RATE = 8, Fraction(25)
KINDS = {
    "clean": ("-c:a pcm_f32le", "wav"),
    **{f"{gain:+} dB": (f"-af volume={gain}dB -c:a pcm_f32le", "wav") for gain in (-70, -40, -20, 20)},
    **{
        f"{gain:+} dB, 16 bits": (f"-af volume={gain}dB -c:a pcm_s16le", "wav")
        for gain in (-40, -20, -10, 12, 20, 25, 30)
    },
    "8 bits": ("-c:a pcm_u8", "wav"),
    **{f"{rate / 1000:g} kHz": (f"-ar {rate} -c:a pcm_s16le", "wav") for rate in (8000, 11025, 22050, 44100, 96000)},
    "µ-law": ("-ar 8000 -c:a pcm_mulaw", "wav"),
    "telephone band": ("-af highpass=f=300,lowpass=f=3400,aresample=8000 -c:a pcm_s16le", "wav"),
    "Opus, 16 kbit/s": ("-c:a libopus -b:a 16k -application voip", "opus"),
    "Opus, 8 kbit/s": ("-c:a libopus -b:a 8k -application voip", "opus"),
    "MP3, 24 kbit/s": ("-ar 16000 -c:a libmp3lame -b:a 24k", "mp3"),
    "AMR, 12.2 kbit/s": ("-ar 8000 -c:a libopencore_amrnb -b:a 12.2k", "amr"),
}
F64 = NDArray[np.float64]


def made(voice: Path, kind: str, folder: Path) -> Path | None:
    """A voice, made worse; None where this FFmpeg cannot."""
    options, suffix = KINDS[kind]
    name = "-".join(re.findall(r"[\w.+-]+", kind))
    path = folder / f"{voice.stem}-{name}.{suffix}"
    if not path.exists():
        source, first = (voice, ["-t", str(SECONDS)]) if kind == "clean" else (made(voice, "clean", folder), [])
        command = ["ffmpeg", "-nostdin", "-y", "-v", "error", *first, "-i", str(source), "-vn", "-ac", "1"]
        if subprocess.run([*command, *options.split(), str(path)], capture_output=True).returncode:
            path.unlink(missing_ok=True)
            return None
    return path


class Ears:
    """What `warp` hears."""

    def __init__(self) -> None:
        spec = next(spec for spec in GENERATORS if spec.name == "warp")
        self._window, self._model = spec.audio, LipPoses(by_name("warp").here(), "cpu")
        steps = self._model.basis.directions
        self._opening = (steps[:, SPEAKING.index(14)] - steps[:, SPEAKING.index(13)])[:, 1]

    def __call__(self, path: Path) -> F64:
        """(n,) opening of 25 frames a second, in eye distances beyond the rest."""
        track = SoundTrack(str(path))
        sound = probe_audio(track)
        columns = np.concatenate(list(speech_mel(track, sound, None)))
        starts = np.array([self._window.first(frame, RATE) for frame in range(int(sound.duration_s * RATE))], np.int64)
        heard = mel.windows(columns, starts, 0, len(columns), self._window.columns, silent_end=True)
        return np.asarray(self._model(heard) @ self._opening, np.float64)


def drawn(video: Path, sounds: list[Path], model: str, folder: Path) -> dict[Path, F64]:
    """(n,) opening that the face mesh finds in the dubs of a video, in eye distances."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "table.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio"), *((s.name, video.absolute(), s) for s in sounds)])
    settings = lipsync_ray.DubSettings(model=model, length="audio", loop="pingpong")
    run = lipsync_ray.dub_table(table, folder / "run", settings=settings, workers=lipsync_ray.Workers(engine="inline"))
    look, found = ExtractClipFeatures("cpu"), {}
    for result in run.results:
        url = str(folder / "seen" / f"{result.id}-{result.fingerprint}.npz")
        assert result.output is not None, result.error
        print(result.id, result.warnings, file=sys.stderr)
        if not storage.exists(url):
            look(ClipOrder(result.id, Clip(result.id, result.output), "", url))
        lips = ClipFeatures.from_bytes(storage.read_bytes(url)).lips
        found[next(sound for sound in sounds if sound.name == result.id)] = gap_of(lips.astype(np.float64))
    return found


def compared(openings: F64, clean: F64) -> tuple[float, float]:
    """Correlation, and how far the mouth opens at most beside the clean one: both beyond the clean one's narrowest."""
    count = min(len(openings), len(clean))
    ours, theirs = openings[:count], clean[:count]
    known = ~np.isnan(ours) & ~np.isnan(theirs)
    ours, theirs = ours[known], theirs[known]
    return float(np.corrcoef(ours, theirs)[0, 1]), float((ours.max() - theirs.min()) / (theirs.max() - theirs.min()))


def cells(openings: dict[Path, F64], voices: list[dict[str, Path]], kind: str) -> str:
    there = [voice for voice in voices if kind in voice]
    pairs = [compared(openings[voice[kind]], openings[voice["clean"]]) for voice in there]
    if not pairs:
        return "– | –"
    r, most = np.array(pairs).T
    return f"{r.min():.2f}, {r.mean():.2f} | {most.min():.2f} – {most.max():.2f}"


def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        work: Path = (arguments.work or Path(scratch)).absolute()
        (work / "sounds").mkdir(parents=True, exist_ok=True)
        asked = [kind for kind in KINDS if kind == "clean" or not arguments.kinds or kind in arguments.kinds.split(";")]
        found = sorted((arguments.corpus / "audio").iterdir())[: arguments.voices]
        voices = [
            {kind: path for kind in asked if (path := made(voice, kind, work / "sounds")) is not None}
            for voice in found
        ]
        every = [path for voice in voices for path in voice.values()]
        ears = Ears()
        columns = {"heard by `warp`": {path: ears(path) for path in every}}
        if arguments.dub is not None:
            for model in ("warp", "mini"):
                columns[f"drawn by `{model}`"] = drawn(arguments.dub, every, model, work / model)
        names = [f"{name}: r, least and mean | opens at most" for name in columns]
        print(f"| {len(voices)} voices | " + " | ".join(names) + " |\n|---" + "|---|---" * len(columns) + "|")
        for kind in asked[1:]:
            print(f"| {kind} | " + " | ".join(cells(openings, voices, kind) for openings in columns.values()) + " |")


if __name__ == "__main__":
    main(ARGUMENTS)

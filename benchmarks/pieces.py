"""How often the judges find that a dub goes with its own sound, and when, by pieces of five seconds.

    uv run python benchmarks/pieces.py RUN [RUN …]

RUN is the folder of a finished dub run of one face a video and several sounds; each piece is compared with the same time of
every sound that another row of the run has.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from fractions import Fraction


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of finished dub runs")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from lipsync_ray.faces.detect import detection_size, mtcnn_detector
from lipsync_ray.faces.mesh import KEPT, cut_square, gap_of, speaking_of, square_of_box
from lipsync_ray.faces.patch import cut_mouth
from lipsync_ray.io.results import read_results
from lipsync_ray.media import audio, decode, mel
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import probe_video
from lipsync_ray.metrics import judges
from lipsync_ray.models import sync_judge
from lipsync_ray.models.face_mesh import Mesher
from lipsync_ray.models.judge import expected_openings

PIECE, STEP = 125, 62  # places of 40 ms
ALIKE = 0.3  # correlation of what is heard in two sounds from which on they are one


@dataclass(frozen=True)
class Dub:
    """What is seen and heard of a dub, 25 places a second: openings and the sync judge's points, of lips and of sound."""

    opening: NDArray[np.float32]
    lips: NDArray[np.float32]
    heard: NDArray[np.float32]
    sound: NDArray[np.float32]


def looked_at(url: str, mesher: Mesher) -> Dub:
    info = probe_video(url, Fraction(25))
    width, height = detection_size(info.width, info.height)
    small = next(decode.small_rgb(info, 0, 1, width, height, decode.FrameIssues()))
    box = mtcnn_detector("cpu")(small).box[0] * np.tile((info.width / width, info.height / height), 2)
    squares = [cut_square(picture, square_of_box(box)) for picture in decode.pictures(info, 0, info.frames)]
    cuts = [cut for cut in squares if cut is not None]
    assert len(cuts) == info.frames, f"{url}: a face that leaves the frame"
    points = mesher(np.stack(cuts))[0][:, list(KEPT)]
    mouths = np.stack([cut_mouth(cut, own) for cut, own in zip(cuts, points, strict=True)])
    samples = np.concatenate(list(audio.speech_blocks(SoundTrack(url, begin_s=info.origin_s))))
    columns = mel.mel_spectrogram(samples).T
    opening = gap_of(speaking_of(points)).astype(np.float32)
    lips = sync_judge.follow(sync_judge.encode_mouths(mouths))
    return Dub(opening, lips, expected_openings(columns), sync_judge.encode_sound(columns))


def row(run: str) -> list[str]:
    mesher = Mesher("cpu")
    dubs = [looked_at(result.output, mesher) for result in read_results(run) if result.output]
    first: dict[str, list[bool]] = {"heard": [], "agree": []}
    near: dict[str, list[bool]] = {"heard": [], "agree": []}
    for dub in dubs:
        others = [o for o in dubs if (judges.correlation(dub.heard, o.heard) or 0.0) < ALIKE]
        for start in range(0, len(dub.opening) - PIECE + 1, STEP):
            at = slice(start, start + PIECE)
            heard = judges.openness_at_lags(dub.opening[at], dub.heard[at])
            agree = judges.sync_at_lags(dub.lips[at], dub.sound[at])
            for name, own in (("heard", heard), ("agree", agree)):
                if own is not None:
                    near[name].append(abs(own.lag) <= 1)
            for other in others:
                if len(other.heard) < start + PIECE:
                    continue
                r = judges.correlation(dub.opening[at], other.heard[at])
                cosine = judges.sync_cosine(dub.lips[at], other.sound[at])
                if heard is not None and r is not None:
                    first["heard"].append(heard.r > r)
                if agree is not None and cosine is not None:
                    first["agree"].append(agree.r > cosine)
    cells = [f"{sum(found[name])} of {len(found[name])}" for name in ("heard", "agree") for found in (first, near)]
    return [run, *cells]


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    titles = ["run", "heard: own before another", "heard: lag ≤ 1", "agree: own before another", "agree: lag ≤ 1"]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    lines += ["| " + " | ".join(row(run)) + " |" for run in arguments.runs]
    Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(ARGUMENTS)

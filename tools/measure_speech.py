"""Measure how the bands of speech's mel lie, for lipsync_ray/media/data/speech_bands.npz, and how loud the clips are.

    uv run python tools/measure_speech.py CLIPS [CLIPS …] [--most 500]

CLIPS are folders of videos or sounds of people who talk. Each is brought to the level that the models hear it at; the covariance is
stored in half precision.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np

from lipsync_ray.media import mel, speech_bands
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.media.speech_mel import LEVEL_LUFS, levelled_blocks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=500, help="clips, drawn with a fixed seed")
    arguments = parser.parse_args()
    paths = sorted(path for folder in arguments.clips for path in folder.iterdir() if path.is_file())
    random.Random(0).shuffle(paths)
    levels, columns, loudness = speech_bands.BandLevels(), [], []
    for path in paths[: arguments.most]:
        track = SoundTrack(str(path))
        sound = probe_audio(track)
        if sound.loudness_lufs is None:
            continue
        loudness.append(sound.loudness_lufs)
        heard = mel.mel_spectrogram(np.concatenate(list(levelled_blocks(track, sound, None, LEVEL_LUFS)))).T
        levels.add(heard)
        columns.append(heard)
    every = np.concatenate(columns)
    usual = levels.high()
    assert usual is not None, "nothing but silence"
    mean, covariance = every.mean(axis=0), np.cov(every.T)
    speech_bands.FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        speech_bands.FILE,
        mean=mean.astype(np.float32),
        covariance=covariance.astype(np.float16),
        usual=usual.astype(np.float32),
    )
    quantiles = np.percentile(loudness, (0, 1, 5, 25, 50, 75, 95, 99, 100)).round(1)
    print(
        f"{len(loudness)} clips, {len(every):,} columns; LUFS at 0, 1, 5, 25, 50, 75, 95, 99, 100 %: {quantiles.tolist()}"
    )


if __name__ == "__main__":
    main()

"""Mel input of the project's own models: speech normalised to one level.

Clipped samples are reconstructed (:mod:`lipsync_ray.media.clipping`), the loudness by EBU R 128 becomes
:data:`LEVEL_LUFS`, and missing bands are filled in (:mod:`lipsync_ray.media.speech_bands`). Published models use their
own front end, at the file's level.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media import loudness, mel, speech_bands
from lipsync_ray.media.audio import SoundTrack, Span, speech_blocks
from lipsync_ray.media.sound_probe import Sound

F32 = NDArray[np.float32]

VERSION = 2  # raise when the same sound gives other columns
# Median of the models' training clips, in one channel. Between −10 and −30 LUFS, predictions match real lips best at
# −14 to −18.
LEVEL_LUFS = -17.0
# 1st and 99th percentile of 500 clips of people who talk (tools/measure_speech.py), in one channel. The training data
# of published models are unknown.
USUAL_SPEECH_LUFS = (-32.0, -9.0)
VOICE_CHUNK = 512  # samples per probability of Silero: 32 ms
VOICED = 0.5  # Silero's probability from which a chunk counts as speech
VOICE_LUFS = -28.0  # for Silero, which takes loud whispering for noise


def levelled_blocks(
    track: SoundTrack, sound: Sound, span: Span | None, wanted: float, repair: bool = True
) -> Iterator[F32]:
    """The sound as 16 kHz mono at a target level, (n,) float32, which may exceed ±1.

    Parameters
    ----------
    sound : probe of the whole track: level and clipping do not depend on the span
    wanted : target in LUFS; at most 75 dB are added
    repair : reconstruct clipped samples
    """
    blocks = speech_blocks(track, span, sound.cancels, sound.ceiling if repair else None)
    # Whole decibels: a changed line of a long sound seldom changes the gain, and with it every column.
    return loudness.amplified(blocks, float(round(loudness.gain_db(sound.loudness_lufs, wanted))))


def speech_mel(track: SoundTrack, sound: Sound, span: Span | None) -> Iterator[F32]:
    """(columns, 80) float32 mel, time first, in pieces. Decodes the sound twice: missing bands are known only at its
    end.

    Parameters
    ----------
    sound : as in :func:`levelled_blocks`
    """
    levels = speech_bands.BandLevels()
    for columns in mel.mel_blocks(levelled_blocks(track, sound, None, LEVEL_LUFS)):
        levels.add(columns)
    missing = levels.missing()
    for columns in mel.mel_blocks(levelled_blocks(track, sound, span, LEVEL_LUFS)):
        yield speech_bands.filled(columns, missing) if missing.any() else columns

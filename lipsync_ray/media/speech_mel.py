"""The mel that the project's own models hear: of speech brought to one level, however it was recorded.

What was cut off at full scale is drawn anew (:mod:`lipsync_ray.media.clipping`), the loudness by EBU R 128 becomes
:data:`LEVEL_LUFS`, and bands that the recording does not carry are filled in (:mod:`lipsync_ray.media.speech_bands`).
Published models hear their own front end, at the level of the file.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media import loudness, mel, speech_bands
from lipsync_ray.media.audio import SoundTrack, Span, speech_blocks
from lipsync_ray.media.sound_probe import Sound

F32 = NDArray[np.float32]

VERSION = 1  # raise when the same sound would be heard otherwise
# The median of the clips that taught the models, heard in one channel. Of −10 … −30 LUFS, lips of people who
# talk are followed best at −14 to −18.
LEVEL_LUFS = -17.0
# 1 and 99 % of 500 clips of people who talk (tools/measure_speech.py), in one channel. What published models were taught is
# not published.
USUAL_SPEECH_LUFS = (-32.0, -9.0)
VOICED = 0.5  # probability, by Silero, from which on somebody speaks
VOICE_LUFS = -28.0  # for Silero's detector, which takes loud whispering for noise


def levelled_blocks(
    track: SoundTrack, sound: Sound, span: Span | None, wanted: float, repair: bool = True
) -> Iterator[F32]:
    """The sound as 16 kHz mono at a level, (n,) float32, which may exceed ±1.

    Parameters
    ----------
    sound : what the whole track is: its level and its clipping do not depend on the span
    wanted : LUFS; at most 75 dB are added
    repair : draw anew what is cut off
    """
    blocks = speech_blocks(track, span, sound.cancels, sound.ceiling if repair else None)
    return loudness.amplified(blocks, loudness.gain_db(sound.loudness_lufs, wanted))


def speech_mel(track: SoundTrack, sound: Sound, span: Span | None) -> Iterator[F32]:
    """(columns, 80) float32 mel, time first, in pieces. Decodes the sound twice: which bands it lacks is known at its end.

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

"""When not to believe what Whisper writes: the signs by which its paper decodes again (Radford et al. 2022, section 4.5).

A text that was decoded again until it passed was still drawn by chance where the temperature is high, and one that passed
may hold no sense: letters of several scripts in a line say so.
"""

from __future__ import annotations

from lipsync_ray.media.languages import strange_scripts

LEAST_LOG_PROBABILITY = -1.0  # mean of a window's tokens
MOST_COMPRESSION = 2.4  # times that gzip shortens a text: more repeats itself
MOST_NO_SPEECH = 0.6
MOST_TEMPERATURE = 0.5  # above, Whisper itself gives a text no part in what follows


def doubts(
    text: str,
    language: str,
    log_probability: float,
    compression_ratio: float,
    temperature: float,
    no_speech_probability: float,
) -> str | None:
    """Why a text is uncertain; None where nothing speaks against it.

    Parameters
    ----------
    language : that the text is written in
    log_probability, compression_ratio, temperature, no_speech_probability : as in :class:`~lipsync_ray.models.spoken.Phrase`
    """
    reasons = []
    if log_probability < LEAST_LOG_PROBABILITY:
        reasons.append(f"improbable, {log_probability:.2f} a token")
    if compression_ratio > MOST_COMPRESSION:
        reasons.append(f"repeats itself, compresses {compression_ratio:.1f} times")
    if temperature > MOST_TEMPERATURE:
        reasons.append(f"sampled at temperature {temperature:.1f}")
    if no_speech_probability > MOST_NO_SPEECH:
        reasons.append(f"no speech by {no_speech_probability:.0%}")
    if scripts := strange_scripts(text, language):
        reasons.append(f"letters of {', '.join(scripts)}")
    return "; ".join(reasons) or None

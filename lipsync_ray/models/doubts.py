"""Flags unreliable Whisper transcripts, by the thresholds at which Whisper decodes again (Radford et al. 2022, section
4.5).

At a high temperature a text is sampled until it passes these thresholds, so it may still be wrong. Letters of several
scripts in a line are another sign.
"""

from __future__ import annotations

from lipsync_ray.media.languages import strange_scripts

LEAST_LOG_PROBABILITY = -1.0  # mean over the tokens of a window
MOST_COMPRESSION = 2.4  # gzip ratio; repetitive text compresses more
MOST_NO_SPEECH = 0.6
MOST_TEMPERATURE = 0.5  # above it, Whisper does not use a text as context for the next window


def doubts(
    text: str,
    language: str,
    log_probability: float,
    compression_ratio: float,
    temperature: float,
    no_speech_probability: float,
) -> str | None:
    """Why a text is uncertain; None if nothing indicates it.

    Parameters
    ----------
    language : language of the text
    log_probability, compression_ratio, temperature, no_speech_probability : as in
    :class:`~lipsync_ray.models.spoken.Phrase`
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

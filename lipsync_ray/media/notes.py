"""Warnings about properties of a file that a dub cannot keep: one sentence each, for the row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from av.stream import Disposition

from lipsync_ray.media.choices import Deinterlace
from lipsync_ray.media.container import ALPHA_MODE, picture_streams
from lipsync_ray.media.picture import known_matrix
from lipsync_ray.media.sound_probe import Sound
from lipsync_ray.media.speech_mel import USUAL_SPEECH_LUFS
from lipsync_ray.media.stamps import Stamps
from lipsync_ray.media.subtitles import text_streams
from lipsync_ray.media.time_code import fits, time_code_of
from lipsync_ray.media.transparency import has_alpha, is_transparent

FAINT_LUFS = -40.0
_CLIPPED = 0.01  # share of the samples: less is inaudible
_NO_VOICE = 0.5  # of the sound
_ENDS_EARLY_S = Fraction(3, 10)  # a header that exceeds the content by this and a twentieth gives a warning


def of_container(container: Any, stream: Any, stamps: Stamps) -> tuple[str, ...]:
    """Content of a file that no output has, and a header longer than the content."""
    found = []
    others = []
    subtitles = container.streams.subtitles
    unread = [one for one in subtitles if one not in text_streams(container)]
    if unread:
        names = sorted({one.codec_context.name if one.codec_context else "unknown" for one in unread})
        others.append(f"subtitles that are no text ({len(unread)}: {', '.join(names)})")
    if (pictures := len(picture_streams(container))) > 1:
        others.append(f"other picture streams ({pictures - 1})")
    if covers := sum(bool(one.disposition & Disposition.attached_pic) for one in container.streams.video):
        others.append(f"cover pictures ({covers})")
    if attached := sum(one.type == "attachment" for one in container.streams):
        others.append(f"attachments, such as fonts ({attached})")
    if others:
        found.append(f"not carried over: {', '.join(others)}")
    if container.duration and not stamps.joins and stamps.packets > 1:
        end = stamps.ends_s - Fraction(container.start_time or 0, 1_000_000)
        declared = Fraction(container.duration, 1_000_000)
        if declared - end > max(_ENDS_EARLY_S, declared / 20):
            found.append(f"its header gives {float(declared):.2f} s, it ends at {float(end):.2f} s: is it cut off?")
    return tuple(found)


def of_side_content(container: Any, stream: Any, order: str, rate: Fraction) -> tuple[str, ...]:
    """What a file has besides pictures and sound that cannot be carried over because of its clock or rate."""
    found = []
    texts, chapters = len(text_streams(container)), len(container.chapters())
    if order != "stamps" and (texts or chapters):
        found.append(
            f"not carried over: subtitles ({texts}), chapters ({chapters}), whose clock is not that of its frames"
        )
    if (code := time_code_of(container, stream)) and not fits(code, rate):
        found.append(
            f"not carried over: the time code {code[:20]}, which a video of {float(rate):.5g} frames/s cannot have"
        )
    return tuple(found)


def of_order(order: str, joins: int, frames: int, rate: Fraction) -> tuple[str, ...]:
    """A warning if frames are not numbered by the file's times."""
    if order == "joined":
        return (f"its clock is reset {joins} time{'s' * (joins > 1)}; the pieces were joined in file order",)
    if order == "count":
        return (f"it has no times, or wrong ones; its {frames} frames were counted, at {float(rate):.5g} a second",)
    return ()


def of_frames(frame: Any, stream: Any, deinterlace: Deinterlace | None) -> tuple[str, ...]:
    """What no output keeps of frames; for what a codec does not keep see :func:`lipsync_ray.media.codecs.losses`.

    Parameters
    ----------
    deinterlace : how they become progressive; None where they are
    """
    found = []
    if deinterlace == "bwdif-fields":
        found.append("interlaced: it was deinterlaced, each field a frame")
    elif deinterlace is not None:
        found.append("interlaced: it was deinterlaced, as many frames as before")
    if stream.metadata.get(ALPHA_MODE) == "1" and not has_alpha(frame):
        found.append("its transparency cannot be read here: the pixels stored under it are shown")
    if not frame.format.is_rgb and not known_matrix(int(frame.colorspace)):
        found.append(f"its colour matrix (code {int(frame.colorspace)}) is unknown: colours of faces may be wrong")
    return tuple(found)


def shows_ground(frame: Any, stream: Any) -> bool:
    """Whether a stream has transparent areas, or later frames may."""
    palette = len(frame.format.components) == 1
    return is_transparent(frame) or (stream.frames > 1 and has_alpha(frame) and not palette)


def of_size(stored: tuple[int, int], size: tuple[int, int]) -> tuple[str, ...]:
    """A warning if a picture was shrunk."""
    if stored == size:
        return ()
    return (f"{stored[0]} × {stored[1]} pixels were shrunk to {size[0]} × {size[1]}: players show no larger video",)


def of_sound(sound: Sound, voiced: float | None) -> tuple[str, ...]:
    """Warnings about a sound, for every model.

    Parameters
    ----------
    voiced : share of it, 0–1, with speech; None if not measured
    """
    found = [sound.cut_off] if sound.cut_off else []
    if sound.cancels:
        found.append("the two channels of its sound are in opposite phase and cancel out; the lips follow the left one")
    if sound.loudness_lufs is None:
        return tuple(found)
    if voiced is not None and 1 - voiced >= _NO_VOICE:
        found.append(f"no voice in {math.floor(100 * (1 - voiced))} % of the sound")
    if sound.loudness_lufs < FAINT_LUFS:
        level = f"{sound.loudness_lufs:.0f}".replace("-", "−")
        found.append(f"its sound is very quiet: {level} LUFS, speech is usually near −23")
    if sound.clipped >= _CLIPPED:
        found.append(f"its sound is clipped: {100 * sound.clipped:.0f} % of its samples")
    return tuple(found)


def of_level(sound: Sound) -> tuple[str, ...]:
    """A warning if speech is unusually loud or quiet, for a model that uses the file's own level."""
    low, high = USUAL_SPEECH_LUFS
    if sound.loudness_lufs is None or low <= sound.loudness_lufs <= high:
        return ()
    return (
        f"its sound has {sound.loudness_lufs:.0f} LUFS, and this model does not normalise loudness: lips may move "
        f"too much or too little. Speech usually has {low:.0f} to {high:.0f}".replace("-", "−"),
    )


def of_streams(streams: Sequence[str], used: str) -> tuple[str, ...]:
    """Which of several audio streams is used."""
    if len(streams) < 2:
        return ()
    return (f"it has {len(streams)} audio streams ({', '.join(streams)}); {used} is used",)

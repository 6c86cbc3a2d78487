"""The audio tracks that a video has itself, to be kept in another one: copied where the container holds them."""

from __future__ import annotations

from fractions import Fraction

from lipsync_ray.errors import DecodeError, ProbeError
from lipsync_ray.media.audio import SoundTrack, Span, sound_stream
from lipsync_ray.media.container import opened
from lipsync_ray.media.mixer import SURROUNDS
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.sound_codecs import codec_in, may_copy
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.media.sound_writers import AudioCopy, AudioTrack, VideoSound, title_of


def own_sounds(
    video: VideoInfo, until_s: Fraction | None = None, container: str = "mp4"
) -> tuple[tuple[VideoSound, ...], tuple[str, ...]]:
    """The tracks, the default one first, and a sentence for each that cannot be read.

    Parameters
    ----------
    until_s : seconds after the first frame at which they are cut off; None for their ends
    container : that is to hold them

    Raises
    ------
    ProbeError, ChangedError : the video cannot be read
    """
    found: list[tuple[int, str, str | None, str, int]] = []
    if video.has_audio:
        with opened(video.url, planned=video.content) as source:
            streams = source.streams.audio
            first = sound_stream(source, SoundTrack(video.url))
            for number, stream in sorted(enumerate(streams), key=lambda one: one[1] is not first):
                codec = stream.codec_context
                found.append(
                    (
                        number,
                        codec.name if codec else "unknown",
                        stream.language,
                        title_of(stream),
                        codec.channels if codec else 0,
                    )
                )
    tracks: list[VideoSound] = []
    notes = []
    for number, codec, language, title, channels in found:
        if video.order == "stamps" and may_copy(codec, container):
            tracks.append(AudioCopy(video.url, video.origin_s, video.content, number, until_s))
            continue
        track = SoundTrack(video.url, begin_s=video.origin_s, content=video.content, number=number)
        try:
            sound = probe_audio(track)
        except (ProbeError, DecodeError) as error:
            notes.append(f"its own audio track {number + 1} ({codec}) is left out: {error}")
            continue
        lasts = min(sound.duration_s, video.duration_s if until_s is None else until_s)
        tracks.append(
            AudioTrack(
                track,
                Span(0, sound.samples),
                lasts,
                language,
                codec_in(container, None),
                title,
                SURROUNDS.get(channels),
            )
        )
    return tuple(tracks), tuple(notes)

"""What the finished video sounds like: background, loudness, tracks. It changes no picture."""

from dataclasses import dataclass
from typing import Annotated, Any

from lipsync_ray import addresses
from lipsync_ray.errors import SettingsError
from lipsync_ray.media.choices import AudioCodec, VoiceChannel
from lipsync_ray.media.sound_codecs import codec_in
from lipsync_ray.settings.checks import check, values_of
from lipsync_ray.settings.options import Option, described

_PANEL = "Sound"


@described
@dataclass(frozen=True)
class SoundSettings:
    """What the finished video sounds like. It changes no picture: finished videos are joined again with another sound."""

    background: Annotated[
        str,
        Option(
            "What is heard behind the voice: source (the video's own sound, where it is one without a voice), a file, or none. A "
            "table's column background comes first.",
            panel=_PANEL,
            metavar="SOUND",
        ),
    ] = "none"
    background_gain: Annotated[
        float, Option("Decibels that the background is amplified by.", panel=_PANEL, least=-60, most=20, unit="dB")
    ] = 0.0
    duck: Annotated[
        float,
        Option(
            "Decibels that the background is lowered by while the voice is heard.",
            panel=_PANEL,
            least=0,
            most=60,
            unit="dB",
        ),
    ] = 0.0
    voice_channel: Annotated[
        VoiceChannel,
        Option(
            "With a background of 5.1 or 7.1 channels: stereo mixes it down; center keeps its channels and adds the voice to "
            "the centre; center-only puts the voice in place of its centre.",
            panel=_PANEL,
        ),
    ] = "stereo"
    loudness: Annotated[
        float | None,
        Option(
            "Integrated loudness of the result by EBU R 128, such as -23, -16 or -14.",
            panel=_PANEL,
            least=-40,
            most=-5,
            unit="LUFS",
        ),
    ] = None
    true_peak: Annotated[
        float | None,
        Option(
            "Largest true peak of the result. By default -1 with --loudness.",
            panel=_PANEL,
            least=-20,
            most=0,
            unit="dBTP",
        ),
    ] = None
    keep_audio: Annotated[bool, Option("Keep the source's own audio tracks behind the dubbed one.", panel=_PANEL)] = (
        False
    )
    codec: Annotated[
        AudioCodec | None,
        Option("Codec of the dubbed track; by default aac, in webm opus.", flag="--audio-codec", panel=_PANEL),
    ] = None

    def __post_init__(self) -> None:
        check(self)
        if not self.background.strip():
            raise SettingsError("--background: empty; expected source, a file, or none")

    @property
    def peak(self) -> float | None:
        """Largest true peak in dBTP; None for no limiter."""
        return -1.0 if self.true_peak is None and self.loudness is not None else self.true_peak

    def record(self) -> dict[str, Any]:
        """What of it a run's record tells."""
        return values_of(self) | {"background": addresses.address(self.background)}

    def decides(self, background: object, container: str) -> tuple[Any, ...] | None:
        """What changes a dub's sound; None where all is as by default.

        Parameters
        ----------
        background : what its background is, by content; None for none
        container : of the result
        """
        mix = (background, float(self.background_gain), float(self.duck), self.voice_channel) if background else None
        level = self.loudness, self.peak
        made = (
            mix,
            tuple(None if one is None else float(one) for one in level),
            self.keep_audio,
            codec_in(container, self.codec),
        )
        return None if made == (None, (None, None), False, codec_in(container, None)) else made

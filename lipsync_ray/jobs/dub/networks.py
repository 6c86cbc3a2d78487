"""The networks that a dub's settings name: on this machine, checked, and fit for what else the settings say."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.crop import Pads
from lipsync_ray.faces.parsed import PARSED_BLENDS
from lipsync_ray.models import generators, musetalk_files, weights
from lipsync_ray.models.lip_sync import GeneratorSpec
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.restoration.weights import Restoration, resolve
from lipsync_ray.settings import DubSettings


@dataclass(frozen=True)
class Networks:
    """What draws, and what helps.

    Attributes
    ----------
    generator, checkpoint : the lip-sync model, and its weights
    restoration : what restores the faces, where that is asked for
    parser : what says which pixels of a face may be drawn, where the way to blend needs it, or could use it and it is here
    """

    generator: GeneratorSpec
    checkpoint: Checkpoint
    restoration: Restoration | None = None
    parser: Checkpoint | None = None


def networks(settings: DubSettings, fetching: weights.Progress | None = None, fetch: bool = True) -> Networks:
    """The networks of settings.

    Parameters
    ----------
    fetch : whether weights have to be on this machine afterwards

    Raises
    ------
    WeightsError, CheckpointError, ModelError
    SettingsError : a setting that this model has no use for
    """
    checkpoint = generators.resolve(settings.model, fetching, fetch)
    generator = generators.spec_of(checkpoint)
    _check(settings, generator)
    restoration = resolve(settings.restore, fetching, fetch) if settings.restore else None
    return Networks(generator, checkpoint, restoration, _parser(settings, generator, checkpoint, fetching, fetch))


def _parser(
    settings: DubSettings,
    generator: GeneratorSpec,
    checkpoint: Checkpoint,
    fetching: weights.Progress | None,
    fetch: bool,
) -> Checkpoint | None:
    if settings.blend in PARSED_BLENDS:
        return musetalk_files.part(checkpoint, musetalk_files.PARSER, fetching, fetch)
    if settings.blend is None and generator.blend in PARSED_BLENDS:
        return musetalk_files.parser_if_here(checkpoint)
    return None


def _check(settings: DubSettings, generator: GeneratorSpec) -> None:
    """Refuse what would do nothing, or what this model was not made for."""
    name = generator.name
    if settings.reference is not None and settings.reference not in generator.references:
        shown = f"{name} is shown the frame as it is" if generator.references else f"{name} is shown no reference"
        raise SettingsError(f"--reference {settings.reference}: {shown}; leave it out")
    if generator.sampling is not None:
        _check_head(settings, name)
    elif settings.head is not None:
        raise SettingsError(
            "--steps, --guidance, --seed, --head-side, --paste-back and --parity are for EchoMimic, which draws a head anew; "
            f"{name} has no use for them: leave them out"
        )
    half = generator.box == "half-face"
    if settings.close_in_silence and generator.audio.front_end.startswith("whisper"):
        raise SettingsError(f"--close-in-silence: {name} hears Whisper's features, which know no silence; leave it out")
    if (half or generator.sampling) and settings.pads != Pads():
        takes = "from landmarks, not from a detector's" if half else "as it was taught: half a face of surroundings"
        raise SettingsError(f"--pads: {name} takes its box {takes}; leave it out")
    if settings.blend in PARSED_BLENDS and generator.encode is None:
        raise SettingsError(f"--blend {settings.blend} is for MuseTalk; {name} takes feather or hard")
    if settings.bbox_shift is not None and not (half and generator.shifts):
        raise SettingsError("--bbox-shift is for --model musetalk-v1, which was taught with it; leave it out")
    if settings.extra_margin is not None and not (half and not generator.shifts):
        raise SettingsError("--extra-margin is for --model musetalk, which was taught with it; leave it out")


def _check_head(settings: DubSettings, name: str) -> None:
    """Refuse what edits a video's own frames."""
    if settings.restore is not None:
        raise SettingsError(
            f"--restore: {name} draws a new head, which has no landmarks yet; run `lipsync-ray enhance` on the finished run, which "
            "finds them"
        )
    if settings.blend is not None:
        raise SettingsError(f"--blend: {name} draws a whole head, there is no seam in it; leave it out")
    if settings.loop != "pingpong":
        raise SettingsError(f"--loop: {name} animates one frame, as long as there is sound; leave it out")
    if settings.decoder != "cpu":
        raise SettingsError(f"--decoder {settings.decoder}: {name} needs one frame of a video; leave it out")

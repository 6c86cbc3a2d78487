"""What a dub sounds like besides its voice: its background, its level, the source's own tracks; and finished videos that
only need another sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from lipsync_ray.engine.stages import Failure
from lipsync_ray.errors import SettingsError
from lipsync_ray.inputs import audio_features
from lipsync_ray.inputs.backgrounds import BackgroundSource, FoundBackground, look_at_background
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import SOURCE, Dub
from lipsync_ray.io.results import VOICES, Drawn, Result
from lipsync_ray.jobs.dub.assemble import VideoOrder, make_video
from lipsync_ray.jobs.dub.voices import subtitles_of
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.choices import Container
from lipsync_ray.media.codecs import container_of, video_name
from lipsync_ray.media.lines import MixedTrack
from lipsync_ray.media.mastering import Level
from lipsync_ray.media.mixer import STEREO, SURROUNDS
from lipsync_ray.media.sound_codecs import ABILITIES, codec_in
from lipsync_ray.media.sound_writers import AudioTrack
from lipsync_ray.media.soundtrack import NOTE, Background, Soundtrack
from lipsync_ray.provenance.claims import Claim, MadeFile
from lipsync_ray.provenance.kept import provenance_columns
from lipsync_ray.settings import DubSettings
from lipsync_ray.settings.sound import SoundSettings

if TYPE_CHECKING:  # the run, of which workers need not know
    from lipsync_ray.jobs.dub.inputs import DubRun
    from lipsync_ray.jobs.dub.state import DubState

VERSION = 1  # raise when the same inputs and settings would give another sound
_ENDS_EARLY_S = Fraction(3, 10)
_SPEAKS_S = 1.0  # in a background: less may be a mistake of the detector


def check_options(settings: SoundSettings, container: Container, dubs: list[Dub]) -> None:
    """See that options for a background have one, and that the container holds the codec.

    Raises
    ------
    SettingsError
    """
    codec, held = codec_in(container, settings.codec), ABILITIES[container].encoded
    if codec not in held:
        others = " or ".join(name for name, one in ABILITIES.items() if codec in one.encoded)
        raise SettingsError(
            f"--audio-codec {codec}: a .{container} takes {', '.join(sorted(held))}; --container {others} takes {codec}"
        )
    plain = SoundSettings()
    given = {
        "--background-gain": settings.background_gain != plain.background_gain,
        "--duck": settings.duck != plain.duck,
        "--voice-channel": settings.voice_channel != plain.voice_channel,
    }
    option = next((name for name, is_given in given.items() if is_given), None)
    if option and all(dub.background is None for dub in dubs):
        raise SettingsError(f"{option} is for --background, or a column background; add one, or leave the option out")


def background_url(dub: Dub) -> str | None:
    """The file of a dub's background; None without one."""
    return dub.video if dub.background == SOURCE else dub.background


def sound_digest(settings: DubSettings, dub: DubState) -> str | None:
    """Changes with what a dub sounds like besides its voice; None where all is as by default."""
    background = dub.background and (dub.row.background == SOURCE, dub.background[1])
    made = settings.sound.decides(background, container_of(settings.coding))
    return None if made is None else storage.digest(VERSION, *made)


def look_at_backgrounds(run: DubRun) -> None:
    """Look at each distinct background, and end dubs whose background cannot be heard."""
    wanted: dict[str, BackgroundSource] = {}
    users: dict[str, list[DubState]] = {}
    for dub in list(run.active.values()):
        if dub.background is None or dub.info is None:
            continue
        own = dub.row.background == SOURCE
        if own and not dub.info.has_audio:
            run.fail(dub, Failure("background", f"{dub.row.video}: --background source, but it has no sound"))
            continue
        url, content = dub.background
        track = SoundTrack(url, begin_s=dub.info.origin_s if own else None, content=content)
        listens = own and run.settings.sound.voice_channel != "center-only"
        key = storage.digest("background", content, own, str(track.begin_s), listens)
        wanted[key] = BackgroundSource(track, key, run.url(audio_features.FOLDER), listens)
        users.setdefault(key, []).append(dub)
    for source, found in run.context.map_tasks("background", look_at_background, wanted.values()):
        for dub in users[source.key]:
            if isinstance(found, Failure):
                run.fail(dub, found)
            else:
                dub.found_background = found


def notes_of_sound(run: DubRun, dub: DubState) -> list[str]:
    """What a person should know of a dub's background and tracks before it is made."""
    settings, found = run.settings.sound, dub.found_background
    assert dub.info is not None
    notes = []
    if settings.keep_audio and not dub.info.has_audio:
        notes.append("--keep-audio: the source has no audio track")
    if found is not None:
        lasts = Fraction(dub.frames) / dub.info.rate
        if found.voiced_s is not None and found.voiced_s >= _SPEAKS_S:
            notes.append(
                f"somebody speaks for {found.voiced_s:.0f} s in the source's own sound; --background source is meant for "
                "a sound without a voice"
            )
        if found.sound.loudness_lufs is None:
            notes.append("the background is silent")
        if lasts - found.sound.duration_s > _ENDS_EARLY_S:
            notes.append(
                f"the background ends at {float(found.sound.duration_s):.2f} s; only the voice is heard after it"
            )
        if found.sound.cut_off:
            notes.append(f"the background: {found.sound.cut_off}")
        if settings.voice_channel != "stereo" and _wide(found) is None:
            notes.append(
                f"--voice-channel {settings.voice_channel}: the background has {found.channels} channels, and no centre "
                "of 5.1 or 7.1; the voice is in all channels"
            )
    return [f"{NOTE}{note}" for note in notes]


def _wide(found: FoundBackground) -> int | None:
    """Channels of a background that has those of 5.1 or 7.1; None of another one."""
    return SURROUNDS.get(found.channels)


def soundtrack_of(run: DubRun, dub: DubState) -> Soundtrack:
    """What a dub's sounds are made of."""
    assert dub.info is not None
    assert dub.speech is not None
    settings, found = run.settings.sound, dub.found_background
    container = container_of(run.settings.coding)
    codec = codec_in(container, settings.codec)
    lasts = Fraction(dub.frames) / dub.info.rate
    spoken_s = dub.fitted.lasts_s if dub.fitted is not None else dub.speech.duration_s
    sounding = min(lasts, spoken_s) if run.settings.length != "video" and found is None else lasts
    if dub.fitted is None:
        voice: AudioTrack | MixedTrack = AudioTrack(
            dub.speech.track, dub.speech.span, sounding, dub.row.language, codec
        )
    else:
        voice = MixedTrack(dub.fitted.lines, dub.fitted.how, sounding, dub.row.language, codec)
    background = None
    if found is not None:
        channels = _wide(found) if settings.voice_channel != "stereo" else None
        background = Background(
            found.track,
            found.sound.sample_rate,
            channels or min(STEREO, found.channels),
            settings.background_gain,
            settings.duck,
            channels is not None and settings.voice_channel == "center-only",
        )
    return Soundtrack(
        voice,
        background,
        Level(settings.loudness, settings.peak),
        _voice_url(run, dub),
        dub.info if settings.keep_audio else None,
        container,
    )


def _voice_url(run: DubRun, dub: DubState) -> str | None:
    """Where the voice of a dub with a background goes."""
    return run.url(VOICES, f"{dub.id}.flac") if dub.background is not None else None


def sound_columns(run: DubRun, dub: DubState, made: MadeFile) -> dict[str, object]:
    """Columns of a finished row that describe its sound."""
    return {
        "sound": sound_digest(run.settings, dub),
        "voice": _voice_url(run, dub),
        "loudness_lufs": made.loudness_lufs,
        "true_peak_db": made.true_peak_db,
    }


def join_again(run: DubRun, claims: Mapping[str, Claim]) -> None:
    """Give finished videos of the run another sound; their pictures are copied.

    Parameters
    ----------
    claims : id → what a video says of itself
    """
    orders = []
    for dub in run.active.values():
        if (before := dub.finished) is None or dub.info is None:
            continue
        url = run.url("videos", video_name(dub.id, run.settings.coding))
        orders.append(
            VideoOrder(
                dub.id,
                ((0, url),),
                before.frames or dub.frames,
                dub.info.rate,
                soundtrack_of(run, dub),
                url,
                ((dub.row.video, dub.content), *dub.heard),
                None,
                claims[dub.id],
                run.marking,
                partial(_same, before.drawn),
                dub.info,
                subtitles_of(dub),
            )
        )
    if orders:
        run.log(f"{len(orders)} of {len(run.ids)} dubs were done before, and only their sound has changed")
    for order, made in run.context.map_tasks("join", make_video, orders):
        dub = run.active[order.key]
        if isinstance(made, Failure):
            run.fail(dub, made)
            continue
        assert dub.finished is not None
        run.end(_row(run, dub, dub.finished, made, claims[order.key]))


def _same(drawn: tuple[Drawn, ...] | None) -> tuple[Drawn, ...] | None:
    return drawn


def _row(run: DubRun, dub: DubState, before: Result, made: MadeFile, claim: Claim) -> Result:
    kept = [note for note in before.warnings if not note.startswith(NOTE)]
    own = [note for note in (*dub.warnings, *made.notes) if note.startswith(NOTE)]
    if before.voice is not None and dub.background is None:
        storage.remove(run.url(VOICES, f"{dub.id}.flac"))
    columns = provenance_columns(run.marking, claim) | sound_columns(run, dub, made)
    return replace(
        before,
        run=run.id,
        background=dub.row.background,
        output=made.url,
        warnings=(*kept, *own),
        consent=claim.consent,
        rights=claim.rights,
        **columns,
    )

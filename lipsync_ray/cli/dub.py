"""``lipsync-ray dub``: a table of dubs, or one pair."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape

from lipsync_ray.cli.head_options import Guidance, HeadSide, Parity, PasteBack, Seed, Steps, head_settings
from lipsync_ray.cli.line_options import FitOption, MaxStretch, line_settings
from lipsync_ray.cli.logs import LogFile, Verbose, log_to
from lipsync_ray.cli.mark_options import (
    LabelCorner,
    LabelFont,
    LabelOption,
    LabelSeconds,
    WatermarkKey,
    WatermarkOption,
    mark_settings,
)
from lipsync_ray.cli.options import (
    Actors,
    Address,
    Attempts,
    Batch,
    DecoderOption,
    EngineOption,
    ExitZero,
    Gpus,
    Model,
    Out,
    PrecisionOption,
    Profile,
    Protocols,
    Restore,
    RestoreMask,
    RestoreRegion,
    RestoreStrength,
    Segment,
    end,
    engine_of,
    restore_settings,
)
from lipsync_ray.cli.provenance_options import (
    ConsentInManifest,
    Provenance,
    SignCert,
    SignCommand,
    SignKey,
    Tsa,
    provenance_settings,
)
from lipsync_ray.cli.quote import DryRun, PriceCpu, PriceGpu, QuoteCpus, QuoteGpus, RatesOption, dry_run
from lipsync_ray.io.console import console_for

if TYPE_CHECKING:
    from lipsync_ray.io.results import Summary

Face = Annotated[
    str, typer.Option(help="Who speaks where several are seen: largest, center, left, right.", rich_help_panel="Lips")
]
PadsOption = Annotated[
    tuple[float, float, float, float],
    typer.Option(
        help="Top, bottom, left, right: parts of its own height by which a face box grows.", rich_help_panel="Lips"
    ),
]
BlendOption = Annotated[
    str | None,
    typer.Option(
        help="feather, or hard for the original's rectangle; for musetalk also jaw, raw, neck, by a face parser "
        "(bisenet). By default feather; for musetalk jaw, and raw for musetalk-v1, where the parser's weights are here.",
        rich_help_panel="Lips",
    ),
]
ShiftOption = Annotated[
    int | None,
    typer.Option(
        help="For musetalk-v1: pixels by which its box is moved down; more opens the mouth wider.",
        rich_help_panel="Lips",
    ),
]
MarginOption = Annotated[
    int | None,
    typer.Option(
        help="For musetalk: pixels below the chin that its box takes in (10 by default).", rich_help_panel="Lips"
    ),
]
ReferenceOption = Annotated[
    str | None,
    typer.Option(
        help="What the model is shown of the person: current, or closed (the same frame, its mouth closed: no leak of what "
        "the source says). By default closed for mini, current for wav2lip.",
        rich_help_panel="Lips",
    ),
]
CloseOption = Annotated[
    bool | None,
    typer.Option(
        "--close-in-silence/--no-close-in-silence",
        help="Close the mouth where nobody speaks (voice activity). By default warp does, the others do not.",
        rich_help_panel="Lips",
    ),
]
LengthOption = Annotated[
    str, typer.Option(help="What the output lasts as long as: audio, video, shortest.", rich_help_panel="Length")
]
LoopOption = Annotated[
    str,
    typer.Option(help="How a video that is too short goes on: pingpong, restart, freeze.", rich_help_panel="Length"),
]
TrimOption = Annotated[
    bool, typer.Option("--trim-silence", help="Cut the audio's leading and trailing silence.", rich_help_panel="Length")
]
StillRate = Annotated[
    str,
    typer.Option(
        help="Frames/s of a picture used as a video; a fraction such as 30000/1001 is fine.", rich_help_panel="Length"
    ),
]
AnalysisOption = Annotated[
    str | None,
    typer.Option(
        "--analysis",
        help="analysis.parquet of lipsync-ray analyze: what is impossible by it is not tried.",
    ),
]
RequireConsent = Annotated[
    bool,
    typer.Option(
        "--require-consent",
        help="Refuse a table with rows whose column consent is empty.",
        rich_help_panel="Provenance",
    ),
]
Crf = Annotated[
    float,
    typer.Option(help="x264 quality: 0 lossless, 18 looks like the source, 23 smaller.", rich_help_panel="Encoding"),
]
Preset = Annotated[str, typer.Option(help="x264 speed: ultrafast … veryslow.", rich_help_panel="Encoding")]


def dub(
    source: Annotated[
        str,
        typer.Argument(
            help="A table (CSV, JSON lines, Parquet) with columns video, audio or cues, and optionally id, face, language, consent, rights; or a video."
        ),
    ],
    audio: Annotated[
        str | None, typer.Argument(help="The audio, where SOURCE is a video. A video's own audio track will do.")
    ] = None,
    out: Out = "",
    analysis: AnalysisOption = None,
    model: Model = "wav2lip_gan",
    face: Face = "auto",
    pads: PadsOption = (0.0, 0.05, 0.0, 0.0),
    blend: BlendOption = None,
    bbox_shift: ShiftOption = None,
    extra_margin: MarginOption = None,
    reference: ReferenceOption = None,
    close_in_silence: CloseOption = None,
    precision: PrecisionOption = "auto",
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = None,
    head_side: HeadSide = None,
    paste_back: PasteBack = False,
    parity: Parity = False,
    restore: Restore = "none",
    restore_mask: RestoreMask = "ellipse",
    restore_region: RestoreRegion = "face",
    restore_strength: RestoreStrength = 1.0,
    length: LengthOption = "audio",
    loop: LoopOption = "pingpong",
    trim_silence: TrimOption = False,
    fit: FitOption = "cut",
    max_stretch: MaxStretch = None,
    still_rate: StillRate = "25",
    crf: Crf = 18,
    preset: Preset = "veryfast",
    decoder: DecoderOption = "cpu",
    provenance: Provenance = "tags",
    sign_cert: SignCert = None,
    sign_key: SignKey = None,
    sign_command: SignCommand = None,
    tsa: Tsa = None,
    consent_in_manifest: ConsentInManifest = "hashed",
    require_consent: RequireConsent = False,
    watermark: WatermarkOption = False,
    watermark_key: WatermarkKey = None,
    label: LabelOption = None,
    label_seconds: LabelSeconds = "5",
    label_corner: LabelCorner = "top-left",
    label_font: LabelFont = None,
    actors: Actors = None,
    gpus_per_actor: Gpus = None,
    batch: Batch = None,
    segment: Segment = None,
    attempts: Attempts = None,
    profile: Profile = None,
    address: Address = None,
    engine: EngineOption = "auto",
    allow_protocols: Protocols = None,
    exit_zero: ExitZero = False,
    log_file: LogFile = None,
    verbose: Verbose = False,
    dry: DryRun = False,
    rates: RatesOption = None,
    cpus: QuoteCpus = None,
    gpus: QuoteGpus = None,
    price_cpu: PriceCpu = None,
    price_gpu: PriceGpu = None,
) -> None:
    """Make faces speak: one video and one audio, or a whole table of them.

    Run the same command again after it was stopped: what was finished is kept.
    """
    from lipsync_ray import api
    from lipsync_ray.errors import SettingsError
    from lipsync_ray.faces.crop import Pads
    from lipsync_ray.io import protocols
    from lipsync_ray.io.out_folder import is_video
    from lipsync_ray.io.user_tables import is_folder, is_table
    from lipsync_ray.media.encode import VideoCoding
    from lipsync_ray.profiles import workers_of
    from lipsync_ray.settings import DubSettings

    log_to(log_file, verbose)
    if not out:
        raise SettingsError("-o is missing: where the results go")
    protocols.allow(allow_protocols)
    try:
        rate = Fraction(still_rate)
    except (ValueError, ZeroDivisionError):
        raise SettingsError(f"--still-rate {still_rate}: expected a number or a fraction") from None
    settings = DubSettings(
        model=model,
        face=face,  # type: ignore[arg-type]
        pads=Pads(*pads),
        blend=blend,  # type: ignore[arg-type]
        bbox_shift=bbox_shift,
        extra_margin=extra_margin,
        length=length,  # type: ignore[arg-type]
        loop=loop,  # type: ignore[arg-type]
        trim_silence=trim_silence,
        still_rate=rate,
        coding=VideoCoding(crf, preset),
        decoder=decoder,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        reference=reference,  # type: ignore[arg-type]
        close_in_silence=close_in_silence,
        restore=restore_settings(restore, restore_mask, restore_region, restore_strength),
        lines=line_settings(fit, max_stretch),
        head=head_settings(steps, guidance, seed, head_side, paste_back, parity),
        provenance=provenance_settings(provenance, sign_cert, sign_key, sign_command, tsa, consent_in_manifest),
        marks=mark_settings(watermark, watermark_key, label, label_seconds, label_corner, label_font),
    )
    kind = engine_of(engine, address, None if audio is None else (source, audio))
    workers = workers_of(profile, actors, gpus_per_actor, batch, segment, attempts, address, kind)
    asked = {"--rates": rates, "--cpus": cpus, "--gpus": gpus, "--price-cpu": price_cpu, "--price-gpu": price_gpu}
    if not dry and (said := next((option for option, value in asked.items() if value is not None), None)):
        raise SettingsError(f"{said} is for --dry-run, which plans and does nothing")
    if audio is not None:
        if dry:
            raise SettingsError("--dry-run is for a table of dubs")
        for option, value in (("--analysis", analysis), ("--require-consent", require_consent)):
            if value:
                raise SettingsError(f"{option} is for a table of dubs")
        summary = api.dub(source, audio, out, settings=settings, workers=workers)
        if summary.complete and is_video(out):
            console_for().print(f"{escape(out)}: {summary.results[0].frames} frames", highlight=False, soft_wrap=True)
            raise typer.Exit(0)
        exit_with(summary, exit_zero)
    if not is_table(source):
        what = "a folder; " if is_folder(source) else ""
        raise SettingsError(
            f"{source}: {what}a single video needs its audio as the second argument; a table ends in .csv, .jsonl or .parquet"
        )
    if dry:
        dry_run(source, out, settings, workers, rates, cpus, gpus, price_cpu, price_gpu)
        raise typer.Exit(0)
    exit_with(
        api.dub_table(
            source, out, settings=settings, workers=workers, analysis=analysis, require_consent=require_consent
        ),
        exit_zero,
    )


def exit_with(summary: Summary, exit_zero: bool = False) -> NoReturn:
    """Show what a run came to, and end the command with its status."""
    from lipsync_ray.cli.summary_table import print_summary

    print_summary(summary, console_for())
    end(summary.complete, summary.results, exit_zero)

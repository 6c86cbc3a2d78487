"""``lipsync-ray enhance``."""

from __future__ import annotations

from typing import Annotated

import typer

from lipsync_ray.cli.dub import exit_with
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
    EngineOption,
    ExitZero,
    Gpus,
    OutFolder,
    Profile,
    Protocols,
    RestoreMask,
    RestoreRegion,
    RestoreStrength,
    Segment,
    engine_of,
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


def enhance(
    sources: Annotated[list[str], typer.Argument(help="The folder of a finished dub run, or videos and pictures.")],
    out: OutFolder,
    restore: Annotated[
        str, typer.Option(help="gfpgan, or a checkpoint of it.", rich_help_panel="Restoration")
    ] = "gfpgan",
    restore_mask: RestoreMask = "ellipse",
    restore_region: RestoreRegion = "face",
    restore_strength: RestoreStrength = 1.0,
    restore_detector: Annotated[
        str,
        typer.Option(
            help="table: tracked faces, landmarks smoothed; retinaface: GFPGAN's own detector on every frame.",
            rich_help_panel="Restoration",
        ),
    ] = "table",
    upscale: Annotated[int, typer.Option(help="2 makes the video twice as large.", rich_help_panel="Restoration")] = 1,
    face: Annotated[
        str | None,
        typer.Option(
            help="Whose faces: all, largest, center, left, right. Default: the dubbed face of a run, all of a video.",
            rich_help_panel="Restoration",
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16, fp16.", rich_help_panel="Restoration")] = "auto",
    crf: Annotated[float, typer.Option(help="x264 quality: 0 lossless, 18 like the source.")] = 18,
    preset: Annotated[str, typer.Option(help="x264 speed: ultrafast … veryslow.")] = "veryfast",
    provenance: Provenance = "tags",
    sign_cert: SignCert = None,
    sign_key: SignKey = None,
    sign_command: SignCommand = None,
    tsa: Tsa = None,
    consent_in_manifest: ConsentInManifest = "hashed",
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
) -> None:
    """Restore the faces of finished videos, or of pictures, with GFPGAN.

    Run the same command again after it was stopped: what was finished is kept.
    """
    from lipsync_ray import api
    from lipsync_ray.io import protocols
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.profiles import workers_of
    from lipsync_ray.settings import EnhanceSettings, RestoreSettings

    log_to(log_file, verbose)
    protocols.allow(allow_protocols)
    settings = EnhanceSettings(
        RestoreSettings(restore, restore_mask, restore_region, restore_strength),  # type: ignore[arg-type]
        upscale,
        restore_detector,  # type: ignore[arg-type]
        face,  # type: ignore[arg-type]
        VideoCoding(crf, preset),  # type: ignore[arg-type]
        precision,  # type: ignore[arg-type]
        provenance_settings(provenance, sign_cert, sign_key, sign_command, tsa, consent_in_manifest),
        mark_settings(watermark, watermark_key, label, label_seconds, label_corner, label_font),
    )
    workers = workers_of(profile, actors, gpus_per_actor, batch, segment, attempts, address, engine_of(engine, address))
    exit_with(api.enhance(sources, out, settings=settings, workers=workers), exit_zero)

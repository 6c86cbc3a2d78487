"""Options that several commands share: where results go, and how the work is spread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from lipsync_ray.io.records import Row
    from lipsync_ray.settings import EngineKind, RestoreSettings

Out = Annotated[
    str, typer.Option("-o", "--out", help="A new folder, or this job's own; of one pair also the .mp4. Path or URL.")
]
OutFolder = Annotated[
    str, typer.Option("-o", "--out", help="Folder for the results: a new one, or this job's own. Path or URL.")
]
Actors = Annotated[
    int | None,
    typer.Option(help="Processes that hold the network. Default: one a GPU, or one a CPU.", rich_help_panel="Workers"),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-actor",
        help="0 keeps to CPUs; 0.5 lets two share a GPU. Default: 1 where there is a GPU.",
        rich_help_panel="Workers",
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(help="Frames a pass of the network. Default: by network and device.", rich_help_panel="Workers"),
]
Segment = Annotated[
    float | None,
    typer.Option(
        "--segment",
        help="Seconds of video in one row of work. Default: 4, or 1.6 where faces are restored (a row then carries 0.8 MB "
        "a face).",
        rich_help_panel="Workers",
    ),
]
Attempts = Annotated[
    int | None,
    typer.Option(
        help="Times a segment may crash its process before it is given up. Default: 3.", rich_help_panel="Workers"
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="laptop: this machine, one CPU left free; gpu: two processes a GPU; spot: networks on spot nodes first, short "
        "segments, ten attempts.",
        rich_help_panel="Workers",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="A Ray cluster. Default: $RAY_ADDRESS, else this machine alone.", rich_help_panel="Workers"),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="ray; inline, in this process; auto: inline for one pair without a cluster's address, else ray.",
        rich_help_panel="Workers",
    ),
]
Protocols = Annotated[
    str | None,
    typer.Option(
        "--allow-protocols",
        help="How input may be read, such as file,s3. Default: $LIPSYNC_ALLOW_PROTOCOLS, else files, object stores, http, "
        "sftp, hdfs.",
        rich_help_panel="Workers",
    ),
]
ExitZero = Annotated[
    bool,
    typer.Option(
        "--exit-zero",
        help="Exit with 0 also where rows failed or show no face: for schedulers that repeat a job by its status. A run that "
        "broke keeps its own.",
        rich_help_panel="Workers",
    ),
]
Model = Annotated[
    str,
    typer.Option(
        help="wav2lip_gan, wav2lip, warp, mini, musetalk, musetalk-v1, echomimic, echomimic-acc, or the path of a checkpoint or "
        "of a folder of models.",
        rich_help_panel="Lips",
    ),
]
PrecisionOption = Annotated[str, typer.Option(help="auto, fp32, bf16, fp16.", rich_help_panel="Lips")]
DecoderOption = Annotated[
    str,
    typer.Option(
        help="cpu, or cuda: GPUs decode what they can (NVDEC). Its pixels may differ, so it is part of a dub's name.",
        rich_help_panel="Encoding",
    ),
]
Restore = Annotated[str, typer.Option(help="gfpgan, a checkpoint of it, or none.", rich_help_panel="Restoration")]
RestoreMask = Annotated[
    str, typer.Option(help="ellipse (costs nothing), or parsing (a network's outline).", rich_help_panel="Restoration")
]
RestoreRegion = Annotated[
    str, typer.Option(help="face, or mouth: only what lip-sync drew anew.", rich_help_panel="Restoration")
]
RestoreStrength = Annotated[
    float, typer.Option(help="1 the restored face alone, 0.5 half of it.", rich_help_panel="Restoration")
]


def engine_of(option: str, address: str | None, pair: tuple[str, str] | None = None) -> EngineKind:
    """The engine that ``--engine`` means; any other word is left to be refused.

    Parameters
    ----------
    pair : the video and the audio, where one pair is to be made, and no table
    """
    if option != "auto":
        return option  # type: ignore[return-value]
    from lipsync_ray.profiles import auto_engine

    return auto_engine(address, pair)


def end(complete: bool, rows: Iterable[Row], exit_zero: bool) -> NoReturn:
    """End a command whose run has ended, with its status.

    Parameters
    ----------
    complete : whether every row came out as it was asked for
    rows : what became of each
    exit_zero : ``--exit-zero``: a row that cannot be made is a result like another; one that Ray gave up is none
    """
    from lipsync_ray.engine.stages import ENGINE

    good = complete or (exit_zero and all(row.stage != ENGINE for row in rows))
    raise typer.Exit(0 if good else 1)


def restore_settings(model: str, mask: str, region: str, strength: float) -> RestoreSettings | None:
    """The settings that the options say; None for ``--restore none``.

    Raises
    ------
    SettingsError : a value cannot work
    """
    from lipsync_ray.settings import RestoreSettings

    if model == "none":
        return None
    return RestoreSettings(model, mask, region, strength)  # type: ignore[arg-type]

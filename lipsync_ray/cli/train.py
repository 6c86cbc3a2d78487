"""``lipsync-ray train``: teach a network on clips of people who talk."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from lipsync_ray.cli.logs import LogFile, Verbose, log_to
from lipsync_ray.cli.options import Actors, Address, Attempts, EngineOption, ExitZero, Gpus, end, engine_of
from lipsync_ray.io.console import console_for

MAX_ROWS = 5


def train(
    kind: Annotated[
        str,
        typer.Argument(
            help="generator: draws mouths, --model of dub. pose: how lips move, for the model warp. expert: teaches generators. "
            "judge, sync-judge: for evaluate."
        ),
    ],
    clips: Annotated[
        str,
        typer.Argument(
            help="Folder of clips in which one person talks, or a table with columns video and optionally person."
        ),
    ],
    out: Annotated[str, typer.Option("-o", "--out", help="Folder for the weights, their card and curve. Path or URL.")],
    init: Annotated[
        str | None,
        typer.Option(
            help="Train on from here: a registered model (wav2lip, wav2lip_gan, mini, mini-sync) or a checkpoint."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Of each network; each kind has its own number.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="End each network's training after so long, counted from its first step over all starts."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate; each kind has its own.")] = None,
    width: Annotated[
        float, typer.Option(help="Of a generator without --init: part of Wav2Lip's channels, a multiple of 1/64.")
    ] = 0.25,
    expert: Annotated[
        str, typer.Option(help="Teaches a generator: mini-sync, or a checkpoint of train expert.")
    ] = "mini-sync",
    adversarial: Annotated[
        float, typer.Option(help="Weight of a critic that a generator is to deceive; 0.07 is usual.")
    ] = 0.0,
    seeds: Annotated[int, typer.Option(help="Networks whose mean is the result, of pose.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the first, and of who is held out.")] = 0,
    held_out: Annotated[
        float, typer.Option(help="Part of the clips, of whole people, that is kept from training.")
    ] = 0.1,
    precision: Annotated[str, typer.Option(help="auto (bf16 on a GPU that has it), fp32 or bf16.")] = "auto",
    trainers: Annotated[
        int, typer.Option(help="Processes that train together, each on a GPU of its own where there are any.")
    ] = 1,
    actors: Actors = None,
    gpus_per_actor: Gpus = None,
    attempts: Attempts = None,
    address: Address = None,
    engine: EngineOption = "auto",
    exit_zero: ExitZero = False,
    log_file: LogFile = None,
    verbose: Verbose = False,
) -> None:
    """Train on clips of people who talk; weights, curve and model card go to OUT.

    Run the same command again after it was stopped: clips that were looked at are kept, and training goes on from its last
    checkpoint.
    """
    from lipsync_ray import api
    from lipsync_ray.jobs.train.settings import TrainSettings
    from lipsync_ray.profiles import workers_of

    log_to(log_file, verbose)
    settings = TrainSettings(
        kind,  # type: ignore[arg-type]
        steps,
        seeds,
        seed,
        held_out,
        minutes,
        init,
        width,
        expert,
        adversarial,
        rate,
        precision,  # type: ignore[arg-type]
        trainers,
    )
    kind_of = engine_of(engine, address)
    workers = workers_of(None, actors, gpus_per_actor, attempts=attempts, address=address, engine=kind_of)
    trained = api.train(clips, out, settings=settings, workers=workers)
    console = console_for()
    lost = [row for row in trained.rows if row.status != "used"]
    warned = [row for row in trained.rows if row.warnings]
    for row in lost[:MAX_ROWS]:
        console.print(f"{row.id}: {row.error}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for row in warned[:MAX_ROWS]:
        text = "; ".join(row.warnings)
        console.print(f"{row.id}: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for name, value in trained.measured.items():
        console.print(f"{name}: {value}", highlight=False, markup=False, soft_wrap=True)
    clips = f"{len(trained.rows) - len(lost)} of {len(trained.rows)} clips of use"
    clips += f" ({len(warned)} with warnings)" if warned else ""
    said = f"{settings.steps_made(trained.steps)}; {clips}; {trained.seconds:.0f} s"
    console.print(f"{said}; {escape(trained.model)}", highlight=False, soft_wrap=True)
    end(trained.complete, trained.rows, exit_zero)

"""``lipsync-ray dub``: a table of dubs, or one pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape

from lipsync_ray.cli.options import RunOptions, end
from lipsync_ray.cli.parameters import with_options
from lipsync_ray.cli.quote import QuoteOptions, dry_run
from lipsync_ray.io.console import console_for
from lipsync_ray.settings import DubSettings
from lipsync_ray.settings.options import Option

if TYPE_CHECKING:
    from lipsync_ray.io.results import Summary


@with_options
def dub(
    source: Annotated[
        str,
        typer.Argument(
            help="A table (CSV, JSON lines, Parquet) with columns video, audio or cues, and optionally id, face, language, consent, rights, background; or a video."
        ),
    ],
    audio: Annotated[
        str | None, typer.Argument(help="The audio, where SOURCE is a video. A video's own audio track will do.")
    ] = None,
    *,
    out: Annotated[
        str,
        Option(
            "A new folder, or this job's own; of one pair also the .mp4, .mov, .mkv or .webm. Path or URL.",
            flag="--out",
            short="-o",
            python="out",
        ),
    ] = "",
    analysis: Annotated[
        str | None,
        Option(
            "analysis.parquet of lipsync-ray analyze: what is impossible by it is not tried.",
            python="dub_table(…, analysis=…)",
        ),
    ] = None,
    speakers: Annotated[
        str | None,
        Option(
            "Who speaks when in the source, instead of what is found: a run's speakers.csv or .parquet, edited, or RTTM. A "
            "table's column speakers comes first.",
            panel="Lips",
            python="dub(…, speakers=…)",
        ),
    ] = None,
    redo: Annotated[
        str | None,
        Option(
            "A review saved by the run's page, or the folder of an evaluation of OUT. Dubs that the review asks for, or in which the "
            "evaluation found faults, are made anew with this command's options. Other finished dubs stay, also under other options.",
            python="dub_table(…, redo=…)",
        ),
    ] = None,
    settings: DubSettings,
    require_consent: Annotated[
        bool,
        Option(
            "Refuse a table with rows whose column consent is empty.",
            panel="Provenance",
            python="dub_table(…, require_consent=True)",
        ),
    ] = False,
    run: RunOptions,
    quote: QuoteOptions,
) -> None:
    """Make faces speak: one video and one audio, or a whole table of them.

    Run the same command again after it was stopped: what was finished is kept.
    """
    from lipsync_ray import api
    from lipsync_ray.errors import SettingsError
    from lipsync_ray.io.out_folder import is_video
    from lipsync_ray.io.user_tables import is_folder, is_table

    if not out:
        raise SettingsError("-o is missing: where the results go")
    workers = run.workers_for(None if audio is None else (source, audio))
    if audio is not None:
        for option, value in (
            ("--dry-run", quote.dry_run),
            ("--analysis", analysis),
            ("--redo", redo),
            ("--require-consent", require_consent),
        ):
            if value:
                raise SettingsError(f"{option} is for a table of dubs")
        summary = api.dub(source, audio, out, settings=settings, workers=workers, speakers=speakers)
        if summary.complete and is_video(out):
            console_for().print(f"{escape(out)}: {summary.results[0].frames} frames", highlight=False, soft_wrap=True)
            raise typer.Exit(0)
        exit_with(summary, run.exit_zero)
    if not is_table(source):
        what = "a folder; " if is_folder(source) else ""
        raise SettingsError(
            f"{source}: {what}a single video needs its audio as the second argument; a table ends in .csv, .jsonl or .parquet"
        )
    if quote.dry_run:
        dry_run(source, out, settings, workers, quote, speakers, redo)
        raise typer.Exit(0)
    summary = api.dub_table(
        source,
        out,
        settings=settings,
        workers=workers,
        analysis=analysis,
        speakers=speakers,
        redo=redo,
        require_consent=require_consent,
    )
    exit_with(summary, run.exit_zero, page=True)


def exit_with(summary: Summary, exit_zero: bool = False, page: bool = False) -> NoReturn:
    """Show what a run came to, and end the command with its status.

    Parameters
    ----------
    page : whether the run's folder has a page to review the dubs
    """
    from lipsync_ray.cli.summary_table import print_summary
    from lipsync_ray.io import storage
    from lipsync_ray.io.reviews import PAGE

    print_summary(summary, console_for())
    if page:
        url = storage.join(storage.parent(summary.results_url), PAGE)
        console_for().print(f"to review: {escape(url)}", highlight=False, soft_wrap=True)
    end(summary.complete, summary.results, exit_zero)

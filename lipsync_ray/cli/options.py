"""Options that several commands share: where results go, how the work is spread, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from lipsync_ray.profiles import Profile
from lipsync_ray.settings.options import Given, Option
from lipsync_ray.settings.workers import Workers

if TYPE_CHECKING:
    from lipsync_ray.io.records import Row
    from lipsync_ray.settings import EngineKind

_PANEL = "Workers"
EngineChoice = Literal["auto", "ray", "inline"]
OutFolder = Annotated[
    str,
    Option(
        "Folder for the results: a new one, or this job's own. Path or URL.",
        flag="--out",
        short="-o",
        required=True,
        python="out",
    ),
]
Engine = Annotated[
    EngineChoice,
    Option(
        "ray; inline, in this process; auto: inline for one pair without a cluster's address, else ray.",
        flag="--engine",
        panel=_PANEL,
        python="workers=Workers(engine=…)",
    ),
]


@dataclass(frozen=True)
class Log:
    """Where a command's log goes."""

    log_file: Annotated[
        str | None,
        Option(
            "Append the log to this file: progress, and why rows failed, with tracebacks.",
            panel="Log",
            python="the logger lipsync_ray",
        ),
    ] = None
    verbose: Annotated[
        bool,
        Option(
            "Show tracebacks in the terminal, too.",
            flag="--verbose",
            short="-v",
            panel="Log",
            python="the logger lipsync_ray",
        ),
    ] = False

    def begin(self) -> None:
        """Open the log.

        Raises
        ------
        SettingsError : the file cannot be written
        """
        from lipsync_ray.cli.logs import log_to

        log_to(self.log_file, self.verbose)


@dataclass(frozen=True)
class RunOptions:
    """How a run's work is spread, and what its exit status says."""

    workers: Annotated[Mapping[str, Any], Given(Workers)] = field(default_factory=dict)
    profile: Annotated[
        Profile | None,
        Option(
            "laptop: this machine, one CPU left free; gpu: two processes a GPU; spot: networks on spot nodes first, short "
            "segments, ten attempts.",
            panel=_PANEL,
            python="workers=workers_of(…)",
        ),
    ] = None
    engine: Engine = "auto"
    allow_protocols: Annotated[
        str | None,
        Option(
            "How input may be read, such as file,s3. Default: $LIPSYNC_ALLOW_PROTOCOLS, else files, object stores, http, sftp, "
            "hdfs.",
            panel=_PANEL,
            python="$LIPSYNC_ALLOW_PROTOCOLS",
        ),
    ] = None
    exit_zero: Annotated[
        bool,
        Option(
            "Exit with 0 also where rows failed or show no face: for schedulers that repeat a job by its status. A run that "
            "broke keeps its own.",
            panel=_PANEL,
            python="–",
        ),
    ] = False
    log: Log = field(default_factory=Log)

    def begin(self) -> None:
        """Open the log, and allow the protocols.

        Raises
        ------
        SettingsError : the file cannot be written; not names of protocols
        """
        from lipsync_ray.io import protocols

        self.log.begin()
        protocols.allow(self.allow_protocols)

    def workers_for(self, pair: tuple[str, str] | None = None) -> Workers:
        """The workers that are asked for.

        Parameters
        ----------
        pair : the video and the audio, where one pair is to be made, and no table

        Raises
        ------
        SettingsError : a value cannot work
        """
        from lipsync_ray.profiles import workers_of

        return workers_of(
            self.profile, **self.workers, engine=engine_of(self.engine, self.workers.get("address"), pair)
        )


def engine_of(choice: EngineChoice, address: str | None, pair: tuple[str, str] | None = None) -> EngineKind:
    """The engine that ``--engine`` means.

    Parameters
    ----------
    pair : the video and the audio, where one pair is to be made, and no table
    """
    if choice != "auto":
        return choice
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

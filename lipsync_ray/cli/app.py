"""The command line. Options become settings; the work is elsewhere and is imported when a command needs it.

Exit status: 0 all done; 1 some rows failed or show no face (the others were written); 2 unusable arguments or manifest
(nothing was started); 130 stopped by Ctrl-C, 143 by SIGTERM (run the same command again to go on).
"""

from __future__ import annotations

import logging
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from lipsync_ray import addresses
from lipsync_ray.cli.analyze import analyze
from lipsync_ray.cli.clean import clean
from lipsync_ray.cli.demo import demo
from lipsync_ray.cli.dub import dub
from lipsync_ray.cli.enhance import enhance
from lipsync_ray.cli.evaluate import evaluate, report
from lipsync_ray.cli.inspect import inspect
from lipsync_ray.cli.logs import PACKAGE, end_logs
from lipsync_ray.cli.quote import calibrate
from lipsync_ray.cli.status import status
from lipsync_ray.cli.stopping import Stopped, stoppable
from lipsync_ray.cli.train import train
from lipsync_ray.cli.weights import app as weights_app
from lipsync_ray.errors import LipsyncError, UsageError
from lipsync_ray.io.console import lenient_streams


class _Commands(TyperGroup):
    """Commands in which a broken pipe is an error like another. Click takes it for a reader of standard output that has left,
    and ends without a word; here it is a connection or a file, since :func:`lenient_streams` raise none."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise LipsyncError(f"a connection or a pipe was closed from its other end: {error}") from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=__doc__.split("\n")[0],
)
_LOG = logging.getLogger(PACKAGE)

for command in (dub, demo, analyze, enhance, evaluate, report, train, calibrate, status, inspect, clean):
    app.command()(command)
app.add_typer(weights_app, name="weights")


def main() -> None:
    """Run the command line; errors the program knows are one message, and a traceback in the log alone."""
    with lenient_streams():
        _run()


def _run() -> None:
    try:
        with stoppable():
            app()
    except UsageError as error:
        _end(f"error: {error}", 2)
    except LipsyncError as error:
        _end(f"error: {error}", 1)
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        _end(f"error: {addresses.without_secrets(text)}", 1)
    except Stopped as stopped:
        _end("stopped. What was finished is kept: run the same command again to go on.", stopped.status)
    except Exception:
        _LOG.info("ended by an error that nobody expected", exc_info=True)
        raise
    finally:
        end_logs()


def _end(text: str, status: int) -> NoReturn:
    _LOG.info("%s", text, exc_info=True)
    print(text, file=sys.stderr)
    sys.exit(status)


__all__ = ["app", "main"]

if __name__ == "__main__":
    main()

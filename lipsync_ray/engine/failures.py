"""Reports failures: all in the log, unexpected ones with a traceback and in the terminal, too."""

from __future__ import annotations

import logging

from rich.console import Console

from lipsync_ray.engine.stages import Failure

_LOG = logging.getLogger(__name__)
_HINT = "for the traceback: -v or --log-file FILE; in Python, the logger lipsync_ray"


class FailureLog:
    """Failures of one run.

    Parameters
    ----------
    console : prints one line for each new traceback
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: set[int] = set()  # hashes: a table of a million rows may fail in as many ways

    def report(self, key: str, failure: Failure) -> None:
        """Report why a row failed. The same traceback, such as that of all dubs of one video, is printed once.

        Parameters
        ----------
        key : of the row, or id of the video
        """
        where = f"{key}: {failure.stage}: {failure.reason}"
        if not failure.detail:
            _LOG.warning("%s", where)
        elif hash(failure.detail) in self._printed:
            _LOG.error("%s (traceback above)", where)
        else:
            self._printed.add(hash(failure.detail))
            _LOG.error("%s\n%s", where, failure.detail.rstrip())
            hint = "" if _has_reader() else f" ({_HINT})"
            self._console.print(f"{where}{hint}", highlight=False, markup=False, soft_wrap=True)


def _has_reader() -> bool:
    """Whether the log has a handler."""
    logger: logging.Logger | None = _LOG
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False

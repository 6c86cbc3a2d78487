"""Where failures are told: all in the log, those that nobody expected with their traceback; these in the terminal, too."""

from __future__ import annotations

import logging

from rich.console import Console

from lipsync_ray.engine.stages import Failure

_LOG = logging.getLogger(__name__)
_HINT = "its traceback: -v or --log-file FILE; in Python, the logger lipsync_ray"


class FailureLog:
    """Of one run.

    Parameters
    ----------
    console : gets one line for each traceback that is new
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[int] = set()  # hashes: a table of a million rows may fail in as many ways

    def tell(self, key: str, failure: Failure) -> None:
        """Tell why a row failed. The same traceback, as of all dubs of one video, is told once.

        Parameters
        ----------
        key : of the row, or the name of the video
        """
        where = f"{key}: {failure.stage}: {failure.reason}"
        if not failure.detail:
            _LOG.warning("%s", where)
        elif hash(failure.detail) in self._told:
            _LOG.error("%s (traceback above)", where)
        else:
            self._told.add(hash(failure.detail))
            _LOG.error("%s\n%s", where, failure.detail.rstrip())
            hint = "" if _shown() else f" ({_HINT})"
            self._console.print(f"{where}{hint}", highlight=False, markup=False, soft_wrap=True)


def _shown() -> bool:
    """Whether anybody reads the log."""
    logger: logging.Logger | None = _LOG
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False

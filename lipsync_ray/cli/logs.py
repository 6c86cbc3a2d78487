"""``--log-file`` and ``-v``: where the package's log goes, and what it holds.

INFO is what the terminal shows, too. WARNING and ERROR are why rows failed, with a traceback where nobody expected it.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO

PACKAGE = "lipsync_ray"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Terminal(logging.StreamHandler[TextIO]):
    """Standard error, whichever it is when a record comes: a live progress line puts its own in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)


class _File(logging.FileHandler):
    """A file that may stop taking lines: a full disk is told of once, and is no reason to stop the work."""

    _reported = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not self._reported:
            self._reported = True
            print(
                f"--log-file {self.baseFilename}: {sys.exc_info()[1]}. The work goes on; the log has gaps",
                file=sys.stderr,
            )

    def close(self) -> None:
        with suppress(OSError):  # the rest of a line that could not be written
            super().close()


def log_to(file: str | None, verbose: bool) -> None:
    """Send the package's log to a file, to the terminal, to both or nowhere; what an earlier call said holds no longer.

    Raises
    ------
    SettingsError : the file cannot be written
    """
    from lipsync_ray.errors import SettingsError

    logger = logging.getLogger(PACKAGE)
    end_logs()
    if verbose:
        terminal = _Terminal()
        terminal.setLevel(logging.WARNING)
        _add(logger, terminal)
    if file is not None:
        try:
            _add(logger, _File(file, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise SettingsError(f"--log-file {file}: {error.strerror}; expected a file that can be written") from error


def end_logs() -> None:
    """Close what :func:`log_to` has opened."""
    logger = logging.getLogger(PACKAGE)
    for handler in [handler for handler in logger.handlers if handler.get_name() == __name__]:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.NOTSET)


def _add(logger: logging.Logger, handler: logging.Handler) -> None:
    handler.set_name(__name__)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

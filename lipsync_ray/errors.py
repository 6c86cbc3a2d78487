"""Everything lipsync_ray raises on purpose.

    LipsyncError
    ├── UsageError              the arguments are unusable; nothing was started (exit status 2)
    │   ├── ManifestError       every problem of a table, one line each
    │   ├── SettingsError       an option has a value that cannot work
    │   └── ClusterError        Ray does not start, or nobody answers at its address
    ├── MediaError              a file cannot be used
    │   ├── ProbeError          … not a readable video or audio file
    │   ├── DecodeError         … opened, but frames or samples cannot be had from it
    │   ├── EncodeError         … cannot be written
    │   ├── SigningError        … is written, but cannot be signed
    │   └── ChangedError        … is not the one any more that was planned with
    ├── ModelError
    │   ├── WeightsError        a checkpoint is missing, damaged or not the file it should be (exit status 2)
    │   └── CheckpointError     a checkpoint's entries are not those of the network
    ├── StageError              a stage cannot be set up in its worker
    ├── WorkerDiedError         a segment ended its process every time it was tried
    ├── TrainError              a training ended before its last step
    └── StorageError            a store did not answer, after retries
        └── AccessError         … does not let us: credentials, clock, region, account

A message names the file, row or option, what was expected, and what to do next.
"""

from __future__ import annotations

from typing import Any

from lipsync_ray import addresses

SHOWN_PROBLEMS = 40


class LipsyncError(Exception):
    """Base of the tree. URLs in its message are without passwords, signatures and tokens."""

    retryable = False
    """Whether the same call may succeed later, on the same input."""
    detail = ""
    """The traceback of what it stands for, where nobody expected that."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*addresses.cleaned(args))


class UsageError(LipsyncError):
    """The arguments are unusable; nothing was started."""


class ManifestError(UsageError):
    """A table of dubs has problems.

    Attributes
    ----------
    problems : one sentence each, naming row and column
    """

    def __init__(self, url: str, problems: list[str]) -> None:
        self.problems = problems = addresses.cleaned(problems)
        noun = "problem" if len(problems) == 1 else "problems"
        shown = problems[:SHOWN_PROBLEMS]
        if len(problems) > len(shown):
            shown = [*shown, f"… and {len(problems) - len(shown)} more"]
        super().__init__("\n  ".join([f"{url}: {len(problems)} {noun}; nothing was started.", *shown]))


class SettingsError(UsageError):
    """An option has a value that cannot work."""


class ClusterError(UsageError):
    """Ray does not start here, or nobody answers at its address."""


class MediaError(LipsyncError):
    """A media file cannot be used."""


class ProbeError(MediaError):
    """Not a readable video or audio file."""


class DecodeError(MediaError):
    """The file opens, but its frames or samples cannot be decoded."""


class EncodeError(MediaError):
    """A video cannot be written."""


class SigningError(MediaError):
    """A file cannot be signed."""


class ChangedError(MediaError):
    """An input was replaced or written to while a run worked on it."""


class ModelError(LipsyncError):
    """A network cannot be had or run."""


class WeightsError(ModelError, UsageError):
    """A checkpoint is missing, damaged, or not the file it should be."""


class CheckpointError(ModelError):
    """A checkpoint's entries are not those of the network it is loaded into."""


class StageError(LipsyncError):
    """A stage cannot be set up in its worker."""


class WorkerDiedError(LipsyncError):
    """A segment ended its worker process every time it was tried.

    Attributes
    ----------
    attempts : how often that was
    """

    def __init__(self, message: str, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(message)

    def __reduce__(self) -> tuple[type[WorkerDiedError], tuple[str, int]]:
        return type(self), (str(self), self.attempts)


class TrainError(LipsyncError):
    """A training was given up before its last step; its checkpoints are kept."""


class StorageError(LipsyncError):
    """A store did not answer, after retries."""

    retryable = True


class AccessError(StorageError, PermissionError):
    """A store does not let us: credentials are missing, wrong or out of date, or the clock, the region or the account is wrong."""

    retryable = False

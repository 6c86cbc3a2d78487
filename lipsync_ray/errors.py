"""Exceptions of lipsync_ray.

    LipsyncError
    ├── UsageError              the arguments are unusable; nothing was started (exit status 2)
    │   ├── ManifestError       every problem of a table, one line each
    │   ├── SettingsError       an option has a value that cannot work
    │   └── ClusterError        Ray does not start, or does not answer at its address
    ├── MediaError              a file cannot be used
    │   ├── ProbeError          … not a readable video or audio file
    │   ├── DecodeError         … opened, but its frames or samples cannot be decoded
    │   ├── EncodeError         … cannot be written
    │   ├── SigningError        … is written, but cannot be signed
    │   └── ChangedError        … changed since planning
    ├── ModelError
    │   ├── WeightsError        a checkpoint is missing, damaged or the wrong file (exit status 2)
    │   └── CheckpointError     a checkpoint's entries are not those of the network
    ├── StageError              a stage cannot be set up in its worker
    ├── WorkerDiedError         a segment crashed its process in every attempt
    ├── TrainError              a training ended before its last step
    └── StorageError            a store did not answer, after retries
        └── AccessError         … denies access: credentials, clock, region, account

Messages name the file, row or option, what was expected, and what to do next.
"""

from __future__ import annotations

from typing import Any

from lipsync_ray import addresses

MAX_PROBLEMS = 40


class LipsyncError(Exception):
    """Base class. Passwords, signatures and tokens are removed from URLs in the message."""

    retryable = False
    """Whether the same call may succeed later, on the same input."""
    detail = ""
    """Traceback of an unexpected cause, else empty."""

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
        listed = problems[:MAX_PROBLEMS]
        if len(problems) > len(listed):
            listed = [*listed, f"… and {len(problems) - len(listed)} more"]
        super().__init__("\n  ".join([f"{url}: {len(problems)} {noun}; nothing was started.", *listed]))


class SettingsError(UsageError):
    """An option has a value that cannot work."""


class ClusterError(UsageError):
    """Ray does not start, or does not answer at its address."""


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
    """A network cannot be loaded or run."""


class WeightsError(ModelError, UsageError):
    """A checkpoint is missing, damaged, or the wrong file."""


class CheckpointError(ModelError):
    """A checkpoint's entries are not those of the network it is loaded into."""


class StageError(LipsyncError):
    """A stage cannot be set up in its worker."""


class WorkerDiedError(LipsyncError):
    """A segment crashed its worker process in every attempt.

    Attributes
    ----------
    attempts : number of attempts
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
    """A store denies access: credentials are missing, wrong or expired, or the clock, region or account is wrong."""

    retryable = False

"""Calls of a store that are tried again while its fault may pass, and in words what to do where it does not.

A time-out, a reset connection or a 5xx is met with a growing, jittered pause. What no patience mends is said at once: a
disk that is full, credentials that are missing, wrong or out of date.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from typing import TypeVar

from lipsync_ray.errors import AccessError, LipsyncError, StorageError

T = TypeVar("T")

TRIES = 5
FIRST_PAUSE_S = 0.2
_FINAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError)
_STORES = frozenset({"botocore", "aiobotocore", "aiohttp", "fsspec", "asyncio"})  # whose errors are not all OSErrors
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
_NEVER_PASS = frozenset({"ParamValidationError"})
_FINAL_ERRNO = frozenset({errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG, errno.EDQUOT})
_OUT_OF_DATE = ("expired", "requesttimetooskewed", "invalidtoken")
_WRONG = ("invalidaccesskeyid", "signaturedoesnotmatch", "access key id you provided")


def patiently(what: str, call: Callable[[], T]) -> T:
    """``call()``, tried again while the store has a passing fault.

    Parameters
    ----------
    what : is done, for the message: "reading s3://b/k"

    Raises
    ------
    AccessError : the store does not let us; a local path's PermissionError is left as it is
    StorageError : the fault did not pass, or cannot
    FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError : as the call has it
    """
    for attempt in range(TRIES):
        try:
            return call()
        except (*_FINAL, LipsyncError):
            raise
        except PermissionError as error:
            if error.filename is not None:  # of this machine's disk: its own words name the file
                raise
            raise AccessError(f"{what}: {advice(error)}") from error
        except OSError as error:
            if error.errno in _FINAL_ERRNO:
                raise StorageError(f"{what}: {error.strerror or error}. Free space or choose another place.") from error
            if attempt == TRIES - 1:
                raise StorageError(f"{what}: {error} (tried {TRIES} times)") from error
        except Exception as error:
            if type(error).__module__.split(".")[0] not in _STORES:
                raise
            if type(error).__name__ in _NO_CREDENTIALS:
                raise AccessError(f"{what}: {advice(error)}") from error
            if attempt == TRIES - 1 or type(error).__name__ in _NEVER_PASS:
                raise StorageError(f"{what}: {error} (tried {attempt + 1} times)") from error
        time.sleep(FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")


def advice(error: Exception) -> str:
    """Why a store does not let us, and what to set."""
    said = " ".join(str(error).split()).rstrip(".")
    cause = error.__cause__
    code = getattr(cause, "response", {}).get("Error", {}).get("Code", "") if cause is not None else ""
    known = f"{said} {code}".lower()
    if type(error).__name__ in _NO_CREDENTIALS:
        return (
            f"no credentials were found ({said}). Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
            "where the machine has a role; a public bucket is read with FSSPEC_S3='{\"anon\": true}'"
        )
    if any(word in known for word in _OUT_OF_DATE):
        return f"the credentials have expired ({said}). Renew them and run the same command again: what was finished is kept"
    if any(word in known for word in _WRONG):
        return (
            f"the credentials are not valid there ({said}). Look at AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL"
        )
    return (
        f"no permission ({said}). The account needs to list, read and, for OUT, write and delete there; where the requester "
        "pays, set FSSPEC_S3='{\"requester_pays\": true}'"
    )

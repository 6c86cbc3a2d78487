"""Retries calls of a store on transient faults.

After a time-out, a reset connection or a 5xx it waits for a growing, jittered pause. Permanent faults are raised at
once: a full disk, and those that the store's answer names (:mod:`lipsync_ray.io.reasons`).
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from typing import TypeVar

from lipsync_ray.errors import AccessError, LipsyncError, StorageError
from lipsync_ray.io.reasons import advice, is_certain

T = TypeVar("T")

TRIES = 5
FIRST_PAUSE_S = 0.2
_FINAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError)
_STORES = frozenset({"botocore", "aiobotocore", "aiohttp", "fsspec", "asyncio"})  # their errors are not all OSErrors
_NEVER_PASS = frozenset({"ParamValidationError"})
_FINAL_ERRNO = frozenset({errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG, errno.EDQUOT})


def with_retries(what: str, call: Callable[[], T]) -> T:
    """``call()``, retried on transient faults of the store.

    Parameters
    ----------
    what : for the message, such as "reading s3://b/k"

    Raises
    ------
    AccessError : the store denies access; a local path's PermissionError is raised unchanged
    StorageError : the fault persisted, or is permanent
    FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError : from the call
    """
    for attempt in range(TRIES):
        try:
            return call()
        except (*_FINAL, LipsyncError):
            raise
        except PermissionError as error:
            if error.filename is not None:  # a local file: the message names it
                raise
            raise AccessError(f"{what}: {advice(error)}") from error
        except OSError as error:
            if is_certain(error):
                raise AccessError(f"{what}: {advice(error)}") from error
            if error.errno in _FINAL_ERRNO:
                raise StorageError(
                    f"{what}: {error.strerror or error}. Free space or choose another location."
                ) from error
            if attempt == TRIES - 1:
                raise StorageError(f"{what}: {error} (tried {TRIES} times)") from error
        except Exception as error:
            if type(error).__module__.split(".")[0] not in _STORES:
                raise
            if is_certain(error):
                raise AccessError(f"{what}: {advice(error)}") from error
            if attempt == TRIES - 1 or type(error).__name__ in _NEVER_PASS:
                raise StorageError(f"{what}: {error} (tried {attempt + 1} times)") from error
        time.sleep(FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")

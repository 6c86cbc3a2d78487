"""Identities of many files of a bucket by listing it: one request for up to a thousand names, instead of one for each.

The names of a table are sorted in the bucket's order and divided into stretches. Each stretch is listed from its first name to its
last, several stretches at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from lipsync_ray.errors import LipsyncError
from lipsync_ray.io import storage, web
from lipsync_ray.io.protocols import S3
from lipsync_ray.io.retries import with_retries

FEW = 32  # names of a folder: asking for each takes no longer
_STRETCH = 4_000  # names
_PAGE = 1_000  # names
_WORTH = 16  # names that a listed page must have on the average
_LISTERS = 16


def listed(urls: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """URL → size and ETag of the objects that listings of their folders show. Others may exist, too: the caller has to ask for them.

    Only S3 is listed, whose listings tell what a look at an object tells.

    Parameters
    ----------
    urls : of any stores
    """
    folders: dict[tuple[str, str], dict[str, str]] = {}
    for url in urls:
        if url.partition("://")[0] in S3 and "?" not in url:
            fs, path = storage.file_system(url)
            if web.protocols(fs) & S3 and not fs.version_aware:
                bucket, _, key = path.partition("/")
                folders.setdefault((bucket, f"{key.rpartition('/')[0]}/".lstrip("/")), {})[key] = url
    stretches = []
    for (bucket, prefix), names in folders.items():
        if len(names) > FEW:
            keys = sorted(names, key=str.encode)
            stretches += [(bucket, prefix, keys[start : start + _STRETCH]) for start in range(0, len(keys), _STRETCH)]
    if not stretches:
        return {}
    with ThreadPoolExecutor(_LISTERS) as pool:
        found = pool.map(lambda stretch: _stretch(*stretch), stretches)
        return {
            folders[bucket, prefix][key]: info
            for (bucket, prefix, _), infos in zip(stretches, found, strict=True)
            for key, info in infos.items()
        }


def _stretch(bucket: str, prefix: str, keys: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Key → size and ETag of those that are there, listed until that is no longer worth it.

    Parameters
    ----------
    keys : of the folder `prefix`, in the order of the bucket
    """
    fs, _ = storage.file_system(f"s3://{bucket}")
    wanted, last = set(keys), keys[-1].encode()
    found: dict[str, Mapping[str, Any]] = {}
    # The first name is listed after a shorter one, which comes before it.
    place = {"StartAfter": keys[0][:-1]} if len(keys[0]) > len(prefix) + 1 else {}
    for page in range(1 + len(keys) // _WORTH):
        try:
            page_of = partial(
                fs.call_s3, "list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", MaxKeys=_PAGE, **fs.req_kw
            )
            answer = with_retries(f"listing s3://{bucket}/{prefix}", partial(page_of, **place))
        except (OSError, LipsyncError):  # may be read, but not listed
            return found
        objects = answer.get("Contents", [])
        found |= {one["Key"]: {"size": one["Size"], "ETag": one["ETag"]} for one in objects if one["Key"] in wanted}
        passed = bool(objects) and objects[-1]["Key"].encode() >= last
        if passed or not answer.get("IsTruncated") or len(found) < page * _WORTH:
            break
        place = {"ContinuationToken": answer["NextContinuationToken"]}
    return found

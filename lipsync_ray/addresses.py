"""Addresses of files: URLs without passwords, signatures and tokens, which give access but do not name the file.

Ids, file names, logs and records use the address, never the given URL: a URL that is signed again is the same file. All
query parameters count as secret except those known to name a file (:data:`NAMING`).
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import unquote

NAMING = frozenset({
    "id", "ids", "file", "filename", "name", "path", "video", "audio", "image", "media", "clip", "item", "asset",
    "episode", "track", "take", "part", "segment", "index", "page", "n", "no", "nr", "num", "number", "lang",
    "language", "locale", "quality", "format", "fmt", "ext", "type", "v", "ver", "version", "versionid", "rev",
    "revision", "generation", "width", "height", "w", "h", "raw", "download", "dl", "export", "alt",
})  # fmt: skip
"""Query parameters that name a file, in lower case. ``key`` and ``t`` are left out: they are often tokens."""
_WEB = ("http", "https")
_LINK = re.compile(r"::(?=[a-z][a-z0-9+.-]*(?:://|::))")  # between the links of a chain: simplecache::https://…
_SCHEME = "[a-z][a-z0-9+.-]*://"
# URLs in text. A quoted URL ends at the quote, an unquoted one may contain quotes; a comma may be part of a URL, or
# separate two.
_IN_TEXT = re.compile(rf"(?i)(?<![\"'])\b{_SCHEME}(?:(?![,;|]{_SCHEME})\S)+|(?<=[\"']){_SCHEME}[^\s\"']+")
_STOPS = ".,:;!…)]}'\""  # punctuation that ends a sentence, not a URL


def address(url: str) -> str:
    """The URL without user and password, signature, token and fragment; a local path is its own address."""
    return "::".join(_address(link) for link in _LINK.split(url)) if "://" in url else url


def without_secrets(text: str) -> str:
    """The text with every URL replaced by its address."""
    return _IN_TEXT.sub(_address_in_text, text) if "://" in text else text


def cleaned(value: Any) -> Any:
    """Apply :func:`without_secrets` to every string in a value, also in dataclasses, mappings, lists and tuples."""
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return without_secrets(value)
    if is_dataclass(value) and not isinstance(value, type):
        found = {
            name: (before, cleaned(before))
            for name in _fields(type(value))
            if (before := getattr(value, name)) is not None
        }
        changed = {name: after for name, (before, after) in found.items() if after is not before and after != before}
        return replace(value, **changed) if changed else value
    if isinstance(value, dict):
        return {name: cleaned(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(cleaned, value)) if value else value
    return value


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    """Names of the fields that a dataclass is made of."""
    return tuple(field.name for field in fields(kind) if field.init)


def without_query(url: str) -> str:
    """The URL up to its query, whose slashes and dots do not belong to the file's name."""
    return re.split(r"[?#]", url, maxsplit=1)[0] if is_web(url) else url


def is_web(url: str) -> bool:
    """Whether the file, also at the end of a chain, is on a web server."""
    return "://" in url and _LINK.split(url)[-1].partition("://")[0].lower() in _WEB


def _address_in_text(found: re.Match[str]) -> str:
    text = found[0]
    url = text.rstrip(_STOPS)
    return address(url) + text[len(url) :]


def _address(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    web = scheme.lower() in _WEB
    query = ""
    if web:
        rest = rest.partition("#")[0]
        rest, _, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    user = "" if web else user.partition(":")[0]  # abfs://container@account is not a password
    named = "&".join(filter(_names_a_file, query.split("&")))
    return f"{scheme}{mark}{user + at if user else ''}{host}{slash}{path}{'?' + named if named else ''}"


def _names_a_file(pair: str) -> bool:
    name, _, value = pair.partition("=")
    value = unquote(value)
    return name.lower() in NAMING and "://" not in value and not {"?", "@", "&"} & set(value)

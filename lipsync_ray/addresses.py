"""The address of a file, and what is none of it: passwords, signatures and tokens, which open the file but do not name it.

The address, never the URL as it was given, is what ids, file names, logs and records are made of: a URL that is signed anew
is the same file. All of a query is taken for secret but the parameters known to name a file (:data:`NAMING`).
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import unquote

NAMING = frozenset({
    "id", "ids", "file", "filename", "name", "path", "video", "audio", "image", "media", "clip", "item", "asset",
    "episode", "track", "take", "part", "segment", "index", "page", "n", "no", "nr", "num", "number", "lang",
    "language", "locale", "quality", "format", "fmt", "ext", "type", "v", "ver", "version", "versionid", "rev",
    "revision", "generation", "width", "height", "w", "h", "raw", "download", "dl", "export", "alt",
})  # fmt: skip
"""Parameters of a web address that say which file is meant, in lower case. ``key`` and ``t`` are not among them: they are
tokens as often."""
_WEB = ("http", "https")
_LINK = re.compile(r"::(?=[a-z][a-z0-9+.-]*(?:://|::))")  # between the links of a chain: simplecache::https://…
_SCHEME = "[a-z][a-z0-9+.-]*://"
# In a sentence; one between quotes ends with them, another may have them in it; a comma may be in one, or begin the next.
_IN_TEXT = re.compile(rf"(?i)(?<![\"'])\b{_SCHEME}(?:(?![,;|]{_SCHEME})\S)+|(?<=[\"']){_SCHEME}[^\s\"']+")
_STOPS = ".,:;!…)]}'\""  # what ends a sentence, not a URL


def address(url: str) -> str:
    """The URL without user and password, signature, token and fragment; a local path is its own address."""
    return "::".join(_address(link) for link in _LINK.split(url)) if "://" in url else url


def without_secrets(text: str) -> str:
    """A text in which every URL is its address."""
    return _IN_TEXT.sub(_shown, text) if "://" in text else text


def cleaned(value: Any) -> Any:
    """A value in which every text is :func:`without_secrets`, in dataclasses, mappings, lists and tuples too."""
    if isinstance(value, str):
        return without_secrets(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: cleaned(getattr(value, f.name)) for f in fields(value) if f.init})
    if isinstance(value, dict):
        return {name: cleaned(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(cleaned, value))
    return value


def without_query(url: str) -> str:
    """The URL up to its query, whose slashes and dots are no part of the file's name."""
    return re.split(r"[?#]", url, maxsplit=1)[0] if is_web(url) else url


def is_web(url: str) -> bool:
    """Whether the file, at the end of a chain too, is asked of a web server."""
    return "://" in url and _LINK.split(url)[-1].partition("://")[0].lower() in _WEB


def _shown(found: re.Match[str]) -> str:
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
    user = "" if web else user.partition(":")[0]  # abfs://container@account is no password
    named = "&".join(filter(_names_a_file, query.split("&")))
    return f"{scheme}{mark}{user + at if user else ''}{host}{slash}{path}{'?' + named if named else ''}"


def _names_a_file(pair: str) -> bool:
    name, _, value = pair.partition("=")
    value = unquote(value)
    return name.lower() in NAMING and "://" not in value and not {"?", "@", "&"} & set(value)

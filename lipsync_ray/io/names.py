"""Generates missing ids: the shortest part of a file's path that is unique; never the row's number.

A file keeps its id wherever its row is in a table, so that a resumed run does not mix up two people's dubs.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from lipsync_ray import addresses

LONGEST_BYTES = 120  # of an id in UTF-8: file names are limited to 255 and append to it
_SAFE = re.compile(r"[^\W_][\w.-]*")
_UNSAFE = re.compile(r"[^\w.-]+")
_HASH = 8  # hex digits
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[1-9¹²³])(?=\.|$)", re.IGNORECASE)  # of Windows, with any extension


def is_safe(name: str) -> bool:
    """Whether a name is valid for files on every system: letters and digits of any script, ``.``, ``_`` and ``-``; no
    Windows device, and no trailing dot, which Windows drops.
    """
    fits = bool(_SAFE.fullmatch(name)) and len(name.encode()) <= LONGEST_BYTES
    return fits and not _DEVICE.match(name) and not name.endswith(".")


def safe(name: str) -> str:
    """The name with other characters replaced by ``_``, truncated if too long."""
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).lstrip("._-")
    plain = plain.encode()[:LONGEST_BYTES].decode(errors="ignore").rstrip(".") or "row"
    return _DEVICE.sub(r"\1_", plain, count=1) if _DEVICE.match(plain) else plain


def folded(name: str) -> str:
    """Key that is equal for names that differ only in case or in Unicode normalisation."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def stem_of(url: str) -> str:
    """A file's name without its extension."""
    name = addresses.without_query(url).rstrip("/").rpartition("/")[2]
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


@dataclass(frozen=True)
class Source:
    """The source of an id.

    Attributes
    ----------
    url : file that gives the name; stored as its address (:mod:`lipsync_ray.addresses`)
    tail : parts appended to the name
    more : further parts, appended if the id is not unique
    """

    url: str
    tail: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    _parts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _stem: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", addresses.address(self.url))
        *parts, name = addresses.without_query(self.url).split("://", 1)[-1].split("/")
        object.__setattr__(self, "_parts", tuple(filter(None, parts)))
        object.__setattr__(self, "_stem", stem_of(name) or "row")

    def at(self, level: int) -> str:
        """The id at a level: 0 is the file's name, 1 adds `more`, 2 its folder, 3 both, and so on."""
        folders, more = divmod(level, 2)
        tail = self.tail + (self.more if more else ())
        return safe("-".join((*self._parts[max(0, len(self._parts) - folders) :], self._stem, *tail)))

    @property
    def levels(self) -> int:
        return 2 * (len(self._parts) + 1)

    @property
    def hashed(self) -> str:
        """The id with a hash of everything it is made from."""
        digest = hashlib.sha256("\0".join((self.url, *self.tail, *self.more)).encode()).hexdigest()[:_HASH]
        return f"{self.at(0).encode()[: LONGEST_BYTES - _HASH - 1].decode(errors='ignore')}-{digest}"


def unique_ids(sources: Sequence[Source], written: Sequence[str | None] | None = None) -> list[str]:
    """An id for each source: the written one, or the shortest unique one. Independent of the order of the sources.

    Generated ids differ from all others in more than case. Identical sources are numbered.
    """
    own = list(written) if written is not None else [None] * len(sources)
    used = {folded(name) for name in own if name}
    found: list[str] = [name or "" for name in own]
    groups: dict[str, list[int]] = defaultdict(list)
    for index, source in enumerate(sources):
        if not found[index]:
            groups[folded(source.at(0))].append(index)
    for members in groups.values():
        for index, name in zip(members, _shortest([sources[i] for i in members], used), strict=True):
            found[index] = name
    users: dict[str, set[Source | int]] = defaultdict(set)
    for index, source in enumerate(sources):
        users[folded(found[index])].add(index if own[index] else source)
    for index, source in enumerate(sources):
        if not own[index] and len(users[folded(found[index])]) > 1:
            found[index] = source.hashed
    return _numbered(found, own)


def _shortest(sources: Sequence[Source], used: set[str]) -> list[str]:
    """Ids at the first level at which all are distinct and none is used."""
    distinct = len(set(sources))
    for level in range(max(source.levels for source in sources)):
        names = [source.at(level) for source in sources]
        folded_names = set(map(folded, names))
        if len(folded_names) == distinct and used.isdisjoint(folded_names):
            return names
    return [source.hashed for source in sources]


def _numbered(names: list[str], written: Sequence[str | None]) -> list[str]:
    """Append -2, -3 … to generated ids that still coincide."""
    used = {folded(name) for name in written if name}
    last: Counter[str] = Counter()
    out = []
    for name, own in zip(names, written, strict=True):
        unique = name
        while not own and folded(unique) in used:
            last[name] += 1
            unique = f"{name}-{last[name] + 1}"
        used.add(folded(unique))
        out.append(unique)
    return out

"""Ids that nobody wrote: made from a file's path, the shortest part that tells it from the others; never from its row.

The same file keeps its id wherever its row stands in a table, so that a run that goes on in a folder does not take one
person's dub for another's.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from lipsync_ray import addresses

LONGEST_BYTES = 120  # of an id in UTF-8: file names hold 255, and ours append to it
_SAFE = re.compile(r"[^\W_][\w.-]*")
_UNSAFE = re.compile(r"[^\w.-]+")
_HASH = 8  # hex digits
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[1-9¹²³])(?=\.|$)", re.IGNORECASE)  # of Windows, with any ending


def is_safe(name: str) -> bool:
    """Whether a name can be that of a file or folder everywhere: letters and digits of any script, ``.``, ``_`` and ``-``; no
    device of Windows, and no dot at its end, which Windows drops."""
    fits = bool(_SAFE.fullmatch(name)) and len(name.encode()) <= LONGEST_BYTES
    return fits and not _DEVICE.match(name) and not name.endswith(".")


def safe(name: str) -> str:
    """The name with other characters replaced by ``_``, and cut where it is too long."""
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).lstrip("._-")
    plain = plain.encode()[:LONGEST_BYTES].decode(errors="ignore").rstrip(".") or "row"
    return _DEVICE.sub(r"\1_", plain, count=1) if _DEVICE.match(plain) else plain


def folded(name: str) -> str:
    """Equal for names that are one file where case, or how an accent is written, does not tell names apart."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def stem_of(url: str) -> str:
    """A file's name without its ending."""
    name = addresses.without_query(url).rstrip("/").rpartition("/")[2]
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


@dataclass(frozen=True)
class Source:
    """What an id is made from.

    Attributes
    ----------
    url : the file that gives the name; its address is kept (:mod:`lipsync_ray.addresses`)
    tail : what comes behind it
    more : and then, where that does not tell it from another
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
        """The id: of the file alone at level 0, then with more, then with its folder, then with both, and so on."""
        folders, more = divmod(level, 2)
        tail = self.tail + (self.more if more else ())
        return safe("-".join((*self._parts[max(0, len(self._parts) - folders) :], self._stem, *tail)))

    @property
    def levels(self) -> int:
        return 2 * (len(self._parts) + 1)

    @property
    def hashed(self) -> str:
        """The id with a part that follows from all it is made from."""
        told = hashlib.sha256("\0".join((self.url, *self.tail, *self.more)).encode()).hexdigest()[:_HASH]
        return f"{self.at(0).encode()[: LONGEST_BYTES - _HASH - 1].decode(errors='ignore')}-{told}"


def tell_apart(sources: Sequence[Source], written: Sequence[str | None] | None = None) -> list[str]:
    """An id for each source: the written one, or the shortest that no other has. It does not depend on their order.

    Ids that are made up differ from all others in more than case. Sources that are equal in everything are numbered.
    """
    own = list(written) if written is not None else [None] * len(sources)
    taken = {folded(name) for name in own if name}
    found: list[str] = [name or "" for name in own]
    groups: dict[str, list[int]] = defaultdict(list)
    for index, source in enumerate(sources):
        if not found[index]:
            groups[folded(source.at(0))].append(index)
    for members in groups.values():
        for index, name in zip(members, _shortest([sources[i] for i in members], taken), strict=True):
            found[index] = name
    users: dict[str, set[Source | int]] = defaultdict(set)
    for index, source in enumerate(sources):
        users[folded(found[index])].add(index if own[index] else source)
    for index, source in enumerate(sources):
        if not own[index] and len(users[folded(found[index])]) > 1:
            found[index] = source.hashed
    return _numbered(found, own)


def _shortest(sources: Sequence[Source], taken: set[str]) -> list[str]:
    """Ids at the first level at which all of these have different ones, none of them taken."""
    distinct = len(set(sources))
    for level in range(max(source.levels for source in sources)):
        names = [source.at(level) for source in sources]
        used = set(map(folded, names))
        if len(used) == distinct and taken.isdisjoint(used):
            return names
    return [source.hashed for source in sources]


def _numbered(names: list[str], written: Sequence[str | None]) -> list[str]:
    """Made-up ids that coincide all the same get -2, -3 …"""
    taken = {folded(name) for name in written if name}
    last: Counter[str] = Counter()
    out = []
    for name, own in zip(names, written, strict=True):
        unique = name
        while not own and folded(unique) in taken:
            last[name] += 1
            unique = f"{name}-{last[name] + 1}"
        taken.add(folded(unique))
        out.append(unique)
    return out

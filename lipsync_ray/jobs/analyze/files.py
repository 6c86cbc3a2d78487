"""Inputs of an analysis: the distinct files of a table of dubs, or files and patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lipsync_ray import addresses
from lipsync_ray.errors import ManifestError
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.io import storage, user_tables
from lipsync_ray.io.manifest import given_cues, read_manifest, sound_files
from lipsync_ray.io.names import Source, unique_ids

# Names in an analysis's folder besides one folder per file.
OWN_NAMES = {
    "outcomes", "attempts", "run.json", "running.json", "index.html", "warnings.csv", "analysis.parquet",
    "faces", "people", "sources", "speakers.csv", "speakers.parquet",
}  # fmt: skip
Role = Literal["video", "audio"]


@dataclass(frozen=True)
class File:
    """A file to analyse.

    Attributes
    ----------
    id : names its folder and its row
    url : path or fsspec URL
    roles : its uses in the table, in alphabetical order; empty without a table
    languages : of its speech, from the table
    dubs : ids of the table's rows that use it
    shown_in : ids of those whose video it is
    """

    id: str
    url: str
    roles: tuple[Role, ...] = ()
    languages: tuple[str, ...] = ()
    dubs: tuple[str, ...] = ()
    shown_in: tuple[str, ...] = ()


def read_files(sources: Sequence[str]) -> list[File]:
    """Read the files of one table of dubs (CSV, JSON lines, Parquet), or the given files and patterns.

    Raises
    ------
    ManifestError : lists every problem
    """
    if len(sources) == 1 and user_tables.is_table(sources[0]):
        return _of_table(sources[0])
    problems: list[str] = []
    urls: dict[str, None] = {}
    for source in sources:
        if user_tables.is_table(source):
            problems.append(f"{source}: a table must be the only argument; give a table or files, not both")
        elif any(sign in addresses.without_query(source) for sign in "*?[") and not storage.exists(source):
            found = storage.glob(source)
            urls |= dict.fromkeys(found)
            if not found:
                problems.append(f"{source}: no file matches")
        else:
            urls[storage.absolute(source)] = None
    for url, reason in user_tables.why_absent(urls).items():
        inside = f"a folder; name the files in it: {storage.join(url, '*')}"
        problems.append(f"{url}: {inside if user_tables.is_folder(url) else reason}")
    if problems:
        raise ManifestError(", ".join(sources), problems)
    keys = _distinct(urls)
    return _named([File("", url) for url in {keys[url]: url for url in reversed(urls)}.values()][::-1])


def _of_table(url: str) -> list[File]:
    found: dict[tuple[str, str], File] = {}
    dubs = read_manifest(url)
    cues = given_cues(dubs)
    sounds = {dub.id: sound_files(dub, cues.get(dub.id, ())) for dub in dubs}
    keys = _distinct({name for dub in dubs for name in (dub.video, *sounds[dub.id])})
    for dub in dubs:
        uses: tuple[tuple[str, Role, str | None], ...] = (
            (dub.video, "video", None),
            *((sound, "audio", dub.language) for sound in sounds[dub.id]),
        )
        for name, role, language in uses:
            file = found.get(keys[name], File("", name))
            found[keys[name]] = replace(
                file,
                roles=tuple(sorted({*file.roles, role})),
                languages=tuple(dict.fromkeys((*file.languages, *filter(None, (language,))))),
                dubs=tuple(dict.fromkeys((*file.dubs, dub.id))),
                shown_in=(*file.shown_in, dub.id) if role == "video" else file.shown_in,
            )
    return _named(list(found.values()))


def _distinct(urls: Iterable[str]) -> dict[str, tuple[str, str]]:
    """URL → key of its file, independent of signatures: its address, and its content if needed."""
    addresses_of = {url: addresses.address(url) for url in urls}
    counts = Counter(addresses_of.values())
    contents = content_ids(url for url, address_of in addresses_of.items() if counts[address_of] > 1)
    return {url: (address_of, str(contents.get(url, ""))) for url, address_of in addresses_of.items()}


def _named(files: list[File]) -> list[File]:
    found = unique_ids([Source(file.url) for file in files])
    used = {*found, *OWN_NAMES}
    return [
        replace(file, id=_other(name, used) if name in OWN_NAMES else name)
        for file, name in zip(files, found, strict=True)
    ]


def _other(name: str, used: set[str]) -> str:
    """Append ``_`` to a name until it is unused."""
    while name in used:
        name += "_"
    return name

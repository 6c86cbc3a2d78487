"""Reads a file's provenance: its manifest and validity, its tags, and its watermark. Works on any file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from lipsync_ray.errors import LipsyncError, SettingsError
from lipsync_ray.io import storage
from lipsync_ray.media.container import opened
from lipsync_ray.provenance.claims import MARKED
from lipsync_ray.provenance.credentials import reading
from lipsync_ray.provenance.mark_keys import key_of, read_key
from lipsync_ray.provenance.tags import has_manifest, kind_of, read_packet, sentence_in, source_type_in
from lipsync_ray.provenance.watermarks import Watermark, find_watermark

State = Literal["Trusted", "Valid", "Invalid", "unchecked"]
_LONGEST = 300  # characters of text from the file


@dataclass(frozen=True)
class Manifest:
    """A C2PA manifest read from a file.

    Attributes
    ----------
    state : "Trusted", signed by one of the given trust anchors; "Valid", by an unknown signer; "Invalid", with
        `problems`; "unchecked" if the package that validates is not installed
    signer : names in the certificate; empty if unreadable
    time : of the signature, if certified by a time-stamping authority
    software : name and version of the software that wrote it
    source_types : IPTC's digital source types of its actions and of its ingredients' actions
    actions : of the active manifest, in order
    chain : titles of the active manifest and its ingredients' manifests, newest first
    problems : C2PA codes of failed validations
    """

    state: State
    signer: str = ""
    time: str | None = None
    software: str = ""
    source_types: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """Provenance of one file.

    Attributes
    ----------
    file : as it was given
    marked : the file is declared as synthetic or edited, and nothing about it is invalid
    manifest : None without one
    source_type : IPTC's digital source type in its XMP packet; empty without one
    comment : description for people
    watermark : None if none was found or searched for
    error : why the file is unreadable; empty if it is readable
    """

    file: str
    marked: bool = False
    manifest: Manifest | None = None
    source_type: str = ""
    comment: str = ""
    watermark: Watermark | None = None
    error: str = ""

    @property
    def line(self) -> str:
        """Summary in one line."""
        if self.error:
            return f"{self.file}: unreadable: {self.error}"
        parts = ["marked" if self.marked else "not marked"]
        if self.manifest is not None:
            parts.append(_line_of(self.manifest))
        if self.source_type:
            parts.append(f"IPTC {self.source_type.rpartition('/')[2]}")
        if self.watermark is not None:
            parts.append(_line_of_mark(self.watermark))
        if self.comment:
            parts.append(f'"{self.comment}"')
        if len(parts) == 1:
            parts.append("no manifest, no tag, no mark in the pixels")
        return f"{self.file}: {'; '.join(parts)}"


def _line_of_mark(mark: Watermark) -> str:
    text = "too faint to read its id" if mark.id is None else f"id {mark.id}"
    return f"a mark in the pixels, {text}"


def _line_of(manifest: Manifest) -> str:
    by = f" by {manifest.signer}" if manifest.signer else ""
    when = f" on {manifest.time}" if manifest.time else ""
    if manifest.state == "unchecked":
        return "a manifest, not validated (pip install 'lipsync-ray[provenance]')"
    if manifest.state == "Invalid":
        return f"manifest INVALID, the file changed after signing{by}{when}: {', '.join(manifest.problems)}"
    validity = "trusted" if manifest.state == "Trusted" else "valid (unknown signer)"
    links = f", a chain of {len(manifest.chain)}" if len(manifest.chain) > 1 else ""
    return f"manifest {validity}, signed{by}{when}{links}"


def status_of(found: Sequence[Inspection]) -> int:
    """Exit status: 2 if a file is unreadable, 1 if one is not marked, else 0."""
    return 2 if any(one.error for one in found) else int(not all(one.marked for one in found))


def inspect_file(
    file: str | os.PathLike[str], trust: str | None = None, watermark_key: str | None = None, pixels: bool = True
) -> Inspection:
    """Inspect a file.

    Parameters
    ----------
    file : path or URL
    trust : PEM file of trusted certificates; a manifest by any other signer then does not count as a mark
    watermark_key : file of the watermark key, tried in addition to the public one; None for $LIPSYNC_WATERMARK_KEY
    pixels : search for a watermark; decodes up to 20 seconds of a video

    Raises
    ------
    SettingsError : `trust` or the key is unusable
    """
    name = os.fspath(file)
    anchors = read_anchors(trust) if trust is not None else None
    secrets = tuple({read_key(None), read_key(key_of(watermark_key).path)}) if pixels else ()
    url = storage.absolute(name)
    try:
        if storage.is_local(url):
            return _look(name, storage.local_path(url), anchors, secrets)
        with TemporaryDirectory() as scratch:
            local = Path(scratch) / storage.name_of(url)
            storage.copy(url, str(local))
            return _look(name, local, anchors, secrets)
    except FileNotFoundError:
        return Inspection(name, error="no such file")
    except IsADirectoryError:
        return Inspection(name, error="a folder; expected a file")
    except (OSError, LipsyncError, ValueError, ImportError) as error:
        return Inspection(name, error=" ".join(str(error).split())[:_LONGEST])


def read_anchors(url: str) -> str:
    """Read trusted certificates from a PEM file.

    Raises
    ------
    SettingsError : it is unreadable, or has no certificate
    """
    try:
        text = storage.read_bytes(url).decode()
    except FileNotFoundError:
        raise SettingsError(f"--trust {url}: no such file") from None
    except (OSError, LipsyncError, ValueError) as error:
        raise SettingsError(f"--trust {url}: cannot be read ({error})") from None
    if "BEGIN CERTIFICATE" not in text:
        raise SettingsError(f"--trust {url}: no certificate in it; expected a PEM file of trusted certificates")
    if find_spec("c2pa") is None:
        raise SettingsError("--trust needs the package c2pa-python. Run: pip install 'lipsync-ray[provenance]'")
    return text


def _look(name: str, path: Path, anchors: str | None, secrets: Sequence[bytes]) -> Inspection:
    with path.open("rb") as file:
        packet = read_packet(file, path.stat().st_size)
        signed = has_manifest(file, path.stat().st_size)
    manifest = read_manifest_of(path, anchors, signed)
    comment, readable = sentence_in(packet), True
    try:
        with opened(str(path)) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
            comment = tags.get("comment") or tags.get("description") or comment
    except LipsyncError as error:
        readable = False
        if not packet and manifest is None:
            return Inspection(name, error=str(error).removeprefix(f"{path}: "))
    source_type = source_type_in(packet)
    good = manifest is None or manifest.state in (
        ("Trusted",) if anchors is not None else ("Trusted", "Valid", "unchecked")
    )
    source_types = {source_type, *(manifest.source_types if manifest is not None else ())}
    mark = find_watermark(path, secrets) if secrets and readable else None
    marked = good and (bool(source_types & set(MARKED)) or mark is not None)
    return Inspection(name, marked, manifest, source_type, comment, mark)


def read_manifest_of(path: Path, anchors: str | None, signed: bool) -> Manifest | None:
    """Read the manifest of a local file; None without one.

    Parameters
    ----------
    anchors : trusted certificates, as one PEM text
    signed : whether the file appears to contain one
    """
    if find_spec("c2pa") is None:
        return Manifest("unchecked") if signed else None
    import c2pa

    try:
        with path.open("rb") as file, reading(anchors) as context:
            reader = c2pa.Reader.try_create(kind_of(path), file, context=context)
            if reader is None:
                return None
            with reader:
                return _parsed(json.loads(reader.json()), str(reader.get_validation_state()))
    except c2pa.C2paError.NotSupported:
        return None
    except (c2pa.C2paError, ValueError) as error:
        if not signed:
            return None
        return Manifest("Invalid", problems=(" ".join(str(error).split())[:_LONGEST],))


def _parsed(store: Mapping[str, Any], state: str) -> Manifest:
    manifests: Mapping[str, Any] = store.get("manifests", {})
    active = manifests.get(store.get("active_manifest", ""), {})
    signature = active.get("signature_info") or {}
    names = [signature.get("common_name"), signature.get("issuer")]
    software = (active.get("claim_generator_info") or [{}])[0]
    results = (store.get("validation_results") or {}).get("activeManifest") or {}
    problems = [
        one.get("code", "") for one in results.get("failure", []) if one.get("code") != "signingCredential.untrusted"
    ]
    return Manifest(
        state if state in ("Trusted", "Valid") else "Invalid",  # type: ignore[arg-type]
        ", ".join(dict.fromkeys(filter(None, names))),
        signature.get("time"),
        " ".join(filter(None, (software.get("name"), software.get("version")))),
        tuple(dict.fromkeys(one["digitalSourceType"] for each in manifests.values() for one in _actions(each) if "digitalSourceType" in one)),
        tuple(one.get("action", "") for one in _actions(active)),
        tuple(_chain(manifests, active)),
        tuple(dict.fromkeys(problems)),
    )  # fmt: skip


def _actions(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest.get("assertions", [])
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", [])
    ]


def _chain(manifests: Mapping[str, Any], first: Mapping[str, Any]) -> list[str]:
    found, waiting, seen = [], [first], set()
    while waiting:
        manifest = waiting.pop(0)
        found.append(str(manifest.get("title") or manifest.get("label") or ""))
        for ingredient in manifest.get("ingredients", []):
            label = ingredient.get("active_manifest")
            if label in manifests and label not in seen:
                seen.add(label)
                waiting.append(manifests[label])
    return found

"""Signs files with C2PA manifests, which include the manifests of their sources."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lipsync_ray import addresses
from lipsync_ray.errors import SettingsError, SigningError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged
from lipsync_ray.io.results import Drawn
from lipsync_ray.provenance.claims import SOFTWARE, Claim, SourceFile
from lipsync_ray.provenance.credentials import reading
from lipsync_ray.provenance.signer import Signer
from lipsync_ray.provenance.tags import kind_of, type_of

if TYPE_CHECKING:
    import c2pa

FACTS = "lipsync-ray.facts"  # label of the assertion for facts without a C2PA vocabulary
_HASHED_AT_ONCE = 1 << 20  # bytes
_MOST_REGIONS = 1000  # limit per manifest; more are merged to longer ranges
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8ffff3f0005fe02fe"
    "dccc59e70000000049454e44ae426082"
)


def sign_file(path: Path, claim: Claim, signer: Signer, clear: bool) -> None:
    """Add a signed manifest to a file, in place; packets and pixels are unchanged.

    Parameters
    ----------
    clear : store consent and rights as text instead of their sha256

    Raises
    ------
    SigningError : signing failed; the file is unchanged
    ChangedError : a source has changed since the file was made
    """
    signed = path.with_name(f"signed-{path.name}")
    hashes = {
        one: (hash_and_mark if one.content else hash_and_mark.__wrapped__)(one.url, one.content)
        for one in claim.sources
    }
    with ExitStack() as stack:
        opened = stack.enter_context(signer.opened())
        builder = stack.enter_context(_builder(definition(claim, hashes, clear)))
        for number, (one, found) in enumerate(hashes.items()):
            if found[1]:
                local = stack.enter_context(_here(one))
                _keep_manifest(builder, _ingredient(number, one, claim), local)
        builder.sign_file(str(path), str(signed), opened)
    signed.replace(path)


def _keep_manifest(builder: c2pa.Builder, ingredient: dict[str, Any], path: Path) -> None:
    import c2pa

    try:
        with path.open("rb") as file:
            builder.add_ingredient(ingredient, kind_of(path), file)
    except c2pa.C2paError as error:
        raise SigningError(f"{ingredient['title']}: its own manifest cannot be kept ({error})") from None


def check_signer(signer: Signer) -> None:
    """Sign a picture of one pixel and read it back.

    Raises
    ------
    SettingsError : names the option and its fault
    """
    import c2pa

    signed = io.BytesIO()
    claim = Claim("probe.png", "restored", "none")
    try:
        with signer.opened() as opened, _builder(definition(claim, {}, False)) as builder:
            builder.sign(opened, "image/png", io.BytesIO(_PIXEL), signed)
    except SigningError as error:
        raise SettingsError(str(error)) from None
    signed.seek(0)
    with c2pa.Reader("image/png", signed) as reader:
        state = str(reader.get_validation_state())
    if state not in ("Valid", "Trusted"):
        raise SettingsError(f"--sign-cert {signer.cert}: a test signature is read back as {state}; expected Valid")


def definition(claim: Claim, hashes: dict[SourceFile, tuple[str, bool]], clear: bool) -> dict[str, Any]:
    """Manifest definition of a claim, in c2pa's format.

    Parameters
    ----------
    hashes : source → its sha256, and whether it has a manifest, which is added later
    """
    facts: dict[str, Any] = {
        "sources": [
            {"role": one.role, "name": storage.name_of(one.url), "sha256": found[0]} for one, found in hashes.items()
        ],
        "task": claim.task,
        "model": claim.model,
    }
    for name, text in (("consent", claim.consent), ("rights", claim.rights)):
        if text is not None:
            facts[name] = text if clear else {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    return {
        "claim_generator_info": [_agent()],
        "title": claim.title,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": _actions(claim, list(hashes))}},
            {"label": FACTS, "data": facts},
        ],
        "ingredients": [
            _ingredient(number, one, claim) | {"format": type_of(storage.name_of(one.url))}
            for number, (one, found) in enumerate(hashes.items())
            if not found[1]
        ],
    }


def _agent() -> dict[str, str]:
    return {"name": SOFTWARE, "version": version(SOFTWARE)}


def _actions(claim: Claim, sources: list[SourceFile]) -> list[dict[str, Any]]:
    """The actions, in order; a file without known sources is a new one."""
    if claim.compiled:
        every = [f"source-{number}" for number in range(len(sources))]
        created = {
            "action": "c2pa.created",
            "digitalSourceType": claim.source_type,
            "description": claim.sentence,
        }
        placed = {"action": "c2pa.placed", "parameters": {"ingredientIds": every}}
        return [one | {"softwareAgent": _agent()} for one in (created, placed)]
    visual, audible = (
        [f"source-{number}" for number, one in enumerate(sources) if one.role == role] for role in ("video", "audio")
    )
    begun: dict[str, Any] = {"action": "c2pa.opened"}
    if claim.created or not visual:
        begun = {"action": "c2pa.created", "digitalSourceType": claim.source_type}
    if visual:
        begun["parameters"] = {"ingredientIds": visual}
    models = [{"name": one.name, "sha256": one.sha256, "licence": one.licence} for one in claim.networks]
    drew: dict[str, Any] = {
        "action": "c2pa.edited",
        "digitalSourceType": claim.source_type,
        "description": claim.sentence,
        "parameters": {f"{SOFTWARE}.models": models},
    }
    if claim.drawn:
        drew["changes"] = [_region(one) for one in _few(claim.drawn)]
    actions_placed = [{"action": "c2pa.placed", "parameters": {"ingredientIds": audible}}] if audible else []
    return [one | {"softwareAgent": _agent()} for one in (begun, drew, *actions_placed)]


@lru_cache(maxsize=256)
def hash_and_mark(url: str, content: str) -> tuple[str, bool]:
    """Sha256 of a source, and whether it has a manifest. Cached, because many dubs have the same source.

    Parameters
    ----------
    content : its identity at planning; empty: any

    Raises
    ------
    ChangedError : the file has changed
    """
    digest = hashlib.sha256()
    with _here(SourceFile("video", url, content)) as local:
        with local.open("rb") as file:
            while block := file.read(_HASHED_AT_ONCE):
                digest.update(block)
        there = _readable(local)
    check_unchanged(url, content)
    return digest.hexdigest(), there


def _readable(path: Path) -> bool:
    """Whether a file has a readable manifest, valid or not."""
    import c2pa

    try:
        with path.open("rb") as file, reading() as context:
            reader = c2pa.Reader.try_create(kind_of(path), file, context=context)
            if reader is not None:
                reader.close()
            return reader is not None
    except c2pa.C2paError:  # a kind of file without manifests, or a damaged one
        return False


@contextmanager
def _here(source: SourceFile) -> Iterator[Path]:
    """A local copy of a source."""
    check_unchanged(source.url, source.content)
    if storage.is_local(source.url):
        yield storage.local_path(source.url)
        return
    with TemporaryDirectory() as scratch:
        local = Path(scratch) / "source"
        storage.copy(source.url, str(local))
        yield local


def _ingredient(number: int, source: SourceFile, claim: Claim) -> dict[str, Any]:
    part = source.role == "audio" or claim.compiled
    relation = "componentOf" if part else "inputTo" if claim.created else "parentOf"
    return {
        "title": storage.name_of(addresses.address(source.url)),
        "relationship": relation,
        "label": f"source-{number}",
    }


def _region(drawn: Drawn) -> dict[str, Any]:
    rectangle = {
        "type": "rectangle",
        "unit": "pixel",
        "origin": {"x": drawn.x, "y": drawn.y},
        "width": drawn.width,
        "height": drawn.height,
    }
    return {
        "name": "drawn by a computer",
        "region": [
            {
                "type": "temporal",
                "time": {"type": "npt", "start": f"{drawn.start_s:.3f}", "end": f"{drawn.stop_s:.3f}"},
            },
            {"type": "spatial", "shape": rectangle},
        ],
    }


def _few(drawn: tuple[Drawn, ...]) -> tuple[Drawn, ...]:
    """Merge neighbouring regions evenly to at most :data:`_MOST_REGIONS`."""
    each = -(-len(drawn) // _MOST_REGIONS)
    return tuple(_around(drawn[low : low + each]) for low in range(0, len(drawn), each))


def _around(some: tuple[Drawn, ...]) -> Drawn:
    x, y = min(one.x for one in some), min(one.y for one in some)
    right, bottom = max(one.x + one.width for one in some), max(one.y + one.height for one in some)
    return Drawn(some[0].start_s, some[-1].stop_s, x, y, right - x, bottom - y)


@contextmanager
def _builder(manifest: dict[str, Any]) -> Iterator[c2pa.Builder]:
    import c2pa

    with reading() as context, c2pa.Builder(json.dumps(manifest), context) as builder:
        yield builder

"""Writes provenance into files: when they are assembled, or later into finished files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from lipsync_ray.errors import EncodeError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged
from lipsync_ray.media.container import opened
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.side_content import read_side_content
from lipsync_ray.media.sound_writers import AudioCopy
from lipsync_ray.provenance.claims import CREATED, Claim
from lipsync_ray.provenance.signer import Signer, signer_of
from lipsync_ray.provenance.tags import read_packet, source_type_in, untagged_png, write_tags
from lipsync_ray.settings.provenance import ProvenanceKind, ProvenanceSettings


@dataclass(frozen=True)
class Marking:
    """Provenance settings as sent to workers: the location of the signer's key, never the key.

    Attributes
    ----------
    signer : None without signing
    clear : store consent and rights as text in the manifest
    """

    kind: ProvenanceKind
    signer: Signer | None = None
    clear: bool = False

    def digest(self, claim: Claim) -> str | None:
        """Digest of a file's provenance; None without any."""
        if self.kind == "none":
            return None
        signed = [] if self.signer is None else [*self.signer.identity, self.clear, claim.consent, claim.rights]
        return storage.digest(self.kind, *signed)

    def on(self, claim: Claim | None) -> tuple[str, Callable[[Path], None] | None]:
        """The comment for the muxer, and a function that finishes the file before it is committed."""
        if self.kind == "none" or claim is None:
            return "", None
        return claim.sentence, partial(_finish, self, claim)


UNMARKED = Marking("none")


def marking_of(settings: ProvenanceSettings) -> Marking:
    """Prepare provenance from the settings, and test the signer.

    Raises
    ------
    SettingsError : names the option of an unusable certificate, key or command
    """
    return Marking(
        settings.kind, checked_signer(settings) if settings.kind == "c2pa" else None, settings.consent == "clear"
    )


def checked_signer(settings: ProvenanceSettings) -> Signer:
    """The signer given by settings and environment, after a test signature.

    Raises
    ------
    SettingsError : names the option and what to do
    """
    signer = signer_of(settings)
    from lipsync_ray.provenance.manifest import check_signer  # c2pa, an extra

    check_signer(signer)
    return signer


def _finish(marking: Marking, claim: Claim, path: Path) -> None:
    if claim.task in ("restored", "languages") and any(_made_by_a_computer(one.url) for one in claim.sources):
        claim = replace(claim, whole=True)
    write_tags(path, claim)
    if marking.signer is not None:
        from lipsync_ray.provenance.manifest import sign_file

        sign_file(path, claim, marking.signer, marking.clear)


def _made_by_a_computer(url: str) -> bool:
    """Whether a file is declared as entirely synthetic."""
    with storage.opened(url) as source, ExitStack() as stack:
        file = stack.enter_context(open(source, "rb")) if isinstance(source, str) else source
        return source_type_in(read_packet(file, storage.size(url))) == CREATED


@dataclass(frozen=True)
class MarkOrder:
    """A finished file to mark again.

    Attributes
    ----------
    key : id of its row
    url : where it is read and replaced
    frames, rate : of a video; ignored for a picture
    sources : (URL, identity) of its source files
    """

    key: str
    url: str
    frames: int
    rate: Fraction
    claim: Claim
    marking: Marking
    sources: tuple[tuple[str, str], ...] = ()


def mark_again(order: MarkOrder) -> str:
    """Remux a finished file from its own packets, without its old provenance, and mark it.

    Raises
    ------
    EncodeError, SigningError, ChangedError : the file is unchanged
    """
    comment, finish = order.marking.on(order.claim)
    with tempfile.TemporaryDirectory() as scratch:
        before, path = (Path(scratch) / folder / storage.name_of(order.url) for folder in ("before", "after"))
        before.parent.mkdir()
        path.parent.mkdir()
        storage.copy(order.url, str(before))
        if path.suffix == ".png":
            path.write_bytes(untagged_png(before.read_bytes()))
        else:
            with opened(str(before)) as container:
                count = len(container.streams.audio)
            sounds = [AudioCopy(str(before), Fraction(0), number=number) for number in range(count)]
            track, side = sounds[0] if sounds else None, read_side_content(str(before), order.rate)
            found = join([Part(0, lambda: before)], order.rate, track, path, comment, side, sounds[1:])
            if found != order.frames:
                raise EncodeError(f"{path.name}: {found} frames in it, {order.frames} in its record")
        if finish is not None:
            finish(path)
        for source, planned in order.sources:
            check_unchanged(source, planned)
        storage.commit_file(path, order.url)
    return order.url

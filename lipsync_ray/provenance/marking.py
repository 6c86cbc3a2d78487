"""Write into a finished file what it says of itself, where it is put together; or into one that was finished before."""

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
from lipsync_ray.media.sound_writers import AudioCopy
from lipsync_ray.media.subtitles import read_subtitles
from lipsync_ray.provenance.claims import CREATED, Claim
from lipsync_ray.provenance.signer import Signer, signer_of
from lipsync_ray.provenance.tags import read_packet, source_type_in, untagged_png, write_tags
from lipsync_ray.settings.provenance import ProvenanceKind, ProvenanceSettings


@dataclass(frozen=True)
class Marking:
    """How files are marked, as it travels to whoever puts them together: where the signer's key is, never the key.

    Attributes
    ----------
    signer : None where nothing is signed
    clear : whether a manifest repeats consent and rights in words
    """

    kind: ProvenanceKind
    signer: Signer | None = None
    clear: bool = False

    def digest(self, claim: Claim) -> str | None:
        """A text that changes with what a file says of itself besides its frames; None of one that says nothing."""
        if self.kind == "none":
            return None
        signed = [] if self.signer is None else [*self.signer.identity, self.clear, claim.consent, claim.rights]
        return storage.digest(self.kind, *signed)

    def on(self, claim: Claim | None) -> tuple[str, Callable[[Path], None] | None]:
        """The sentence for the muxer, and what is done to the file before it is committed."""
        if self.kind == "none" or claim is None:
            return "", None
        return claim.sentence, partial(_finish, self, claim)


UNMARKED = Marking("none")


def marking_of(settings: ProvenanceSettings) -> Marking:
    """How the settings mean files to be marked; a signer is tried.

    Raises
    ------
    SettingsError : a certificate, key or command that cannot work, naming its option
    """
    return Marking(
        settings.kind, checked_signer(settings) if settings.kind == "c2pa" else None, settings.consent == "clear"
    )


def checked_signer(settings: ProvenanceSettings) -> Signer:
    """The signer that settings and environment mean, after it has signed a picture.

    Raises
    ------
    SettingsError : what is missing or wrong, naming the option, and what to do
    """
    signer = signer_of(settings)
    from lipsync_ray.provenance.manifest import check_signer  # c2pa, an extra

    check_signer(signer)
    return signer


def _finish(marking: Marking, claim: Claim, path: Path) -> None:
    if claim.task == "restored" and any(_made_by_a_computer(one.url) for one in claim.sources):
        claim = replace(claim, whole=True)
    write_tags(path, claim)
    if marking.signer is not None:
        from lipsync_ray.provenance.manifest import sign_file

        sign_file(path, claim, marking.signer, marking.clear)


def _made_by_a_computer(url: str) -> bool:
    """Whether a file says that no camera saw any of it."""
    with storage.opened(url) as source, ExitStack() as stack:
        file = stack.enter_context(open(source, "rb")) if isinstance(source, str) else source
        return source_type_in(read_packet(file, storage.size(url))) == CREATED


@dataclass(frozen=True)
class MarkOrder:
    """A finished file that is to say something else of itself.

    Attributes
    ----------
    key : of its row
    url : where it is, and where it is put again
    frames, rate : of a video; of no account of a picture
    sources : (URL, identity) of the files that it is made of
    """

    key: str
    url: str
    frames: int
    rate: Fraction
    claim: Claim
    marking: Marking
    sources: tuple[tuple[str, str], ...] = ()


def mark_again(order: MarkOrder) -> str:
    """Put a finished file together anew from its own packets, without what it said of itself, and mark it.

    Raises
    ------
    EncodeError, SigningError, ChangedError : it is left as it was
    """
    comment, finish = order.marking.on(order.claim)
    with tempfile.TemporaryDirectory() as scratch:
        before, path = (Path(scratch) / place / storage.name_of(order.url) for place in ("before", "after"))
        before.parent.mkdir()
        path.parent.mkdir()
        storage.copy(order.url, str(before))
        if path.suffix == ".png":
            path.write_bytes(untagged_png(before.read_bytes()))
        else:
            with opened(str(before)) as container:
                track = AudioCopy(str(before), Fraction(0)) if container.streams.audio else None
            found = join([Part(0, lambda: before)], order.rate, track, path, comment, read_subtitles(str(before)))
            if found != order.frames:
                raise EncodeError(f"{path.name}: {found} frames in it, {order.frames} in its record")
        if finish is not None:
            finish(path)
        for source, planned in order.sources:
            check_unchanged(source, planned)
        storage.commit_file(path, order.url)
    return order.url

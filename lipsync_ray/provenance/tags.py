"""Tags files with an XMP packet (IPTC's DigitalSourceType) and a comment that players show.

In an MP4 or QuickTime file the packet is a box at the end, so no offset changes and the index stays in place; in Matroska it is
a void element there, which players skip. The muxer writes the comment. In a PNG both are chunks after the header.
"""

from __future__ import annotations

import mimetypes
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import UUID
from xml.sax.saxutils import escape, unescape

from lipsync_ray.errors import EncodeError
from lipsync_ray.provenance.claims import SOFTWARE, Claim

XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
_C2PA_BOX = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
EBML_SIGN, _VOID, _LONG_SIZE = b"\x1a\x45\xdf\xa3", b"\xec", 1 << 56  # RFC 8794: a size of eight bytes has that bit
PNG_SIGN = b"\x89PNG\r\n\x1a\n"
_TYPES = {
    "mov": "video/quicktime", "m4a": "audio/mp4", "m4v": "video/mp4", "wav": "audio/wav", "mkv": "video/x-matroska",
    "webp": "image/webp", "avif": "image/avif", "heic": "image/heic", "heif": "image/heif", "opus": "audio/ogg",
}  # fmt: skip
_XMP_KEYWORD = "XML:com.adobe.xmp"
_SENTENCE_KEYWORD = "Description"
_SCANNED = 1 << 20  # bytes searched at both ends of a file of unknown format
_LARGEST_PACKET = 16 << 20
_PACKET = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>", re.DOTALL)
_TYPE = re.compile(r"DigitalSourceType\s*(?:=\s*[\"']|(?:\s+[^>]*)?>\s*)([^\"'<\s]+)")
_DESCRIPTION = re.compile(r"<dc:description>.*?<rdf:li[^>]*>(.*?)</rdf:li>", re.DOTALL)


def packet_of(claim: Claim) -> bytes:
    """XMP packet of a claim; deterministic."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '  <rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">\n'
        f"   <Iptc4xmpExt:DigitalSourceType>{claim.source_type}</Iptc4xmpExt:DigitalSourceType>\n"
        f"   <xmp:CreatorTool>{SOFTWARE}</xmp:CreatorTool>\n"
        f'   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(claim.sentence)}</rdf:li></rdf:Alt></dc:description>\n'
        "  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    ).encode()


def write_tags(path: Path, claim: Claim) -> None:
    """Tag a finished video (MP4, QuickTime, Matroska) or PNG in place; existing tags of a PNG are replaced.

    Raises
    ------
    EncodeError : the file is neither
    """
    data = path.open("rb").read(12)
    if data.startswith(PNG_SIGN):
        path.write_bytes(_tagged_png(path.read_bytes(), claim))
    elif data[4:8] == b"ftyp":
        body = XMP_BOX + packet_of(claim)
        with path.open("ab") as file:
            file.write((len(body) + 8).to_bytes(4, "big") + b"uuid" + body)
    elif data.startswith(EBML_SIGN):
        body = packet_of(claim)
        with path.open("ab") as file:
            file.write(_VOID + (len(body) | _LONG_SIZE).to_bytes(8, "big") + body)
    else:
        raise EncodeError(
            f"{path.name}: neither an MP4, a QuickTime nor a Matroska file, nor a PNG: what can be tagged"
        )


def _tagged_png(data: bytes, claim: Claim) -> bytes:
    plain = untagged_png(data)
    header = next(len(PNG_SIGN) + 12 + len(body) for _, body in _chunks(plain))
    texts = ((_XMP_KEYWORD, packet_of(claim)), (_SENTENCE_KEYWORD, claim.sentence.encode()))
    chunks = [_chunk(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + text) for keyword, text in texts]
    return b"".join((plain[:header], *chunks, plain[header:]))


def untagged_png(data: bytes) -> bytes:
    """Remove the chunks of :func:`write_tags` and of a signer from a PNG; its pixel data is unchanged."""
    kept = [(kind, body) for kind, body in _chunks(data) if not _is_ours(kind, body)]
    return PNG_SIGN + b"".join(_chunk(kind, body) for kind, body in kept)


def _is_ours(kind: bytes, body: bytes) -> bool:
    keyword = body.split(b"\0", 1)[0].decode("latin-1")
    return kind == b"caBX" or (kind == b"iTXt" and keyword in (_XMP_KEYWORD, _SENTENCE_KEYWORD))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = len(PNG_SIGN)
    while offset + 12 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "big")
        yield data[offset + 4 : offset + 8], data[offset + 8 : offset + 8 + length]
        offset += 12 + length


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def boxes(file: IO[bytes], stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, first byte of the content, its end) of an MP4's top-level boxes, up to the first invalid one."""
    offset = 0
    while offset + 8 <= stop:
        file.seek(offset)
        head = file.read(16)
        size, kind, began = int.from_bytes(head[:4], "big"), head[4:8], offset + 8
        if size == 1:
            size, began = int.from_bytes(head[8:16], "big"), offset + 16
        end = stop if size == 0 else offset + size
        if end < began or end > stop:
            return
        yield kind, began, end
        offset = end


def read_packet(file: IO[bytes], size: int) -> str:
    """Read the XMP packet of a file of any format; empty without one.

    Parameters
    ----------
    file : open and seekable
    size : file size in bytes
    """
    file.seek(0)
    head = file.read(12)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        for kind, began, end in boxes(file, size):
            if kind in (b"uuid", b"moov") and end - began <= _LARGEST_PACKET:
                file.seek(began)
                body = file.read(end - began)
                if (kind == b"moov" or body.startswith(XMP_BOX)) and (found := _PACKET.search(body)):
                    return found[0].decode(errors="replace")
        return ""
    whole = head.startswith((PNG_SIGN, b"\xff\xd8", b"RIFF"))
    for start in (0,) if whole else (0, max(0, size - _SCANNED)):
        file.seek(start)
        if found := _PACKET.search(file.read(min(size, _LARGEST_PACKET) if whole else _SCANNED)):
            return found[0].decode(errors="replace")
    return ""


def has_manifest(file: IO[bytes], size: int) -> bool:
    """Whether an MP4, PNG or JPEG appears to contain a C2PA manifest, intact or damaged."""
    file.seek(0)
    head = file.read(12)
    if head[4:8] == b"ftyp":
        for kind, began, _ in boxes(file, size):
            file.seek(began)
            if kind == b"uuid" and file.read(16) == _C2PA_BOX:
                return True
        return False
    file.seek(0)
    if head.startswith(PNG_SIGN):
        return any(kind == b"caBX" for kind, _ in _chunks(file.read()))
    return head.startswith(b"\xff\xd8") and b"jumdc2pa" in file.read(_LARGEST_PACKET)


def kind_of(path: Path) -> str:
    """Media type of a file, by its first bytes, or else its name."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] not in (b"heic", b"heix", b"mif1", b"avif", b"M4A "):
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    for sign, kind in ((PNG_SIGN, "image/png"), (b"\xff\xd8", "image/jpeg"), (b"ID3", "audio/mpeg")):
        if head.startswith(sign):
            return kind
    if head.startswith(b"RIFF"):
        return {b"WAVE": "audio/wav", b"AVI ": "video/avi"}.get(head[8:12], "image/webp")
    return type_of(path.name)


def type_of(name: str) -> str:
    """Media type by file name."""
    return _TYPES.get(name.lower().rpartition(".")[2]) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def source_type_in(packet: str) -> str:
    """IPTC's digital source type in an XMP packet; empty without one."""
    found = _TYPE.search(packet)
    return found[1] if found else ""


def sentence_in(packet: str) -> str:
    """Description in an XMP packet; empty without one."""
    found = _DESCRIPTION.search(packet)
    return unescape(found[1]).strip() if found else ""

"""Open a media file, and which of its streams count."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Literal, get_args

import av
import av.error
from av.codec import CodecContext
from av.codec.hwaccel import HWAccel
from av.stream import Disposition

from lipsync_ray.errors import DecodeError, ProbeError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged

Decoder = Literal["cpu", "cuda"]
"""What decodes pictures: FFmpeg's own decoders; or a GPU's (NVDEC), for the codecs that it knows, and FFmpeg's for others."""
DECODERS: tuple[str, ...] = get_args(Decoder)

# Names for which FFmpeg would take its demuxer of numbered pictures, which reads "%d", "*" and "[" as patterns and of an
# animation the first picture alone; from memory, without a name, the content decides.
_PICTURE_NAMES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".tga",
)  # fmt: skip
# Texts that name other files, or other machines, and are played by reading those.
_PLAYLISTS = frozenset({"hls", "dash", "concat", "sdp", "rtsp", "imf"})
_PLAYLIST = "a playlist, which names other files; expected the media file itself"
_PLAYLIST_SIGNS = (b"#EXTM3U", b"ffconcat", b"v=0\r\n", b"v=0\n")
# What such a text may be opened by, before it is known to be one. A stream that this program reads has no protocol of its own.
_BY_PATH, _BY_STREAM = {"protocol_whitelist": "file"}, {"protocol_whitelist": "none"}
ALPHA_MODE = "alpha_mode"  # of a stream of WebM or Matroska: "1" where packets have a second picture, the transparency
_READS_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_TS_DISCONT = 0x0200  # FFmpeg's AVFMT_TS_DISCONT: a format whose clock may jump (MPEG-TS and PS, Ogg)


@contextmanager
def opened(url: str, decoder: Decoder = "cpu", planned: str = "") -> Iterator[Any]:
    """An open PyAV container.

    Parameters
    ----------
    planned : identity of the content that is expected (:func:`lipsync_ray.io.identity.identity`); empty: any

    Raises
    ------
    ProbeError : missing, empty, or not a media file; a playlist
    ChangedError : another content
    DecodeError : "cuda" where no GPU decodes
    """
    with ExitStack() as stack:
        try:
            if storage.name_of(url).lower().endswith(_PICTURE_NAMES):
                source: Any = io.BytesIO(storage.read_bytes(url))
            else:
                source = stack.enter_context(storage.opened(url))
            reach = _BY_PATH if isinstance(source, str) else _BY_STREAM
            device = HWAccel("cuda", allow_software_fallback=True) if decoder == "cuda" else None
            container = av.open(source, metadata_errors="replace", options=reach, hwaccel=device)
        except FileNotFoundError as error:
            raise ProbeError(f"{url}: no such file") from error
        except (av.error.FFmpegError, OSError, ValueError) as error:
            storage.check_version(url, error)
            if decoder == "cuda":  # of a file that has been read before
                raise DecodeError(
                    f"{url}: --decoder cuda, and no GPU decodes here ({error}); leave the option out to decode on CPUs"
                ) from error
            raise ProbeError(f"{url}: {_why_unreadable(url, error)}") from error
        with container:
            # Behind the opening: a path that is replaced later leads here to the file that was opened.
            check_unchanged(url, planned, source)
            if container.format.name in _PLAYLISTS:
                raise ProbeError(f"{url}: {_PLAYLIST}")
            yield container


def _why_unreadable(url: str, error: Exception) -> str:
    if storage.size(url) == 0:
        return "the file is empty (0 bytes)"
    if storage.read_bytes(url, 0, 16).startswith(_PLAYLIST_SIGNS):
        return _PLAYLIST
    if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
        return "not a readable video or audio file: damaged, cut off before its index, or another kind of file"
    return str(error)


def picture_streams(container: Any) -> list[Any]:
    """The picture streams that are no cover images."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def main_stream(container: Any) -> Any:
    """The picture stream that players show: the first one flagged as default, or else the first; None without one.

    A cover image is none.
    """
    streams = picture_streams(container)
    return next((stream for stream in streams if stream.disposition & Disposition.default), next(iter(streams), None))


def packets_of(container: Any, stream: Any) -> Iterator[tuple[Any, Callable[[], Any]]]:
    """A picture stream's packets, each with what decodes it into the frames that it completes.

    The transparency of VP8 and VP9 is decoded too, where FFmpeg has libvpx: its own decoders leave it out.
    """
    codec = stream.codec_context
    if stream.metadata.get(ALPHA_MODE) == "1" and (name := _READS_ALPHA.get(codec.name)) in av.codecs_available:
        codec = CodecContext.create(name, "r")
    for packet in container.demux(stream):
        yield packet, partial(codec.decode, packet)


def clock_may_jump(container: Any) -> bool:
    """Whether the format is one that is cut and glued together without its clock being set anew."""
    return bool(int(container.format.flags) & _TS_DISCONT)


def kinds(container: Any) -> str:
    """The kinds of its streams, for a message."""
    return ", ".join(stream.type or "unknown" for stream in container.streams) or "none"

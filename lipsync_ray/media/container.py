"""Opens media files and selects their streams."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import av
import av.error
from av.codec import CodecContext
from av.codec.hwaccel import HWAccel
from av.stream import Disposition

from lipsync_ray.errors import DecodeError, ProbeError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged
from lipsync_ray.media.choices import Decoder

# Extensions for which FFmpeg would use its demuxer of numbered pictures, which treats "%d", "*" and "[" as patterns and
# reads only the first picture of an animation. Reading from memory, without a name, the content decides.
_PICTURE_NAMES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".tga",
)  # fmt: skip
# Playlist formats: text files that name other files or machines.
_PLAYLISTS = frozenset({"hls", "dash", "concat", "sdp", "rtsp", "imf"})
_PLAYLIST = "a playlist of other files; expected the media file itself"
_PLAYLIST_SIGNS = (b"#EXTM3U", b"ffconcat", b"v=0\r\n", b"v=0\n")
# Protocols that FFmpeg may use before a playlist is recognised. Streams that Python reads need none.
_BY_PATH, _BY_STREAM = {"protocol_whitelist": "file"}, {"protocol_whitelist": "none"}
ALPHA_MODE = "alpha_mode"  # WebM and Matroska tag: "1" if packets have a second picture for transparency
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
    ProbeError : missing, empty, not a media file, or a playlist
    ChangedError : the content changed
    DecodeError : "cuda" without a GPU that decodes
    """
    with ExitStack() as stack:
        try:
            if storage.name_of(url).lower().endswith(_PICTURE_NAMES):
                source: Any = io.BytesIO(storage.read_bytes(url))
            else:
                source = stack.enter_context(storage.opened(url))
            protocols = _BY_PATH if isinstance(source, str) else _BY_STREAM
            device = HWAccel("cuda", allow_software_fallback=True) if decoder == "cuda" else None
            container = av.open(source, metadata_errors="replace", options=protocols, hwaccel=device)
        except FileNotFoundError as error:
            raise ProbeError(f"{url}: no such file") from error
        except (av.error.FFmpegError, OSError, ValueError) as error:
            storage.check_version(url, error)
            if decoder == "cuda":  # the file was readable before
                raise DecodeError(
                    f"{url}: --decoder cuda, but no GPU decodes here ({error}); omit the option to decode on CPUs"
                ) from error
            raise ProbeError(f"{url}: {_why_unreadable(url, error)}") from error
        with container:
            # After opening: if the path is replaced later, the opened file is still this one.
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
    """The picture streams, without cover images."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def main_stream(container: Any) -> Any:
    """The picture stream that players show: the first one flagged as default, or else the first; None without one.

    A cover image is none.
    """
    streams = picture_streams(container)
    return next((stream for stream in streams if stream.disposition & Disposition.default), next(iter(streams), None))


def packets_of(container: Any, stream: Any) -> Iterator[tuple[Any, Callable[[], Any]]]:
    """A picture stream's packets, each with a function that decodes it into the frames it completes.

    Also decodes the transparency of VP8 and VP9 if FFmpeg has libvpx; FFmpeg's own decoders ignore it.
    """
    codec = stream.codec_context
    if stream.metadata.get(ALPHA_MODE) == "1" and (name := _READS_ALPHA.get(codec.name)) in av.codecs_available:
        codec = CodecContext.create(name, "r")
    for packet in container.demux(stream):
        yield packet, partial(codec.decode, packet)


def clock_may_jump(container: Any) -> bool:
    """Whether files of the format may be concatenated with discontinuous clocks."""
    return bool(int(container.format.flags) & _TS_DISCONT)


def kinds(container: Any) -> str:
    """The types of its streams, for a message."""
    return ", ".join(stream.type or "unknown" for stream in container.streams) or "none"

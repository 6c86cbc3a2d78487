"""Still pictures used as videos: Pillow reads them whole first, because FFmpeg silently decodes truncated files."""

from __future__ import annotations

import io
import threading
import warnings

from lipsync_ray.errors import ProbeError
from lipsync_ray.io import storage
from lipsync_ray.media.orientation import AS_STORED, Orientation, of_exif

_JPEG_NAMES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")  # a phone's JPEG may contain a second picture after the first
_ORIENTATION = 0x0112
# DCI 4K: within H.264's level 5.2 and the sides that common hardware decodes. Few players show a larger video.
LONGEST_SIDE = 4096  # pixels
LARGEST_AREA = 4096 * 2160  # pixels
_FILTERS = threading.Lock()  # warning filters belong to the process, and many pictures are read at once


def is_jpeg_name(url: str) -> bool:
    """Whether the name is that of a JPEG, whatever follows it in the file."""
    return storage.name_of(url).lower().endswith(_JPEG_NAMES)


def is_picture_format(name: str) -> bool:
    """Whether FFmpeg's name of a format is that of a bare picture."""
    return name.endswith("_pipe") or name in {"image2", "mjpeg"}


def playable_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) in pixels of the video of a picture: its own size, or smaller, even sides that players support."""
    scale = min(LONGEST_SIDE / max(width, height), (LARGEST_AREA / (width * height)) ** 0.5)
    if scale >= 1:
        return width, height
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def read_whole(url: str) -> Orientation | None:
    """Decode a picture to its end; return its orientation, or None if Pillow does not determine it.

    Raises
    ------
    ProbeError : cut short or damaged; an animation that FFmpeg cannot play
    """
    from PIL import Image, UnidentifiedImageError

    data = storage.read_bytes(url)
    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        return None  # a kind that Pillow does not know; FFmpeg may
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ProbeError(f"{url}: the picture cannot be read: {error}") from error
    with image:
        if image.format == "WEBP" and getattr(image, "n_frames", 1) > 1:
            raise ProbeError(
                f"{url}: an animated WebP of {image.n_frames} pictures, which FFmpeg cannot decode; "  # type: ignore[attr-defined]
                "make it an mp4 or a GIF first"
            )
        try:
            image.load()
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise ProbeError(f"{url}: the picture is cut short or damaged ({error}); get the whole file") from error
        value = image.getexif().get(_ORIENTATION, 1)
        return of_exif(value) if isinstance(value, int) else AS_STORED

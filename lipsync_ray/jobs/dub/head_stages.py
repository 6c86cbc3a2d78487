"""What is done to a segment of a head that has been sampled: draw, compose. Plain classes; no Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.blend import mix
from lipsync_ray.inputs.face_tables import one_thread
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.animate import portrait_frame
from lipsync_ray.jobs.dub.plan import Segment
from lipsync_ray.jobs.dub.stages import Composed
from lipsync_ray.media.encode import encode
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.settings import Precision

if TYPE_CHECKING:  # torch, which composing does without
    from lipsync_ray.models.lip_sync import GeneratorSpec
    from lipsync_ray.models.weights import Checkpoint

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

RIM = 0.08  # of a head's side: where it is mixed with the frame that it is put back into


@dataclass(frozen=True)
class DrawnHeads:
    """A segment and its heads: (frames, side, side, 3) uint8 BGR; what a person should know; most memory of its GPU."""

    segment: Segment
    faces: U8
    notes: tuple[str, ...] = ()
    gpu_mb: int | None = None


class DrawHeads:
    """Decode a segment's latents. Keeps the VAE loaded."""

    def __init__(
        self,
        generator: GeneratorSpec,
        checkpoint: Checkpoint,
        device: str,
        precision: Precision,
        batch: int | None,
        truncated: bool,
    ) -> None:
        one_thread()
        assert generator.sampling is not None
        self._decoder = generator.sampling.decode(checkpoint, device, precision, batch, truncated)

    def __call__(self, segment: Segment) -> DrawnHeads:
        assert segment.head is not None
        faces = self._decoder(segment.head.read(segment.start, segment.stop))
        return DrawnHeads(segment, faces, self._decoder.notes, self._decoder.peak_mb)


class ComposeHeads:
    """Make a segment's frames of its heads, alone or in the frame that they were cut from, encode them and commit the part.

    Parameters
    ----------
    paste_back : into that frame
    """

    def __init__(self, paste_back: bool) -> None:
        self._paste_back = paste_back

    def __call__(self, drawn: DrawnHeads) -> Composed:
        segment = drawn.segment
        aspect = segment.video.pixel_aspect if self._paste_back else Fraction(1)
        part = encode(self._pictures(drawn), segment.video.rate, aspect, segment.coding)
        storage.commit_bytes(segment.url, part)
        return Composed(segment.dub, segment.start, len(drawn.faces), 0, 0, drawn.notes, drawn.gpu_mb)

    def _pictures(self, drawn: DrawnHeads) -> Iterator[YuvFrame]:
        segment = drawn.segment
        _, source, head = portrait_frame(segment.video, segment.table, segment.chosen)
        side = drawn.faces.shape[1]
        if self._paste_back:
            base, box = source, head.square
        else:
            half = np.zeros((side // 2, side // 2), np.uint8)
            base, box = replace(source, y=np.zeros((side, side), np.uint8), u=half, v=half), Box(0, 0, side, side)
        weight = _rimmed(box, base.width, base.height)
        how = cv2.INTER_AREA if box.width < side else cv2.INTER_CUBIC
        for frame, face in enumerate(drawn.faces, segment.start):
            picture = base.copy()
            fitted = cv2.resize(face, (box.width, box.height), interpolation=how)
            mix(picture, box, np.asarray(fitted, np.float32), weight)
            yield segment.marks.put(picture, frame, drawn=True)


def _rimmed(box: Box, width: int, height: int) -> F32:
    """(h, w) float32 weights of a square that goes back into its picture: 1 within, 0 at its border; whole at the picture's own."""

    def ramp(count: int, first: bool, last: bool) -> F32:
        reach = max(1.0, RIM * count)
        at = np.arange(count) + 0.5
        rising = np.clip(at / reach, 0, 1) if first else np.ones(count)
        falling = np.clip((count - at) / reach, 0, 1) if last else np.ones(count)
        return np.asarray(np.minimum(rising, falling), np.float32)

    down = ramp(box.height, box.y0 > 0, box.y1 < height)
    across = ramp(box.width, box.x0 > 0, box.x1 < width)
    return np.asarray(down[:, None] * across[None, :], np.float32)

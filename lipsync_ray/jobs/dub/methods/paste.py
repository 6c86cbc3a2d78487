"""A square that is drawn anew and pasted into its frame: Wav2Lip, and the bundled `mini`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.engine.resources import Layout, picture_bytes
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.faces.blend import fade, paste
from lipsync_ray.faces.crop import crop_face
from lipsync_ray.faces.parsed import paste_parsed
from lipsync_ray.jobs.dub.methods.method import Method
from lipsync_ray.jobs.dub.methods.warp import closing
from lipsync_ray.jobs.dub.segment import Segment
from lipsync_ray.jobs.dub.stages import DrawnFaces, Generating, drawable, heard_by, pauses_in, source_pictures
from lipsync_ray.media import mel
from lipsync_ray.media.frame_cache import shared_frame_cache
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.models import weights
from lipsync_ray.models.weights import Checkpoint

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Crops(DrawnFaces):
    """A segment and the squares of its faces.

    Attributes
    ----------
    faces : (m, side, side, 3) uint8 BGR: of the source after :class:`Crop`, drawn anew after :class:`Sync`
    masks : of what may be drawn, as PNG, empty where a parser saw no face; none of them where none has looked
    """

    faces: U8
    masks: tuple[bytes, ...] = ()

    def paint(self, face: int, picture: YuvFrame) -> None:
        box, strength = Box(*self.boxes[face].tolist()), float(self.strength[face])
        before = picture.copy() if strength < 1 else picture
        if self.masks and self.masks[face]:
            mask = cv2.imdecode(np.frombuffer(self.masks[face], np.uint8), cv2.IMREAD_GRAYSCALE)
            paste_parsed(picture, box, self.faces[face], np.asarray(mask, np.uint8))
        else:
            paste(picture, box, self.faces[face], "hard" if self.row.blend == "hard" else "feather")
        if strength < 1:
            fade(picture, before, strength)


class Crop:
    """Decode a segment's range and cut out the speaking face of every frame; once for all the languages that come together.

    Parameters
    ----------
    side : pixels of the square crop
    closes : the checkpoint whose basis closes the mouth before it is cropped; None crops it as it is
    """

    def __init__(self, side: int, closes: Checkpoint | None = None) -> None:
        self._side = side
        self._cache = shared_frame_cache()
        self._last: Crops | None = None
        self._basis = None
        if closes is not None:
            from lipsync_ray.models.lip_poses import load_ensemble

            one_thread()
            self._basis = load_ensemble(closes.here()).basis()

    def __call__(self, segment: Segment) -> Crops:
        if self._last is None or self._last.row.crop_key != segment.crop_key:
            self._last = self._cropped(segment)
        return replace(self._last, row=segment)

    def _cropped(self, segment: Segment) -> Crops:
        places, boxes, strength = drawable(segment)
        box_at = dict(zip(places.tolist(), boxes.tolist(), strict=True))
        close = closing(segment, self._basis) if self._basis is not None else None
        shown = segment.source_frames()
        faces: list[U8] = []
        last: tuple[YuvFrame, list[int]] | None = None
        for place, picture in enumerate(source_pictures(segment, self._cache)):
            if (box := box_at.get(place)) is None:
                continue
            if last is None or last[0] is not picture or last[1] != box:
                last = picture, box
                seen = close(int(shown[place]), picture) if close is not None else picture
                faces.append(crop_face(seen, Box(*box), self._side))
            else:
                faces.append(faces[-1])
        cut = np.stack(faces) if faces else np.zeros((0, self._side, self._side, 3), np.uint8)
        return Crops(row=segment, places=places, boxes=boxes, strength=strength, faces=cut)


class Sync(Generating):
    """Make the cropped faces say the audio."""

    def __call__(self, crops: Crops) -> Crops:
        if not len(crops.places):
            return crops
        heard = heard_by(crops.row, crops.places, self._window)
        if self._window.front_end in ("mel", "speech-mel"):
            heard = hushed(heard, pauses_in(crops.row, crops.places))
        drawn = self._model(crops.faces, heard)
        return replace(crops, faces=drawn, notes=self._model.notes, gpu_mb=self._model.peak_mb)


def hushed(heard: F32, silence: F32) -> F32:
    """Windows of mel, brought towards silence."""
    return np.asarray(heard + silence[:, None, None] * (mel.SILENCE - heard), np.float32)


class Paste(Method):
    """Crop, draw, paste."""

    name = "paste"
    decodes: ClassVar[Mapping[str, int]] = {**Method.decodes, "crop": 1}
    shares: ClassVar[Mapping[str, float]] = {**Method.shares, "crop": 0.5, "sync": 1.0}

    def draw_stages(self, layout: Layout) -> list[StageSpec]:
        side = self.generator.crop_side
        closes = weights.by_name("warp") if self.settings.reference == "closed" else None
        return [
            layout.read.stage("crop", partial(Crop, side, closes), picture_bytes(side)),
            layout.model.stage("sync", partial(Sync, *self.loading), picture_bytes(side)),
        ]

    @property
    def unmarked(self) -> str | None:
        return "the model saw them with the source's own mouth" if self.settings.reference == "closed" else None

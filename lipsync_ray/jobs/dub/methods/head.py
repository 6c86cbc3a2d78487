"""A head of the model's own, animated from one frame of the source by all of the sound: EchoMimic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.engine.graph import Node
from lipsync_ray.engine.resources import Layout, picture_bytes
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.blend import mix
from lipsync_ray.faces.choices import Pads
from lipsync_ray.inputs.speakers import SpeakerTracks
from lipsync_ray.io import storage
from lipsync_ray.io.results import Drawn
from lipsync_ray.jobs.dub.lead_tables import LeadPass
from lipsync_ray.jobs.dub.methods.head_steps import FOLDER, HeadLatents, portrait_frame, portrait_head
from lipsync_ray.jobs.dub.methods.method import Method, Networks, Prepared, Sized, Where
from lipsync_ray.jobs.dub.segment import Segment
from lipsync_ray.media.frame_cache import FrameCache
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.provenance.drawn_ranges import drawn_ranges
from lipsync_ray.restoration.compose import DrawnSegment
from lipsync_ray.settings import DubSettings, HeadSettings, Precision

if TYPE_CHECKING:  # torch, and the run: workers need not know them
    from lipsync_ray.jobs.dub.state import MethodRun
    from lipsync_ray.models.lip_sync import GeneratorSpec, Sampling
    from lipsync_ray.models.weights import Checkpoint

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

RIM = 0.08  # of a head's side: where it is mixed with the frame that it is put back into


@dataclass(frozen=True, kw_only=True)
class DrawnHeads(DrawnSegment):
    """A segment and its heads.

    Attributes
    ----------
    faces : (frames, side, side, 3) uint8 BGR
    paste_back : into the frame that they were cut from; else they are the output's frames
    """

    row: Segment
    faces: U8
    paste_back: bool

    @property
    def drawn(self) -> int:
        return len(self.faces)

    @property
    def aspect(self) -> Fraction:
        return self.row.video.pixel_aspect if self.paste_back else Fraction(1)

    @cached_property
    def _canvas(self) -> tuple[YuvFrame, Box, F32]:
        """What a head is drawn into, where, and how much of it."""
        segment, side = self.row, self.faces.shape[1]
        _, source, head = portrait_frame(segment.video, segment.table, segment.chosen)
        if self.paste_back:
            base, box = source, head.square
        else:
            half = np.zeros((side // 2, side // 2), np.uint8)
            base, box = replace(source, y=np.zeros((side, side), np.uint8), u=half, v=half), Box(0, 0, side, side)
        return base, box, _rimmed(box, base.width, base.height)

    def sources(self, cache: FrameCache) -> Iterator[YuvFrame]:
        return repeat(self._canvas[0], len(self.faces))

    def draw(self, place: int, source: YuvFrame) -> YuvFrame:
        _, box, weight = self._canvas
        picture, face = source.copy(), self.faces[place]
        how = cv2.INTER_AREA if box.width < face.shape[0] else cv2.INTER_CUBIC
        fitted = cv2.resize(face, (box.width, box.height), interpolation=how)
        mix(picture, box, np.asarray(fitted, np.float32), weight)
        return picture


class DrawHeads:
    """Decode a segment's latents. Keeps the VAE loaded."""

    def __init__(
        self,
        generator: GeneratorSpec,
        checkpoint: Checkpoint,
        device: str,
        precision: Precision,
        batch: int | None,
        how: HeadSettings,
    ) -> None:
        one_thread()
        sampling: Sampling = generator.how
        self._decoder = sampling.decode(checkpoint, device, precision, batch, how.parity)
        self._paste_back = how.paste_back

    def __call__(self, segment: Segment) -> DrawnHeads:
        latents: HeadLatents = segment.method_input
        faces = self._decoder(latents.read(segment.start, segment.stop))
        return DrawnHeads(
            row=segment,
            faces=faces,
            paste_back=self._paste_back,
            notes=self._decoder.notes,
            gpu_mb=self._decoder.peak_mb,
        )


def drawn_heads(whole: Segment, side: int | None) -> tuple[Drawn, ...]:
    """When and where a dub's heads are: all the time, in the frame that they were cut from, or, `side` pixels wide, alone."""
    _, shown = portrait_head(whole.table, whole.chosen, whole.video)
    box = shown.square if side is None else Box(0, 0, side, side)
    frames = whole.stop - whole.start
    return drawn_ranges([box] * frames, [0] * frames, whole.video.rate)


class Head(Method):
    """Sample all frames of a dub together, decode and draw them by segments."""

    name = "head"
    by_sound = False
    keeps_frames = False
    task = "head"
    uses = frozenset({"head"})
    hears_voices = False
    source_stage = "animate"
    decodes: ClassVar[Mapping[str, int]] = {"detect": 1}
    shares: ClassVar[Mapping[str, float]] = {**Method.shares, "animate": 1.0, "draw": 1.0}

    @classmethod
    def check(cls, settings: DubSettings, spec: GeneratorSpec) -> None:
        """Refuse what edits a video's own frames, too."""
        super().check(settings, spec)
        name = spec.name
        if settings.restore is not None:
            raise SettingsError(
                f"--restore: {name} draws a new head, which has no landmarks yet; run `lipsync-ray enhance` on the finished run, which "
                "finds them"
            )
        if settings.blend is not None:
            raise SettingsError(f"--blend: {name} draws a whole head, there is no seam in it; leave it out")
        if settings.loop != "pingpong":
            raise SettingsError(f"--loop: {name} animates one frame, as long as there is sound; leave it out")
        if settings.decoder != "cpu":
            raise SettingsError(f"--decoder {settings.decoder}: {name} needs one frame of a video; leave it out")
        if settings.pads != Pads():
            raise SettingsError(
                f"--pads: {name} takes its box as it was taught: half a face of surroundings; leave it out"
            )

    @classmethod
    def decided(cls, settings: DubSettings, networks: Networks) -> DubSettings:
        how, taught = settings.head or HeadSettings(), networks.generator.how
        steps = taught.steps if how.steps is None else how.steps
        guidance = taught.guidance if how.guidance is None else how.guidance
        return super().decided(replace(settings, head=replace(how, steps=steps, guidance=guidance)), networks)

    @property
    def how(self) -> HeadSettings:
        """Decided settings of its own."""
        assert self.settings.head is not None
        return self.settings.head

    @property
    def sampling(self) -> Sampling:
        """What the model says of its own."""
        sampling: Sampling = self.generator.how
        return sampling

    @property
    def side(self) -> int | None:
        return None if self.how.paste_back else self.how.side

    @property
    def way(self) -> str:
        return f" at {self.how.side} pixels{', guided' if (self.how.guidance or 0) > 1 else ''}"

    def latents_name(self, video: str, audio: str, frames: int, rate: Fraction) -> str:
        """The name of a head's latents: of all that decides them, and nothing that decides how they are shown.

        Parameters
        ----------
        video, audio : keys of the files
        """
        drawn = json.dumps(self.how.sampled(), sort_keys=True)
        how = drawn, self.checkpoint.identity, self.device, self.settings.precision, self.settings.face
        return storage.digest(video, audio, *how, frames, rate)

    def prepared_by(self) -> dict[str, Any]:
        return {}

    def prepared(self, video: str, audio: str, frames: int, source: Sized) -> Prepared:
        file = f"{self.latents_name(video, audio, frames, source.rate)}.latents"
        return Prepared(self.source_stage, FOLDER, file, frames * (self.how.steps or 0), alone=True)

    def cast(self, speaker: SpeakerTracks) -> tuple[SpeakerTracks, tuple[str, ...]]:
        first, *others = speaker.persons
        whole = replace(speaker, persons=(replace(first, spans=None),), turns=None)
        if not others:
            return whole, ()
        return whole, (f"{len(others) + 1} people speak in the source; only the one who speaks most is animated",)

    def lead(
        self, run: MethodRun, videos: Mapping[str, VideoInfo], layout: Layout, after: tuple[Node, ...]
    ) -> LeadPass:
        from lipsync_ray.jobs.dub.methods.head_pass import HeadPass  # torch, which its workers load as they need it

        return HeadPass(run, layout, after, self)

    def draw_stages(self, layout: Layout) -> list[StageSpec]:
        return [layout.model.stage("draw", partial(DrawHeads, *self.loading, self.how), picture_bytes(self.how.side))]

    @property
    def where(self) -> Where:
        return partial(drawn_heads, side=self.side)


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

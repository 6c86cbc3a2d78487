"""A face that is drawn as a latent, of latents that were made once for all languages of a video: MuseTalk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from lipsync_ray.engine.graph import Node
from lipsync_ray.engine.resources import Layout, Pool, picture_bytes
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.engine.video_pass import VideoPass
from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.box_rules import BoxRule
from lipsync_ray.faces.choices import PARSED_BLENDS, Pads, ParsedBlend
from lipsync_ray.faces.half_face import HalfFace
from lipsync_ray.inputs.faced_videos import FacedVideo
from lipsync_ray.inputs.sights import read_sight
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.lead_tables import LeadPass, LeadTables
from lipsync_ray.jobs.dub.methods import encodings
from lipsync_ray.jobs.dub.methods.encodings import Encoding, EncodingTable, encoding_pass
from lipsync_ray.jobs.dub.methods.method import Method, Networks, Prepared, Sized
from lipsync_ray.jobs.dub.methods.paste import Crops
from lipsync_ray.jobs.dub.segment import Segment
from lipsync_ray.jobs.dub.stages import Generating, heard_by
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models import musetalk_files, weights
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.settings import DubSettings

if TYPE_CHECKING:  # torch, and the run: workers need not know them
    from lipsync_ray.jobs.dub.state import DubState, MethodRun
    from lipsync_ray.models.lip_sync import GeneratorSpec, Latents

FOLDER = ("faces", "encodings")


class SyncEncoded(Generating):
    """Draw faces that say the audio, of encodings that were made for all languages."""

    def __call__(self, segment: Segment) -> Crops:
        table: EncodingTable = segment.method_input
        shown = segment.source_frames()
        seen = table.read(shown)
        strength = read_sight(segment.sight).strengths(segment.spoken)[shown]
        known = np.flatnonzero(np.isin(shown, seen.frames))
        drawn = strength[known] > 0
        places = known[drawn]
        return Crops(
            row=segment,
            places=places,
            boxes=seen.boxes[drawn],
            strength=strength[places],
            faces=self._model(seen.shown[drawn], heard_by(segment, places, self._window)),
            masks=tuple(compress(seen.masks, drawn.tolist())),
            notes=tuple(dict.fromkeys((*seen.notes, *self._model.notes))),
            gpu_mb=self._model.peak_mb,
        )


class EncodedFaces(LeadTables[EncodingTable]):
    """Encodings: of a model that is not shown pictures, but what another network makes of them."""

    def __init__(
        self, run: MethodRun, videos: Mapping[str, VideoInfo], pool: Pool, after: tuple[Node, ...], method: Latent
    ) -> None:
        self._method = method
        super().__init__(run, videos, pool, run.url(*FOLDER), after, method.box)

    def name(self, key: str, person: str) -> str:
        return self._method.table_name(key, person)

    def table(self, url: str) -> EncodingTable:
        return EncodingTable(url)

    def make_pass(self, active: dict[str, FacedVideo], pool: Pool, folder: str) -> VideoPass[FacedVideo, Any, None]:
        return encoding_pass(active, pool, folder, self._method.encoding, self.ended)

    def begin(self, dubs: list[DubState]) -> None:
        self.begin_drawable(dubs, "encode")


class Latent(Method):
    """Encode, draw, paste by what a face parser allows."""

    name = "latent"
    uses = frozenset({"parsed", "bbox_shift", "extra_margin"})
    source_stage = encodings.STAGE
    decodes: ClassVar[Mapping[str, int]] = {"detect": 1, "encode": 1, "restore": 1, "compose": 1}
    shares: ClassVar[Mapping[str, float]] = {**Method.shares, "sync": 1.0}

    @classmethod
    def takes(cls, setting: str, spec: GeneratorSpec) -> bool:
        shifts = cast("Latents", spec.how).shifts
        return {"bbox_shift": shifts, "extra_margin": not shifts}.get(setting, super().takes(setting, spec))

    @classmethod
    def check(cls, settings: DubSettings, spec: GeneratorSpec) -> None:
        super().check(settings, spec)
        if settings.pads != Pads():
            raise SettingsError(
                f"--pads: {spec.name} takes its box from landmarks, not from a detector's; leave it out"
            )

    @classmethod
    def helper(
        cls,
        settings: DubSettings,
        spec: GeneratorSpec,
        checkpoint: Checkpoint,
        fetching: weights.Progress | None,
        fetch: bool,
    ) -> Checkpoint | None:
        """The face parser, where the way to blend needs it, or could use it and it is here."""
        if settings.blend in PARSED_BLENDS:
            return musetalk_files.part(checkpoint, musetalk_files.PARSER, fetching, fetch)
        return musetalk_files.parser_if_here(checkpoint) if settings.blend is None else None

    @classmethod
    def decided(cls, settings: DubSettings, networks: Networks) -> DubSettings:
        how: Latents = networks.generator.how
        blend = settings.blend or (how.blend if networks.helper else None)
        margin = how.margin if settings.extra_margin is None else settings.extra_margin
        settings = super().decided(replace(settings, blend=blend), networks)
        return replace(settings, bbox_shift=settings.bbox_shift or 0, extra_margin=margin)

    @property
    def box(self) -> BoxRule:
        return HalfFace(self.settings.bbox_shift or 0, self.settings.extra_margin or 0)

    @property
    def encoding(self) -> Encoding:
        """How faces are encoded."""
        blend = self.settings.blend
        parsed = cast(ParsedBlend, blend) if blend in PARSED_BLENDS else None
        return Encoding(*self.loading, self.box, self.networks.helper if parsed else None, parsed)

    def table_name(self, video: str, person: str) -> str:
        """The file name of the encoding table of a video's person.

        Parameters
        ----------
        video : its key, which changes with its content
        person : whose face it is
        """
        how = self.encoding
        parser = how.parser.sha256 if how.parser else None
        encoder = self.checkpoint.part(musetalk_files.VAE).sha256
        asked = (encoder, how.device, how.precision, self.frames_a_pass, how.rule, parser, how.blend, encodings.VERSION)
        return f"{storage.digest(video, person, *asked)}.json"

    def prepared_by(self) -> dict[str, Any]:
        parser = self.encoding.parser
        digests = parser.sha256 if parser else None, weights.by_name("visibility").sha256
        return {"encodings": [encodings.VERSION, *digests]}

    def prepared(self, video: str, audio: str, frames: int, source: Sized) -> Prepared:
        return Prepared(self.source_stage, FOLDER, self.table_name(video, self.settings.face), source.frames)

    def lead(
        self, run: MethodRun, videos: Mapping[str, VideoInfo], layout: Layout, after: tuple[Node, ...]
    ) -> LeadPass:
        return EncodedFaces(run, videos, layout.model, after, self)

    def draw_stages(self, layout: Layout) -> list[StageSpec]:
        return [
            layout.model.stage("sync", partial(SyncEncoded, *self.loading), picture_bytes(self.generator.crop_side))
        ]

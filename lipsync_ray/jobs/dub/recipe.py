"""How a run's dubs are made, whatever the files: settings and networks, and the names that follow from them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, cast

from lipsync_ray.faces.box_rules import BoxRule
from lipsync_ray.faces.half_face import HalfFace
from lipsync_ray.faces.parsed import PARSED_BLENDS, ParsedBlend
from lipsync_ray.inputs import audio_features, encoding_tables, face_tables, mesh_tables
from lipsync_ray.inputs.audio_features import Pauses
from lipsync_ray.inputs.encoding_tables import Encoding
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Dub
from lipsync_ray.jobs.dub.networks import Networks
from lipsync_ray.media import speech_mel
from lipsync_ray.models import weights
from lipsync_ray.models.lip_sync import GeneratorSpec
from lipsync_ray.models.musetalk_files import VAE
from lipsync_ray.models.precision import resolved
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.provenance.frame_marks import FrameMarking, frame_marking_of
from lipsync_ray.restoration.weights import Restoration
from lipsync_ray.settings import DubSettings, HeadSettings

FRAMES_VERSION = 4  # raise when the same inputs and settings would give other frames: every fingerprint changes


@dataclass(frozen=True)
class Keys:
    """Names of a dub's distinct files, which change with their content, and the fingerprint of what is made of them."""

    video: str
    audio: str
    fingerprint: str


@dataclass(frozen=True)
class Recipe:
    """What the frames of a dub depend on besides its video and audio: settings, networks, device, batch.

    Attributes
    ----------
    settings : of the run, what was left open in them decided
    networks : that draw, and that help
    device : "cpu" or "cuda": what the networks run on
    batch : frames a pass of the generator, where that is asked for
    marks : what frames get besides what is drawn
    """

    settings: DubSettings
    networks: Networks
    device: str
    batch: int | None = None
    marks: FrameMarking = field(default_factory=FrameMarking)

    @classmethod
    def of(
        cls,
        settings: DubSettings,
        networks: Networks,
        device: str,
        batch: int | None,
        languages: Iterable[str | None] = (),
    ) -> Recipe:
        """The recipe of settings in which some things are left open: for what suits the model and the device.

        Parameters
        ----------
        languages : of the rows

        Raises
        ------
        SettingsError : frames cannot be marked as asked for
        """
        generator = networks.generator
        decided = replace(
            settings,
            precision=resolved(settings.precision, device),
            reference=settings.reference or generator.reference,
            blend=settings.blend or (generator.blend if networks.parser else "feather"),
        )
        if generator.box == "half-face":
            margin = generator.margin if settings.extra_margin is None else settings.extra_margin
            decided = replace(decided, bbox_shift=settings.bbox_shift or 0, extra_margin=margin)
        if generator.sampling is not None:
            head, taught = settings.head or HeadSettings(), generator.sampling
            decided = replace(
                decided,
                head=replace(
                    head,
                    steps=taught.steps if head.steps is None else head.steps,
                    guidance=taught.guidance if head.guidance is None else head.guidance,
                ),
            )
        generated = cls(decided, networks, device, batch).generated
        marks = frame_marking_of(settings.marks, languages, generated)
        return cls(decided, networks, device, batch, marks)

    @property
    def generated(self) -> bool:
        """Whether every pixel of the output is a computer's."""
        return self.sampled and not self.head.paste_back

    @property
    def generator(self) -> GeneratorSpec:
        return self.networks.generator

    @property
    def checkpoint(self) -> Checkpoint:
        return self.networks.checkpoint

    @property
    def restoration(self) -> Restoration | None:
        return self.networks.restoration

    @property
    def box_rule(self) -> BoxRule:
        """What of a frame is the face that is drawn anew."""
        if self.generator.box == "padded":
            return self.settings.pads
        return HalfFace(self.settings.bbox_shift or 0, self.settings.extra_margin or 0)

    @property
    def pauses(self) -> Pauses:
        """In which stretches without a voice the mouth closes."""
        asked = self.settings.close_in_silence
        if asked is None:
            return self.generator.pauses
        return "every" if asked else "none"

    @property
    def encoding(self) -> Encoding:
        """How faces are encoded, where the model is shown encodings."""
        blend = self.settings.blend
        settings, parsed = self.settings, cast(ParsedBlend, blend) if blend in PARSED_BLENDS else None
        return Encoding(
            self.generator,
            self.checkpoint,
            self.device,
            settings.precision,
            self.batch,
            self.box_rule,
            self.networks.parser if parsed else None,
            parsed,
        )

    def encoding_name(self, video: str) -> str:
        """The file name of a video's encoding table.

        Parameters
        ----------
        video : its key, which changes with its content
        """
        how = self.encoding
        parser = how.parser.sha256 if how.parser else None
        encoder = dict(self.checkpoint.parts)[VAE].sha256
        batch = self.generator.batch(self.batch, self.device)
        asked = (encoder, how.device, how.precision, batch, how.rule, parser, how.blend, encoding_tables.VERSION)
        return f"{storage.digest(video, self.settings.face, *asked)}.json"

    @property
    def marked(self) -> bool:
        """Whether landmarks are needed: the model moves lips, or is shown a closed mouth."""
        return self.generator.draws == "lips" or self.settings.reference == "closed"

    @property
    def meshed(self) -> bool:
        """Whether mesh tables are made, which also say where the mouth is visible; encodings say it themselves."""
        return not (self.sampled or self.encoded)

    @property
    def encoded(self) -> bool:
        """Whether the model is shown encodings of faces."""
        return self.generator.encode is not None

    @property
    def sampled(self) -> bool:
        """Whether the model samples a head of its own."""
        return self.generator.sampling is not None

    @property
    def head(self) -> HeadSettings:
        """How, where it does."""
        assert self.settings.head is not None
        return self.settings.head

    def megapixels(self, source: float) -> float:
        """Of an output frame, of a source whose frames have so many."""
        return self.head.side**2 / 1e6 if self.generated else source

    @property
    def network_stages(self) -> int:
        """Stages that run one, those of the passes before included."""
        return 2 + self.meshed + self.encoded + self.sampled + (self.restoration is not None)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of what is done to a segment, in order."""
        if self.sampled:
            return "draw", "compose"
        drawn = ("pose",) if self.generator.draws == "lips" else ("sync",) if self.encoded else ("crop", "sync")
        return (*drawn, *(["restore"] if self.restoration else []), "compose")

    @property
    def model(self) -> str:
        """Its name for the results; "+" and the restorer's name, where there is one."""
        return "+".join([self.checkpoint.name, *([self.restoration.name] if self.restoration else [])])

    @property
    def work(self) -> str:
        """The way to work, as tables of rates call it."""
        how = ""
        if self.sampled:
            twice = ", guided" if (self.head.guidance or 0) > 1 else ""
            how = f" at {self.head.side} pixels{twice}"
        return f"{self.model}{how} on {self.device}"

    def fingerprinted(self) -> dict[str, Any]:
        """What goes into every fingerprint; models by their content instead of their names."""
        batch = self.generator.batch(self.batch, self.device)
        values = self.settings.record() | {"device": self.device, "batch": batch, "model": self.checkpoint.identity}
        del values["provenance"], values["marks"]  # the latter by row
        values["close_in_silence"] = self.pauses
        if self.generator.audio.front_end == "speech-mel":
            values["speech_mel"] = speech_mel.VERSION
        if self.settings.decoder == "cpu":
            del values["decoder"]
        if not self.sampled:
            del values["head"]
        if self.generator.box == "padded":
            del values["bbox_shift"], values["extra_margin"]
        if self.encoded:
            values["encodings"] = [
                encoding_tables.VERSION,
                self.encoding.parser.sha256 if self.encoding.parser else None,
                weights.by_name("visibility").sha256,
            ]
        if self.meshed:  # landmarks decide pixels, and so do what closes a mouth, and what says that it is visible
            bundled = [weights.by_name(name).sha256 for name in ("face-mesh", "warp", "visibility")]
            values["mesh"] = [mesh_tables.VERSION, *bundled]
        if self.restoration:
            values["restore"]["model"] = self.restoration.digest
        return values

    def latents_name(self, video: str, audio: str, frames: int, rate: Fraction) -> str:
        """The name of a head's latents: of all that decides them, and nothing that decides how they are shown.

        Parameters
        ----------
        video, audio : keys of the files
        """
        drawn = json.dumps(self.head.sampled(), sort_keys=True)
        how = drawn, self.checkpoint.identity, self.device, self.settings.precision, self.settings.face
        return storage.digest(video, audio, *how, frames, rate)

    @cached_property
    def _asked(self) -> str:
        return json.dumps(self.fingerprinted(), sort_keys=True)

    @property
    def digest(self) -> str:
        """Of the recipe, for run.json."""
        return storage.digest(self._asked)

    def keys(self, row: Dub, video: str, audio: str) -> Keys:
        """The names of one dub.

        Parameters
        ----------
        video, audio : identities of its files
        """
        video_key = storage.digest(video, str(self.settings.still_rate), face_tables.VERSION)
        own = audio == video
        audio_key = storage.digest(audio, self.settings.trim_silence, row.language, own, audio_features.FORMAT)
        made = FRAMES_VERSION, video_key, audio_key, self._asked, *self.marks.identity(row.language)
        return Keys(video_key, audio_key, storage.digest(*made))

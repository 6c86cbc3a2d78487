"""What a way to draw declares: whatever depends on it is here, and nowhere else is asked which one it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lipsync_ray.engine.graph import Node
from lipsync_ray.engine.resources import Layout, picture_bytes
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.errors import SettingsError
from lipsync_ray.faces import align
from lipsync_ray.faces.box_rules import BoxRule
from lipsync_ray.faces.choices import PARSED_BLENDS
from lipsync_ray.inputs import mesh_tables
from lipsync_ray.inputs.speakers import SpeakerTracks
from lipsync_ray.io.manifest import Dub
from lipsync_ray.io.results import Drawn
from lipsync_ray.jobs.dub.drawn import drawn_faces
from lipsync_ray.jobs.dub.lead_tables import MESH_FOLDER, LeadPass, Meshes, mesh_name
from lipsync_ray.jobs.dub.segment import Segment
from lipsync_ray.jobs.dub.stages import EachFace, RestoreDrawn
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models import weights
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.provenance.claims import Task
from lipsync_ray.restoration.compose import Compose
from lipsync_ray.settings import DubSettings, Precision

if TYPE_CHECKING:  # torch, and the run: workers need not know them
    from lipsync_ray.jobs.dub.state import MethodRun
    from lipsync_ray.models.lip_sync import GeneratorSpec
    from lipsync_ray.restoration.weights import Restoration

Where = Callable[[Segment], tuple[Drawn, ...]]
"""When and where a dub was drawn, found from its rows as one; a worker asks it."""


@dataclass(frozen=True)
class Networks:
    """What draws, and what helps.

    Attributes
    ----------
    generator, checkpoint : the lip-sync model, and its weights
    restoration : what restores the faces, where that is asked for
    helper : another network that the method draws with, where its settings need it, or could use it and it is here
    """

    generator: GeneratorSpec
    checkpoint: Checkpoint
    restoration: Restoration | None = None
    helper: Checkpoint | None = None


@dataclass(frozen=True)
class Prepared:
    """What has to be there before a dub is drawn, for a quote.

    Attributes
    ----------
    stage : that makes it
    folder, file : where it is, below the run's folder
    frames : how much work it is
    alone : one worker makes it from its beginning to its end
    """

    stage: str
    folder: tuple[str, ...]
    file: str
    frames: int
    alone: bool = False


class Sized(Protocol):
    """A source video, as far as its header tells."""

    @property
    def frames(self) -> int: ...
    @property
    def rate(self) -> Fraction: ...


@dataclass(frozen=True)
class Method(ABC):
    """A way to draw, with all that decides a run's frames. Subclasses change what differs from a face that is drawn into the
    source's own frames, by the mesh table that is made of it first.

    Attributes
    ----------
    settings : of the run, decided by :meth:`decided`
    networks : that draw, and that help
    device : "cpu" or "cuda": what they run on
    batch : frames a pass of the generator, where that is asked for
    """

    settings: DubSettings
    networks: Networks
    device: str
    batch: int | None = None

    name: ClassVar[str]
    """What a :class:`~lipsync_ray.models.lip_sync.GeneratorSpec` calls it."""
    task: ClassVar[Task] = "lips"
    """What finished videos say was drawn."""
    uses: ClassVar[frozenset[str]] = frozenset()
    """Of the settings that only some methods have a use for, this one's: the others are refused, and in no fingerprint."""
    keeps_frames: ClassVar[bool] = True
    """Frames without a face to draw are the source's own."""
    hears_voices: ClassVar[bool] = True
    """Several faces of a video can be drawn, each by a voice of its own."""
    source_stage: ClassVar[str] = mesh_tables.STAGE
    """The stage of :meth:`lead`'s pass."""
    decodes: ClassVar[Mapping[str, int]] = {"detect": 1, "mesh": 1, "restore": 1, "compose": 1}
    """Stage → how often it decodes each of its frames, of whatever codec."""
    shares: ClassVar[Mapping[str, float]] = {"detect": 0.9, "mesh": 0.9, "restore": 0.95, "compose": 0.6}
    """Stage → of a frame of 512 × 512, the part of its cost that does not grow with it, where a run tells one size alone."""

    @classmethod
    def takes(cls, setting: str, spec: GeneratorSpec) -> bool:
        """Whether a model of this method has a use for a setting that only some have."""
        return setting in cls.uses

    @classmethod
    def check(cls, settings: DubSettings, spec: GeneratorSpec) -> None:
        """Refuse what would do nothing, or what this model was not made for.

        Raises
        ------
        SettingsError
        """
        name = spec.name
        if settings.reference is not None and settings.reference not in spec.references:
            shown = f"{name} is shown the frame as it is" if spec.references else f"{name} is shown no reference"
            raise SettingsError(f"--reference {settings.reference}: {shown}; leave it out")
        if settings.head is not None and not cls.takes("head", spec):
            raise SettingsError(
                "--steps, --guidance, --seed, --head-side, --paste-back and --parity are for EchoMimic, which draws a head anew; "
                f"{name} has no use for them: leave them out"
            )
        if settings.untouched == "copy" and not cls.keeps_frames:
            raise SettingsError(f"--untouched copy: {name} draws every frame; leave it out")
        if settings.close_in_silence and spec.audio.front_end.startswith("whisper"):
            raise SettingsError(
                f"--close-in-silence: {name} hears Whisper's features, which know no silence; leave it out"
            )
        if settings.blend in PARSED_BLENDS and not cls.takes("parsed", spec):
            raise SettingsError(f"--blend {settings.blend} is for MuseTalk; {name} takes feather or hard")
        if settings.bbox_shift is not None and not cls.takes("bbox_shift", spec):
            raise SettingsError("--bbox-shift is for --model musetalk-v1, which was taught with it; leave it out")
        if settings.extra_margin is not None and not cls.takes("extra_margin", spec):
            raise SettingsError("--extra-margin is for --model musetalk, which was taught with it; leave it out")

    @classmethod
    def check_rows(cls, dubs: Sequence[Dub], spec: GeneratorSpec) -> None:
        """Refuse rows that this model cannot dub.

        Raises
        ------
        SettingsError
        """
        found = next((dub for dub in dubs if dub.voices or dub.cues), None)
        if found is not None and not cls.hears_voices:
            column = "cues" if found.cues else "face"
            raise SettingsError(
                f"{found.id}, column {column!r}: {spec.name} draws one head for one sound; leave it out, or choose a --model that "
                "draws faces into the video's own frames, such as warp"
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
        """The other network that is needed.

        Raises
        ------
        WeightsError : it cannot be had
        """
        return None

    @classmethod
    def decided(cls, settings: DubSettings, networks: Networks) -> DubSettings:
        """Settings in which nothing is left open."""
        reference = settings.reference or networks.generator.reference
        return replace(settings, reference=reference, blend=settings.blend or "feather")

    @property
    def generator(self) -> GeneratorSpec:
        return self.networks.generator

    @property
    def checkpoint(self) -> Checkpoint:
        return self.networks.checkpoint

    @property
    def loading(self) -> tuple[GeneratorSpec, Checkpoint, str, Precision, int | None]:
        """What a :class:`~lipsync_ray.jobs.dub.stages.Generating` is made of."""
        return self.generator, self.checkpoint, self.device, self.settings.precision, self.batch

    @property
    def frames_a_pass(self) -> int:
        """Of the generator."""
        return self.generator.batch(self.batch, self.device)

    @property
    def box(self) -> BoxRule:
        """What of a frame is the face that is drawn anew."""
        return self.settings.pads

    @property
    def side(self) -> int | None:
        """Pixels a side of the frames that it makes, where these are not the source's own."""
        return None

    @property
    def way(self) -> str:
        """What tables of rates say of a run besides the model and the device."""
        return ""

    @property
    def unmarked(self) -> str | None:
        """What becomes of a frame whose face shows no landmarks; None where nothing comes of it."""
        return None

    by_sound: ClassVar[bool] = True
    """A part's pixels follow from the source, and from what is heard in the part alone."""
    marked: ClassVar[bool] = False
    """Only frames whose face shows landmarks can be drawn."""

    def fingerprint(self, values: dict[str, Any]) -> None:
        """Add what decides frames to the settings that do, and take out those that do not."""
        for unused in {"head", "bbox_shift", "extra_margin"} - self.uses:
            del values[unused]
        values |= self.prepared_by()

    def prepared_by(self) -> dict[str, Any]:
        """What decides that which is made before a dub is drawn."""
        # Landmarks decide pixels, and so do what closes a mouth, and what says that it is visible.
        bundled = [weights.by_name(name).sha256 for name in ("face-mesh", "warp", "visibility")]
        return {"mesh": [mesh_tables.VERSION, *bundled]}

    def prepared(self, video: str, audio: str, frames: int, source: Sized) -> Prepared:
        """What is made before a dub is drawn.

        Parameters
        ----------
        video, audio : keys of its files, which change with their content
        frames : of its output
        """
        return Prepared(self.source_stage, MESH_FOLDER, mesh_name(video, self.settings.face), source.frames)

    def cast(self, speaker: SpeakerTracks) -> tuple[SpeakerTracks, tuple[str, ...]]:
        """Who of those that speak is drawn, and what a person should know of that."""
        return speaker, ()

    def lead(
        self, run: MethodRun, videos: Mapping[str, VideoInfo], layout: Layout, after: tuple[Node, ...]
    ) -> LeadPass:
        """The pass between faces and segments; it gives every dub its ``method_input``, and lets it begin."""
        return Meshes(run, videos, layout.model, after, self.box, self.marked, self.unmarked)

    @abstractmethod
    def draw_stages(self, layout: Layout) -> list[StageSpec]:
        """From a :class:`~lipsync_ray.jobs.dub.segment.Segment` to a :class:`~lipsync_ray.restoration.compose.DrawnSegment`."""

    def stages(self, layout: Layout) -> list[StageSpec]:
        """All that is done to a :class:`~lipsync_ray.jobs.dub.segment.SegmentFaces`."""
        stages, restoration = self.draw_stages(layout), self.networks.restoration
        if restoration is not None:
            restore = partial(RestoreDrawn, restoration.files, self.device, self.settings.precision)
            stages.append(layout.model.stage("restore", restore, picture_bytes(align.SIDE)))
        each = [replace(stage, make=partial(EachFace, stage.make)) for stage in stages]
        return [*each, layout.write.stage("compose", partial(Compose, self.settings.restore))]

    @property
    def where(self) -> Where:
        """When and where a dub was drawn; its rows as one are given."""
        return partial(drawn_faces, restored=self.restores_faces)

    @property
    def restores_faces(self) -> bool:
        """Whole faces are restored, and not their mouths alone."""
        return self.settings.restore is not None and self.settings.restore.region == "face"

"""How a run's dubs are made, whatever the files: settings and networks, and the names that follow from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from lipsync_ray.engine.resources import Layout, Pool, allocate
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.inputs import audio_features, face_pass, face_tables
from lipsync_ray.inputs.audio_features import Pauses
from lipsync_ray.inputs.speakers import GivenTurns
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Dub
from lipsync_ray.jobs.dub.methods.method import Method, Networks
from lipsync_ray.jobs.dub.methods.registry import method_of
from lipsync_ray.media import speech_mel
from lipsync_ray.models.lip_sync import GeneratorSpec
from lipsync_ray.models.precision import resolved
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.provenance.frame_marks import FrameMarking, frame_marking_of
from lipsync_ray.restoration.weights import Restoration
from lipsync_ray.settings import DubSettings, Workers

FRAMES_VERSION = 6  # raise when the same inputs and settings would give other frames: every fingerprint changes


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
        settings = replace(settings, precision=resolved(settings.precision, device))
        recipe = cls(method_of(networks.generator).decided(settings, networks), networks, device, batch)
        return replace(recipe, marks=frame_marking_of(settings.marks, languages, recipe.method.side is not None))

    @cached_property
    def method(self) -> Method:
        """How the model draws."""
        return method_of(self.generator)(self.settings, self.networks, self.device, self.batch)

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
    def pauses(self) -> Pauses:
        """In which stretches without a voice the mouth closes."""
        asked = self.settings.close_in_silence
        if asked is None:
            return self.generator.pauses
        return "every" if asked else "none"

    def megapixels(self, source: float) -> float:
        """Of an output frame, of a source whose frames have so many."""
        return self.method.side**2 / 1e6 if self.method.side is not None else source

    @property
    def network_stages(self) -> int:
        """Stages that run one: that find faces, prepare, draw, and restore."""
        return 3 + (self.restoration is not None)

    def layout(self, cluster: Cluster, workers: Workers) -> Layout:
        """The processes of a run's stages.

        Raises
        ------
        SettingsError : options that this cluster cannot meet
        """
        return allocate(
            cluster, workers, alone=False, networks=self.network_stages, on_gpus=self.settings.codes_on_gpus
        )

    def pools(self, layout: Layout) -> tuple[tuple[str, Pool], ...]:
        """(stage, its processes) of a run: find faces, prepare the source, draw."""
        before = ((name, layout.model) for name in (face_pass.STAGE, self.method.source_stage))
        stages = ((one.name, Pool(one.workers, one.cpus, one.gpus)) for one in self.method.stages(layout))
        return (*before, *stages)

    @property
    def model(self) -> str:
        """Its name for the results; "+" and the restorer's name, where there is one."""
        return "+".join([self.checkpoint.name, *([self.restoration.name] if self.restoration else [])])

    @property
    def work(self) -> str:
        """The way to work, as tables of rates call it."""
        return f"{self.model}{self.method.way} on {self.device}"

    def fingerprinted(self) -> dict[str, Any]:
        """What goes into every fingerprint; models by their content instead of their names."""
        values = self.settings.record()
        values |= {"device": self.device, "batch": self.method.frames_a_pass, "model": self.checkpoint.identity}
        for name in ("provenance", "sound", "marks", "lines", "one_file"):  # marks and lines by row
            del values[name]
        values["close_in_silence"] = self.pauses
        if self.generator.audio.front_end == "speech-mel":
            values["speech_mel"] = speech_mel.VERSION
        if self.settings.decoder == "cpu":
            del values["decoder"]
        if self.settings.untouched == "encode":
            del values["untouched"]
        if self.settings.deinterlace == "estdif":
            del values["deinterlace"]
        self.method.fingerprint(values)
        if self.restoration:
            values["restore"]["model"] = self.restoration.digest
        return values

    @cached_property
    def _asked(self) -> str:
        return json.dumps(self.fingerprinted(), sort_keys=True)

    @property
    def digest(self) -> str:
        """Of the recipe, for run.json."""
        return storage.digest(self._asked)

    def trims(self, row: Dub) -> bool:
        """Whether a dub's silence is cut; several voices, and lines, keep their distance from each other."""
        return self.settings.trim_silence and len(row.voices) < 2 and row.cues is None

    def sound_key(self, row: Dub, video: str, audio: str) -> str:
        """The name of a sound of a dub.

        Parameters
        ----------
        video, audio : identities of the files
        """
        return storage.digest(audio, self.trims(row), row.language, audio == video, audio_features.FORMAT)

    def keys(
        self, row: Dub, video: str, audio: str, given: GivenTurns | None = None, spoken: Sequence[object] = ()
    ) -> Keys:
        """The names of one dub.

        Parameters
        ----------
        video, audio : identities of its files; of lines, or of several voices, all of them
        given : who speaks when in the video, where a user says so
        spoken : who says what when in the dub, likewise
        """
        video_key = face_tables.video_key(video, self.settings.still_rate)
        audio_key = self.sound_key(row, video, audio)
        made = [FRAMES_VERSION, video_key, audio_key, self._asked, *self.marks.identity(row.language)]
        if given is not None:
            made += [(turn.start_s, turn.end_s, turn.speaker) for turn in given.turns]
        return Keys(video_key, audio_key, storage.digest(*made, *spoken))

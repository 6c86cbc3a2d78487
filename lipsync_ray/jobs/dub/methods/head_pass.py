"""The heads of a run that are to be sampled, and the pass that samples them, step by step, between faces and dubs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

from lipsync_ray.engine.graph import Node
from lipsync_ray.engine.progress import time_left
from lipsync_ray.engine.resources import Layout
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import Parts, VideoPass, VideoState, once
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.methods.head_steps import (
    FOLDER,
    Animate,
    HeadLatents,
    HeadPlan,
    Stepped,
    StepRow,
    portrait_head,
)
from lipsync_ray.jobs.dub.state import DubbedFace
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models.context_windows import CONTEXT, count_windows

if TYPE_CHECKING:  # the run, of which methods need not know
    from lipsync_ray.jobs.dub.state import DubState, MethodRun
    from lipsync_ray.models.lip_sync import GeneratorSpec, Sampling
    from lipsync_ray.models.weights import Checkpoint
    from lipsync_ray.settings import HeadSettings, Precision


class SampledMethod(Protocol):
    """What the pass asks a method whose heads are sampled."""

    source_stage: ClassVar[str]

    @property
    def how(self) -> HeadSettings: ...
    @property
    def sampling(self) -> Sampling: ...
    @property
    def loading(self) -> tuple[GeneratorSpec, Checkpoint, str, Precision, int | None]: ...
    def latents_name(self, video: str, audio: str, frames: int, rate: Fraction) -> str: ...


@dataclass
class HeadState(VideoState):
    """A head under way.

    Attributes
    ----------
    key : its name, of all that decides it
    dubs : that it is for: more than one where a table says the same thing twice
    begun : the last step that is committed; None where none is
    """

    key: str
    video: VideoInfo
    speech: Speech
    frames: int
    latents: HeadLatents
    begun: int | None
    dubs: list[DubState] = field(default_factory=list)
    table: str = ""
    chosen: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        return self.key


class HeadPass:
    """Latents of a run's heads: which are there, and the pass that makes the others; as :class:`LeadTables` are used."""

    def __init__(self, run: MethodRun, layout: Layout, after: tuple[Node, ...], method: SampledMethod) -> None:
        self.run, self._method = run, method
        self._folder = run.url(*FOLDER)
        there = storage.list_tree(self._folder)
        last_steps = _last_steps(there)
        self._heads: dict[str, HeadState] = {}
        self._of_video: dict[str, dict[str, HeadState]] = defaultdict(dict)
        active: dict[str, HeadState] = {}
        for dub in run.active.values():
            head = self._of(dub, last_steps)
            self._of_video[dub.video_key][head.key] = head
            if storage.name_of(head.latents.url) not in there:
                active[head.key] = head
            elif last_steps.pop(head.key, None) is not None:  # the run ended between two lines
                storage.remove(storage.join(self._folder, head.key))
            dub.begun_before = head.key not in active or head.begun is not None
        self._active = active
        self.spec = replace(self._pass(active, layout), after=after)

    def _of(self, dub: DubState, last_steps: Mapping[str, int]) -> HeadState:
        assert dub.info is not None
        assert dub.speech is not None
        frames = dub.frames
        audio = dub.audio_key if dub.given is None else storage.digest(dub.audio_key, dub.given.turns)
        key = self._method.latents_name(dub.video_key, audio, frames, dub.info.rate)
        if key not in self._heads:
            latents = HeadLatents(storage.join(self._folder, f"{key}.latents"), frames, self._method.how.side)
            self._heads[key] = HeadState(
                key=key, video=dub.info, speech=dub.speech, frames=frames, latents=latents, begun=last_steps.get(key)
            )
        head = self._heads[key]
        head.dubs.append(dub)
        return head

    def wanted(self, key: str, dubs: list[DubState]) -> Iterable[str]:
        """Dubs of a video of which is known who speaks; keys of the heads that have to be sampled first."""
        least, most = self._method.sampling.rates
        fresh, speaking = [], {dub.id for dub in dubs}
        for head in self._of_video[key].values():
            mine = [dub for dub in head.dubs if dub.id in speaking]
            if not mine:
                continue
            speaker = mine[0].speaker
            assert speaker is not None
            head.table, head.chosen = mine[0].table, speaker.chosen
            number, shown = portrait_head(head.table, head.chosen, head.video)
            for dub in mine:
                dub.faces = (DubbedFace(speaker.persons[0], head.latents),)
                dub.warn(
                    f"a head drawn anew from frame {number} of the source: an animation of it, not an edit of the video"
                )
                if not least <= head.video.rate <= most:
                    dub.warn(
                        f"its motion was taught at 24 frames/s; at {float(head.video.rate):g} the head moves at another pace"
                    )
                if min(shown.square.width, shown.square.height) * 2 < self._method.how.side:
                    dub.warn(
                        f"the head is {shown.square.width} pixels wide in the source and is drawn {self._method.how.side} wide"
                    )
            if head.key in self._active:
                fresh.append(head.key)
            else:
                self._begin(mine)
        return fresh

    def drop(self, key: str) -> None:
        """A video in which nobody is to speak."""
        for name in self._of_video[key]:
            self._active.pop(name, None)

    def _ended(self, head: HeadState, failure: Failure | None) -> None:
        for dub in head.dubs:
            dub.attempts = max(dub.attempts, head.attempts)
            dub.seconds += head.seconds / len(head.dubs)
            if failure is not None:
                self.run.fail(dub, failure)
        if failure is None:
            self._begin(head.dubs)

    def _begin(self, dubs: Iterable[DubState]) -> None:
        for dub in dubs:
            self.run.begin(dub)

    def _pass(self, active: dict[str, HeadState], layout: Layout) -> VideoPass[HeadState, Parts, str]:
        loading = self._method.loading[:-1]
        end = once(active, self._ended)
        return VideoPass(
            name="animate",
            folder=self._folder,
            active=active,
            parts_of=self._rows,
            stages=[layout.model.stage(self._method.source_stage, partial(Animate, *loading))],
            on_part=self._step,
            assemble=("close head", last_part),
            on_done=lambda head, url: end(head),
            fail=end,
            unit="steps",
            sequential=True,
        )

    def _rows(self, head: HeadState) -> list[StepRow]:
        """The steps that are left; each begins where the one before it was committed."""
        how = self._method.how
        assert how.steps is not None
        looked = min(head.frames, CONTEXT)  # what the first row is: about a window's pass
        plan = HeadPlan(head.key, head.video, head.table, head.chosen, head.speech, head.frames, how)

        def url(number: int) -> str:
            return head.latents.url if number == how.steps else storage.join(self._folder, head.key, str(number))

        return [
            StepRow(
                f"{head.key}-{number}",
                plan,
                number,
                looked + (number - 1) * head.frames if number else 0,
                looked + number * head.frames,
                url(number - 1) if number else None,
                url(number),
            )
            for number in range(0 if head.begun is None else head.begun + 1, how.steps + 1)
        ]

    def _step(self, head: HeadState, stepped: Stepped) -> None:
        for dub in head.dubs:
            if stepped.gpu_mb is not None:
                dub.gpu_mb = max(dub.gpu_mb or 0, stepped.gpu_mb)
        how = self._method.how
        if stepped.pace_s is None or how.steps is None:
            return
        windows, asked = count_windows(head.frames, how.steps, how.parity), 2 if (how.guidance or 0) > 1 else 1
        seconds = windows * asked * stepped.pace_s
        times = ", each asked twice" if asked == 2 else ""
        self.run.context.console.print(
            f"{', '.join(dub.id for dub in head.dubs)}: {head.frames} frames in {how.steps} steps, {windows} windows in all{times}: "
            f"about {time_left(seconds)} of sampling on one worker",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


def _last_steps(names: Iterable[str]) -> dict[str, int]:
    """Key of a head → the last of its steps that is committed; a file that was being written when a run was killed is none."""
    last: dict[str, int] = {}
    for name in names:
        key, _, step = name.rpartition("/")
        if key and step.isdigit():
            last[key] = max(last.get(key, 0), int(step))
    return last


def last_part(parts: Parts) -> str:
    """The latents of a head whose steps are all made."""
    return parts.parts[-1][1]

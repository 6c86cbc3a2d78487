"""What a run of the dub job knows of its rows: identified, what is done dropped, the other files looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from rich.console import Console

from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.errors import ManifestError
from lipsync_ray.inputs import audio_features
from lipsync_ray.inputs.audio_features import AudioSource, Speech, extract_audio_features
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.inputs.speakers import GivenTurns
from lipsync_ray.io.manifest import Dub
from lipsync_ray.io.names import stem_of
from lipsync_ray.io.results import RESULTS, Result
from lipsync_ray.io.turns import FILE as SPEAKERS
from lipsync_ray.io.turns import commit_turns
from lipsync_ray.io.written_turns import check_times, dubs_of, read_written
from lipsync_ray.jobs.dub.recipe import Recipe
from lipsync_ray.jobs.dub.segment import output_frames
from lipsync_ray.jobs.dub.state import DubState
from lipsync_ray.media import notes
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models.musetalk_files import AUDIO_ENCODER
from lipsync_ray.provenance.claims import Claim, Network, SourceFile
from lipsync_ray.provenance.kept import keep_and_mark
from lipsync_ray.provenance.marked_video import place_label
from lipsync_ray.provenance.marking import UNMARKED, Marking
from lipsync_ray.settings import Workers

DUB = JobSpec("dub", RESULTS, noun="dubs")

Use = tuple[str, str]
"""A file's identity, and what it is used as: "video" or "audio"."""


class DubRun(JobRun[DubState, Result]):
    """One run of the dub job.

    Attributes
    ----------
    dubs : what was asked for
    recipe : how they are made; its settings and its generator are at hand as `settings` and `generator`
    rejected : use of a file → why an analysis says that it cannot be dubbed
    marking : what finished videos say of themselves, and how
    given : id of a dub → who speaks when in its video, where a user says so
    detected_videos : distinct videos whose faces were detected in this run
    """

    def __init__(
        self,
        dubs: list[Dub],
        recipe: Recipe,
        workers: Workers,
        out: str,
        console: Console,
        runner: Runner,
        rejected: Mapping[Use, str] | None = None,
        marking: Marking = UNMARKED,
        given: Mapping[str, GivenTurns] | None = None,
    ) -> None:
        super().__init__(DUB, [dub.id for dub in dubs], recipe.settings.record(), workers, out, console, runner)
        self.dubs, self.recipe = dubs, recipe
        self.settings, self.generator = recipe.settings, recipe.generator
        self.rejected, self.marking, self.given = rejected or {}, marking, given or {}
        self.detected_videos = 0
        self.persons_of: Callable[[str], tuple[str, ...]] = lambda key: (self.settings.face,)

    def more(self) -> Mapping[str, Any]:
        return {
            "model": {"name": self.recipe.model, "sha256": self.recipe.checkpoint.sha256},
            "work": self.recipe.work,
            "fingerprint": self.recipe.digest,
            "detected_videos": self.detected_videos,
            "consent": sum(dub.consent is not None for dub in self.dubs),
        }

    def row_of(self, video: DubState, status: Any, **values: Any) -> Result:
        info, speaker = video.info, video.speaker
        side = self.recipe.method.side
        return Result(
            **asdict(video.row),
            status=status,
            model=self.recipe.model,
            tracks=speaker.tracks if speaker else None,
            seconds=None if video.begun_before else round(video.seconds, 3),
            rate=str(info.rate) if info else None,
            width=side or (info.width if info else None),
            height=side or (info.height if info else None),
            attempts=video.attempts,
            face_table=video.table or None,
            fingerprint=video.fingerprint,
            warnings=tuple(video.warnings),
            gpu_mb=video.gpu_mb,
            run=self.id,
            turns=speaker.turns if speaker else None,
            **values,
        )

    def finish(self) -> str:
        """Write the table of who was dubbed when, where faces were chosen by that, and close the run."""
        turns = {row.id: row.turns for row in self.rows if row.turns}
        if turns:
            commit_turns(self.url(SPEAKERS), turns)
        return super().finish()


def claim_of(recipe: Recipe, dub: DubState) -> Claim:
    """What a dub says of itself; when and where it was drawn is not known yet."""
    networks = [(recipe.checkpoint.name, recipe.checkpoint)]
    if recipe.restoration is not None:
        networks.append((recipe.restoration.name, recipe.restoration.files.gfpgan))
    return Claim(
        f"{dub.id}.mp4",
        recipe.method.task,
        recipe.model,
        tuple(Network(name, one.sha256, one.licence) for name, one in networks),
        (
            SourceFile("video", dub.row.video, dub.content),
            SourceFile("audio", dub.row.audio, dub.audio_content),
        ),
        consent=dub.row.consent,
        rights=dub.row.rights,
        whole=recipe.method.side is not None,
    )


def prepare(run: DubRun) -> None:
    """Identify every file, drop what is done, look at the rest."""
    found = content_ids(url for dub in run.dubs for url in (dub.video, dub.audio))
    for row in run.dubs:
        dub = run.active[row.id] = DubState(row)
        video, audio = found[row.video], found[row.audio]
        uses = (row.video, str(video), "video"), (row.audio, str(audio), "audio")
        reasons = [f"{url}: {run.rejected[what, use]}" for url, what, use in uses if (what, use) in run.rejected]
        if reasons:
            run.fail(dub, Failure("analysis", "; ".join(reasons)))
        elif isinstance(video, Exception) or isinstance(audio, Exception):
            gone = row.video if isinstance(video, Exception) else row.audio
            run.fail(dub, Failure("probe", f"{gone}: {video if isinstance(video, Exception) else audio}"))
        else:
            dub.given = run.given.get(row.id)
            keys = run.recipe.keys(row, video, audio, dub.given)
            dub.content, dub.audio_content, dub.own_sound = video, audio, audio == video
            dub.video_key, dub.audio_key, dub.fingerprint = keys.video, keys.audio, keys.fingerprint
    claims = {name: claim_of(run.recipe, dub) for name, dub in run.active.items()}
    keep_and_mark(
        run, claims, run.marking, ["videos"], lambda dub: (dub.row.video, dub.row.audio, *run.recipe.marks.files)
    )
    if run.active:
        _look_at_files(run)


def given_turns(dubs: Sequence[Dub]) -> dict[str, GivenTurns]:
    """Who speaks when, of the dubs for which a user says so; each file is read once.

    Raises
    ------
    ManifestError : with every problem of a file
    """
    out: dict[str, GivenTurns] = {}
    for url in dict.fromkeys(dub.speakers for dub in dubs if dub.speakers):
        mine = [dub for dub in dubs if dub.speakers == url]
        stems = {dub.id: stem_of(dub.video) for dub in mine}
        turns = dubs_of(url, read_written(url), list(stems), stems)
        out |= {dub.id: GivenTurns(url, tuple(turns.get(dub.id, ()))) for dub in mine}
    return out


def _look_at_files(run: DubRun) -> None:
    by_video, by_audio = run.by("video_key"), run.by("audio_key")
    with ProgressReporter(run.context.console, "files", len(by_video) + len(by_audio), 0, "files") as progress:
        rate = run.settings.still_rate
        videos = [VideoSource(dubs[0].row.video, key, rate, dubs[0].content) for key, dubs in by_video.items()]
        for video, info in run.context.map_tasks("probe", probe, videos):
            progress.advance(0, isinstance(info, Failure))
            _tell(run, by_video[video.key], "info", info)
        audios = [_source(run, key, dubs[0]) for key, dubs in by_audio.items()]
        for audio, speech in run.context.map_tasks("audio features", extract_audio_features, audios):
            progress.advance(0, isinstance(speech, Failure))
            _tell(run, by_audio[audio.key], "speech", speech)
    side, marks = run.recipe.method.side, run.recipe.marks
    for dub in list(run.active.values()):
        if dub.info is not None and dub.speech is not None:
            info = dub.info
            dub.frames = output_frames(info, dub.speech.duration_s, run.settings.length)
            dub.warn(*info.notes, *_notes_of_sound(run, dub.speech))
            if (problem := _beyond(dub.given, info)) is not None:
                run.fail(dub, Failure("speakers", problem))
                continue
            size = (side, side, Fraction(1)) if side else (info.width, info.height, info.pixel_aspect)
            place_label(run, dub, marks, dub.row.language, *size, info.rate)


def _beyond(given: GivenTurns | None, info: VideoInfo) -> str | None:
    """Which of the turns that a user gives are later than the video ends; None where none is."""
    if given is None:
        return None
    try:
        check_times(given.url, given.turns, float(info.duration_s))
    except ManifestError as error:
        return str(error)
    return None


def _source(run: DubRun, key: str, dub: DubState) -> AudioSource:
    """The sound of a dub. A video's own begins with its pictures, so that it keeps its distance from them."""
    own = dub.own_sound and dub.info is not None
    begin_s = dub.info.origin_s if own and dub.info is not None else None
    track = SoundTrack(dub.row.audio, dub.row.language, begin_s, dub.audio_content)
    folder = run.url(audio_features.FOLDER)
    hearer = dict(run.recipe.checkpoint.parts).get(AUDIO_ENCODER)
    front_end = run.generator.audio.front_end
    return AudioSource(track, key, run.settings.trim_silence, folder, front_end, voice=True, hearer=hearer)


def _notes_of_sound(run: DubRun, speech: Speech) -> list[str]:
    """What a person should know of a dub's sound."""
    if speech.silent:
        return [
            *filter(None, [speech.sound.cut_off]),
            "its audio is silent: the mouth stays as the model draws silence",
        ]
    level = () if run.generator.audio.front_end == "speech-mel" else notes.of_level(speech.sound)
    return [*notes.of_sound(speech.sound, speech.voiced), *level]


def _tell(run: DubRun, dubs: list[DubState], name: str, answer: VideoInfo | Speech | Failure) -> None:
    """Give the dubs that share a file what was found in it, or end them with the reason."""
    for dub in dubs:
        if isinstance(answer, Failure):
            run.fail(dub, answer)
        else:
            setattr(dub, name, answer)

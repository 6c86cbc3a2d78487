"""What a run of the dub job knows of its rows: identified, what is done dropped, the other files looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.speakers import GivenTurns
from lipsync_ray.io.manifest import Cues, Dub, sound_files
from lipsync_ray.io.names import stem_of
from lipsync_ray.io.results import RESULTS, Result, has_output
from lipsync_ray.io.spoken_lines import FILE as LINES
from lipsync_ray.io.spoken_lines import commit_lines
from lipsync_ray.io.turns import FILE as SPEAKERS
from lipsync_ray.io.turns import commit_turns
from lipsync_ray.io.written_turns import dubs_of, read_written
from lipsync_ray.jobs.dub.files import look_at_files
from lipsync_ray.jobs.dub.recipe import Recipe
from lipsync_ray.jobs.dub.reviewed import Reviews
from lipsync_ray.jobs.dub.sounds import background_url, join_again, sound_digest
from lipsync_ray.jobs.dub.state import DubState
from lipsync_ray.jobs.dub.voices import keys_of, spoken_lines, voices_of
from lipsync_ray.media.codecs import video_name
from lipsync_ray.provenance.claims import Claim, Network, SourceFile
from lipsync_ray.provenance.kept import keep_and_mark
from lipsync_ray.provenance.marking import UNMARKED, Marking
from lipsync_ray.restoration.earlier_videos import EarlierVideos
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
    reviews : what reviewers decided
    cues : id of a dub → its lines, where it has some
    detected_videos : distinct videos whose faces were detected in this run
    earlier_videos : finished videos of earlier runs
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
        reviews: Reviews | None = None,
        cues: Mapping[str, Cues] | None = None,
    ) -> None:
        super().__init__(DUB, [dub.id for dub in dubs], recipe.settings.record(), workers, out, console, runner)
        self.dubs, self.recipe = dubs, recipe
        self.settings, self.generator = recipe.settings, recipe.generator
        self.rejected, self.marking, self.given = rejected or {}, marking, given or {}
        self.reviews = reviews or Reviews(out)
        self.cues = cues or {}
        self.detected_videos = 0
        self.earlier_videos = EarlierVideos(self.url("videos"))
        self.begin: Callable[[DubState], None] = lambda dub: None
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
            **vars(video.row),
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
            lines=spoken_lines(video),
            **values,
        )

    def fail(self, video: DubState, failure: Failure) -> None:
        """End a dub as failed. A finished video that only needs another sound keeps its record: the next run tries again."""
        if video.finished is None or video.id not in self.active:
            super().fail(video, failure)
            return
        self.context.failures.report(video.id, failure)
        row = replace(video.finished, run=self.id, status="failed", stage=failure.stage, error=failure.reason)
        self.end(row, recorded=False)

    def finish(self) -> str:
        """Write the tables of who was dubbed when, where faces were chosen by that, and of lines; close the run."""
        turns = {row.id: row.turns for row in self.rows if row.turns}
        if turns:
            commit_turns(self.url(SPEAKERS), turns)
        lines = {row.id: row.lines for row in self.rows if row.lines and row.status == "done"}
        if lines:
            commit_lines(self.url(LINES), lines)
        return super().finish()


def claim_of(recipe: Recipe, dub: DubState) -> Claim:
    """What a dub says of itself; when and where it was drawn is not known yet."""
    networks = [(recipe.checkpoint.name, recipe.checkpoint)]
    if recipe.restoration is not None:
        networks.append((recipe.restoration.name, recipe.restoration.files.gfpgan))
    return Claim(
        video_name(dub.id, recipe.settings.coding),
        recipe.method.task,
        recipe.model,
        tuple(Network(name, one.sha256, one.licence) for name, one in networks),
        (
            SourceFile("video", dub.row.video, dub.content),
            *(SourceFile("audio", url, content) for url, content in dub.heard),
        ),
        consent=dub.row.consent,
        rights=dub.row.rights,
        whole=recipe.method.side is not None,
    )


def prepare(run: DubRun) -> None:
    """Identify every file, drop what is done, look at the rest."""
    run.ended |= run.reviews.kept(run.ids, DUB.name)
    if run.reviews.asked is not None:
        for note in run.reviews.notes:
            run.log(note)
        by = "evaluation" if run.reviews.notes else "review"
        run.log(f"by the {by}, {len(run.ended)} of {len(run.ids)} dubs stay as they are")
    dubs = [dub for dub in run.dubs if dub.id not in run.ended]
    files = {dub.id: (dub.video, *sound_files(dub, run.cues.get(dub.id, ()))) for dub in dubs}
    behind = {dub.id: background_url(dub) for dub in dubs}
    found = content_ids(url for urls in (*files.values(), filter(None, behind.values())) for url in urls)
    for row in dubs:
        dub = run.active[row.id] = DubState(row, cues=run.cues.get(row.id, ()))
        video, *audios = files[row.id]
        uses = (video, "video"), *((url, "audio") for url in audios)
        named = ((url, (str(found[url]), use)) for url, use in uses)
        reasons = [f"{url}: {run.rejected[use]}" for url, use in named if use in run.rejected]
        read = [*files[row.id], *filter(None, [behind[row.id]])]
        gone = next(((url, why) for url in read if isinstance(why := found[url], Exception)), None)
        if reasons:
            run.fail(dub, Failure("analysis", "; ".join(reasons)))
        elif gone is not None:
            run.fail(dub, Failure("probe", f"{gone[0]}: {gone[1]}"))
        else:
            _identify(run, dub, {url: str(found[url]) for url in read}, audios)
    claims = {name: claim_of(run.recipe, dub) for name, dub in run.active.items()}
    sounds = {name: sound_digest(run.settings, dub) for name, dub in run.active.items()}
    inputs = lambda dub: (*files[dub.id], behind[dub.id], *run.recipe.marks.files)  # noqa: E731
    keep_and_mark(run, claims, run.marking, ["videos"], inputs, lambda row: row.sound == sounds[row.id])
    there = has_output(run.out, ["videos"]) if run.active else lambda row: False
    if run.reviews.notes:
        same = run.reviews.same_options(run.before, {name: dub.own_print for name, dub in run.active.items()})
        if same:
            run.log(
                f"{len(same)} of them are made with the options that they had: their frames come out the same, unless a file or a "
                "device was at fault. Give other options, such as --model"
            )
    for name in run.active:
        if (before := run.before.get(name)) is None:
            continue
        anew = name in (run.reviews.asked or ())  # all of it, also what would come out the same
        if before.status == "done" and before.parts and not anew:
            run.active[name].before = before
        if before.status == "done" and before.fingerprint == run.active[name].fingerprint and there(before):
            run.active[name].finished = before
    if run.active:
        look_at_files(run)
        join_again(run, claims)


def _identify(run: DubRun, dub: DubState, contents: Mapping[str, str], audios: Sequence[str]) -> None:
    """Name a dub, and what it is made of, by the content of its files."""
    dub.given = run.given.get(dub.id)
    dub.content, dub.sounds = contents[dub.row.video], tuple((url, contents[url]) for url in audios)
    url = background_url(dub.row)
    dub.background = None if url is None else (url, contents[url])
    keys = keys_of(run.recipe, dub.row, dub.cues, contents, dub.given)
    dub.video_key, dub.audio_key = keys.video, keys.audio
    dub.own_print = keys.fingerprint
    dub.fingerprint = run.reviews.fingerprint(dub.id, keys.fingerprint)
    dub.voices = voices_of(run, dub, contents)


def given_turns(dubs: Sequence[Dub]) -> dict[str, GivenTurns]:
    """Who speaks when, of the dubs for which a user says so; each file is read once. A dub that its file does not name has none.

    Raises
    ------
    ManifestError : with every problem of a file
    """
    out: dict[str, GivenTurns] = {}
    for url in dict.fromkeys(dub.speakers for dub in dubs if dub.speakers):
        mine = [dub for dub in dubs if dub.speakers == url]
        stems = {dub.id: stem_of(dub.video) for dub in mine}
        turns = dubs_of(url, read_written(url), list(stems), stems)
        out |= {name: GivenTurns(url, tuple(own)) for name, own in turns.items()}
    return out

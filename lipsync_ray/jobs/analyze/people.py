"""The people of the analysed videos, and who of them speaks when: found by the passes of a dub, so that numbers and turns are a dub's.

probe ► face tables ► pictures of people, who speaks ► speakers.csv, which ``dub --speakers`` takes
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from lipsync_ray.engine.graph import Ask
from lipsync_ray.engine.resources import Layout
from lipsync_ray.engine.stages import Failure
from lipsync_ray.faces.choices import DubbedFaces
from lipsync_ray.faces.table import read_table
from lipsync_ray.inputs import talking_tables
from lipsync_ray.inputs.face_pass import FacePass, FaceTable
from lipsync_ray.inputs.face_tables import video_key
from lipsync_ray.inputs.portraits import PortraitOrder, people_of, take_portraits
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.inputs.speaker_search import Speakers
from lipsync_ray.inputs.speakers import SpeakerTracks
from lipsync_ray.io import storage
from lipsync_ray.io.names import stem_of
from lipsync_ray.io.parquet import csv_url
from lipsync_ray.io.reviews import portrait_name
from lipsync_ray.io.turns import FILE, Turn, commit_turns, read_committed, spoken_s
from lipsync_ray.jobs.analyze.analysis import Analysis, PersonInVideo
from lipsync_ray.jobs.analyze.assemble import REPORT, report_text
from lipsync_ray.jobs.analyze.files import File
from lipsync_ray.jobs.analyze.inputs import AnalyzeRun
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.settings import DubSettings

FOLDER = "people"
RULE: DubbedFaces = "auto"  # the dub's default: of several persons, whoever speaks
WAVE_S = 200_000.0  # seconds of video that are looked at side by side; a minute takes the driver some 250 KB
_PICTURE = re.compile(r"(.+)-\d+\.jpg")

InView = dict[int, tuple[float, bool]]
"""Person → seconds in view, and whether there is a picture."""


class LookOrder(NamedTuple):
    """People of a video to look at, for a file of the analysis.

    Attributes
    ----------
    portraits : pictures to take, named by the file's id
    stale : file names of an earlier analysis's pictures
    """

    portraits: PortraitOrder
    stale: tuple[str, ...]

    @property
    def key(self) -> str:
        """The file's id."""
        return self.portraits.key


def look(order: LookOrder) -> InView:
    """Take a picture of each person, and measure how long everybody is in view."""
    asked = order.portraits
    for name in order.stale:
        storage.remove(storage.join(asked.folder, name))
    take_portraits(asked)
    tracks = read_table(asked.table)
    pictured = people_of(tracks)
    return {
        person: (float(len(np.unique(tracks.frame[tracks.person == person])) / asked.video.rate), person in pictured)
        for person in np.unique(tracks.person[tracks.of_people]).tolist()
    }


@dataclass
class _Video:
    """A distinct video: the files of the analysis that are it, and what was found so far."""

    files: list[File]
    info: VideoInfo | None = None
    in_view: dict[str, InView] = field(default_factory=dict)
    answer: SpeakerTracks | Failure | None = None


def find_people(run: AnalyzeRun, layout: Layout) -> None:
    """Add persons and turns to the rows of readable videos, and commit the table of turns.

    What an earlier run found is kept. A failure is in the row; its persons are looked for again by the next run.
    """
    videos: dict[str, _Video] = defaultdict(lambda: _Video([]))
    for file in run.files:
        row = run.ended[file.id]
        if row.status == "done" and row.video is not None and not _is_current(row):
            videos[_key(row)].files.append(file)
    if videos:
        run.context.runner.open(file.url for video in videos.values() for file in video.files)
    for wave in _waves(_probed(run, videos)):
        _find(run, layout, wave)
    names = names_of(run.files)
    _write(run.url(FILE), {name: run.ended[file].turns or () for file, own in names.items() for name in own})


def _write(url: str, turns: Mapping[str, Sequence[Turn]]) -> None:
    """Commit the table of turns. One of the same turns stays, with what somebody has corrected in its CSV since."""
    found = {name: list(own) for name, own in turns.items() if own}
    if storage.exists(url) and storage.exists(csv_url(url)) and read_committed(url) == found:
        return
    if found:
        commit_turns(url, found)
    else:  # of an earlier run on other files
        storage.remove(url)
        storage.remove(csv_url(url))


def _key(row: Analysis) -> str:
    return video_key(row.identity, DubSettings().still_rate)


def _fingerprint(row: Analysis) -> str:
    return storage.digest(_key(row), RULE, talking_tables.VERSION)


def _is_current(row: Analysis) -> bool:
    return row.speakers_error is None and row.speakers_fingerprint == _fingerprint(row)


def _probed(run: AnalyzeRun, videos: Mapping[str, _Video]) -> dict[str, _Video]:
    """The videos that can be opened, with their headers."""
    rate = DubSettings().still_rate
    sources = [VideoSource(video.files[0].url, key, rate, _identity(run, video)) for key, video in videos.items()]
    for source, info in run.context.map_tasks("probe", probe, sources):
        if isinstance(info, Failure):
            _fail(run, videos[source.key], info)
        else:
            videos[source.key].info = info
    return {key: video for key, video in videos.items() if video.info is not None}


def _identity(run: AnalyzeRun, video: _Video) -> str:
    return run.ended[video.files[0].id].identity


def _waves(videos: Mapping[str, _Video]) -> list[dict[str, _Video]]:
    """Videos that are looked at side by side."""
    waves: list[dict[str, _Video]] = []
    total = WAVE_S
    for key, video in videos.items():
        assert video.info is not None
        total += float(video.info.duration_s)
        if total > WAVE_S:
            waves.append({})
            total = float(video.info.duration_s)
        waves[-1][key] = video
    return waves


def _find(run: AnalyzeRun, layout: Layout, videos: Mapping[str, _Video]) -> None:
    """Find faces, take pictures and ask who speaks, a video behind the other."""
    infos = {key: video.info for key, video in videos.items() if video.info is not None}
    there: dict[str, list[str]] = defaultdict(list)
    for name in storage.list_names(run.url(FOLDER)):
        if match := _PICTURE.fullmatch(name):
            there[match[1]].append(name)

    def on_table(key: str, table: FaceTable) -> None:
        if table.failure is not None:
            _fail(run, videos[key], table.failure)
            return
        for file in videos[key].files:
            order = PortraitOrder(file.id, infos[key], table.url, run.url(FOLDER), frozenset())
            pictures.ready.append(LookOrder(order, tuple(there[file.id])))
        speakers.begin(key, table.url)

    def on_pictures(order: LookOrder, in_view: InView | Failure) -> None:
        video = videos[_key(run.ended[order.key])]
        if isinstance(in_view, Failure):
            _fail(run, video, in_view)
            return
        video.in_view[order.key] = in_view
        _end(run, video)

    def on_speakers(key: str, answers: Mapping[str, SpeakerTracks | Failure]) -> None:
        (videos[key].answer,) = answers.values()
        _end(run, videos[key])

    faces = FacePass(infos, run.url("faces"), layout.model, on_table)
    pictures = Ask(name="pictures of people", task=look, on_answer=on_pictures, after=(faces.spec,))
    asked = {key: {key: None} for key in infos}
    speakers = Speakers(run.url, RULE, infos, asked, on_speakers, after=(faces.spec,))
    faces.run_before(
        run.context, [pictures, *speakers.nodes], f"{sum(len(one.files) for one in videos.values())} files"
    )


def _end(run: AnalyzeRun, video: _Video) -> None:
    """Complete a video's rows when all is known of it."""
    answer = video.answer
    if answer is None or len(video.in_view) < len(video.files):
        return
    known: dict[str, Any]
    if isinstance(answer, Failure):
        known = {"turns": None, "speaker_notes": (), "speakers_error": _reason(answer)}
    else:
        notes = answer.notes if answer.persons else (*answer.notes, answer.without)
        known = {"turns": answer.turns, "speaker_notes": tuple(filter(None, notes)), "speakers_error": None}
    for file in video.files:
        if isinstance(answer, Failure):
            run.context.failures.report(file.id, answer)
        _record(run, file, persons=persons_of(file.id, video.in_view[file.id], known["turns"]), **known)


def _fail(run: AnalyzeRun, video: _Video, failure: Failure) -> None:
    """Nobody of a video is known."""
    for file in video.files:
        run.context.failures.report(file.id, failure)
        _record(run, file, persons=None, turns=None, speaker_notes=(), speakers_error=_reason(failure))


def _reason(failure: Failure) -> str:
    return f"{failure.stage}: {failure.reason}"


def _record(run: AnalyzeRun, file: File, **known: Any) -> None:
    row = replace(run.ended[file.id], **known)
    row = replace(row, speakers_fingerprint=_fingerprint(row))
    storage.commit_bytes(run.url(row.id, REPORT), report_text(row).encode())
    run.end(row)


def persons_of(name: str, in_view: InView, turns: Sequence[Turn] | None) -> tuple[PersonInVideo, ...]:
    """The persons of a file, who speaks longest first, then who is in view longest.

    Parameters
    ----------
    name : id of the file
    turns : None where who speaks was not decided
    """
    spoken = spoken_s(turns or ())
    found = [
        PersonInVideo(
            person,
            round(seconds, 3),
            None if turns is None else round(spoken.get(person, 0.0), 3),
            storage.join(FOLDER, portrait_name(name, person)) if pictured else None,
        )
        for person, (seconds, pictured) in in_view.items()
    ]
    return tuple(sorted(found, key=lambda one: (-(one.spoken_s or 0.0), -one.seen_s, one.person)))


def names_of(files: Iterable[File]) -> dict[str, tuple[str, ...]]:
    """By the id of each file that may be shown: what its turns are called in the table, so that ``dub --speakers`` finds its dubs.

    That is the file's name without its extension, which means all dubs of the video. Where it could mean others, too, it is the
    id of each dub; without a table of dubs, the file's id.
    """
    shown = [file for file in files if file.shown_in or not file.roles]
    stems = Counter(stem_of(file.url) for file in shown)
    dubs = {dub for file in shown for dub in file.shown_in}
    out = {}
    for file in shown:
        stem = stem_of(file.url)
        clear = stems[stem] == 1 and (stem not in dubs or file.shown_in == (stem,))
        out[file.id] = (stem,) if clear else file.shown_in or (file.id,)
    return out

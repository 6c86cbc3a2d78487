"""Whose face is dubbed in each video of a run: asked of its face table, and where several people are in view, of its sound.

Small tasks between passes: one a video that chooses, and where who speaks has to be found first, one a stretch that looks at mouths,
and one a video that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lipsync_ray.engine.graph import Ask, Node
from lipsync_ray.engine.stages import Failure
from lipsync_ray.faces.speaker import FaceChoice
from lipsync_ray.faces.speaking import Decision
from lipsync_ray.inputs import audio_features
from lipsync_ray.inputs.audio_features import AudioSource
from lipsync_ray.inputs.speakers import SPEAKING, SpeakerQuery, SpeakerTracks, choose_speaker, person_name
from lipsync_ray.inputs.talking_tables import (
    VERSION,
    SpeakersOrder,
    TalkingRow,
    find_talking,
    make_decision,
    read_decision,
    talking_rows,
)
from lipsync_ray.io import storage
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import VideoInfo

FOLDER = ("faces", "speakers")

OnSpeaker = Callable[[str, SpeakerTracks | Failure], None]


@dataclass
class _Search:
    """A video in which who speaks is looked for: what is asked at the end, and how many of its rows are still out."""

    order: SpeakersOrder
    left: int


class Speakers:
    """Chooses, of one video after another.

    Parameters
    ----------
    url : a path in the run's folder
    rule : which face is dubbed
    videos : key, which changes with a video's content → the video
    on_speaker : told of each video's choice, by its key
    after : what calls :meth:`begin`
    """

    def __init__(
        self,
        url: Callable[..., str],
        rule: FaceChoice,
        videos: Mapping[str, VideoInfo],
        on_speaker: OnSpeaker,
        after: tuple[Node, ...],
    ) -> None:
        self._url, self._rule, self._videos, self._on_speaker = url, rule, videos, on_speaker
        self._folder = url(*FOLDER)
        there = storage.list_names(self._folder) if rule == SPEAKING else set()
        self._decided = {key for key in videos if decision_name(key) in there}
        self._tables: dict[str, str] = {}
        self._searches: dict[str, _Search] = {}
        self._choose = Ask(name="choose", task=choose_speaker, on_answer=self._on_choice, after=after)
        self._mouths = Ask(name="mouths", task=find_talking, on_answer=self._on_row, after=(self._choose,))
        self._decide = Ask(name="speakers", task=make_decision, on_answer=self._on_decision, after=(self._mouths,))
        self._again = Ask(name="choose", task=choose_speaker, on_answer=self._on_choice, after=(self._decide,))
        self.nodes: tuple[Node, ...] = (self._choose, self._mouths, self._decide, self._again)

    def expected(self, key: str) -> tuple[str, ...]:
        """Names of the persons that a video's choice will have, as far as that is known before its faces are."""
        if key not in self._decided:
            return (self._rule,)
        persons = {turn.person for turn in self._decision(key).turns}
        return tuple(person_name(person) for person in sorted(persons)) or (self._rule,)

    def begin(self, key: str, table: str) -> None:
        """Choose in a video whose face table is there."""
        self._tables[key] = table
        query = self._query(key)
        self._choose.ready.append(self._with(query, self._decision(key)) if key in self._decided else query)

    def _query(self, key: str) -> SpeakerQuery:
        video = self._videos[key]
        return SpeakerQuery(
            key,
            self._tables[key],
            self._rule,
            video.width,
            video.height,
            video.rate,
            video.has_audio and not video.still,
        )

    def _with(self, query: SpeakerQuery, decision: Decision) -> SpeakerQuery:
        return replace(query, turns=decision.turns, untold=decision.untold)

    def _decision(self, key: str) -> Decision:
        return read_decision(storage.join(self._folder, decision_name(key)))

    def _on_choice(self, query: SpeakerQuery, answer: SpeakerTracks | Failure) -> None:
        if isinstance(answer, Failure) or not answer.undecided:
            self._on_speaker(query.key, answer)
            return
        key, video = query.key, self._videos[query.key]
        found = talking_rows(key, video, query.url, storage.join(self._folder, "parts", key))
        url = storage.join(self._folder, decision_name(key))
        sound = own_sound(key, video, self._url(audio_features.FOLDER))
        order = SpeakersOrder(key, video, query.url, sound, tuple(row.url for row in found), url)
        self._searches[key] = _Search(order, len(found))
        self._mouths.ready.extend(found)

    def _on_row(self, row: TalkingRow, answer: int | Failure) -> None:
        search = self._searches.get(row.video_key)
        if search is None:  # another row of it has failed
            return
        search.left -= 1
        if isinstance(answer, Failure):
            del self._searches[row.video_key]
            self._on_speaker(row.video_key, answer)
        elif not search.left:
            self._decide.ready.append(search.order)

    def _on_decision(self, order: SpeakersOrder, answer: Decision | Failure) -> None:
        del self._searches[order.key]
        if isinstance(answer, Failure):
            self._on_speaker(order.key, answer)
        else:
            self._again.ready.append(self._with(self._query(order.key), answer))


def decision_name(key: str) -> str:
    """The file name of a video's decision."""
    return f"{storage.digest(key, VERSION)}.json"


def own_sound(key: str, video: VideoInfo, folder: str) -> AudioSource:
    """The sound of a video as who speaks is decided by: from its first frame on, whole."""
    track = SoundTrack(video.url, None, video.origin_s, video.content)
    name = storage.digest(key, "own sound", audio_features.FORMAT)
    return AudioSource(track, name, False, folder, "speech-mel", voice=True)

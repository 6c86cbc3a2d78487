"""Whose face is dubbed in each video of a run: asked of its face table, and where several people are in view, of its sound.

Small tasks between passes: one a video that chooses, and where who speaks has to be found first, one a stretch that looks at mouths,
and one a video that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from lipsync_ray.engine.graph import Ask, Node
from lipsync_ray.engine.stages import Failure
from lipsync_ray.faces.choices import DubbedFaces
from lipsync_ray.faces.speaker import BY_SOUND
from lipsync_ray.faces.speaking import Decision
from lipsync_ray.inputs import audio_features
from lipsync_ray.inputs.audio_features import AudioSource
from lipsync_ray.inputs.speakers import (
    GivenTurns,
    SpeakerQuery,
    SpeakerTracks,
    person_name,
)
from lipsync_ray.inputs.talking_tables import (
    VERSION,
    SpeakersOrder,
    TalkingRow,
    find_talking,
    make_decision,
    read_decision,
    talking_rows,
)
from lipsync_ray.inputs.voices import choose_faces
from lipsync_ray.io import storage
from lipsync_ray.io.written_faces import WrittenVoice, written_face
from lipsync_ray.io.written_turns import person_of
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import VideoInfo

FOLDER = ("faces", "speakers")

Answers = dict[str, SpeakerTracks | Failure]
"""By the id of a dub."""

OnSpeakers = Callable[[str, Answers], None]
_Asked = tuple[GivenTurns | None, tuple[WrittenVoice, ...]]


@dataclass
class _Search:
    """A video in which who speaks is looked for: what is asked at the end, and how many of its rows are still out."""

    order: SpeakersOrder
    left: int
    queries: list[SpeakerQuery]


@dataclass
class _Video:
    """A video in which is chosen.

    Attributes
    ----------
    info : the video
    dubs : id ↦ who speaks when, as a user gives it, or None; and the dub's voices
    table : of its faces; known later
    answers : that are known
    """

    info: VideoInfo
    dubs: Mapping[str, _Asked]
    table: str = ""
    answers: Answers = field(default_factory=dict)


class Speakers:
    """Chooses, of one video after another.

    Parameters
    ----------
    url : a path in the run's folder
    rule : which face is dubbed
    videos : key, which changes with a video's content → the video
    dubs : the same key → id of each of its dubs ↦ who speaks when, as a user gives it, or None
    on_speakers : told of each video's choices, by its key
    after : what calls :meth:`begin`
    voices : id of a dub → its voices, where it has some
    """

    def __init__(
        self,
        url: Callable[..., str],
        rule: DubbedFaces,
        videos: Mapping[str, VideoInfo],
        dubs: Mapping[str, Mapping[str, GivenTurns | None]],
        on_speakers: OnSpeakers,
        after: tuple[Node, ...],
        voices: Mapping[str, tuple[WrittenVoice, ...]] | None = None,
    ) -> None:
        spoken = voices or {}
        self._url, self._rule, self._on_speakers = url, rule, on_speakers
        self._videos = {
            key: _Video(video, {name: (given, spoken.get(name, ())) for name, given in dubs[key].items()})
            for key, video in videos.items()
        }
        self._folder = url(*FOLDER)
        there = storage.list_names(self._folder)
        self._decided = {key for key in videos if decision_name(key) in there}
        self._searches: dict[str, _Search] = {}
        self._choose = Ask(name="choose", task=choose_faces, on_answer=self._on_choice, after=after)
        self._mouths = Ask(name="mouths", task=find_talking, on_answer=self._on_row, after=(self._choose,))
        self._decide = Ask(name="speakers", task=make_decision, on_answer=self._on_decision, after=(self._mouths,))
        self._again = Ask(name="choose", task=choose_faces, on_answer=self._on_choice, after=(self._decide,))
        self.nodes: tuple[Node, ...] = (self._choose, self._mouths, self._decide, self._again)

    def expected(self, key: str) -> tuple[str, ...]:
        """Names of the persons that a video's choices will have; none where that is not known before its faces are."""
        names: dict[str, None] = {}
        for given, voices in self._videos[key].dubs.values():
            found = self._expected_of(key, given, voices)
            if found is None:
                return ()
            names |= dict.fromkeys(found)
        return tuple(names)

    def _expected_of(self, key: str, given: GivenTurns | None, voices: tuple[WrittenVoice, ...]) -> list[str] | None:
        """The same of one dub; None where that is not known."""
        if voices:
            named = [written_face(voice.face) if voice.face else None for voice in voices]
            persons = [who for who in named if isinstance(who, int)]
            return [person_name(who) for who in persons] if len(persons) == len(named) else None
        if given is not None:
            numbers = [person_of(turn.speaker) for turn in given.turns]
            return None if given.needs_names else [person_name(who) for who in numbers if who is not None]
        decision = self._decision(key) if self._rule in BY_SOUND and key in self._decided else None
        decided = decision.turns if decision is not None and not _is_alone(self._rule, decision) else ()
        return [person_name(turn.person) for turn in decided] or [self._rule]

    def begin(self, key: str, table: str) -> None:
        """Choose in a video whose face table is there."""
        self._videos[key].table = table
        decision = self._decision(key) if key in self._decided else None
        for asked in dict.fromkeys(self._videos[key].dubs.values()):
            self._choose.ready.append(_with(self._query(key, *asked), decision))

    def _query(self, key: str, given: GivenTurns | None, voices: tuple[WrittenVoice, ...]) -> SpeakerQuery:
        video = self._videos[key].info
        return SpeakerQuery(
            key,
            self._videos[key].table,
            self._rule,
            video.width,
            video.height,
            video.rate,
            video.has_audio and not video.still,
            given=given,
            voices=voices,
            still=video.still,
        )

    def _decision(self, key: str) -> Decision:
        return read_decision(storage.join(self._folder, decision_name(key)))

    def _on_choice(self, query: SpeakerQuery, answer: SpeakerTracks | Failure) -> None:
        if not isinstance(answer, Failure) and answer.undecided:
            self._search(query)
        else:
            self._answer(query, answer)

    def _answer(self, query: SpeakerQuery, answer: SpeakerTracks | Failure) -> None:
        video = self._videos[query.key]
        video.answers |= {dub: answer for dub, asked in video.dubs.items() if asked == (query.given, query.voices)}
        if len(video.answers) == len(video.dubs):
            self._on_speakers(query.key, video.answers)

    def _search(self, query: SpeakerQuery) -> None:
        key, video = query.key, self._videos[query.key].info
        if (search := self._searches.get(key)) is not None:
            search.queries.append(query)
            return
        found = talking_rows(key, video, query.url, storage.join(self._folder, "parts", key))
        url = storage.join(self._folder, decision_name(key))
        sound = own_sound(key, video, self._url(audio_features.FOLDER))
        order = SpeakersOrder(key, video, query.url, sound, tuple(row.url for row in found), url)
        self._searches[key] = _Search(order, len(found), [query])
        self._mouths.ready.extend(found)

    def _on_row(self, row: TalkingRow, answer: int | Failure) -> None:
        search = self._searches.get(row.video_key)
        if search is None:  # another row of it has failed
            return
        search.left -= 1
        if isinstance(answer, Failure):
            self._ended(row.video_key, answer)
        elif not search.left:
            self._decide.ready.append(search.order)

    def _on_decision(self, order: SpeakersOrder, answer: Decision | Failure) -> None:
        self._ended(order.key, answer)

    def _ended(self, key: str, answer: Decision | Failure) -> None:
        for query in self._searches.pop(key).queries:
            if isinstance(answer, Failure):
                self._answer(query, answer)
            else:
                self._again.ready.append(_with(query, answer))


def _with(query: SpeakerQuery, decision: Decision | None) -> SpeakerQuery:
    if decision is None:
        return query
    if _is_alone(query.rule, decision) and query.given is None and not query.voices:
        return replace(query, alone=True)
    return replace(query, turns=decision.turns, untold=decision.untold)


def _is_alone(rule: DubbedFaces, decision: Decision) -> bool:
    """Whether a decision leaves it at the only person in view."""
    return rule == "auto" and decision.alone


def decision_name(key: str) -> str:
    """The file name of a video's decision."""
    return f"{storage.digest(key, VERSION)}.json"


def own_sound(key: str, video: VideoInfo, folder: str) -> AudioSource:
    """The sound of a video as who speaks is decided by: from its first frame on, whole."""
    track = SoundTrack(video.url, None, video.origin_s, video.content)
    name = storage.digest(key, "own sound", audio_features.FORMAT)
    return AudioSource(track, name, False, folder, "speech-mel", voice=True)

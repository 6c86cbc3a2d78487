"""What every mouth of a video does, beside what is heard: made row by row, and joined to the table of who speaks.

All is on a grid of 25 places a second, the rate that the sync expert knows. A row's frames say nothing of other rows', and what
is decided is decided of the whole video, so that no split changes it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.faces.mesh import KEPT, agrees, cut_square, gap_of, speaking_of, square_of
from lipsync_ray.faces.patch import cut_mouth
from lipsync_ray.faces.speaking import USUAL, Decision, Rules, decide
from lipsync_ray.faces.table import read_table
from lipsync_ray.faces.talking import RATE, AudioFeatures, MouthSamples, runs_of
from lipsync_ray.inputs.audio_features import VOICE_PER_S, AudioSource, extract_audio_features
from lipsync_ray.inputs.mesh_tables import PRESENT
from lipsync_ray.inputs.segments import VideoSegment
from lipsync_ray.inputs.speakers import NO_SOUND
from lipsync_ray.io import storage
from lipsync_ray.io.turns import Turn
from lipsync_ray.media import decode
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timbre import timbre
from lipsync_ray.media.timeline import at_rate, split

F32 = NDArray[np.float32]

VERSION = 2  # raise when the same video would get another table
ROW_S = 8.0  # seconds of video in one row
SMALLEST_PX = 24  # width of a face whose mouth is looked at
TIMBRE = 18  # coefficients that voices are told apart by
_WITHOUT_SOUND = Decision((), untold=NO_SOUND)


@dataclass(frozen=True)
class TalkingRow(VideoSegment):
    """A range of a video in which the mouths of all persons of `table` are looked at."""

    video_key: str
    table: str


class FindTalking:
    """Look at every tracked face's mouth in a row, and commit that. Keeps its networks loaded."""

    def __init__(self, device: str) -> None:
        from lipsync_ray.models.face_mesh import Mesher

        one_thread()
        self._mesher = Mesher(device)

    def __call__(self, row: TalkingRow) -> int:
        """How many mouths were seen."""
        from lipsync_ray.models.sync_judge import encode_mouths

        tracks = read_table(row.table, row.start, row.stop)
        shown = at_rate(row.video.frames, row.video.rate, RATE)
        first, last = np.searchsorted(shown, (row.start, row.stop))
        places = np.arange(first, last)
        lows, highs = (np.searchsorted(tracks.frame, shown[places], side=side) for side in ("left", "right"))
        at, squares, cuts = [], [], []
        pictures = decode.pictures_at(row.video, shown[places].tolist())
        for place, low, high, picture in zip(places, lows, highs, pictures, strict=True):
            for one in range(low, high):
                if tracks.box[one, 2] - tracks.box[one, 0] < SMALLEST_PX:
                    continue
                square = square_of(tracks.landmarks[one])
                cut = cut_square(picture, square)
                if cut is not None:
                    at.append((place, one))
                    squares.append(square)
                    cuts.append(cut)
        found = MouthSamples.none()
        if cuts:
            points, present = self._mesher(np.stack(cuts))
            points = points[:, list(KEPT)]
            known = [
                number
                for number, (square, (_, one)) in enumerate(zip(squares, at, strict=True))
                if present[number] >= PRESENT
                and agrees(points[number] @ square[:, :2].T + square[:, 2], tracks.landmarks[one])
            ]
            if known:
                place, one = np.array(at)[known].T
                opening = gap_of(speaking_of(points[known])).astype(np.float32)
                seen = encode_mouths(np.stack([cut_mouth(cuts[number], points[number]) for number in known]))
                found = MouthSamples(place.astype(np.int32), tracks.track[one], opening, seen.astype(np.float16))
        storage.commit_bytes(row.url, found.to_bytes())
        return len(found.place)


def find_talking(row: TalkingRow) -> int:
    """Look at a row's mouths, unless that was committed before; how many were seen now."""
    return 0 if storage.exists(row.url) else _finder()(row)


@lru_cache(maxsize=1)
def _finder() -> FindTalking:
    """A worker looks at many rows."""
    return FindTalking("cpu")


@dataclass(frozen=True)
class SpeakersOrder:
    """Who speaks in `video` is to be decided: of its committed rows, the face table at `table` and `sound`; to be committed at `url`.

    `sound` is None of a video without any.
    """

    key: str
    video: VideoInfo
    table: str
    sound: AudioSource | None
    parts: tuple[str, ...]
    url: str


def make_decision(order: SpeakersOrder) -> Decision:
    """Join a video's rows, decide who speaks, commit that, and delete the rows."""
    decision = decide_speakers(order)
    storage.commit_bytes(order.url, json.dumps(asdict(decision)).encode())
    if order.parts:
        storage.remove(storage.parent(order.parts[0]))
    return decision


def read_decision(url: str) -> Decision:
    """A committed one."""
    values = json.loads(storage.read_bytes(url))
    return Decision(**{**values, "turns": tuple(Turn(**turn) for turn in values["turns"])})


def decide_speakers(order: SpeakersOrder, rules: Rules = USUAL) -> Decision:
    """Decide who speaks; nothing is committed.

    Raises
    ------
    ProbeError, DecodeError : no usable sound in a video that should have some
    """
    from lipsync_ray.models.sync_judge import follow

    if order.sound is None:
        return _WITHOUT_SOUND
    tracks = read_table(order.table)
    shown = at_rate(order.video.frames, order.video.rate, RATE)
    mouths = MouthSamples.joined([MouthSamples.from_bytes(storage.read_bytes(url)) for url in order.parts])
    speaking = [track for track in np.unique(mouths.track).tolist() if mouths.opens_and_closes(track)]
    # A person who sits still most of the time is taken for a picture, until the mouth moves.
    alive = ~tracks.still | np.isin(tracks.person, tracks.person[np.isin(tracks.track, speaking)])
    mouths = mouths.of_tracks(np.unique(tracks.track[alive]))
    persons, rows = np.unique(tracks.person[alive], return_inverse=True)
    row_of = dict(zip(tracks.track[alive].tolist(), rows.tolist(), strict=True))
    in_view = np.zeros((len(persons), order.video.frames), bool)
    in_view[rows, tracks.frame[alive]] = True
    heard = hear_places(order.sound, len(shown))
    decision = decide(runs_of(mouths, row_of, heard, follow), persons, in_view[:, shown], heard, rules)
    return replace(decision, alone=len(persons) < 2)


def hear_places(source: AudioSource, places: int) -> AudioFeatures:
    """What is heard at each place of a video, of its own sound; silence where the sound is over.

    Parameters
    ----------
    source : the sound from the video's first frame on, untrimmed, with the front end "speech-mel" and `voice`

    Raises
    ------
    ProbeError, DecodeError : no usable sound in it
    """
    from lipsync_ray.models.judge import expected_openings
    from lipsync_ray.models.sync_judge import encode_sound

    speech = extract_audio_features(source)
    assert speech.voice_url is not None
    columns = speech.read(0, speech.columns)
    probability = np.frombuffer(storage.read_bytes(speech.voice_url), "<f4")
    chunks = np.floor((np.arange(places) + 0.5) * float(VOICE_PER_S / RATE)).astype(np.int64)
    voice = np.zeros(places, np.float32)
    there = chunks < len(probability)
    voice[there] = probability[chunks[there]]
    return AudioFeatures(
        _as_long(encode_sound(columns), places),
        _as_long(expected_openings(columns), places),
        voice,
        timbre(columns, places, RATE, TIMBRE),
    )


def _as_long(course: F32, places: int) -> F32:
    filled = np.zeros((max(0, places - len(course)), *course.shape[1:]), np.float32)
    return np.concatenate((course[:places], filled))


def talking_rows(key: str, video: VideoInfo, table: str, folder: str) -> list[TalkingRow]:
    """The rows of a video, named by their frames."""
    return [
        TalkingRow(f"{key}-{start}", start, stop, storage.join(folder, f"{start}-{stop}.npz"), video, key, table)
        for start, stop in split(video.frames, video.rate, ROW_S)
    ]

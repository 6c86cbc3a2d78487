"""Who of a video's people speaks when: the likeliest course of turns, by all that is seen and heard of the whole video.

First by mouths alone, over a second each. The turns that are sure then tell whose each voice is, and voices, which change from one
place to the next where mouths are smoothed over a second, say where turns begin and end and which of them were taken for others'.

Measured on three and a half minutes of montages made after all was chosen (benchmarks/README.md): 96.8 % of frames on the right face,
95.8 % in turns under two seconds; in 3.8 % of frames a mouth is taken to speak that should rest, most of them a listener's who
moves the lips while somebody out of view speaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.talking import RATE, Evidence, Heard, Run, evidence, lag_of, lags_of
from lipsync_ray.faces.voices import UNKNOWN, VoiceRules, voices
from lipsync_ray.io.turns import Turn
from lipsync_ray.media.courses import averaged, equal_runs
from lipsync_ray.media.speech_mel import VOICED

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

NOBODY = -1
_VOICE = 3  # places over which a voice is there or not …
_THERE = 0.3  # … by this part of them
_CERTAINTY = (0.0, 4.0)  # of a turn: a logistic curve of what its places say more for it than for another's
_BESIDE_VOICE = 5  # places of a long silence that are the turn's before or after it
_MIDDLE = 0.17  # brief agreement that speaks neither for nor against a person


@dataclass(frozen=True)
class Rules:
    """How evidence is weighed; chosen by benchmarks/conversations.py, on people of whom its figures are not.

    Attributes
    ----------
    sync, motion, follows, never : of a person at a place, in logarithms of odds; the last is added to their sum
    scale, most : of that sum, as neighbouring places tell much the same; at most so much, either way
    pause : against a person's turn, at a place without a voice
    change, cut : against another one's turn beginning, by mouths alone; and how much of it is left where others come into view
    silence : places without a voice that end a turn, if there are more
    shortest : places of a turn
    sure : logarithm of odds from which on a place tells a voice
    rounds : of voices and turns
    change_heard : as `change`, by voices, too
    near, guard : places to either side of a change in which a mouth is averaged briefly, and in which no voice is learnt
    long, long_near, brief : weight of mouths beside voices: over a second, the same near a change, and briefly there
    voice : how voices are told apart
    """

    sync: float = 11.9
    motion: float = 1.73
    follows: float = 1.92
    never: float = 4.2
    scale: float = 0.4
    most: float = 1.5
    pause: float = 0.05
    change: float = 5.0
    cut: float = 0.3
    silence: int = 40
    shortest: int = 10
    sure: float = 0.5
    rounds: int = 2
    change_heard: float = 6.0
    near: int = 16
    guard: int = 3
    long: float = 0.6
    long_near: float = 0.2
    brief: float = 1.0
    voice: VoiceRules = VoiceRules()  # noqa: RUF009


USUAL = Rules()


@dataclass(frozen=True)
class Decision:
    """Who speaks when.

    Attributes
    ----------
    turns : by their beginning; nobody in view speaks between them
    late_s : by how much the lips come later than the sound
    untold : why it cannot be told, in a few words; "" where it can
    """

    turns: tuple[Turn, ...]
    late_s: float = 0.0
    untold: str = ""


def decide(
    runs: list[Run], persons: NDArray[np.integer], visible: Bools, heard: Heard, rules: Rules = USUAL
) -> Decision:
    """Decide who speaks.

    Parameters
    ----------
    runs : of the persons' mouths (:func:`~lipsync_ray.faces.talking.runs_of`)
    persons : (k,) numbers of the face table
    visible : (k, n) places in which each of them is in view
    """
    voiced = heard.voice >= VOICED
    if not voiced.any():
        return Decision((), untold="nobody speaks in its sound")
    if not runs:
        return Decision((), untold="no mouth could be followed")
    usual = lag_of(runs, heard.voice)
    seen = evidence(runs, heard, np.full(len(persons), usual))
    first = by_mouths(seen, visible, heard, rules)
    lags = lags_of(runs, first, len(persons), usual)
    seen = evidence(runs, heard, lags)
    course, said = by_voices(seen, visible, heard, rules)
    turns = [
        Turn(
            float(low / RATE),
            float(high / RATE),
            int(persons[course[low]]),
            confidence(said[low:high], int(course[low]) + 1, voiced[low:high]),
        )
        for low, high in equal_runs(course)
        if course[low] != NOBODY
    ]
    return Decision(tuple(turns), float(usual / RATE))


def by_mouths(seen: Evidence, visible: Bools, heard: Heard, rules: Rules) -> I64:
    """(n,) row of the person who speaks at each place, by mouths and the presence of a voice; −1 for nobody in view."""
    said = _scores_by_mouths(seen, visible, _voiced(heard), rules)
    return without_short(likeliest(said, _costs(visible, rules.change, rules.cut)) - 1, rules.shortest)


def by_voices(seen: Evidence, visible: Bools, heard: Heard, rules: Rules) -> tuple[I64, F64]:
    """The same by voices, too; and (n, 1 + k) what each place says for nobody and each person."""
    there = _voiced(heard)
    course = by_mouths(seen, visible, heard, rules)
    slow = _scores_by_mouths(seen, visible, there, rules)
    slow[:, 1:][~visible.T] = 0.0
    quick = np.zeros_like(slow)
    quick[:, 1:] = rules.brief * (np.nan_to_num(seen.brief, nan=_MIDDLE) - _MIDDLE).T
    labels = _sure(seen, visible, heard, course, rules)
    said = slow
    for _ in range(rules.rounds):
        near = _near_changes(course, rules.near)[:, None]
        said = np.where(near, rules.long_near * slow + quick, rules.long * slow)
        said = said + voices(heard.timbre, labels, slow.shape[1], rules.voice)
        said[~there, 0], said[~there, 1:] = 0.0, -rules.pause
        said[:, 1:][~visible.T] = -np.inf
        costs = _costs(visible, rules.change_heard, rules.cut)
        course = without_short(likeliest(said, costs) - 1, rules.shortest)
        labels = np.where((heard.voice >= VOICED) & ~_near_changes(course, rules.guard), course + 1, UNKNOWN)
        labels[~visible.any(axis=0)] = UNKNOWN  # a person's who was in view, or not
    return without_short(without_silence(course, there, rules.silence), rules.shortest), said


def confidence(said: F64, state: int, voiced: Bools) -> float:
    """How often turns are right, 0–1, whose (n, 1 + k) places say so much for the state that they have."""
    places = said[voiced] if voiced.any() else said
    others = np.delete(places, state, axis=1).max(axis=1)
    margin = float(np.clip(places[:, state] - others, -1, 1).mean())
    return float(np.round(1 / (1 + np.exp(-(_CERTAINTY[0] + _CERTAINTY[1] * margin))), 2))


def _odds(seen: Evidence, rules: Rules) -> F64:
    """(k, n) logarithms of the odds that a person speaks who is looked at alone; NaN where that is not known."""
    return rules.sync * seen.sync + rules.motion * seen.motion + rules.follows * seen.follows + rules.never


def _scores_by_mouths(seen: Evidence, visible: Bools, there: Bools, rules: Rules) -> F64:
    """(n, 1 + k) what each place says for nobody, which is 0, and for each person."""
    odds = _odds(seen, rules)
    each = np.where(np.isnan(odds), 0.0, np.clip(rules.scale * odds, -rules.most, rules.most))
    each = np.where(there, each, -rules.pause)
    each = np.where(visible, each, -np.inf)
    return np.concatenate((np.zeros((1, each.shape[1])), each)).T


def _sure(seen: Evidence, visible: Bools, heard: Heard, course: I64, rules: Rules) -> I64:
    """(n,) who is sure to speak at each place: 0 for nobody in view, else a person's row and 1; UNKNOWN where none is."""
    odds = np.where(visible, np.nan_to_num(_odds(seen, rules)), -np.inf)
    best = odds.max(axis=0)
    others = np.sort(np.concatenate((odds, np.zeros((1, odds.shape[1])))), axis=0)[-2]
    labels = np.full(len(course), UNKNOWN, np.int64)
    someone = (best > rules.sure) & (best - others > rules.sure) & (odds.argmax(axis=0) == course)
    labels[someone] = course[someone] + 1
    labels[(best < -rules.sure) & (course == NOBODY) & visible.any(axis=0)] = 0
    labels[heard.voice < VOICED] = UNKNOWN
    return labels


def _voiced(heard: Heard) -> Bools:
    return np.asarray(averaged((heard.voice >= VOICED).astype(np.float64), _VOICE) > _THERE)


def _costs(visible: Bools, change: float, cut: float) -> F64:
    """(n,) of a change at each place."""
    out = np.full(visible.shape[1], float(change))
    out[1:][(visible[:, 1:] != visible[:, :-1]).any(axis=0)] *= cut
    return out


def _near_changes(course: I64, reach: int) -> Bools:
    out = np.zeros(len(course), bool)
    for place in np.flatnonzero(np.diff(course)) + 1:
        out[max(0, place - reach) : place + reach] = True
    return out


def without_silence(course: I64, there: Bools, longest: int) -> I64:
    """A course whose long silences are nobody's, but for a little before and after a voice: lips move before they are heard."""
    out = course.copy()
    for first, last in equal_runs(there.astype(np.int64)):
        if not there[first] and last - first > longest:
            out[first + _BESIDE_VOICE if first else 0 : last - _BESIDE_VOICE if last < len(course) else last] = NOBODY
    return out


def without_short(course: I64, shortest: int) -> I64:
    """A course whose turns that are shorter are nobody's."""
    out = course.copy()
    for first, last in equal_runs(course):
        if course[first] != NOBODY and last - first < shortest:
            out[first:last] = NOBODY
    return out


def likeliest(said: F64, cost: F64) -> I64:
    """(n,) the course of states that is likeliest (Viterbi).

    Parameters
    ----------
    said : (n, s) logarithms of likelihoods, up to a number a place
    cost : (n,) of another state than at the place before
    """
    count, states = said.shape
    back = np.zeros((count, states), np.int32)
    each = np.arange(states)
    best = said[0].copy() if count else np.zeros(states)
    for place in range(1, count):
        other = int(best.argmax())
        changes = best[other] - cost[place]
        back[place] = np.where(best >= changes, each, other)
        best = np.maximum(best, changes) + said[place]
    course = np.zeros(count, np.int64)
    state = int(best.argmax()) if states else 0
    for place in range(count - 1, -1, -1):
        course[place] = state
        state = int(back[place, state])
    return course

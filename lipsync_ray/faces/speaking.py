"""Decides which person in a video speaks when, from mouth movement and voice timbre over the whole video.

A first pass uses mouths alone, averaged over 1 s. Its confident turns label each voice with a person. A second pass
adds the voices, which change from one step (1/25 s) to the next; they correct turn boundaries and confused persons. A
person out of view keeps the voice: while it is heard, nobody in view speaks.

Measured on 5.3 minutes of montages of people who were not used to choose the parameters (benchmarks/README.md): 97.7 % of
frames have the right face, 98.3 % in turns under two seconds. In 0.9 % of frames a mouth that should rest is chosen, mostly
within half a second of the person's own turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.talking import RATE, AudioFeatures, Evidence, MouthTrack, evidence, lag_of, lags_of
from lipsync_ray.faces.voices import UNKNOWN, VoiceRules, voices, well_known
from lipsync_ray.io.turns import Turn
from lipsync_ray.media.speech_mel import VOICED
from lipsync_ray.media.time_series import averaged, equal_runs

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

NOBODY = -1
_VOICE = 3  # steps over which voice activity is averaged
_VOICED_SHARE = 0.3  # mean above which a step counts as voiced
_CERTAINTY = (0.0, 4.0)  # intercept and slope of the logistic curve from a turn's mean score margin to its confidence
_SILENCE_KEPT = 5  # steps of a long silence that stay with the turn before or after it
_MIDDLE = 0.17  # brief sync that is evidence neither for nor against a person


@dataclass(frozen=True)
class Rules:
    """Weights of the evidence, chosen by benchmarks/conversations.py on people outside its test set.

    Attributes
    ----------
    sync, motion, follows, never : log odds of a person speaking at a step are sync · Evidence.sync + motion ·
        Evidence.motion + follows · Evidence.follows + never
    scale, most : the log odds are scaled, because neighbouring steps are correlated, and clipped to ±`most`
    pause : cost of a person's turn per unvoiced step
    change, cut : cost of a change of speaker, by mouths alone; its factor where persons enter or leave the view
    silence : a longer run of unvoiced steps ends a turn
    shortest : steps; shorter turns are dropped
    sure : log odds from which a step labels a voice
    rounds : iterations of the second pass
    change_by_voice : as `change`, in the second pass
    near, guard : steps on either side of a change in which brief mouth evidence counts more, and in which no voice is
        learned
    long, long_near, brief : weights of mouth evidence in the second pass: over 1 s; the same near a change; over 0.2 s
        near a change
    voice : rules of the voice model
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
    change_by_voice: float = 6.0
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
    turns : sorted by start; nobody in view speaks between them
    late_s : seconds by which the lips lag the sound
    untold : why no decision is possible, in a few words; "" if there is one
    alone : one person alone is in view; other faces are pictures
    """

    turns: tuple[Turn, ...]
    late_s: float = 0.0
    untold: str = ""
    alone: bool = False


def decide(
    runs: list[MouthTrack], persons: NDArray[np.integer], visible: Bools, audio: AudioFeatures, rules: Rules = USUAL
) -> Decision:
    """Decide who speaks.

    Parameters
    ----------
    runs : mouths compared with the sound (:func:`~lipsync_ray.faces.talking.runs_of`)
    persons : (k,) person numbers of the face table, in the order of the runs' rows
    visible : (k, n) whether each person is in view at each step
    """
    voiced = audio.voice >= VOICED
    if not voiced.any():
        return Decision((), untold="nobody speaks in its sound")
    if not runs:
        return Decision((), untold="no mouth could be followed")
    usual = lag_of(runs, audio.voice)
    measured = evidence(runs, audio, np.full(len(persons), usual))
    first = by_mouths(measured, visible, audio, rules)
    lags = lags_of(runs, first, len(persons), usual)
    measured = evidence(runs, audio, lags)
    speaker, scores = by_voices(measured, visible, audio, rules)
    turns = [
        Turn(
            float(low / RATE),
            float(high / RATE),
            int(persons[speaker[low]]),
            confidence(scores[low:high], int(speaker[low]) + 1, voiced[low:high]),
        )
        for low, high in equal_runs(speaker)
        if speaker[low] != NOBODY
    ]
    return Decision(tuple(turns), float(usual / RATE))


def by_mouths(measured: Evidence, visible: Bools, audio: AudioFeatures, rules: Rules) -> I64:
    """(n,) row of the person who speaks at each step, from mouths and voice activity; −1 for nobody in view."""
    scores = _scores_by_mouths(measured, visible, _voiced(audio), rules)
    return without_short(viterbi(scores, _costs(visible, rules.change, rules.cut)) - 1, rules.shortest)


def by_voices(measured: Evidence, visible: Bools, audio: AudioFeatures, rules: Rules) -> tuple[I64, F64]:
    """The same with voices added; also the (n, 1 + k) scores of nobody and of each person."""
    voiced = _voiced(audio)
    speaker = by_mouths(measured, visible, audio, rules)
    slow = _scores_by_mouths(measured, visible, voiced, rules)
    slow[:, 1:][~visible.T] = 0.0
    quick = np.zeros_like(slow)
    quick[:, 1:] = rules.brief * (np.nan_to_num(measured.brief, nan=_MIDDLE) - _MIDDLE).T
    labels = _sure(measured, visible, audio, speaker, rules)
    scores = slow
    for _ in range(rules.rounds):
        near = _near_changes(speaker, rules.near)[:, None]
        scores = np.where(near, rules.long_near * slow + quick, rules.long * slow)
        timbres = voices(audio.timbre, labels, slow.shape[1], rules.voice, audio.voice >= VOICED)
        elsewhere = _out_of_view(timbres, visible, well_known(labels, slow.shape[1], rules.voice))
        scores = scores + timbres
        scores[:, 0] += np.maximum(elsewhere.max(axis=1) - timbres[:, 0], 0)
        scores[~voiced, 0], scores[~voiced, 1:] = 0.0, -rules.pause
        scores[:, 1:][~visible.T] = -np.inf
        costs = _costs(visible, rules.change_by_voice, rules.cut)
        speaker = without_short(viterbi(scores, costs) - 1, rules.shortest)
        heard = np.where(elsewhere.max(axis=1) > timbres[:, 0], elsewhere.argmax(axis=1) + 1, 0)
        heard = np.where(speaker == NOBODY, heard, speaker + 1)
        labels = np.where((audio.voice >= VOICED) & ~_near_changes(speaker, rules.guard), heard, UNKNOWN)
        labels[~visible.any(axis=0)] = UNKNOWN  # nobody is in view: the voice may be anyone's
    return without_short(without_silence(speaker, voiced, rules.silence), rules.shortest), scores


def _out_of_view(timbres: F64, visible: Bools, known: Bools) -> F64:
    """(n, k) how each step sounds like each person who is out of view and whose voice is known; −∞ for others."""
    return np.where(~visible.T & known[1:], timbres[:, 1:], -np.inf)


def confidence(scores: F64, state: int, voiced: Bools) -> float:
    """Probability, 0–1, that a turn is right.

    Parameters
    ----------
    scores : (n, 1 + k) of the turn's steps: nobody, then each person
    state : column of the turn's person
    voiced : (n,)
    """
    counted = scores[voiced] if voiced.any() else scores
    others = np.delete(counted, state, axis=1).max(axis=1)
    margin = float(np.clip(counted[:, state] - others, -1, 1).mean())
    return float(np.round(1 / (1 + np.exp(-(_CERTAINTY[0] + _CERTAINTY[1] * margin))), 2))


def _odds(measured: Evidence, rules: Rules) -> F64:
    """(k, n) log odds that a person speaks, regardless of the others; NaN if unknown."""
    return rules.sync * measured.sync + rules.motion * measured.motion + rules.follows * measured.follows + rules.never


def _scores_by_mouths(measured: Evidence, visible: Bools, voiced: Bools, rules: Rules) -> F64:
    """(n, 1 + k) score of each step for nobody, which is 0, and for each person."""
    odds = _odds(measured, rules)
    each = np.where(np.isnan(odds), 0.0, np.clip(rules.scale * odds, -rules.most, rules.most))
    each = np.where(voiced, each, -rules.pause)
    each = np.where(visible, each, -np.inf)
    return np.concatenate((np.zeros((1, each.shape[1])), each)).T


def _sure(measured: Evidence, visible: Bools, audio: AudioFeatures, speaker: I64, rules: Rules) -> I64:
    """(n,) confident label of each step: 0 for nobody in view, 1 + row for a person, else UNKNOWN."""
    odds = np.where(visible, np.nan_to_num(_odds(measured, rules)), -np.inf)
    best = odds.max(axis=0)
    others = np.sort(np.concatenate((odds, np.zeros((1, odds.shape[1])))), axis=0)[-2]
    labels = np.full(len(speaker), UNKNOWN, np.int64)
    someone = (best > rules.sure) & (best > others + rules.sure) & (odds.argmax(axis=0) == speaker)
    labels[someone] = speaker[someone] + 1
    labels[(best < -rules.sure) & (speaker == NOBODY) & visible.any(axis=0)] = 0
    labels[audio.voice < VOICED] = UNKNOWN
    return labels


def _voiced(audio: AudioFeatures) -> Bools:
    return np.asarray(averaged((audio.voice >= VOICED).astype(np.float64), _VOICE) > _VOICED_SHARE)


def _costs(visible: Bools, change: float, cut: float) -> F64:
    """(n,) cost of a change of speaker at each step."""
    out = np.full(visible.shape[1], float(change))
    out[1:][(visible[:, 1:] != visible[:, :-1]).any(axis=0)] *= cut
    return out


def _near_changes(speaker: I64, reach: int) -> Bools:
    out = np.zeros(len(speaker), bool)
    for index in np.flatnonzero(np.diff(speaker)) + 1:
        out[max(0, index - reach) : index + reach] = True
    return out


def without_silence(speaker: I64, voiced: Bools, longest: int) -> I64:
    """Set long silences to nobody, except a few steps next to a voice: lips start to move before the sound."""
    out = speaker.copy()
    for first, last in equal_runs(voiced.astype(np.int64)):
        if not voiced[first] and last - first > longest:
            out[first + _SILENCE_KEPT if first else 0 : last - _SILENCE_KEPT if last < len(speaker) else last] = NOBODY
    return out


def without_short(speaker: I64, shortest: int) -> I64:
    """Set turns of fewer steps to nobody."""
    out = speaker.copy()
    for first, last in equal_runs(speaker):
        if speaker[first] != NOBODY and last - first < shortest:
            out[first:last] = NOBODY
    return out


def viterbi(scores: F64, cost: F64) -> I64:
    """(n,) most likely sequence of states (Viterbi).

    Parameters
    ----------
    scores : (n, s) log likelihood of each state, up to a constant per step
    cost : (n,) cost of a change of state before each step
    """
    count, states = scores.shape
    back = np.zeros((count, states), np.int32)
    each = np.arange(states)
    best = scores[0].copy() if count else np.zeros(states)
    for index in range(1, count):
        other = int(best.argmax())
        changes = best[other] - cost[index]
        back[index] = np.where(best >= changes, each, other)
        best = np.maximum(best, changes) + scores[index]
    path = np.zeros(count, np.int64)
    state = int(best.argmax()) if states else 0
    for index in range(count - 1, -1, -1):
        path[index] = state
        state = int(back[index, state])
    return path

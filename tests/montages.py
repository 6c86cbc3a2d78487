"""Conversations whose speaker is known in every frame: montages of talking people, each with the own sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from lipsync_ray.media import decode
from lipsync_ray.media.audio import SoundTrack, speech_blocks
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.speech_mel import VOICE_CHUNK, VOICED
from lipsync_ray.media.timeline import at_rate
from lipsync_ray.models.voice import voice_blocks

RATE, SOUND = 25, 16_000
A_FRAME = SOUND // RATE
SIDE = 256  # pixels of a person's cell
FADE = 12  # frames of a cross-fade
JOINT = 4  # frames in which a person's picture goes over from a turn to listening
STILLEST = 15  # frames that are played to and fro where a mouth is kept shut
NOBODY = -1
KINDS = ("beside", "counter", "three", "offscreen", "silent", "crossfade")


def mirrored_pair(video: Path, frames: int, side: int) -> list[np.ndarray]:
    """(side, 2 side, 3) uint8 RGB frames of two people side by side: the second is the first one's mirror image, with other colours
    and played backwards, so that it moves in another way."""
    with av.open(str(video)) as container:
        pictures = [
            cv2.resize(frame.to_ndarray(format="rgb24"), (side, side), interpolation=cv2.INTER_AREA)
            for frame in islice(container.decode(video=0), frames)
        ]
    return [np.hstack([one, other[:, ::-1, ::-1]]) for one, other in zip(pictures, reversed(pictures), strict=True)]


def mono(sound: Path, rate: int) -> np.ndarray:
    """(n,) float32 of a file's sound, behind its first half second."""
    with av.open(str(sound)) as container:
        resampler = av.AudioResampler("fltp", "mono", rate)
        blocks = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(blocks)[rate // 2 :]


@dataclass(frozen=True)
class Source:
    """A video of one person: file, frames that the lips come late by, and (x, y, side) of what is shown, in pixels."""

    person: str
    file: str
    late: int = 0
    crop: tuple[int, int, int] | None = None


# One person's are in one half. How late the lips come is what the sync expert says of the whole video.
TUNE = (
    Source("a", "videos/hdtf_a.mp4", -2),
    Source("odd", "videos/odd_rate.mp4", 2),
    Source("p25", "videos/portrait_hevc_25.mp4", 2, (340, 500, 560)),
    *(Source("grid", f"grid/{name}.mp4", 1) for name in ("bbaf4p", "bwaa2p", "pbib7s", "pwaq3a", "sgwdzn")),
    *(Source(name, f"train/{name}.mp4") for name in ("00139", "00411", "00954", "02409")),
)
REPORT = (
    Source("b", "videos/hdtf_b.mp4", -2),
    Source("b", "videos/square_590.mp4"),
    Source("anchor", "videos/anchor_224.avi", 4),
    Source("p30", "videos/portrait_hevc_30.mp4", -1, (334, 400, 560)),
    *(Source(name, f"train/{name}.mp4") for name in ("00210", "02772", "02842", "08787")),
)
HALVES = {"tune": TUNE, "report": REPORT}


@dataclass
class Clip:
    """A source, decoded: (n, 256, 256, 3) uint8 RGB at 25 frames a second, 16 kHz sound in sync, (n,) which frames are voiced,
    and the frames in which the mouth is most at rest."""

    pictures: Any
    sound: Any
    voiced: Any
    rest: slice


def clip_of(source: Source, corpus: Path, cache: Path, raw: bool, opening: Any) -> Clip:
    """Decode a source, or read what was decoded.

    Parameters
    ----------
    raw : leave the sound where the file has it, else where the lips are
    opening : (n,) of the mouth, NaN where it is not known
    """
    kept = cache / f"{Path(source.file).stem}.npz"
    if not kept.exists():
        info = probe_video(str(corpus / source.file))
        shown = at_rate(info.frames, info.rate, Fraction(RATE))
        pictures = []
        for picture in decode.pictures_at(info, shown.tolist()):
            whole = picture.bgr()[..., ::-1]
            height, width = whole.shape[:2]
            least = min(height, width)
            x, y, side = source.crop or ((width - least) // 2, (height - least) // 2, least)
            pictures.append(
                cv2.resize(
                    np.ascontiguousarray(whole[y : y + side, x : x + side]), (SIDE, SIDE), interpolation=cv2.INTER_AREA
                )
            )
        sound = np.concatenate(list(speech_blocks(SoundTrack(info.url, begin_s=info.origin_s))))
        np.savez(kept, pictures=np.stack(pictures), sound=sound)
    with np.load(kept) as arrays:
        pictures, sound = arrays["pictures"], arrays["sound"]
    sound = np.pad(sound, (0, max(0, len(pictures) * A_FRAME - len(sound))))[: len(pictures) * A_FRAME]
    if not raw:
        sound = np.roll(sound, source.late * A_FRAME)
    loud = np.sqrt((sound.reshape(-1, A_FRAME) ** 2).mean(1))
    sound = (sound * (0.06 / np.sqrt((loud[loud > np.quantile(loud, 0.5)] ** 2).mean()))).astype(np.float32)
    voice = np.concatenate(list(voice_blocks([sound])))
    middles = (np.arange(len(pictures)) + 0.5) * A_FRAME / VOICE_CHUNK
    voiced = voice[np.minimum(middles.astype(int), len(voice) - 1)] >= VOICED
    known = np.where(np.isnan(opening), 1.0, opening)[: len(pictures)]
    spread = [float(np.ptp(known[k : k + STILLEST]) + known[k : k + STILLEST].mean()) for k in range(len(known) - 14)]
    at = int(np.argmin(spread))
    return Clip(pictures, sound, voiced, slice(at, at + STILLEST))


@dataclass
class Montage:
    """What is shown and heard, and the truth.

    Attributes
    ----------
    pictures : (n, height, width, 3) uint8
    sound : (n · 640,) float32
    speaker : (n,) which person speaks, −1 for none
    turn : (n,) number of the turn, −1 between two
    shown : (n, cells) person in each cell, −1 for none; beside it `under`, who is being faded out there
    people : their names
    """

    pictures: Any
    sound: Any
    speaker: Any
    turn: Any
    shown: Any
    under: Any
    people: list[str] = field(default_factory=list)


def made(kind: str, clips: dict[str, list[Clip]], seed: int, seconds: float, late: int) -> Montage:
    """A montage of one kind; the source's sound comes `late` frames late, early where that is negative."""
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    people = _cast(kind, clips, rng)
    talking = {"silent": people[:1]}.get(kind, people)
    turns = _turns(talking, clips, round(seconds * RATE), rng)
    length = sum(turn.pause + turn.frames for turn in turns)
    speaker, number = np.full(length, NOBODY), np.full(length, NOBODY)
    sound = rng.normal(0, 3e-4, length * A_FRAME).astype(np.float32)
    at = 0
    for count, turn in enumerate(turns):
        at += turn.pause
        speaker[at : at + turn.frames], number[at : at + turn.frames] = people.index(turn.person), count
        said = clips[turn.person][turn.clip].sound[turn.first * A_FRAME : (turn.first + turn.frames) * A_FRAME].copy()
        edge = np.linspace(0, 1, 160)
        said[:160] *= edge
        said[-160:] *= edge[::-1]
        sound[at * A_FRAME : (at + turn.frames) * A_FRAME] += said
        at += turn.frames
    streams = [_stream(name, clips, turns, length, bool(rng.random() < 0.5), rng) for name in people]
    if kind in ("beside", "silent", "three"):
        shown = np.tile(np.arange(len(people)), (length, 1))
        under = np.full_like(shown, NOBODY)
        pictures = np.concatenate(streams, axis=2)
    elif kind == "offscreen":
        shown, under = np.zeros((length, 1), int), np.full((length, 1), NOBODY)
        pictures = streams[0]
    else:
        shown, under, pictures = _cut(streams, speaker, turns, FADE if kind == "crossfade" else 0, rng)
    return Montage(pictures, np.roll(sound, late * A_FRAME), speaker, number, shown, under, people)


@dataclass
class _Turn:
    person: str
    clip: int
    first: int
    frames: int
    pause: int


def _cast(kind: str, clips: dict[str, list[Clip]], rng: Any) -> list[str]:
    count = 3 if kind == "three" else 2
    long = [name for name, own in clips.items() if max(len(clip.pictures) for clip in own) > 60]
    names = list(rng.permutation(long))[:count]
    if kind in ("counter", "beside") and rng.random() < 0.3:  # somebody of whom there are but short takes
        names[-1] = str(rng.choice([name for name in clips if name not in long]))
    return [str(name) for name in names]


def _turns(talking: list[str], clips: dict[str, list[Clip]], length: int, rng: Any) -> list[_Turn]:
    turns: list[_Turn] = []
    total, person = 0, ""
    while total < length:
        others = [name for name in talking if name != person] or talking
        person = str(rng.choice(others))
        clip = int(rng.integers(len(clips[person])))
        voiced = np.flatnonzero(clips[person][clip].voiced)
        low, high = int(voiced[0]), int(voiced[-1]) + 1
        wanted = round(RATE * float(np.exp(rng.uniform(0, np.log(6)))))
        frames = min(wanted, high - low)
        first = int(rng.integers(low, high - frames + 1))
        inside = first + np.flatnonzero(clips[person][clip].voiced[first : first + frames])
        if not len(inside) or np.ptp(inside) < RATE / 2:  # a pause of the speaker's
            continue
        first, frames = int(inside[0]), int(np.ptp(inside)) + 1
        pause = int(rng.integers(0, 11)) if len(talking) > 1 else int(rng.integers(12, 60))
        turns.append(_Turn(person, clip, first, frames, pause))
        total += frames + pause
    return turns


def _stream(name: str, clips: dict[str, list[Clip]], turns: list[_Turn], length: int, moves: bool, rng: Any) -> Any:
    """(length, 256, 256, 3) of one person: own turns, and between them the mouth shut, or moving without a sound."""
    own, out = clips[name], np.zeros((length, SIDE, SIDE, 3), np.uint8)
    clip, at, filled = int(rng.integers(len(own))), 0, 0

    def listen(stop: int) -> None:
        nonlocal filled, clip
        count = stop - filled
        if count <= 0:
            return
        here = own[clip]
        if moves:
            begin = int(rng.integers(len(here.pictures)))
            places = _to_and_fro(np.arange(begin, begin + count), len(here.pictures))
        else:
            places = here.rest.start + _to_and_fro(np.arange(count), STILLEST)
        _put(out, filled, here.pictures[places])
        filled = stop

    for turn in turns:
        at += turn.pause
        if turn.person == name:
            clip = turn.clip
            listen(at)
            _put(out, at, own[clip].pictures[turn.first : turn.first + turn.frames])
            filled = at + turn.frames
        at += turn.frames
    listen(length)
    return out


def _to_and_fro(places: Any, count: int) -> Any:
    period = 2 * (count - 1)
    inside = places % period
    return np.where(inside < count, inside, period - inside)


def _put(out: Any, at: int, pictures: Any) -> None:
    """Lay pictures down, going over from what lies before in a few frames."""
    out[at : at + len(pictures)] = pictures
    for step in range(min(JOINT, len(pictures)) if at else 0):
        part = (step + 1) / (JOINT + 1)
        out[at + step] = cv2.addWeighted(out[at - 1], 1 - part, pictures[step], part, 0)


def _cut(streams: list[Any], speaker: Any, turns: list[_Turn], fade: int, rng: Any) -> tuple[Any, Any, Any]:
    """Shot and counter-shot: the camera changes near a turn's beginning, or stays with the listener."""
    length = len(speaker)
    shown, under = np.zeros((length, 1), int), np.full((length, 1), NOBODY)
    at = 0
    for turn in turns:
        at += turn.pause
        now = int(speaker[at])
        who = now if rng.random() < 0.8 else 1 - now
        shown[max(0, at + int(rng.integers(-10, 11))) :] = who
        at += turn.frames
    pictures = np.stack([streams[int(shown[frame, 0])][frame] for frame in range(length)])
    cuts = np.flatnonzero(np.diff(shown[:, 0])) + 1
    for place in cuts.tolist() if fade else ():
        before = int(shown[place - 1, 0])
        for step in range(min(fade, length - place)):
            if int(shown[place + step, 0]) == before:
                break
            part = (step + 1) / (fade + 1)
            pictures[place + step] = cv2.addWeighted(
                streams[before][place + step], 1 - part, pictures[place + step], part, 0
            )
            under[place + step] = before
    return shown, under, pictures


def write(montage: Montage, path: Path) -> None:
    """The montage as H.264 and AAC, and the truth beside it."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"crf": "18", "preset": "veryfast"})
        video.height, video.width = montage.pictures.shape[1:3]
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=SOUND, layout="mono")
        for number, picture in enumerate(montage.pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
            block = np.ascontiguousarray(montage.sound[None, number * A_FRAME : (number + 1) * A_FRAME])
            heard = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = SOUND, number * A_FRAME, Fraction(1, SOUND)
            container.mux(sound.encode(heard))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    truth = {name: getattr(montage, name) for name in ("speaker", "turn", "shown", "under")}
    np.savez(path.with_suffix(".truth.npz"), people=np.array(montage.people), **truth)


def talk_of_two(corpus: Path, folder: Path, seconds: float) -> Montage:
    """Two people of the corpus side by side, written to `folder`/talk.mp4; the lips come two frames late."""
    clips: dict[str, list[Clip]] = {}
    for source in HALVES["report"]:
        if source.person in ("b", "anchor"):
            clip = clip_of(source, corpus, folder, False, np.linspace(0.1, 0.0, 400))
            clips.setdefault(source.person, []).append(clip)
    found = made("beside", clips, 1, seconds, 2)
    write(found, folder / "talk.mp4")
    return found

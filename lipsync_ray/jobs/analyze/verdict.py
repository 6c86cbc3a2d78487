"""Verdicts: warnings, and whether a file is good, poor or impossible for a dub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.turned import sentence
from lipsync_ray.jobs.analyze.analysis import IMPOSSIBLE, UNKNOWN, FoundFace
from lipsync_ray.media.details import AudioDetails, VideoDetails
from lipsync_ray.media.languages import code_of, is_known
from lipsync_ray.media.notes import of_sound
from lipsync_ray.models.language_votes import SURE
from lipsync_ray.models.spoken import ENGLISH, Phrase, Transcript, uncertain_share

SMALL_FACE_PX = 64  # height: smaller faces have less detail than Wav2Lip's 96 × 96
SOFT_FACE_PX = 400  # height: for larger faces, 96 pixels are enlarged more than four times
TURNED_DEG = 40.0
MIN_FACE_SHARE = 0.5  # share of the frames
RIVAL = 0.7  # of the largest face's height: two faces that could both be the speaker
SILENT = 0.98  # share of silence from which a stream has no speech
MOSTLY_SILENT = 0.7
MOSTLY_UNCERTAIN = 0.5  # of a transcript, from which it is poor
LOW_RATE = 20  # frames/s
NOSE = 0.6  # depth of the nose in eye distances, to convert the shift of its tip to an angle


@dataclass(frozen=True)
class FaceStatistics:
    """Statistics of a video's faces; fields as in :class:`~lipsync_ray.jobs.analyze.analysis.Analysis`.

    Height and turn are None without a face.
    """

    frames: int
    share: float
    people: int
    height_px: float | None
    turn_deg: float | None
    rivals: float
    """Share of the frames in which a second face is nearly as large as the largest."""
    turned: int = 0
    """Quarter turns to the left after which faces are found, if none are found upright; else 0."""


@dataclass(frozen=True)
class Assessment:
    """Warnings, and reasons of the verdict: "good" if `poor` and `impossible` are empty."""

    warnings: tuple[str, ...] = ()
    poor: tuple[str, ...] = ()
    impossible: tuple[str, ...] = ()

    def __add__(self, other: Assessment) -> Assessment:
        return Assessment(
            tuple(dict.fromkeys(self.warnings + other.warnings)),
            tuple(dict.fromkeys(self.poor + other.poor)),
            tuple(dict.fromkeys(self.impossible + other.impossible)),
        )

    @property
    def verdict(self) -> str:
        """``good``, ``poor: reasons`` or ``impossible: reasons``."""
        if self.impossible:
            return f"{IMPOSSIBLE}: {'; '.join(self.impossible)}"
        return f"poor: {'; '.join(self.poor)}" if self.poor else "good"


def turn_degrees(landmarks: NDArray[np.floating]) -> float:
    """Rotation of a face to the left or right, 0–90 degrees, from the nose's offset from the middle of the eyes.

    A rough estimate, sufficient to distinguish a frontal face from a profile.

    Parameters
    ----------
    landmarks : (5, 2) x, y: left eye, right eye, nose, left and right mouth corner
    """
    left, right, nose = (np.asarray(point, float) for point in landmarks[:3])
    across = right - left
    distance = float(np.linalg.norm(across))
    if distance == 0:
        return 90.0
    shift = abs(float((nose - (left + right) / 2) @ across)) / distance
    return float(np.degrees(np.arctan2(shift, NOSE * distance)))


def face_statistics(faces: Sequence[FoundFace], frames: int, turned: int = 0) -> FaceStatistics:
    """Compute statistics of faces in `frames` frames; `turned` is the number of quarter turns to the left that bring
    them upright.
    """
    by_frame: dict[int, list[FoundFace]] = {}
    for face in faces:
        by_frame.setdefault(face.frame, []).append(face)
    sizes = {frame: sorted((f.height_px for f in there), reverse=True) for frame, there in by_frame.items()}
    largest = [max(there, key=lambda face: (face.height_px, -face.number)) for there in by_frame.values()]
    rivals = sum(len(tall) > 1 and tall[1] >= RIVAL * tall[0] for tall in sizes.values())
    return FaceStatistics(
        frames,
        len(by_frame) / frames if frames else 0.0,
        max(map(len, by_frame.values()), default=0),
        float(np.median([face.height_px for face in largest])) if largest else None,
        float(np.median([face.turn_deg for face in largest])) if largest else None,
        rivals / len(by_frame) if by_frame else 0.0,
        turned,
    )


def of_video(video: VideoDetails | None, faces_found: FaceStatistics | None) -> Assessment:
    """Assess a file as the video of a dub."""
    if video is None or faces_found is None:
        return Assessment(impossible=("no video stream in it",))
    warnings: list[str] = list(video.notes)
    poor: list[str] = []
    if video.varies:
        warnings.append(f"its frame rate varies; {video.rate} frames/s are used")
    if video.rate < LOW_RATE:
        warnings.append(f"only {float(video.rate):.3g} frames/s: lips need about 25")
    if faces_found.height_px is None or faces_found.turn_deg is None:
        why = f"; {sentence(faces_found.turned)}" if faces_found.turned else ""
        return Assessment(
            tuple(warnings), (), (f"no face in any of the {faces_found.frames} frames that were looked at{why}",)
        )
    if faces_found.share < MIN_FACE_SHARE:
        poor.append(f"a face in only {faces_found.share:.0%} of the frames that were looked at")
    elif faces_found.share < 1:
        warnings.append(f"no face in {1 - faces_found.share:.0%} of the frames that were looked at")
    if faces_found.height_px < SMALL_FACE_PX:
        poor.append(
            f"its face is small: {faces_found.height_px:.0f} pixels tall, of which lip-sync needs {SMALL_FACE_PX}"
        )
    elif faces_found.height_px > SOFT_FACE_PX:
        warnings.append(
            f"its face is {faces_found.height_px:.0f} pixels tall and Wav2Lip draws 96: use --restore gfpgan to "
            "sharpen it"
        )
    if faces_found.turn_deg > TURNED_DEG:
        poor.append(f"its face is turned away, by about {faces_found.turn_deg:.0f}°")
    if faces_found.people > 1:
        warnings.append(f"several people: up to {faces_found.people} faces in a frame; dub --face decides who speaks")
    if faces_found.rivals > MIN_FACE_SHARE and not video.has_audio:
        poor.append(
            "several faces of nearly the same size, and no sound that tells who speaks: a dub takes the largest"
        )
    return Assessment(tuple(warnings), tuple(poor))


def of_audio(audio: AudioDetails | None, error: str | None, spoken: bool = False) -> Assessment:
    """Assess a file as the sound of a dub.

    Parameters
    ----------
    spoken : whether speech was detected, however quiet
    """
    if audio is None:
        return Assessment(impossible=(error or "no audio stream in it",))
    warnings: list[str] = [*audio.notes, *of_sound(audio.sound, audio.voiced)]
    poor: list[str] = []
    if audio.silence >= SILENT and not spoken:
        poor.append("silent: there is nothing to say")
    elif audio.silence > MOSTLY_SILENT and audio.silence < SILENT:
        warnings.append(f"{audio.silence:.0%} of its sound is silence")
    elif audio.silence >= SILENT and audio.sound.loudness_lufs is None:
        warnings.append(f"very quiet: {audio.rms_dbfs:.0f} dBFS, nearly all of it below what counts as silence")
    return Assessment(tuple(warnings), tuple(poor))


def of_speech(speech: Transcript | None) -> Assessment:
    """Assess a file's speech; empty without transcription."""
    if speech is None:
        return Assessment()
    if speech.language is None:
        complaint = (
            f"a voice for {speech.speech_s:.1f} s, but no words" if speech.speech_s else "no speech was heard in it"
        )
        return Assessment(poor=(complaint,))
    warnings, poor = [], []
    for what, phrases in (("transcript", speech.phrases), ("translation", speech.english or ())):
        uncertain = uncertain_share(phrases)
        if what == "translation" and speech.language == ENGLISH:
            continue
        if uncertain > MOSTLY_UNCERTAIN and what == "transcript":
            poor.append(f"its transcript is uncertain: {_reasons(phrases)}")
        elif uncertain:
            warnings.append(f"{uncertain:.0%} of its {what} is uncertain: {_reasons(phrases)}")
    if speech.others:
        warnings.append(f"Whisper hears other languages in places: {', '.join(speech.others)}")
    return Assessment(tuple(warnings), tuple(poor))


def _reasons(phrases: Sequence[Phrase]) -> str:
    """Why they are uncertain, each reason once."""
    found = [reason for phrase in phrases if phrase.uncertain for reason in phrase.uncertain.split("; ")]
    return "; ".join(dict.fromkeys(found))


def of_languages(expected: Sequence[str], speech: Transcript | None, detected: str | None) -> Assessment:
    """Compare the language of the table, Whisper and langdetect.

    Speech certainly in another language than the table's is poor; a contradiction by only one of the tools is a
    warning.
    """
    warnings: list[str] = []
    poor: list[str] = []
    known = {code_of(name): name for name in expected}
    if len(known) > 1:
        warnings.append(f"the table gives several languages for it: {', '.join(expected)}")
    by_ear = code_of(speech.language) if speech and speech.language else None
    read = detected if detected and detected != UNKNOWN else None
    if by_ear and read and by_ear != read:
        warnings.append(f"Whisper hears {by_ear!r}, langdetect reads {read!r}")
    for code, name in known.items():
        tools = (("Whisper hears", by_ear), ("langdetect reads", read))
        against = [f"{who} {found!r}" for who, found in tools if found and found != code]
        if against:
            surely = is_known(name) and by_ear and by_ear != code and read != code and _is_sure(speech)
            (poor if surely else warnings).append(f"the table says {name!r}, {' and '.join(against)}")
    return Assessment(tuple(warnings), tuple(poor))


def _is_sure(speech: Transcript | None) -> bool:
    """Whether its language is certain."""
    return (
        speech is not None
        and speech.probability is not None
        and speech.probability >= SURE
        and uncertain_share(speech.phrases) <= MOSTLY_UNCERTAIN
    )


def tally(verdicts: Sequence[str]) -> dict[str, int]:
    """Number of good, poor and impossible verdicts."""
    counts = Counter(verdict.split(":")[0] for verdict in verdicts)
    return {name: counts[name] for name in ("good", "poor", "impossible")}

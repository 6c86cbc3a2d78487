"""What numbers mean for a dub."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lipsync_ray.jobs.analyze.analysis import FoundFace
from lipsync_ray.jobs.analyze.verdict import (
    Assessment,
    face_statistics,
    of_audio,
    of_languages,
    of_speech,
    of_video,
    tally,
    turn_degrees,
)
from lipsync_ray.media.details import AudioDetails, VideoDetails
from lipsync_ray.media.sound_probe import Sound
from lipsync_ray.models.spoken import Phrase, Transcript

VIDEO = VideoDetails(
    "a.mp4", "mp4", "h264", "High", 640, 480, 0, "yuv420p", Fraction(25), Fraction(25), False, 100, Fraction(4),
    1_000_000, 500_000, True, False,
)  # fmt: skip
SOUND = Sound("pcm_s16le", 16000, 1, 64000, 0.7, loudness_lufs=-23.0)
AUDIO = AudioDetails("a.wav", "wav", "pcm_s16le", 16000, 1, 64000, Fraction(4), 256_000, -3.0, -20.0, 0.1, -23.0, SOUND)
SURE = Phrase(0.0, 1.0, "words")
UNSURE = Phrase(1.0, 2.0, "sword", uncertain="sampled at temperature 1.0")
FRONTAL = np.array([[100.0, 100], [160, 100], [130, 130], [105, 160], [155, 160]])


def face(frame, height=150.0, number=0, turn=5.0):
    box = (0.0, 0.0, height * 0.8, height)
    return FoundFace(frame, frame / 25, number, 0.99, box, tuple(FRONTAL.flatten()), height, turn, "p.png", None)


def judged(faces, frames=10, video=VIDEO):
    return of_video(video, face_statistics(faces, frames))


def test_a_good_one():
    opinion = judged([face(i) for i in range(10)])
    assert opinion == Assessment()
    assert opinion.verdict == "good"


def test_no_face_is_impossible():
    assert judged([]).verdict == "impossible: no face in any of the 10 frames that were looked at"
    assert of_video(None, None).verdict == "impossible: no video stream in it"


@pytest.mark.parametrize(
    ("faces", "said"),
    [
        ([face(i) for i in range(4)], "only 40%"),
        ([face(i, height=40) for i in range(10)], "40 pixels tall"),
        ([face(i, turn=60) for i in range(10)], "turned away, by about 60°"),
    ],
)
def test_poor_ones_say_why(faces, said):
    verdict = judged(faces).verdict
    assert verdict.startswith("poor: ")
    assert said in verdict


def test_a_sound_of_its_own_tells_who_of_several_speaks():
    faces = [face(i, number=n) for i in range(10) for n in range(2)]
    assert judged(faces, video=replace(VIDEO, has_audio=True)).verdict == "good"
    assert "no sound that tells who speaks" in judged(faces, video=replace(VIDEO, has_audio=False)).verdict


def test_what_is_only_worth_a_warning():
    varying = replace(VIDEO, varies=True, rate=Fraction(12))
    faces = [face(i, height=500) for i in range(9)] + [face(0, height=60, number=1)]
    opinion = judged(faces, video=varying)
    assert opinion.verdict == "good"
    for part in ("varies", "only 12 frames/s", "no face in 10%", "500 pixels", "several people: up to 2"):
        assert any(part in warning for warning in opinion.warnings)


def test_sound():
    assert of_audio(AUDIO, None) == Assessment()
    assert of_audio(None, "no audio stream in it").verdict == "impossible: no audio stream in it"
    assert of_audio(replace(AUDIO, silence=1.0), None).verdict == "poor: silent: there is nothing to say"
    warned = of_audio(replace(AUDIO, silence=0.8, sound=replace(SOUND, clipped=0.2), voiced=0.25), None).warnings
    assert [w.split(":")[0] for w in warned] == [
        "no voice in 75 % of the sound",
        "its sound is clipped",
        "80% of its sound is silence",
    ]
    assert "very quiet" in of_audio(replace(AUDIO, sound=replace(SOUND, loudness_lufs=-50.0)), None).warnings[0]


def heard(language="ko", probability=0.9, phrases=(SURE,), english=(SURE,), **values):
    return Transcript(language, probability, phrases, english, 3.0, **values)


def test_quiet_speech_is_not_silence():
    quiet = replace(AUDIO, silence=1.0, rms_dbfs=-75.0, sound=replace(SOUND, loudness_lufs=None))
    opinion = of_audio(quiet, None, spoken=True)
    assert opinion.verdict == "good"
    assert opinion.warnings == ("very quiet: -75 dBFS, nearly all of it below what counts as silence",)


def test_speech_that_is_sure_or_was_not_asked_for_has_nothing_to_say():
    assert of_speech(None) == of_speech(heard()) == Assessment()


def test_no_speech_is_poor():
    assert of_speech(Transcript(None, None, (), (), 0.0)).verdict == "poor: no speech was heard in it"
    assert of_speech(Transcript(None, None, (), (), 2.0)).verdict == "poor: a voice for 2.0 s, but no words"


def test_an_uncertain_transcript_is_poor_and_a_part_of_it_a_warning():
    assert (
        of_speech(heard(phrases=(UNSURE,))).verdict == "poor: its transcript is uncertain: sampled at temperature 1.0"
    )
    partly = of_speech(heard(phrases=(SURE, SURE, SURE, UNSURE)))
    assert (partly.verdict, partly.warnings) == (
        "good",
        ("25% of its transcript is uncertain: sampled at temperature 1.0",),
    )


def test_an_uncertain_translation_is_a_warning_and_of_english_there_is_none():
    opinion = of_speech(heard(english=(UNSURE,)))
    assert (opinion.verdict, len(opinion.warnings)) == ("good", 1)
    assert "100% of its translation is uncertain" in opinion.warnings[0]
    assert of_speech(heard("en", phrases=(SURE, UNSURE, SURE), english=(SURE, UNSURE, SURE))).warnings == (
        "33% of its transcript is uncertain: sampled at temperature 1.0",
    )


def test_other_languages_in_places_are_said():
    assert "in places: en, ar" in of_speech(heard(others=("en", "ar"))).warnings[0]


def test_languages():
    assert of_languages(("Korean", "ko-KR"), heard(), "ko") == Assessment()
    assert of_languages((), heard(), "unknown") == Assessment()
    assert of_languages((), heard(), "ja").warnings == ("Whisper hears 'ko', langdetect reads 'ja'",)
    assert of_languages(("ar",), heard(), "ko").verdict == (
        "poor: the table says 'ar', Whisper hears 'ko' and langdetect reads 'ko'"
    )
    assert of_languages(("ar",), heard(), "unknown").verdict == "poor: the table says 'ar', Whisper hears 'ko'"
    assert of_languages(("ko",), heard(), "ja").warnings[1] == "the table says 'ko', langdetect reads 'ja'"
    assert "several languages" in of_languages(("ko", "es"), None, None).warnings[0]


@pytest.mark.parametrize(
    ("table", "speech", "read"),
    [
        ("ar", heard(probability=0.4), "ko"),
        ("ar", heard(phrases=(UNSURE,)), "unknown"),
        ("ar", heard(), "ar"),
        ("robot voice 3", heard(), "ko"),
    ],
    ids=["unsure", "uncertain", "only one", "no language"],
)
def test_a_language_that_is_not_surely_another_is_a_warning(table, speech, read):
    opinion = of_languages((table,), speech, read)
    assert opinion.verdict == "good"
    assert any(f"the table says {table!r}" in warning for warning in opinion.warnings)


def test_turning():
    assert turn_degrees(FRONTAL) == pytest.approx(0)
    turned = FRONTAL.copy()
    turned[2, 0] += 30
    assert 30 < turn_degrees(turned) < 50
    around = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    assert turn_degrees(turned @ around.T) == pytest.approx(turn_degrees(turned))  # a tilted head is not a turned one
    assert turn_degrees(np.zeros((5, 2))) == 90


def test_a_sum_of_opinions_says_each_thing_once():
    total = Assessment(("a",), ("p",)) + Assessment(("a", "b"), ("p", "q"))
    assert (total.warnings, total.verdict) == (("a", "b"), "poor: p; q")
    assert tally(["good", "poor: x", "good"]) == {"good": 2, "poor": 1, "impossible": 0}

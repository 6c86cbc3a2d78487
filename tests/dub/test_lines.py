"""The sounds of lines: fitted, a file a speaker, faults by their line; what decides a dub's names."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from clips import tone, write_audio

from lipsync_ray.errors import DecodeError, ProbeError, SettingsError
from lipsync_ray.inputs.speakers import SpeakerTracks
from lipsync_ray.io.cues import Cue
from lipsync_ray.io.manifest import Dub, Voice
from lipsync_ray.jobs.dub.line_sounds import LinesOrder, make_lines
from lipsync_ray.jobs.dub.methods.method import Networks
from lipsync_ray.jobs.dub.recipe import Recipe
from lipsync_ray.jobs.dub.state import DubState
from lipsync_ray.jobs.dub.voices import DubVoice, keys_of, late_lines, spoken_lines, written_voices
from lipsync_ray.media.audio import SAMPLE_RATE, SoundTrack
from lipsync_ray.models import generators
from lipsync_ray.models.weights import by_name
from lipsync_ray.settings import DubSettings, LineSettings

RATE = 48_000


def cue(start, end, audio, first=0.0, last=None, speaker=None, place="line 2", text=None):
    times = (None if one is None else Fraction(one) for one in (start, end, first, last))
    start, end, first, last = times
    return Cue(start, end, str(audio), first, last, speaker, text, place)


@pytest.fixture
def order(tmp_path):
    """Make the sounds of lines of two speakers, the first of whom says all but the last."""

    def made(*cues, fit="cut", most=1.3, lasts=Fraction(6)):
        own = tuple(range(len(cues) - 1)), (len(cues) - 1,)
        speakers = tuple((numbers, str(tmp_path / f"{name}.wav")) for name, numbers in enumerate(own) if numbers)
        return LinesOrder("d", cues, tuple(SoundTrack(one.audio) for one in cues), speakers, fit, most, lasts)

    return made


@pytest.fixture
def sound(tmp_path):
    return write_audio(tmp_path / "a.flac", np.concatenate([tone(1.0, RATE, 300), tone(2.0, RATE, 600)]), RATE, "flac")


def heard(path):
    with av.open(str(path)) as container:
        assert container.streams.audio[0].rate == SAMPLE_RATE
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def test_each_speaker_has_a_file_with_its_own_lines_alone(order, sound, tmp_path):
    found = make_lines(order(cue(1, 2, sound), cue(3, 4, sound, 1, 2), cue(1.5, 2.5, sound, 2, 3, place="line 4")))
    first, second = (heard(tmp_path / f"{name}.wav").reshape(-1, 2)[:, 0] for name in (0, 1))
    assert len(first) == len(second) == 6 * SAMPLE_RATE
    loud = [[np.abs(one[k * 8000 : (k + 1) * 8000]).max() > 0.1 for k in range(12)] for one in (first, second)]
    assert [np.flatnonzero(one).tolist() for one in loud] == [[2, 3, 6, 7], [3, 4]]
    assert (found.lasts_s, [float(one.cut_s) for one in found.how]) == (6, [2.0, 0.0, 0.0])
    assert found.notes == ("1 of 3 lines are longer than their slots and were cut; lines.csv says by how much",)


def test_what_is_there_is_not_made_again(order, sound, tmp_path):
    asked = order(cue(1, 2, sound, 0, 1), cue(2, 3, sound, 1, 2))
    first = make_lines(asked)
    before = [(tmp_path / f"{name}.wav").stat().st_mtime_ns for name in (0, 1)]
    assert make_lines(asked) == first
    assert before == [(tmp_path / f"{name}.wav").stat().st_mtime_ns for name in (0, 1)]


def test_a_picture_lasts_as_long_as_its_lines(order, sound):
    assert make_lines(order(cue(1, 2, sound, 0, 1), cue(4, 5.5, sound, 0, 1), lasts=None)).lasts_s == Fraction(11, 2)
    assert make_lines(order(cue(4, 5, sound), fit="overlap", lasts=None)).lasts_s == 7


def test_a_sound_that_ends_early_is_a_warning(order, sound):
    found = make_lines(order(cue(1, 4, sound, 2, 5, place="line 7")))
    assert found.notes == (f"line 7: its sound ends at 5.000 s, but {sound} lasts 3.000 s",)
    assert found.lines[0].lasts_s == 1


def test_faults_name_the_line(order, sound, tmp_path):
    with pytest.raises(DecodeError, match=r"line 7: its sound begins at 4\.000 s, but .*a\.flac lasts 3\.000 s"):
        make_lines(order(cue(1, 4, sound, 4, 5, place="line 7")))
    (tmp_path / "text.wav").write_text("I am not a sound.")
    with pytest.raises(ProbeError, match=r"line 7: .*text\.wav"):
        make_lines(order(cue(1, 2, sound, 0, 1), cue(2, 3, tmp_path / "text.wav", place="line 7")))


def recipe(**settings):
    mini = by_name("mini")
    return Recipe(DubSettings(model="mini", **settings), Networks(generators.spec_of(mini), mini), "cpu")


FILES = {"v.mp4": "v", "a.wav": "a", "b.wav": "b"}


def print_of(dub, cues=(), **settings):
    return keys_of(recipe(**settings), dub, cues, FILES).fingerprint


def test_what_is_said_when_and_by_whom_is_in_a_dubs_name():
    plain = Dub("d", "v.mp4", "a.wav")
    assert print_of(plain) == recipe().keys(plain, "v", "a").fingerprint
    assert print_of(plain, lines=LineSettings("stretch")) == print_of(plain), "it has no lines"
    voices = [
        (),
        (Voice("a.wav", "left"),),
        (Voice("a.wav", "right"),),
        (Voice("a.wav", "left"), Voice("b.wav", "right")),
    ]
    dubs = [Dub("d", "v.mp4", "a.wav", voices=own) for own in (*voices, voices[-1][::-1])]
    assert len({print_of(dub) for dub in dubs}) == len(dubs)
    lines = Dub("d", "v.mp4", None, cues="c.csv")
    said = [
        cue(1, 2, "a.wav"), cue(1, 2.5, "a.wav"), cue(1, 2, "b.wav"), cue(1, 2, "a.wav", 0.5), cue(1, 2, "a.wav", 0, 1),
        cue(1, 2, "a.wav", speaker="left"), cue(1, 2, "a.wav", text="x"),
    ]  # fmt: skip
    prints = {print_of(lines, (one,)) for one in said}
    ways = (LineSettings("stretch"), LineSettings("overlap"), LineSettings("stretch", 2.0))
    prints |= {print_of(lines, said[:1], lines=way) for way in ways}
    assert len(prints) == len(said) + len(ways)
    assert print_of(lines, said[:1], lines=LineSettings("stretch", 1.3)) in prints, "the default"


def test_several_voices_keep_their_silence():
    two = Dub("d", "v.mp4", "a.wav", voices=(Voice("a.wav", "left"), Voice("b.wav", "right")))
    assert [recipe(trim_silence=True).trims(dub) for dub in (two, Dub("d", "v.mp4", "a.wav"))] == [False, True]
    assert not recipe(trim_silence=True).trims(Dub("d", "v.mp4", "a.wav", cues="c.csv"))


def test_an_overlapping_line_moves_the_mouth_to_its_end(order, sound):
    cues = cue(1, 2, sound, speaker="Ann", text="Hi"), cue(3, 4, sound, 0, 0.5, place="line 3"), cue(4, 5, sound, 0, 1)
    dub = DubState(Dub("d", "v.mp4", None, cues="c.csv"), cues=cues, fitted=make_lines(order(*cues, fit="overlap")))
    dub.voices = DubVoice("k", "0.wav", face="Ann", lines=(0,)), DubVoice("l", "1.wav", lines=(1, 2))
    ann, others = written_voices(dub)
    assert (ann.face, [(line.start_s, line.end_s) for line in ann.lines]) == ("Ann", [(1, 4)])
    assert (others.face, [(line.start_s, line.end_s) for line in others.lines]) == (None, [(3, 4), (4, 5)])
    assert [(line.what, line.person) for line in spoken_lines(dub)] == [("overlaps", None), *[("as it is", None)] * 2]
    dub.speaker = SpeakerTracks((), 0, 0, whose=(((3,),), ((), (1, 2))))
    assert [(line.line, line.speaker, line.person, line.text) for line in spoken_lines(dub)] == [
        ("line 2", "Ann", 3, "Hi"),
        ("line 3", None, None, None),
        ("line 2", None, None, None),
    ]


def test_lines_after_the_end_of_a_video_are_named_and_a_picture_has_none():
    dub = DubState(
        Dub("d", "v.mp4", None, cues="c.csv"), cues=(cue(1, 2.04, "a.wav"), cue(3, 4, "a.wav", place="line 3"))
    )
    video = SimpleNamespace(still=False, duration_s=Fraction(2))
    assert "line 3: ends at 4.000 s, the video at 2.000 s" in late_lines(dub, video)
    assert "line 2" not in late_lines(dub, video), "times are rounded"
    assert late_lines(dub, SimpleNamespace(still=True, duration_s=Fraction(1, 25))) is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("squeeze",), "--fit squeeze: expected one of cut, stretch, overlap"),
        (("stretch", 0.5), "--max-stretch 0.5: expected 1 to 100"),
        (("cut", 1.5), "--max-stretch 1.5: for --fit stretch alone; leave it out"),
        ((1,), "LineSettings.fit=1: expected one of 'cut'"),
    ],
)
def test_a_fit_that_cannot_be_is_refused(values, said):
    with pytest.raises(SettingsError, match=said):
        LineSettings(*values)

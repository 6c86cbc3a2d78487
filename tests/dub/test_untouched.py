"""Which frames are copied, how rows are cut around them, and what is said where none are."""

import itertools
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.errors import SettingsError
from lipsync_ray.io.manifest import Dub
from lipsync_ray.jobs.dub.methods.method import Networks
from lipsync_ray.jobs.dub.methods.registry import method_of
from lipsync_ray.jobs.dub.plan import ranges_of
from lipsync_ray.jobs.dub.recipe import Recipe
from lipsync_ray.jobs.dub.state import DubState
from lipsync_ray.jobs.dub.untouched import copied_ranges, copies_of, note_of
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.groups import Groups
from lipsync_ray.media.h264 import ParameterSets
from lipsync_ray.models import generators
from lipsync_ray.models.weights import by_name
from lipsync_ray.provenance.frame_marks import NO_MARKS, FrameMarks, PlacedLabel
from lipsync_ray.settings import DubSettings, MarkSettings

RATE = Fraction(25)
SETS = ParameterSets((b"\x67",), (b"\x68",))


def bounds_of(frames, length):
    return tuple((start, min(frames, start + length)) for start in range(0, frames, length))


def dub_of(drawn=(), frames=100, source=100, group=10, known=True, groups=None):
    """A dub in which frames [start, stop) may be drawn."""
    dub = DubState(Dub("d", "v.mp4", "a.wav"), frames=frames, info=SimpleNamespace(frames=source, rate=RATE))
    dub.groups = groups or Groups(bounds_of(source, group), SETS)
    if known:
        dub.drawable = np.zeros(source, bool)
        for start, stop in drawn:
            dub.drawable[start:stop] = True
    return dub


@pytest.fixture(scope="module")
def run():
    warp = by_name("warp")
    recipe = Recipe(DubSettings(model="warp"), Networks(generators.spec_of(warp), warp), "cpu")
    return SimpleNamespace(recipe=recipe, workers=SimpleNamespace(segment_s=None))


def test_groups_without_a_drawn_frame_are_copied():
    assert copied_ranges(dub_of([(15, 25), (59, 60), (90, 91)]), NO_MARKS) == ((0, 10), (30, 50), (60, 90))
    assert copied_ranges(dub_of([(0, 100)]), NO_MARKS) == ()
    assert copied_ranges(dub_of(), NO_MARKS) == ((0, 100),)
    assert copied_ranges(dub_of(known=False), NO_MARKS) == ()


def test_a_source_is_copied_once_and_not_beyond_the_end():
    assert copied_ranges(dub_of([(20, 30)], frames=250), NO_MARKS) == ((0, 20), (30, 100))
    assert copied_ranges(dub_of([(20, 30)], frames=55), NO_MARKS) == ((0, 20), (30, 50))


def test_frames_with_a_label_are_not_copied():
    label = FrameMarks(label=PlacedLabel("l.png", 0, 0, 25, "made by a computer"))
    assert copied_ranges(dub_of([(50, 60)]), label) == ((30, 50), (60, 100))
    assert copied_ranges(dub_of(), FrameMarks(label=PlacedLabel("l.png", 0, 0, None, "x"))) == ()


def test_what_is_not_copied_says_why():
    assert note_of(dub_of([(5, 6)]), NO_MARKS) is None
    assert note_of(dub_of([(0, 100)]), NO_MARKS) == (
        "--untouched copy: every frame was encoded, because none of its 10 groups of pictures, of up to 0.4 s, is shown whole and "
        "without a drawn frame"
    )
    assert "because the source is HEVC, not H.264" in note_of(
        dub_of(groups=Groups(reason="the source is HEVC, not H.264")), NO_MARKS
    )
    plain = dub_of()
    plain.groups = None
    assert (note_of(plain, NO_MARKS), copies_of(plain, NO_MARKS)) == (None, None)


spans = st.lists(st.tuples(st.integers(0, 399), st.integers(1, 60)), max_size=6)


@given(spans, st.integers(1, 120), st.integers(1, 500))
def test_rows_and_copies_cover_every_frame_once_and_no_more_rows_come_than_were_planned(run, drawn, group, frames):
    dub = dub_of([(start, start + length) for start, length in drawn], frames, 400, group)
    rows, copied = ranges_of(run, dub), copied_ranges(dub, NO_MARKS)
    assert sorted(itertools.chain(*(range(*bounds) for bounds in (*rows, *copied)))) == list(range(frames))
    before = dub_of(frames=frames, source=400, group=group, known=False)
    assert len(ranges_of(run, before)) >= len(rows)
    dub.groups = None
    assert sorted(itertools.chain(*(range(*bounds) for bounds in ranges_of(run, dub)))) == list(range(frames))


def test_what_leaves_nothing_untouched_is_refused():
    with pytest.raises(SettingsError, match="--untouched copy: --label-seconds all draws in every frame"):
        DubSettings(untouched="copy", marks=MarkSettings(label="auto", label_seconds=None))
    with pytest.raises(SettingsError, match="--untouched copy: --crf 0 needs another"):
        DubSettings(untouched="copy", coding=VideoCoding(crf=0))
    heads = next(spec for spec in generators.GENERATORS if spec.name == "echomimic")
    with pytest.raises(SettingsError, match="--untouched copy: echomimic draws every frame"):
        method_of(heads).check(DubSettings(model="echomimic", untouched="copy"), heads)


def test_the_way_is_in_a_dubs_name_where_it_is_not_the_default(run):
    networks = run.recipe.networks
    default, copied = (Recipe(DubSettings(model="warp", untouched=way), networks, "cpu") for way in ("encode", "copy"))
    assert "untouched" not in default.fingerprinted()
    assert copied.fingerprinted() == default.fingerprinted() | {"untouched": "copy"}

"""A reference is compared frame by frame only where it shows what the video shows."""

from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from clips import write_video

from lipsync_ray.engine.stages import Failure
from lipsync_ray.jobs.evaluate.likeness import SAME_SCENE, LikenessOrder, leave_other_scenes, likeness
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video

FRAMES = 60


def order(video, reference, loop=None):
    return LikenessOrder("k", probe_video(str(video)), probe_video(str(reference), Fraction(25)), loop)


def like(video, reference, loop=None):
    return likeness(order(video, reference, loop))


def frames_of(path, count=FRAMES, start=0):
    info = probe_video(str(path))
    return [p.bgr()[..., ::-1] for p in decode.pictures(info, start, min(info.frames, start + count))]


@pytest.fixture(scope="module")
def pictures(demo_inputs):
    return frames_of(demo_inputs / "pan.mp4")


@pytest.fixture(scope="module")
def source(pictures, tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("like") / "source.mp4", pictures)


def smaller(picture):
    height, width = picture.shape[:2]
    return cv2.resize(picture, (width // 4 * 2, height // 4 * 2), interpolation=cv2.INTER_AREA)


def larger(picture):
    return cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)


def soft(picture):
    return cv2.GaussianBlur(picture, (0, 0), 4)


def dark(picture):
    return (picture * 0.5).astype(np.uint8)


def grey(picture):
    return np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)


def without_a_mouth(picture):
    picture = picture.copy()
    height, width = picture.shape[:2]
    picture[height // 2 : height * 3 // 4, width // 4 : width * 3 // 4] = 128
    return picture


@pytest.mark.parametrize("treat", [smaller, larger, soft, dark, grey, without_a_mouth])
def test_a_video_of_the_same_source_is_known_however_it_was_treated(source, pictures, tmp_path, treat):
    video = write_video(tmp_path / "video.mp4", [treat(picture) for picture in pictures])
    assert like(video, source) >= 2 * SAME_SCENE
    assert like(source, video) >= 2 * SAME_SCENE


def test_a_badly_encoded_one_is_known_too(source, pictures, tmp_path):
    assert like(write_video(tmp_path / "video.mp4", pictures, options={"crf": "48"}), source) >= 2 * SAME_SCENE


def test_one_that_begins_a_second_later_is_known_too(source, demo_inputs, tmp_path):
    later = write_video(tmp_path / "video.mp4", frames_of(demo_inputs / "pan.mp4", start=25))
    assert like(later, source) > SAME_SCENE


def test_a_loop_is_followed(source, pictures, tmp_path):
    there_and_back = write_video(tmp_path / "video.mp4", [*pictures, *pictures[-2:0:-1]])
    assert like(there_and_back, source, "pingpong") > 0.9


def test_pictures_in_which_nothing_is_to_be_seen_say_nothing(tmp_path):
    blank = write_video(tmp_path / "blank.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 10)
    assert like(blank, blank) is None


def test_real_videos_are_told_apart_and_known_again(corpus, tmp_path):
    """Each against every other one, and against itself, small and coded badly."""
    names = ("hdtf_a.mp4", "hdtf_b.mp4", "anchor_224.avi", "square_590.mp4")
    small = {}
    for name in names:
        pictures = [
            cv2.resize(p, (256, 256), interpolation=cv2.INTER_AREA) for p in frames_of(corpus / "videos" / name)
        ]
        small[name] = write_video(tmp_path / f"{name}.mp4", pictures, options={"crf": "40"})
    for name, video in small.items():
        for other in names:
            found = like(video, corpus / "videos" / other)
            assert (found >= 2 * SAME_SCENE) if name == other else (found < SAME_SCENE / 2), (name, other, found)


def run_of(states, answers, ended=None):
    """A run whose tasks find what `answers` say, by the video's address."""
    asked = []

    def map_tasks(name, function, orders):
        for one in orders:
            asked.append(one.video.url)
            yield one, answers[one.video.url]

    context = SimpleNamespace(map_tasks=map_tasks)
    return SimpleNamespace(known={s.id: s for s in states}, ended=ended or {}, context=context, asked=asked)


def state(name, video, reference="r.mp4"):
    item = SimpleNamespace(video=video, reference=reference, loop=None)
    files = (SimpleNamespace(url=url) for url in (video, reference))
    info, other = files
    return SimpleNamespace(
        id=name, item=item, video_key=video, reference_key=reference, info=info, reference=other, reference_error=None
    )  # fmt: skip


def test_another_scene_is_left_out_with_its_reason_and_nothing_else_is():
    states = [state("same", "a.mp4"), state("other", "b.mp4"), state("blank", "c.mp4"), state("broken", "d.mp4")]
    run = run_of(states, {"a.mp4": 0.9, "b.mp4": 0.06, "c.mp4": None, "d.mp4": Failure("likeness", "damaged")})
    leave_other_scenes(run)
    assert [s.reference is None for s in states] == [False, True, False, False]
    assert "r.mp4 shows another scene: at most 6% of a frame agrees" in states[1].reference_error
    assert states[0].reference_error is None


def test_a_pair_is_looked_at_once_and_a_video_that_is_its_own_reference_never():
    states = [state("one", "a.mp4"), state("two", "a.mp4"), state("own", "r.mp4")]
    run = run_of(states, {"a.mp4": 0.1})
    leave_other_scenes(run)
    assert run.asked == ["a.mp4"]
    assert [s.reference is None for s in states] == [True, True, False]


def test_what_an_earlier_run_found_holds():
    states = [state("left", "a.mp4"), state("kept", "b.mp4")]
    ended = {"left": SimpleNamespace(reference_error="another scene"), "kept": SimpleNamespace(reference_error=None)}
    run = run_of(states, {}, ended)
    leave_other_scenes(run)
    assert run.asked == []
    assert (states[0].reference, states[0].reference_error) == (None, "another scene")
    assert states[1].reference is not None

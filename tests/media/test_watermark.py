"""The mark in the pixels: put in, found again after what platforms do, and in nothing else."""

from fractions import Fraction
from itertools import combinations, product

import cv2
import numpy as np
import pytest

from lipsync_ray.media import decode, mark_code, mark_search, watermark
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.picture import RGB_AS, YuvFrame
from lipsync_ray.media.probe import probe_video

KEY, IDENT = b"a key of the tests", 0x12_3456_789A


def pictures(width, height, count, seed=0):
    """Soft shapes over a plain ground, one of them moving, all with a little grain."""
    rng = np.random.default_rng(seed)
    ground = np.full((height, width), 150, np.float32)
    shapes = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 6)
    ground[:, width // 3 :] += 250 * shapes[:, width // 3 :]
    found = []
    for number in range(count):
        luma = ground.copy()
        cv2.circle(luma, (width // 2 + number // 2, height // 2), height // 5, 90.0, -1)
        luma = np.clip(luma + rng.normal(0, 1.5, luma.shape), 16, 235).astype(np.uint8)
        half = np.full((height // 2, width // 2), 128, np.uint8)
        found.append(YuvFrame(luma, half, half, RGB_AS))
    return found


def resized(frame, width, height):
    planes = (frame.y, (width, height)), (frame.u, (width // 2, height // 2)), (frame.v, (width // 2, height // 2))
    return YuvFrame(*(cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p, size in planes), frame.colour)


def cut(frame):
    return YuvFrame(
        np.ascontiguousarray(frame.y[14:-16, 22:-12]),
        np.ascontiguousarray(frame.u[7:-8, 11:-6]),
        np.ascontiguousarray(frame.v[7:-8, 11:-6]),
        frame.colour,
    )


def coded(frames, crf, folder):
    path = folder / f"{crf}.mp4"
    path.write_bytes(encode(frames, Fraction(25), Fraction(1), VideoCoding(crf, "veryfast")))
    info = probe_video(str(path))
    return [picture.copy() for picture in decode.pictures(info, 0, info.frames)]


def look(frames, key=KEY):
    mean = np.mean([frame.y for frame in frames], 0).astype(np.float32)
    height, width = mean.shape
    return mark_search.find(mean, [key], mark_search.hypotheses(width, height))


@pytest.fixture(scope="module")
def before():
    return pictures(384, 288, 36)


@pytest.fixture(scope="module")
def marked_video(before, tmp_path_factory):
    """As a dub would be: marked, and encoded."""
    marked = [watermark.marked(frame, KEY, IDENT) for frame in before]
    return coded(marked, 18, tmp_path_factory.mktemp("shown"))


WAYS = {
    "as it is": lambda frames, folder: frames,
    "crf 28": lambda frames, folder: coded(frames, 28, folder),
    "half": lambda frames, folder: coded([resized(f, 192, 144) for f in frames], 23, folder),
    "two thirds": lambda frames, folder: coded([resized(f, 256, 192) for f in frames], 23, folder),
    "twice": lambda frames, folder: [resized(f, 768, 576) for f in frames],
    "cropped": lambda frames, folder: coded([cut(f) for f in frames], 23, folder),
    "25 of 30": lambda frames, folder: coded([f for n, f in enumerate(frames) if n % 6], 23, folder),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_mark_is_found_after(way, marked_video, tmp_path):
    found = look(WAYS[way](marked_video, tmp_path))
    assert found is not None
    assert found.ident == IDENT
    assert found.false_alarm < mark_search.FALSE_ALARM


def test_nothing_is_found_without_it_or_with_another_key(before, marked_video, tmp_path):
    assert look(coded(before, 18, tmp_path)) is None
    assert look(marked_video, b"another key of the tests") is None


def test_half_of_the_frames_marked_are_enough(before):
    assert look([watermark.marked(f, KEY, IDENT) if n % 2 else f for n, f in enumerate(before)]).ident == IDENT


def test_a_frame_is_marked_the_same_after_another_one(before):
    first = watermark.marked(before[0], KEY, IDENT)
    watermark.marked(before[1], KEY, IDENT)
    again = watermark.marked(before[0].copy(), KEY, IDENT)
    assert np.array_equal(first.y, again.y)


def test_the_given_frame_and_its_colours_stay(before):
    luma = before[0].y.copy()
    after = watermark.marked(before[0], KEY, IDENT)
    assert np.array_equal(before[0].y, luma)
    assert after.u is before[0].u
    assert after.v is before[0].v


@pytest.mark.parametrize("size", [(96, 64), (224, 224), (360, 288), (1280, 720)])
def test_no_picture_is_changed_by_more_than_42_db(size):
    noise = np.random.default_rng(1).integers(16, 235, size[::-1], np.uint8)  # the busiest there is
    half = np.zeros((size[1] // 2, size[0] // 2), np.uint8)
    after = watermark.marked(YuvFrame(noise, half, half, RGB_AS), KEY, IDENT)
    assert 10 * np.log10(255**2 / np.mean((after.y.astype(float) - noise) ** 2)) >= 42


@pytest.mark.parametrize(("level", "most"), [(16, 2), (120, 4), (235, 4)])
def test_plain_and_dark_places_change_least(level, most):
    plain = np.full((288, 384), level, np.uint8)
    half = np.zeros((144, 192), np.uint8)
    after = watermark.marked(YuvFrame(plain, half, half, RGB_AS), KEY, IDENT).y.astype(int)
    assert 0 < np.abs(after - level).max() <= most


def test_beside_an_edge_a_plain_place_is_plain():
    luma = np.full((288, 384), 180, np.uint8)
    luma[:, 200:] = 40
    assert np.ptp(watermark.strength(luma)[:, :48]) < 0.01


@pytest.mark.parametrize("ident", [0, 1, 2**40 - 1, IDENT])
def test_every_id_is_read_back(ident):
    tile = mark_code.pattern_of(KEY, ident, 256, 256) + 128
    assert mark_search.find(tile, [KEY], mark_search.hypotheses(256, 256)).ident == ident


@pytest.mark.parametrize("ident", [-1, 2**40])
def test_what_is_no_id_is_refused(ident):
    with pytest.raises(ValueError, match="not a number of 40 bits"):
        mark_code.tile_of(KEY, ident)


def test_patterns_repeat_and_grow_with_large_pictures():
    small = mark_code.pattern_of(KEY, IDENT, 400, 300)
    assert np.array_equal(small[:128, :128], small[128:256, 128:256])
    large = mark_code.pattern_of(KEY, IDENT, 1920, 1080)
    assert np.allclose(large[:192, :192], large[192:384, 192:384], atol=1e-3)


def test_no_slip_to_neighbouring_shifts_passes_the_check():
    """A symbol that is read one shift beside itself is seen, and so are two and three."""
    beside = [1, -1, 31, -31, 32, -32, 33, -33]
    by = (*mark_code.CHECK, -1)
    assert all(factor % 2 for factor in by)
    for count in (1, 2, 3):
        for factors in combinations(by, count):
            for slips in product(beside, repeat=count):
                assert sum(f * s for f, s in zip(factors, slips, strict=True)) % 1024


def test_scores_of_pictures_without_a_mark_are_no_larger_than_the_bound_says(before):
    """P(z ≥ t) ≤ exp(−t²/2), over keys, for a scale, a place and a symbol."""
    tile = mark_search._folded(mark_search._levelled(before[0].y.astype(np.float32), 0.5), 384, 288, 128.0)
    weights = mark_search._weights(tile)
    fits = np.stack([mark_search._correlations(weights, mark_code.phases(b"%d" % n))[:, ::9, ::9] for n in range(100)])
    assert abs(fits.mean()) < 0.02
    assert fits.std() == pytest.approx(1, abs=0.03)
    for least in (2.0, 2.5, 3.0, 3.5):
        assert np.mean(fits >= least) <= np.exp(-(least**2) / 2)


def test_the_least_score_follows_from_what_is_tried():
    tried = mark_search.hypotheses(640, 360, means=5, keys=2)
    assert tried == 2.0**40 * 64**2 * len(mark_search.scales(640, 360)) * 10
    least = mark_search.least_score(tried)
    assert tried * np.exp(-(least**2) / 2) == pytest.approx(1e-6)

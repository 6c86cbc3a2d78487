"""Tone curves between HDR and the SDR pictures that faces are drawn into."""

import numpy as np
import pytest

from lipsync_ray.media import tone
from lipsync_ray.media.picture import RGB_AS, Colour

KINDS = ("pq", "hlg")
PQ_2020, HLG_2020 = Colour(9, 1, 9, 16), Colour(9, 1, 9, 18)


@pytest.mark.parametrize("kind", KINDS)
def test_a_curve_rises_strictly_and_its_inverse_is_within_half_a_code(kind):
    sdr = np.arange(256) / 255
    assert np.abs(tone.to_sdr(tone.to_hdr(sdr, kind), kind) - sdr).max() * 255 < 0.5
    for bits in (10, 12):
        codes = np.arange(1 << bits) / ((1 << bits) - 1)
        mapped = tone.to_sdr(codes, kind)
        assert (np.diff(mapped) > 0).all()
        assert np.abs(tone.to_hdr(mapped, kind) - codes).max() * (1 << bits) < 0.5
    assert tone.to_sdr(np.array([0.0, 1.0]), kind) == pytest.approx([0, 1])


@pytest.mark.parametrize(
    ("kind", "level", "nits"),
    [
        ("pq", 0.508078, 100),  # ST 2084
        ("pq", 0.751827, 1000),
        ("pq", 1.0, 10_000),
        ("pq", 0.58, 203),  # BT.2408: reference white is 58 % of PQ, 75 % of HLG
        ("hlg", 0.75, 203),
        ("hlg", 1.0, 1000),
    ],
)
def test_levels_are_the_light_that_the_standards_name(kind, level, nits):
    assert tone._light(np.array([level]), kind)[0] == pytest.approx(nits, rel=0.01)
    assert tone._levels(np.array([float(nits)]), kind)[0] == pytest.approx(level, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_white_keeps_room_above_it_and_skin_is_not_compressed(kind):
    white, skin = tone.to_sdr(tone._levels(np.array([203.0, 80.0]), kind), kind)
    assert 0.85 < white < 0.93
    assert skin == pytest.approx((80 / 203) ** (1 / 2.4), abs=1e-3)


@pytest.mark.parametrize("colour", [PQ_2020, HLG_2020], ids=KINDS)
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_grey_stays_grey(colour, depth):
    ramp = np.linspace(16, 235, 64).astype(np.float32) * (1 << (depth - 8))
    kind = np.uint8 if depth == 8 else np.uint16
    y = np.repeat(ramp[None], 16, axis=0).astype(kind)
    neutral = np.full((8, 32), 128 << (depth - 8), kind)
    picture = tone.sdr_picture((y, neutral, neutral), depth, colour)
    assert (picture.u == 128).all()
    assert (picture.v == 128).all()
    assert (np.diff(picture.y[0].astype(int)) >= 0).all()
    assert picture.colour == Colour(9, 1, 9, 14)
    inside = tone.in_bt709(picture)
    assert inside.colour == RGB_AS
    assert np.abs(inside.y.astype(int) - picture.y).max() <= 1
    assert np.abs(inside.u.astype(int) - 128).max() <= 1


def test_a_colour_of_bt709_comes_back_from_the_wider_primaries():
    red = np.zeros((2, 2, 3), np.float32)
    red[:] = (0.0433, 0.0691, 0.6274)  # B, G, R: linear light of BT.709's red in BT.2020's primaries (BT.2087)
    levels = 255 * (0.5 * red) ** (1 / 2.4)
    planes = tone._planar(tone.from_bgr(levels.astype(np.float32), Colour(9, 1, 9, 14), 2))
    shown = tone.in_bt709(tone.YuvFrame(*planes, Colour(9, 1, 9, 14))).bgr()[0, 0].astype(int)
    assert np.abs((shown / 255) ** 2.4 - (0, 0, 0.5)).max() < 0.03  # of light

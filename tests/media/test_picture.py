import numpy as np
import pytest

from lipsync_ray.media.picture import Box, Colour, YuvFrame


def plain(bgr, colour: Colour, size=(8, 8)) -> YuvFrame:
    """A picture of one colour."""
    height, width = size
    blank = YuvFrame(np.zeros((height, width), np.uint8), *(np.zeros((height // 2, width // 2), np.uint8),) * 2, colour)
    y, u, v = np.clip(np.rint(blank.planes_of(np.array([[bgr]], np.float32))), 0, 255)[0, 0].astype(np.uint8)
    return YuvFrame(
        np.full((height, width), y),
        np.full((height // 2, width // 2), u),
        np.full((height // 2, width // 2), v),
        colour,
    )


@pytest.mark.parametrize(
    ("matrix", "full", "bgr", "yuv"),
    [
        (6, False, (255, 255, 255), (235, 128, 128)),
        (6, False, (0, 0, 255), (81, 90, 240)),  # BT.601 red
        (1, False, (0, 0, 255), (63, 102, 240)),  # BT.709 red
        (5, True, (0, 0, 255), (76, 85, 255)),  # JPEG red
        (1, False, (0, 0, 0), (16, 128, 128)),
    ],
)
def test_known_colours(matrix, full, bgr, yuv):
    picture = plain(bgr, Colour(matrix=matrix, range=2 if full else 1))
    assert np.abs(np.array([picture.y[0, 0], picture.u[0, 0], picture.v[0, 0]], int) - yuv).max() <= 1
    assert np.abs(picture.bgr()[0, 0].astype(int) - bgr).max() <= 3


def test_untagged_pictures_are_taken_as_players_take_them():
    assert Colour().coefficients(576)[:2] == (0.299, 0.114)
    assert Colour().coefficients(720)[:2] == (0.2126, 0.0722)


def test_a_box_is_the_same_pixels_as_the_whole():
    rng = np.random.default_rng(0)
    picture = YuvFrame(*(rng.integers(0, 255, s, np.uint8) for s in ((32, 48), (16, 24), (16, 24))), Colour(1, 1))
    whole = picture.bgr()
    inner = picture.bgr(Box(4, 6, 30, 24))
    # Chroma is interpolated, so only what is away from the cut's edge agrees.
    assert np.array_equal(inner[2:-2, 2:-2], whole[8:22, 6:28])
    assert picture.bgr(Box(5, 7, 12, 12)).shape == (5, 7, 3)


def test_a_box_outside_is_refused():
    with pytest.raises(ValueError, match="not inside"):
        plain((0, 0, 0), Colour()).bgr(Box(0, 0, 9, 8))


def test_even_boxes():
    assert Box(3, 4, 7, 9).even() == (2, 4, 8, 10)

import numpy as np
import pytest

from lipsync_ray.faces import parsed
from lipsync_ray.media.picture import Box, Colour, YuvFrame

BOX = Box(40, 30, 120, 130)


def grey_frame(height, width, level):
    planes = (
        np.full(shape, value, np.uint8)
        for shape, value in (
            ((height, width), level),
            ((height // 2, width // 2), 128),
            ((height // 2, width // 2), 128),
        )
    )
    return YuvFrame(*planes, Colour(1, 1))


def face_labels():
    """An oval of skin with a nose and a mouth in it, a neck below."""
    y, x = np.mgrid[0:512, 0:512]
    labels = np.zeros((512, 512), np.uint8)
    labels[(np.abs(x - 256) < 60) & (y > 380)] = 14
    labels[((x - 256) / 140) ** 2 + ((y - 250) / 190) ** 2 < 1] = 1
    labels[(np.abs(x - 256) < 25) & (y > 200) & (y < 290)] = 10
    labels[((x - 256) / 55) ** 2 + ((y - 340) / 25) ** 2 < 1] = 12
    return labels


def test_what_is_parsed_is_half_as_much_again_about_the_face():
    assert tuple(parsed.expanded(BOX)) == (80 - 75, 80 - 75, 80 + 75, 80 + 75)


def test_beyond_the_frame_is_black():
    cut = parsed.cut_expanded(grey_frame(100, 100, 200), Box(60, 60, 100, 100))
    assert cut.shape == (512, 512, 3)
    assert cut[10, 10].min() > 150
    assert cut[-10, -10].max() == 0


def test_raw_and_neck_take_the_classes_as_they_are():
    labels = face_labels()
    raw, neck = parsed.mask_of(labels, "raw"), parsed.mask_of(labels, "neck")
    assert np.array_equal(raw > 0, np.isin(labels, (1, 11, 12, 13)))
    assert np.array_equal(neck > 0, np.isin(labels, (1, 11, 12, 13, 14)))


def test_jaw_grows_narrows_the_cheeks_and_leaves_the_nose():
    labels = face_labels()
    jaw = parsed.mask_of(labels, "jaw")
    assert not jaw[labels == 10].any()
    assert jaw[labels == 12].all()
    skin = labels == 1
    middle = slice(256 - 80, 256 + 80)
    bottom = int(np.flatnonzero(skin[:, 256])[-1])
    assert np.flatnonzero(jaw[:, 256])[-1] == bottom + 6  # the cone reaches six rows up from where it hangs
    assert jaw[:, middle].sum() > 255 * skin[:, middle].sum()
    row = 250
    assert (
        np.flatnonzero(jaw[row])[0] == np.flatnonzero(skin[row])[0] - 10 + 2 * 17
    )  # grown by ten, then twice narrowed by 17


def test_weights_begin_in_the_middle_and_end_with_the_box():
    weights = parsed.weights_in(np.full((512, 512), 255, np.uint8), BOX)
    assert weights.shape == (100, 80)
    assert weights.dtype == np.float32
    middle = 50  # of the box, too
    assert weights[middle - 10].max() == 0
    assert weights[middle + 10, 40] == 1
    assert 0.3 < weights[-1, 40] < 0.7  # blurred across the edge
    assert np.all(np.diff(weights[:60, 40]) >= 0)


def test_a_mask_that_shows_no_face_is_known():
    assert not parsed.covers(np.zeros((512, 512), np.uint8), BOX)
    assert parsed.covers(parsed.mask_of(face_labels(), "jaw"), BOX)


@pytest.mark.parametrize("blend", ["jaw", "raw", "neck"])
def test_only_what_the_mask_shows_is_drawn(blend):
    picture = grey_frame(160, 160, 100)
    drawn = picture.copy()
    mask = parsed.mask_of(face_labels(), blend)
    parsed.paste_parsed(drawn, BOX, np.full((256, 256, 3), 220, np.uint8), mask)
    changed = drawn.y != picture.y
    weights = parsed.weights_in(mask, BOX)
    assert changed[100, 80]
    assert not changed[:75].any()
    outside = np.ones_like(changed)
    outside[BOX.y0 : BOX.y1, BOX.x0 : BOX.x1] = weights == 0
    assert not changed[outside].any()

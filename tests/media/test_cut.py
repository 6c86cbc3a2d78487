"""Parts are cut out of a joined video as they went in."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from lipsync_ray.errors import EncodeError
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.cut import Cutter
from lipsync_ray.media.encode import encode
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.picture import Colour, YuvFrame

RATE = Fraction(30000, 1001)
BOUNDS = (0, 3, 40, 41, 90)


def pictures(start, stop):
    """Frames with a bar that moves and noise, so that B-frames are used."""
    for number in range(start, stop):
        luma = np.random.default_rng(number // 7).integers(90, 130, (64, 96), np.uint8)
        luma[:, number % 90 : number % 90 + 6] = 230
        half = np.full((32, 48), 128, np.uint8)
        yield YuvFrame(luma, half, half, Colour(1, 1, 1, 1))


def decoded(data):
    import io

    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="gray").tobytes() for frame in container.decode(video=0)]


@pytest.fixture(scope="module", params=["veryfast", "ultrafast"])
def joined(request, tmp_path_factory):
    """(path of a joined video, its parts)."""
    coding = VideoCoding(crf=20, preset=request.param)
    parts = {
        (start, stop): encode(pictures(start, stop), RATE, Fraction(1), coding)
        for start, stop in itertools.pairwise(BOUNDS)
    }
    path = tmp_path_factory.mktemp("joined") / "v.mp4"
    order = [Part(start, lambda data=data: data) for (start, _), data in parts.items()]
    assert join(order, RATE, None, path) == BOUNDS[-1]
    return path, parts


def test_a_part_comes_out_as_it_went_in(joined):
    path, parts = joined
    cutter = Cutter(path.read_bytes(), RATE)
    for (start, stop), data in parts.items():
        assert decoded(cutter.part(start, stop)) == decoded(data)


def test_what_was_cut_out_can_be_joined_again(joined, tmp_path):
    path, parts = joined
    cutter = Cutter(path.read_bytes(), RATE)
    again = [Part(start, lambda start=start, stop=stop: cutter.part(start, stop)) for start, stop in parts]
    assert join(again, RATE, None, tmp_path / "again.mp4") == BOUNDS[-1]
    assert decoded((tmp_path / "again.mp4").read_bytes()) == decoded(path.read_bytes())
    # Where some are old and some are new, as after a change
    mixed = [Part(s, lambda s=s, e=e, d=d: cutter.part(s, e) if s % 2 else d) for (s, e), d in parts.items()]
    assert join(mixed, RATE, None, tmp_path / "mixed.mp4") == BOUNDS[-1]
    assert decoded((tmp_path / "mixed.mp4").read_bytes()) == decoded(path.read_bytes())


@pytest.mark.parametrize(("start", "stop"), [(1, 3), (3, 39), (88, 95)])
def test_what_was_no_part_is_none(joined, start, stop):
    path, _ = joined
    assert Cutter(path.read_bytes(), RATE).part(start, stop) is None


def test_what_has_no_pictures_is_an_error():
    with pytest.raises(EncodeError, match="no pictures to reuse"):
        Cutter(b"nothing", RATE)

"""What a reference's lips show is looked at once for all of its dubs."""

from types import SimpleNamespace

import numpy as np

from lipsync_ray.faces.mesh import SQUARE
from lipsync_ray.jobs.evaluate.stages import _Mouths

POINTS = 468


class Mesher:
    """A network that sees a face everywhere, and counts."""

    def __init__(self):
        self.seen = 0

    def __call__(self, squares):
        self.seen += len(squares)
        points = np.random.default_rng(int(squares[0, 0, 0, 0])).uniform(0, SQUARE, (len(squares), POINTS, 2))
        return points.astype(np.float32), np.ones(len(squares), np.float32)


def looked(cuts, url, mesher, stop=5):
    mouths = _Mouths(SimpleNamespace(start=0, stop=stop, lips_url=url), None)
    mouths._cuts[1].extend(cuts)
    mouths._at[1].extend(range(1, 1 + len(cuts)))
    return mouths.found(mesher)[1]


def test_the_second_dub_reads_what_the_first_one_saw(tmp_path):
    cuts = list(np.random.default_rng(0).integers(0, 256, (3, SQUARE, SQUARE, 3), np.uint8))
    first, second, alone = Mesher(), Mesher(), Mesher()
    seen = looked(cuts, str(tmp_path / "lips"), first)
    again = looked(cuts, str(tmp_path / "lips"), second)
    plain = looked(cuts, "", alone)
    assert (first.seen, second.seen, alone.seen) == (3, 0, 3)
    for one in (again, plain):
        assert np.array_equal(seen.opening, one.opening, equal_nan=True)
        assert np.array_equal(seen.embedded, one.embedded, equal_nan=True)


def test_other_pixels_or_another_stretch_are_looked_at_anew(tmp_path):
    cuts = list(np.random.default_rng(0).integers(0, 256, (3, SQUARE, SQUARE, 3), np.uint8))
    looked(cuts, str(tmp_path / "lips"), Mesher())
    changed = [cut.copy() for cut in cuts]
    changed[2][5, 5, 0] ^= 1
    for some, stop in ((changed, 5), (cuts, 6), (cuts[:2], 5)):
        mesher = Mesher()
        assert len(looked(some, str(tmp_path / "lips"), mesher, stop).opening) == stop
        assert mesher.seen == len(some)

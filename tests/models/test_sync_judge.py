"""The second sync expert: what it sees does not depend on what it sees it with, and shifts are found on real videos."""

from fractions import Fraction

import numpy as np
import pytest

from lipsync_ray.faces.patch import MOUTH
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clip_features import ClipFeatures, ExtractClipFeatures
from lipsync_ray.jobs.train.clips import Clip, ClipOrder
from lipsync_ray.metrics import judges
from lipsync_ray.models import sync_judge


def test_a_mouth_is_seen_the_same_whatever_is_beside_it():
    mouths = np.random.default_rng(0).integers(0, 255, (70, MOUTH, MOUTH)).astype(np.uint8)
    whole = sync_judge.encode_mouths(mouths)
    assert whole.shape == (70, sync_judge.DIMENSIONS)
    assert np.array_equal(
        whole, np.concatenate([sync_judge.encode_mouths(mouths[:13]), sync_judge.encode_mouths(mouths[13:])])
    )
    assert sync_judge.encode_mouths(mouths[:0]).shape == (0, sync_judge.DIMENSIONS)


def test_points_are_of_length_one_and_known_where_their_neighbours_are():
    seen = sync_judge.encode_mouths(np.random.default_rng(1).integers(0, 255, (40, MOUTH, MOUTH)).astype(np.uint8))
    seen[20] = np.nan
    points = sync_judge.follow(seen)
    known = ~np.isnan(points[:, 0])
    reach = sync_judge.CONTEXT
    assert known.tolist() == [reach <= n < 40 - reach and abs(n - 20) > reach for n in range(40)]
    np.testing.assert_allclose(np.linalg.norm(points[known], axis=1), 1, atol=1e-5)
    assert sync_judge.follow(seen[:0]).shape == (0, sync_judge.DIMENSIONS)


@pytest.mark.parametrize(("columns", "points"), [(0, 0), (80, 25), (81, 26), (1000, 313)])
def test_a_sound_has_25_points_a_second(columns, points):
    heard = sync_judge.encode_sound(np.zeros((columns, 80), np.float32))
    assert heard.shape == (points, sync_judge.DIMENSIONS)


@pytest.fixture(scope="module")
def talking(corpus, tmp_path_factory):
    """Points of lips and of sound of real videos at 25 frames/s."""
    look, folder, found = ExtractClipFeatures("cpu"), tmp_path_factory.mktemp("seen"), {}
    for name in ("hdtf_b.mp4", "anchor_224.avi", "portrait_hevc_25.mp4"):
        url = str(folder / f"{name}.npz")
        look(ClipOrder(name, Clip(name, str(corpus / "videos" / name)), "", url))
        seen = ClipFeatures.from_bytes(storage.read_bytes(url), "mouths")
        assert seen.rate == Fraction(25)
        found[name] = sync_judge.follow(sync_judge.encode_mouths(seen.mouths)), sync_judge.encode_sound(seen.mel)
    return found


@pytest.mark.slow
def test_people_agree_with_their_own_sound(talking):
    for name, (lips, sound) in talking.items():
        own = judges.sync_at_lags(lips, sound)
        others = [judges.sync_at_lags(lips, other).best for key, (_, other) in talking.items() if key != name]
        assert own.best > max(others), name


@pytest.mark.slow
@pytest.mark.parametrize("shift", [2, -3])
def test_a_sound_that_comes_late_is_found_out(talking, shift):
    for lips, sound in talking.values():
        at = judges.sync_at_lags(lips, sound).lag
        moved = np.roll(sound, -shift, 0)
        assert judges.sync_at_lags(lips, moved).lag == at + shift

"""At the ends of a track the landmarks go on with the face."""

import numpy as np

from lipsync_ray.faces.mesh_ends import LONGEST, extend_ends


def moving(frames):
    """Landmarks and the detector's five points of a face that moves and grows, and its track."""
    rng = np.random.default_rng(0)
    own, five = rng.normal(0, 1, (12, 2)), rng.normal(0, 1, (5, 2))
    place = np.stack((2.0 * np.arange(frames), -1.0 * np.arange(frames)), 1)[:, None]
    size = (10 + 0.1 * np.arange(frames))[:, None, None]
    points, faces = (np.asarray(size * shape + place, np.float32) for shape in (own, five))
    return points, np.zeros(frames, np.int32), faces


def test_a_short_end_goes_on_as_the_face_moves():
    right, tracks, faces = moving(30)
    points = right.copy()
    points[:3] = points[-LONGEST:] = np.nan
    extend_ends(points, tracks, faces)
    np.testing.assert_allclose(points, right, atol=1e-3)


def test_a_long_end_a_hole_and_another_track_are_left():
    right, tracks, faces = moving(40)
    tracks[30:] = 1
    points = right.copy()
    points[: LONGEST + 1] = points[15:18] = points[30:] = np.nan
    before = points.copy()
    extend_ends(points, tracks, faces)
    np.testing.assert_array_equal(points, before)

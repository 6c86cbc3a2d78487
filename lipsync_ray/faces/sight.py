"""Determines in which frames the speaking mouth is visible, and how drawing fades where it is not.

A hand, a microphone or a title in front of the mouth must not be drawn over. Such frames pass through unchanged, and
drawing fades out and in over a few frames around them.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.easing import smoothstep
from lipsync_ray.media.time_series import equal_runs, true_runs

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
Flags = NDArray[np.bool_]

FADE = 4  # frames over which drawing fades in and out
# Smoothed probabilities of visibility: below the first a mouth becomes hidden, above the second visible again
_HIDDEN, _VISIBLE = 0.08, 0.25
_SMOOTH = 5  # frames of the median filter
_SHORTEST = 5  # frames: shorter runs of hidden frames are ignored
_GLIMPSE = 6  # frames: shorter runs of visible frames are ignored


class Sight(NamedTuple):
    """Visibility of the speaking face in each frame of a video.

    Attributes
    ----------
    hidden : (frames,) bool: something covers the mouth
    scenes : (frames,) int32 scene of each frame with the face; −1 without it
    """

    hidden: Flags
    scenes: I32

    def strengths(self, drawn: Flags | None = None) -> F32:
        """(frames,) float32 blend factor of the drawn picture: 0 where nothing is drawn, rising to 1 a few frames away.

        Parameters
        ----------
        drawn : (frames,) bool: frames in which the face can be drawn if the mouth is visible; by default all with the
            face
        """
        able = (self.scenes >= 0) & ~self.hidden
        if drawn is not None:
            able &= drawn
        out = np.where(able, 1.0, 0.0).astype(np.float32)
        for low, high in true_runs(able):
            for start, stop in _pieces(self.scenes, low, high):
                number = np.arange(start, stop)
                far = np.full(stop - start, FADE + 1.0)
                # At a cut, or next to frames without the face, a hard start is not noticed: no fade.
                if start and not able[start - 1] and self.scenes[start - 1] in (-1, self.scenes[start]):
                    far = np.minimum(far, number - start + 1)
                if stop < len(able) and not able[stop] and self.scenes[stop] in (-1, self.scenes[stop - 1]):
                    far = np.minimum(far, stop - number)
                out[start:stop] = smoothstep(far / (FADE + 1))
        return out

    def to_bytes(self) -> bytes:
        """Serialise to npz."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, hidden=self.hidden, scenes=self.scenes)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Sight:
        """Inverse of :meth:`to_bytes`."""
        with np.load(io.BytesIO(data)) as arrays:
            return cls(arrays["hidden"], arrays["scenes"])


def sight_of(visible: F32, scenes: I32) -> Sight:
    """Smooth per-frame visibility over each scene; single frames are unreliable.

    Parameters
    ----------
    visible : (frames,) probability that the mouth is visible; NaN if not measured
    scenes : (frames,) scene of each frame with the face; −1 without it
    """
    hidden = np.zeros(len(visible), bool)
    for scene in np.unique(scenes[scenes >= 0]).tolist():
        frames = np.flatnonzero((scenes == scene) & ~np.isnan(visible))
        if len(frames):
            hidden[frames] = _hidden(visible[frames])
            holes = np.flatnonzero((scenes == scene) & np.isnan(visible))
            nearest = np.searchsorted((frames[:-1] + frames[1:]) / 2, holes)
            hidden[holes] = hidden[frames[nearest]]
    return Sight(hidden, scenes.astype(np.int32))


def _hidden(visible: F32) -> Flags:
    """Hidden frames of one scene: median filter, two thresholds (hysteresis), short runs removed."""
    around = np.pad(visible, _SMOOTH // 2, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(around, _SMOOTH), axis=-1)
    out, state = np.zeros(len(visible), bool), bool(smooth[0] < (_HIDDEN + _VISIBLE) / 2)
    for number, sure in enumerate(smooth.tolist()):
        state = sure < (_VISIBLE if state else _HIDDEN)
        out[number] = state
    for value, shortest in ((False, _GLIMPSE), (True, _SHORTEST)):
        for low, high in true_runs(out == value):
            if high - low < shortest and low and high < len(out):
                out[low:high] = not value
    return out


def _pieces(scenes: I32, low: int, high: int) -> list[tuple[int, int]]:
    """Split a range [low, high) at scene changes."""
    return [(low + first, low + last) for first, last in equal_runs(scenes[low:high])]

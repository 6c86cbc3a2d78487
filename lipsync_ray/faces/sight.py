"""In which frames of a video the speaking mouth can be seen, and how what is drawn fades where it cannot.

A hand, a microphone or a title before the mouth must not be drawn over: such frames pass through, and what is drawn
comes and goes within a few frames around them.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.easing import smoothstep
from lipsync_ray.media.courses import equal_runs

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
Flags = NDArray[np.bool_]

FADE = 4  # frames over which what is drawn comes and goes
_HIDDEN, _VISIBLE = 0.08, 0.25  # smoothed probability of being visible at which a mouth is hidden, and visible again
_SMOOTH = 5  # frames of the median
_SHORTEST = 5  # frames: a hidden mouth that is seen again sooner was not hidden
_GLIMPSE = 6  # frames: a mouth that is hidden again sooner was not visible


class Sight(NamedTuple):
    """What a video's frames show of the face that speaks.

    Attributes
    ----------
    hidden : (frames,) bool: something is before the mouth
    scenes : (frames,) int32 scene of each frame with the face; −1 where it is not seen
    """

    hidden: Flags
    scenes: I32

    def strengths(self, drawn: Flags | None = None) -> F32:
        """(frames,) float32 how much of what is drawn is mixed in: 0 where nothing is, 1 a few frames away from there.

        Parameters
        ----------
        drawn : (frames,) bool: the face can be drawn there, as far as the mouth is visible; all that show it, if not given
        """
        able = (self.scenes >= 0) & ~self.hidden
        if drawn is not None:
            able &= drawn
        out = np.where(able, 1.0, 0.0).astype(np.float32)
        for low, high in _runs(able):
            for start, stop in _pieces(self.scenes, low, high):
                number = np.arange(start, stop)
                far = np.full(stop - start, FADE + 1.0)
                # Beside a frame of another scene, or none at all, nothing is seen to pop.
                if start and not able[start - 1] and self.scenes[start - 1] in (-1, self.scenes[start]):
                    far = np.minimum(far, number - start + 1)
                if stop < len(able) and not able[stop] and self.scenes[stop] in (-1, self.scenes[stop - 1]):
                    far = np.minimum(far, stop - number)
                out[start:stop] = smoothstep(far / (FADE + 1))
        return out

    def to_bytes(self) -> bytes:
        """As an npz."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, hidden=self.hidden, scenes=self.scenes)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Sight:
        """The other way."""
        with np.load(io.BytesIO(data)) as arrays:
            return cls(arrays["hidden"], arrays["scenes"])


def sight_of(visible: F32, scenes: I32) -> Sight:
    """What the whole of a video says: single frames are not believed.

    Parameters
    ----------
    visible : (frames,) probability of the mouth being visible; NaN where nobody has looked
    scenes : (frames,) scene of each frame with the face; −1 where it is not seen
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
    """Of the frames of one scene: smoothed, with two thresholds, without flickers."""
    around = np.pad(visible, _SMOOTH // 2, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(around, _SMOOTH), axis=-1)
    out, state = np.zeros(len(visible), bool), bool(smooth[0] < (_HIDDEN + _VISIBLE) / 2)
    for number, sure in enumerate(smooth.tolist()):
        state = sure < (_VISIBLE if state else _HIDDEN)
        out[number] = state
    for value, shortest in ((False, _GLIMPSE), (True, _SHORTEST)):
        for low, high in _runs(out == value):
            if high - low < shortest and low and high < len(out):
                out[low:high] = not value
    return out


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """[start, stop) of every run of true."""
    return [(low, high) for low, high in equal_runs(flags) if flags[low]]


def _pieces(scenes: I32, low: int, high: int) -> list[tuple[int, int]]:
    """[start, stop) of a run, cut where the scene changes."""
    return [(low + first, low + last) for first, last in equal_runs(scenes[low:high])]

"""A model that draws in a way of its own: a bar over the mouth, as high as the sound is loud. See docs/add-a-model.md."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipsync_ray.faces.table import landmarks_of, read_table
from lipsync_ray.jobs.dub.methods.method import Method
from lipsync_ray.jobs.dub.methods.registry import register
from lipsync_ray.jobs.dub.stages import DrawnFaces, drawable, heard_by
from lipsync_ray.models.abilities import Ability
from lipsync_ray.models.lip_sync import AudioWindow, GeneratorSpec

WINDOW = AudioWindow("mel", columns_per_s=80, columns=16)  # of sound, by which a frame is drawn


@dataclass(frozen=True, kw_only=True)
class Bars(DrawnFaces):  # a segment, and what is drawn into its frames
    mouths: np.ndarray  # (m, 2, 2) float32 pixels: x, y of both corners
    loudness: np.ndarray  # (m,) float32, 0 to 1

    def paint(self, face, picture):
        (x0, y0), (x1, y1) = self.mouths[face].tolist()
        left, right = max(0, round(min(x0, x1))), max(0, round(max(x0, x1)) + 1)
        half = (right - left) * self.loudness[face] * self.strength[face]
        picture.y[max(0, round((y0 + y1) / 2 - half)) : max(0, round((y0 + y1) / 2 + half)), left:right] = 235


class Listen:  # a stage: a network would be loaded in its constructor
    def __call__(self, segment):
        places, boxes, strength = drawable(segment)
        faces = read_table(segment.table)
        points = landmarks_of(faces, segment.chosen, 0, segment.video.frames)[segment.source_frames()[places]]
        loudness = (heard_by(segment, places, WINDOW).mean((1, 2)) + 4) / 8
        return Bars(row=segment, places=places, boxes=boxes, strength=strength, mouths=points[:, 3:], loudness=loudness)


class BarMethod(Method):
    name = "bar"

    def draw_stages(self, layout):
        return [layout.read.stage("listen", Listen)]


def add():
    register(
        GeneratorSpec("bar", method=BarMethod.name, audio=WINDOW, reference=None),
        BarMethod,
        Path(__file__),
        Ability("shows where a mouth is, and how loud it speaks", "draw lips"),
    )

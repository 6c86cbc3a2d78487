"""Whose mouths are compared with the sound."""

import numpy as np
import pytest
from clips import write_video
from faces.test_talking import sound

from lipsync_ray.faces.speaking import Decision
from lipsync_ray.faces.table import write_table
from lipsync_ray.faces.talking import MouthSamples
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs import talking_tables
from lipsync_ray.inputs.audio_features import AudioSource
from lipsync_ray.inputs.talking_tables import SpeakersOrder, decide_speakers
from lipsync_ray.io import storage
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import probe_video

FRAMES = 100


@pytest.mark.parametrize(("moves", "compared"), [(0.05, [0, 1]), (0.008, [0])])
def test_a_still_person_may_speak_if_the_mouth_moves(tmp_path, monkeypatch, moves, compared):
    """Person 1 is still by the face table; a poster filmed by hand seems to move by less than 0.008 eye distances."""
    frame, person = (values.ravel().astype(np.int32) for values in np.mgrid[:FRAMES, :2])
    box = np.stack([40 + 100 * person, 0 * person, 100 + 100 * person, 0 * person + 60], axis=1).astype(np.float32)
    count = len(frame)
    write_table(
        str(tmp_path / "t.parquet"),
        Tracks(
            frame, person, np.zeros_like(person), person, person == 1, box, np.zeros((count, 5, 2), np.float32),
            np.ones(count, np.float32), np.ones(count, bool),
        ),
    )  # fmt: skip
    opening = np.random.default_rng(0).normal(size=count) * np.where(person == 0, 0.05, moves)
    rows = MouthSamples(frame, person, opening.astype(np.float32), np.zeros((count, 128), np.float16))
    storage.commit_bytes(str(tmp_path / "0.npz"), rows.to_bytes())
    video = probe_video(str(write_video(tmp_path / "v.mp4", [np.full((96, 256, 3), 90, np.uint8)] * FRAMES)))
    found = []
    monkeypatch.setattr(
        talking_tables, "hear_places", lambda source, places: sound(np.ones((places, 128), np.float32) / 128**0.5)
    )
    monkeypatch.setattr(
        talking_tables,
        "decide",
        lambda runs, persons, visible, *_: found.append((persons.tolist(), len(runs), len(visible))) or Decision(()),
    )
    asked = AudioSource(SoundTrack("none"), "v", False, str(tmp_path), "speech-mel")
    decide_speakers(SpeakersOrder("v", video, str(tmp_path / "t.parquet"), asked, (str(tmp_path / "0.npz"),), ""))
    assert found == [(compared, len(compared), len(compared))]

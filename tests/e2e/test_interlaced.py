"""A dub of an interlaced source at field rate: every frame shows the field of its time."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import write_fields

import lipsync_ray
from lipsync_ray import DubSettings, Workers
from lipsync_ray.io.results import read_results
from lipsync_ray.jobs.enhance.sources import read_items
from lipsync_ray.jobs.evaluate.evaluation_input import read_inputs
from lipsync_ray.media import decode
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_probe import probe_audio

DATA = Path(lipsync_ray.__file__).parent / "demo" / "data"
FIELDS, SIDE, BAR = 60, 256, 12


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The demo's portrait, with a bar above it that moves 4 pixels from field to field."""
    portrait = next(decode.pictures(probe_video(str(DATA / "portrait.jpg")), 0, 1))
    luma = cv2.resize(portrait.y[:512], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    fields = []
    for number in range(FIELDS):
        picture = luma.copy()
        picture[:24] = 40
        picture[:24, 4 * number : 4 * number + BAR] = 220
        fields.append(picture)
    return write_fields(tmp_path_factory.mktemp("source") / "a.mp4", fields)


def fields_of_frames(path):
    info = probe_video(str(path))
    out = []
    for picture in decode.pictures(info, 0, info.frames):
        weight = np.clip(picture.y[2:20].astype(float).mean(axis=0) - 70, 0, None)
        out.append(((weight * np.arange(SIDE)).sum() / weight.sum() - (BAR - 1) / 2) / 4)
    return info, out


def dub(source, out, **settings):
    (row,) = lipsync_ray.dub(
        source,
        DATA / "en.ogg",
        out,
        settings=DubSettings(model="warp", length="video", **settings),
        workers=Workers(engine="inline", segment_s=0.5),
        progress=False,
    ).results
    assert row.status == "done", row.error
    return row


def test_every_frame_shows_the_field_of_its_time(source, tmp_path):
    out = tmp_path / "out"
    row = dub(source, out, deinterlace="bwdif-fields")
    info, shown = fields_of_frames(row.output)
    assert (info.rate, info.frames, info.interlaced, info.duration_s) == (50, FIELDS, False, Fraction(6, 5))
    assert (row.rate, row.frames, row.segments, row.faceless_frames) == ("50", FIELDS, 3, 0)
    # The last field but one has a neighbour on one side alone.
    assert shown[:-2] == pytest.approx(range(FIELDS - 2), abs=0.2)
    assert shown == pytest.approx(range(FIELDS), abs=0.6)
    assert probe_audio(SoundTrack(row.output)).duration_s == pytest.approx(1.2, abs=0.03)
    assert any("each field a frame" in warning for warning in row.warnings)

    # What reads the run compares its frames with those of the source at the same rate.
    assert read_inputs(str(out), None)[0].deinterlace == "bwdif-fields"
    assert read_items([str(out)], None)[0][0].deinterlace == "bwdif-fields"

    before = Path(row.output).stat().st_mtime_ns
    assert dub(source, out, deinterlace="bwdif-fields").run == row.run
    assert Path(row.output).stat().st_mtime_ns == before
    again = dub(source, out)
    assert (again.rate, again.frames) == ("25", FIELDS // 2)
    assert fields_of_frames(again.output)[1] == pytest.approx(range(0, FIELDS, 2), abs=0.2)
    assert len(read_results(str(out))) == 1

"""Stages of the analysis, called as plain classes."""

import av
import numpy as np
import pytest
from clips import tone, write_audio, write_video

from lipsync_ray.errors import ProbeError
from lipsync_ray.jobs.analyze.files import File
from lipsync_ray.jobs.analyze.plan import FileRow
from lipsync_ray.jobs.analyze.stages import Probe, SampleFaces


def row(path, out, roles=(), frames=4):
    return FileRow("f", File("f", str(path), roles), "", "p", str(out), frames, 0, None, "--whisper none")


def with_cover(path, samples, cover):
    """Sound with a picture attached, as a music file has it."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        picture = container.add_stream("mjpeg", rate=1)
        picture.width, picture.height, picture.pix_fmt = cover.shape[1], cover.shape[0], "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        container.mux(picture.encode(av.VideoFrame.from_ndarray(cover, format="rgb24")))
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_cover_is_no_video(tmp_path):
    with_cover(tmp_path / "song.m4a", tone(1.0), np.full((64, 64, 3), 90, np.uint8))
    known = Probe()(row(tmp_path / "song.m4a", tmp_path))
    assert known.video is None
    assert known.audio.sample_rate == 16_000


def test_only_what_a_file_is_used_as_is_looked_at(tmp_path, demo_inputs):
    pan = demo_inputs / "pan.mp4"
    assert Probe()(row(pan, tmp_path, ("audio",))).video is None
    known = Probe()(row(pan, tmp_path, ("video",)))
    assert (known.video.frames, known.audio, known.audio_error) == (100, None, "no audio stream in it")
    analysis = SampleFaces()(known)
    assert (analysis.verdict, analysis.audio_verdict) == ("good", "impossible: no audio stream in it")
    assert analysis.looked_frames == tuple(sorted({face.frame for face in analysis.faces}))
    assert len(analysis.looked_frames) == 4
    assert analysis.people == 1
    assert analysis.face_turn_deg < 30


def test_nothing_in_it(tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    with pytest.raises(ProbeError, match="neither a video nor an audio stream"):
        Probe()(row(tmp_path / "a.srt", tmp_path))


def test_more_frames_before_it_is_called_impossible(tmp_path):
    blank = write_video(tmp_path / "blank.mp4", [np.full((96, 128, 3), 90, np.uint8)] * 10)
    analysis = SampleFaces()(Probe()(row(blank, tmp_path / "out", frames=2)))
    assert len(analysis.looked_frames) == 8
    assert analysis.verdict == "impossible: no face in any of the 8 frames that were looked at"
    assert (tmp_path / "out" / analysis.thumbnail).is_file()


def test_sound_alone(tmp_path):
    write_audio(tmp_path / "a.wav", tone(1.0))
    analysis = SampleFaces()(Probe()(row(tmp_path / "a.wav", tmp_path / "out", ("video",))))
    assert analysis.verdict == "impossible: no video stream in it"
    assert analysis.audio_verdict == "good"

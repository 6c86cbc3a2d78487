"""A sound that was cut off, or whose header is wrong, is told; a whole one is not."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from clips import noise, tone, write_audio

from lipsync_ray.media.notes import of_level, of_sound
from lipsync_ray.media.sound_probe import Sound, probe_audio

SOUND = Sound("pcm", 16_000, 1, 16_000, 0.5, loudness_lufs=-20.0)


def written(path: Path, codec: str, seconds: float = 2.0) -> bytes:
    """A file of noise in the format of its name."""
    samples = noise(np.random.default_rng(0), seconds)
    return write_audio(path, samples, codec=codec).read_bytes()


def told(path: Path, data: bytes) -> str | None:
    path.write_bytes(data)
    return probe_audio(str(path)).cut_off


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"), ("a.ogg", "libopus"), ("a.opus", "libopus"), ("a.mp3", "libmp3lame"), ("a.aac", "aac"),
        ("a.m4a", "aac"), ("a.flac", "flac"), ("a.mka", "pcm_s16le"),
    ],
)  # fmt: skip
def test_a_whole_file_is_whole(tmp_path, name, codec):
    written(tmp_path / name, codec)
    assert probe_audio(str(tmp_path / name)).cut_off is None


@pytest.mark.parametrize(
    ("name", "codec"), [("a.ogg", "libopus"), ("a.opus", "libopus"), ("a.mp3", "libmp3lame"), ("a.aac", "aac")]
)
@pytest.mark.parametrize("part", [0.6, 0.813])
def test_a_file_that_ends_in_the_middle(tmp_path, name, codec, part):
    data = written(tmp_path / name, codec)
    assert "in the middle of its data" in told(tmp_path / name, data[: int(part * len(data))])


def test_a_wav_of_half_the_length_that_its_header_says(tmp_path):
    data = written(tmp_path / "a.wav", "pcm_s16le")
    assert told(tmp_path / "a.wav", data[: len(data) // 2]).startswith(
        "its header says 2.00 s of sound, it ends at 1.00 s"
    )


def test_a_wav_whose_header_says_less_than_there_is(tmp_path):
    data = written(tmp_path / "a.wav", "pcm_s16le")
    at = data.index(b"data") + 4
    short = data[:at] + struct.pack("<I", 16_000) + data[at + 4 :]
    assert told(tmp_path / "a.wav", short).startswith("its header says 0.50 s of sound, 1.50 s more are in the file")


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_recorder_that_never_wrote_the_length(tmp_path, length):
    data = written(tmp_path / "a.wav", "pcm_s16le")
    at = data.index(b"data") + 4
    assert told(tmp_path / "a.wav", data[:at] + struct.pack("<I", length) + data[at + 4 :]) is None


def test_a_long_chunk_of_other_things_behind_the_samples_is_no_sound(tmp_path):
    data = written(tmp_path / "a.wav", "pcm_s16le")
    chunk = b"LIST" + struct.pack("<I", 40_000) + b"INFO" + bytes(39_996)
    assert told(tmp_path / "a.wav", data + chunk) is None


def test_what_is_said_of_a_sound():
    assert of_sound(SOUND, 1.0) == of_sound(SOUND, None) == ()
    worst = Sound("pcm", 16_000, 2, 16_000, 0.5, True, -58.0, 0.5, 0.2, "its header says …")
    assert [note.split(":")[0] for note in of_sound(worst, 0.375)] == [
        "its header says …",
        "the two channels of its sound are in opposite phase and cancel out; the lips follow the left one",
        "no voice in 62 % of the sound",
        "its sound is very quiet",
        "its sound is clipped",
    ]
    assert of_sound(Sound("pcm", 16_000, 1, 16_000, 0.0), 0.0) == ()  # silence: there is another word for that


def test_a_level_that_no_speech_has_is_told_of_models_that_hear_it():
    assert of_level(SOUND) == ()
    for level in (-45.0, 2.0):
        (note,) = of_level(Sound("pcm", 16_000, 1, 16_000, 0.5, loudness_lufs=level))
        assert "does not normalise loudness" in note


def test_a_video_without_an_end_mark_is_told_by_its_length(tmp_path):
    path = write_audio(tmp_path / "a.m4a", tone(3), codec="aac")
    with av.open(str(path)) as container:
        assert container.streams.audio[0].duration
    assert probe_audio(str(path)).cut_off is None

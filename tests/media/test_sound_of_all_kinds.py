"""Surround, formats that change on the way, several streams: what reaches the mel, and what is put under a video."""

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import barcode, noise, tone, write_audio, write_both, write_video

from lipsync_ray.media import audio
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.details import get_audio_details
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.mel import mel_spectrogram
from lipsync_ray.media.notes import of_sound
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.media.sound_writers import AudioTrack

CENTRE = {6: 2, 8: 2}  # FL FR FC LFE …


def mel(track):
    return mel_spectrogram(np.concatenate(list(audio.speech_blocks(track))))


def level(samples):
    return 20 * np.log10(float(np.sqrt(np.square(samples, dtype=np.float64).mean())))


@pytest.fixture(scope="module")
def spoken():
    return noise(np.random.default_rng(0), 2.0, 48_000)


@pytest.mark.parametrize("channels", [6, 8])
@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.m4a", "aac")])
def test_speech_in_the_centre_reaches_the_mel_as_loud_as_in_mono(tmp_path, spoken, channels, name, codec):
    surround = np.zeros((channels, len(spoken)), np.float32)
    surround[CENTRE[channels]] = spoken
    alone = mel(str(write_audio(tmp_path / "mono.wav", spoken, 48_000)))
    mixed = mel(str(write_audio(tmp_path / name, surround, 48_000, codec)))
    columns = min(alone.shape[1], mixed.shape[1])
    assert abs(float((mixed[:, 5 : columns - 5] - alone[:, 5 : columns - 5]).mean())) < 0.1  # 4 is 50 dB


@pytest.mark.parametrize("channels", [6, 8])
def test_what_is_heard_is_ffmpegs_mix_to_two(tmp_path, spoken, channels):
    """The centre goes to both sides, 3 dB lower (ITU-R BS.775)."""
    surround = np.zeros((channels, len(spoken)), np.float32)
    surround[CENTRE[channels]] = spoken
    path = str(write_audio(tmp_path / "a.wav", surround, 48_000))
    blocks = np.concatenate([block for _, block in audio.blocks(path)], axis=1)
    assert blocks.shape == (2, len(spoken))
    assert abs(level(blocks[0]) - level(spoken) + 3.01) < 0.05
    assert np.array_equal(blocks[0], blocks[1])
    details = get_audio_details(path)
    assert (details.channels, details.samples) == (channels, len(spoken))


def glued(path, *formats):
    """One file of pieces that say the same 2 s in different formats."""
    data = b""
    for number, (channels, rate, codec) in enumerate(formats):
        part = path.with_name(f"{number}-{path.name}")
        samples = np.tile(tone(2.0, rate), (channels, 1))
        data += write_audio(part, samples, rate, codec).read_bytes()
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("name", "formats"),
    [
        ("a.ts", [(1, 48_000, "mp2"), (2, 48_000, "mp2")]),
        ("a.ts", [(2, 48_000, "mp2"), (1, 32_000, "mp2")]),
        ("a.aac", [(2, 48_000, "aac"), (2, 44_100, "aac")]),
        ("a.aac", [(1, 44_100, "aac"), (2, 48_000, "aac"), (1, 32_000, "aac")]),
        ("a.mp3", [(2, 44_100, "libmp3lame"), (1, 48_000, "libmp3lame")]),
    ],
)
def test_a_format_that_changes_on_the_way_goes_on(tmp_path, name, formats):
    path = glued(tmp_path / name, *formats)
    sound = probe_audio(path)
    assert (sound.sample_rate, sound.channels) == (formats[0][1], formats[0][0])
    assert abs(float(sound.duration_s) - 2.0 * len(formats)) < 0.1 * len(formats)  # encoders' delays
    speech = np.concatenate(list(audio.speech_blocks(path)))
    for number in range(len(formats)):
        inside = speech[(2 * number) * 16_000 + 6000 : (2 * number + 1) * 16_000 + 6000]
        pitch = np.argmax(np.abs(np.fft.rfft(inside))) * 16_000 / len(inside)
        assert abs(pitch - 220) < 2
        assert abs(level(inside) - level(tone(1.0))) < 0.5


def test_channels_that_cancel_out_are_noticed_and_the_lips_follow_one(tmp_path, spoken):
    path = str(write_audio(tmp_path / "a.wav", np.stack((spoken, -spoken)), 48_000))
    sound = probe_audio(path)
    assert sound.cancels
    speech = np.concatenate(list(audio.speech_blocks(path, cancels=sound.cancels)))
    alone = np.concatenate(list(audio.speech_blocks(str(write_audio(tmp_path / "m.wav", spoken, 48_000)))))
    assert np.abs(speech - alone).max() < 1e-3
    assert any("cancel" in note for note in of_sound(get_audio_details(path).sound, None))
    assert not probe_audio(str(write_audio(tmp_path / "s.wav", np.stack((spoken, spoken)), 48_000))).cancels


@pytest.fixture(scope="module")
def two_languages(tmp_path_factory):
    """A file with 440 Hz in English and 1760 Hz in Spanish, the second one its default."""
    path = tmp_path_factory.mktemp("two") / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for language, hertz in (("eng", 440.0), ("spa", 1760.0)):
            stream = container.add_stream("flac", rate=48_000, layout="mono")
            stream.metadata["language"] = language
            streams.append((stream, tone(1.0, 48_000, hertz)))
        streams[0][0].disposition = av.stream.Disposition(0)
        streams[1][0].disposition = av.stream.Disposition.default
        for stream, samples in streams:
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize(
    ("language", "hertz"),
    [(None, 1760), ("en", 440), ("eng", 440), ("English", 440), ("es-MX", 1760), ("Spanish", 1760), ("ko", 1760)],
)
def test_the_default_stream_is_heard_or_that_of_the_language(two_languages, language, hertz):
    speech = np.concatenate(list(audio.speech_blocks(SoundTrack(two_languages, language))))
    assert abs(np.argmax(np.abs(np.fft.rfft(speech))) * 16_000 / len(speech) - hertz) < 3
    assert any("2 audio streams" in note for note in get_audio_details(two_languages).notes)


@pytest.mark.parametrize(("language", "code"), [("es", "spa"), ("Deutsch", "deu"), ("ko-KR", "kor"), ("dub 3", None)])
def test_the_outputs_track_carries_its_language(tmp_path, language, code):
    part = write_video(tmp_path / "part.mp4", [barcode(number) for number in range(25)]).read_bytes()
    sound = str(write_audio(tmp_path / "a.wav", tone(1.0)))
    track = AudioTrack(SoundTrack(sound), Span(0, 16_000), Fraction(1), language)
    join([Part(0, lambda: part)], Fraction(25), track, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].language == (code or "und")


def test_sound_cut_from_before_and_silence_put_in_after(tmp_path):
    """A sound of 2 s that begins with its file, asked for from half a second earlier and later."""
    path = write_both(tmp_path / "a.mkv", [barcode(n) for n in range(50)], tone(2.0, 48_000), sound_codec="flac")
    origin = probe_video(str(path)).origin_s
    whole = probe_audio(SoundTrack(str(path), begin_s=origin)).samples
    for shift in (Fraction(1, 2), Fraction(-1, 2)):
        moved = probe_audio(SoundTrack(str(path), begin_s=origin + shift)).samples
        assert abs(whole - moved - shift * 48_000) <= 48

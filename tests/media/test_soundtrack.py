"""A voice over a background."""

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import barcode, click, tone, write_audio, write_both

from lipsync_ray.errors import DecodeError
from lipsync_ray.media import audio, kept_sounds
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.kept_sounds import own_sounds
from lipsync_ray.media.lines import PEAK
from lipsync_ray.media.mastering import Level
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_writers import AudioCopy, AudioTrack, write_sound
from lipsync_ray.media.soundtrack import NOTE, Background, Soundtrack, ready

ALL = Span(0, 10**9)


def voice(path, seconds, codec="flac"):
    return AudioTrack(SoundTrack(str(path)), ALL, Fraction(seconds), codec=codec)


def behind(path, rate=48_000, channels=1, **more):
    return Background(SoundTrack(str(path)), rate, channels, **more)


def mixed(soundtrack, seconds):
    """(rate, (channels, n)) of the first track."""
    with ready(soundtrack, Fraction(seconds)) as sounds:
        found = list(sounds.track.blocks())
    return found[0][0], np.concatenate([block for _, block in found], axis=1)


@pytest.fixture
def word(tmp_path):
    """A tone in the second second of four."""
    sound = tone(4, 48_000, 1000)
    sound[:48_000] = sound[96_000:] = 0
    return write_audio(tmp_path / "word.wav", 0.2 * sound, 48_000)


def test_the_background_is_lowered_while_the_voice_is_heard_and_comes_back(tmp_path, word):
    music = write_audio(tmp_path / "music.wav", 0.2 * tone(4, 48_000, 100), 48_000)
    _, found = mixed(Soundtrack(voice(word, 4), behind(music, duck_db=12)), 4)
    _, plain = mixed(Soundtrack(voice(word, 4), behind(music)), 4)

    def level(sound, at):
        return 20 * np.log10(np.abs(sound[0, round((at - 0.01) * 48_000) : round((at + 0.01) * 48_000)]).max())

    assert level(found, 0.8) == pytest.approx(level(plain, 0.8), abs=0.1)
    assert level(found, 0.95) == pytest.approx(level(plain, 0.95) - 6, abs=1)  # attack
    assert level(found, 2.2) == pytest.approx(level(plain, 2.2) - 12, abs=0.1)  # hold
    assert level(found, 2.55) == pytest.approx(level(plain, 2.55) - 6, abs=1)  # release
    assert level(found, 3.0) == pytest.approx(level(plain, 3.0), abs=0.1)
    assert np.abs(found - plain)[0, 48_000:96_000].max() == pytest.approx(0.1 * (1 - 10 ** (-12 / 20)), abs=5e-3)


@pytest.mark.parametrize("rates", [(16_000, 48_000), (44_100, 48_000), (48_000, 44_100), (8_000, 8_000)])
def test_the_higher_sample_rate_is_kept_and_nothing_moves(tmp_path, rates):
    own, other = rates
    said = write_audio(tmp_path / "said.wav", 0.5 * click(2.5, 3, own), own)
    music = write_audio(tmp_path / "music.wav", 0.5 * click(1.5, 3, other), other)
    rate, found = mixed(Soundtrack(voice(said, 3), behind(music, other)), 3)
    assert rate == max(rates)
    assert found.shape[1] == 3 * rate
    loud = np.flatnonzero(np.abs(found[0]) > 0.2) / rate
    assert loud[0] == pytest.approx(1.5, abs=1e-3)
    assert loud[loud > 2][0] == pytest.approx(2.5, abs=1e-3)


def test_a_shorter_background_is_silent_after_its_end_and_a_longer_one_is_faded_out(tmp_path, word):
    short = write_audio(tmp_path / "short.wav", 0.2 * tone(1, 48_000, 100), 48_000)
    _, found = mixed(Soundtrack(voice(word, 4), behind(short)), 4)
    assert np.abs(found[0, 100_000:]).max() < 1e-4
    long = write_audio(tmp_path / "long.wav", 0.2 * tone(9, 48_000, 100), 48_000)
    _, found = mixed(Soundtrack(voice(word, 4), behind(long)), 4)
    assert found.shape[1] == 4 * 48_000
    assert np.abs(found[0, -24_000:-2_000]).max() > 0.09
    assert np.abs(found[0, -48:]).max() < 0.01


def test_a_sum_beyond_full_scale_is_lowered_as_a_whole(tmp_path):
    loud = write_audio(tmp_path / "loud.wav", 1.6 * tone(2, 48_000, 300), 48_000)
    _, found = mixed(Soundtrack(voice(loud, 2), behind(loud)), 2)
    assert np.abs(found).max() == pytest.approx(PEAK, abs=1e-3)


def surround(tmp_path):
    """Six tones, each in its channel."""
    hertz = (200, 300, 400, 50, 500, 600)
    sounds = np.stack([0.1 * tone(2, 48_000, one) for one in hertz])
    return write_audio(tmp_path / "surround.wav", sounds, 48_000), sounds


@pytest.mark.parametrize("only", [False, True])
def test_a_voice_goes_into_the_centre_and_the_other_channels_stay(tmp_path, only):
    path, sounds = surround(tmp_path)
    said = write_audio(tmp_path / "said.wav", 0.3 * tone(2, 48_000, 1000), 48_000)
    _, found = mixed(Soundtrack(voice(said, 2), behind(path, channels=6, only_center=only)), 2)
    inside = slice(0, 90_000)  # the end is not cut
    wanted = sounds.copy()
    wanted[2] = wanted[2] * (not only) + 0.3 * tone(2, 48_000, 1000)
    assert found.shape[0] == 6
    assert found[:, inside] == pytest.approx(wanted[:, inside], abs=1e-4)


@pytest.mark.parametrize("codec", ["aac", "opus", "flac"])
def test_six_channels_leave_in_their_places(tmp_path, codec):
    path, _ = surround(tmp_path)
    silent = write_audio(tmp_path / "silent.wav", np.zeros(96_000), 48_000)
    with ready(Soundtrack(voice(silent, 2, codec), behind(path, channels=6), Level(-30, -1)), Fraction(2)) as sounds:
        write_sound(sounds.track, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == codec
        assert container.streams.audio[0].codec_context.channels == 6
    out = np.concatenate([block for _, block in audio.blocks(str(tmp_path / "a.mp4"), channels=6)], axis=1)[
        :, 24_000:72_000
    ]
    spectra = np.abs(np.fft.rfft(out * np.hanning(48_000), axis=1))
    assert spectra.argmax(axis=1) == pytest.approx([200, 300, 400, 50, 500, 600], abs=2)


def test_the_voice_alone_is_kept_for_programs_that_listen(tmp_path, word):
    music = write_audio(tmp_path / "music.wav", 0.2 * tone(4, 48_000, 100), 48_000)
    url = str(tmp_path / "voices" / "d.flac")
    mixed(Soundtrack(voice(word, 4), behind(music), Level(), url), 4)
    found = [(rate, block) for rate, block in audio.blocks(url)]
    sound = np.concatenate([block for _, block in found], axis=1)
    assert found[0][0] == 16_000
    assert sound.shape[1] == pytest.approx(64_000, abs=2)
    assert np.abs(sound[0, :15_000]).max() < 1e-3
    assert np.abs(sound[0, 17_000:31_000]).max() == pytest.approx(0.1, abs=0.01)


def test_what_cannot_be_reached_is_said(tmp_path):
    silent = write_audio(tmp_path / "silent.wav", np.zeros(48_000), 48_000)
    with ready(Soundtrack(voice(silent, 1), None, Level(-23, -1)), Fraction(1)) as sounds:
        assert sounds.notes == (f"{NOTE}it is silent, and no loudness can be given to it",)


def test_without_options_the_voice_is_written_as_it_is(word):
    track = voice(word, 4)
    with ready(Soundtrack(track), Fraction(4)) as sounds:
        assert sounds.track is track
        assert (sounds.more, sounds.measured, sounds.notes) == ((), None, ())


def test_all_tracks_of_a_source_are_kept_the_default_first(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 128, 64, "yuv420p"
        streams = [container.add_stream(codec, rate=48_000, layout="stereo") for codec in ("flac", "pcm_s16le", "aac")]
        for stream, language, title in zip(
            streams, ("fra", "deu", None), ("Version française", "", "Kommentar"), strict=True
        ):
            stream.metadata.update({"language": language} if language else {}, title=title)
        streams[1].disposition = av.stream.Disposition.default
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(barcode(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        for stream in streams:
            block = np.stack([tone(1, 48_000)] * 2)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        container.mux(video.encode(None))
    sounds, notes = own_sounds(probe_video(str(path)), Fraction(1, 2))
    assert notes == ()
    assert [type(one) for one in sounds] == [AudioTrack, AudioCopy, AudioCopy]
    assert [one.number for one in sounds[1:]] == [0, 2]
    assert (sounds[0].language, sounds[0].sound.number, sounds[0].duration_s) == ("deu", 1, Fraction(1, 2))
    assert {one.until_s for one in sounds[1:]} == {Fraction(1, 2)}


def test_a_silent_video_has_no_tracks(tmp_path):
    path = write_both(tmp_path / "a.mp4", [barcode(i) for i in range(25)], tone(1, 48_000))
    assert len(own_sounds(probe_video(str(path)))[0]) == 1


def test_a_track_that_cannot_be_read_is_left_out_with_a_warning(tmp_path, monkeypatch):
    path = write_both(tmp_path / "a.mkv", [barcode(i) for i in range(25)], tone(1, 48_000), sound_codec="pcm_s16le")

    def damaged(track):
        raise DecodeError("its pcm_s16le stream has no decodable sound")

    monkeypatch.setattr(kept_sounds, "probe_audio", damaged)
    sounds, notes = own_sounds(probe_video(str(path)))
    assert sounds == ()
    assert notes == ("its own audio track 1 (pcm_s16le) is left out: its pcm_s16le stream has no decodable sound",)

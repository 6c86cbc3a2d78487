from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from clips import barcode, read_barcode, tone, write_audio, write_video

from lipsync_ray.errors import EncodeError
from lipsync_ray.media import audio, decode
from lipsync_ray.media.audio import Span
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_writers import AudioTrack


def parts_of(info, bounds, coding=None):
    for start, stop in bounds:
        data = encode(decode.pictures(info, start, stop), info.rate, info.pixel_aspect, coding or VideoCoding())
        yield Part(start, lambda data=data: data)


def cuts(frames, length):
    return [(start, min(frames, start + length)) for start in range(0, frames, length)]


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)])
def test_forty_joins_do_not_drift(tmp_path, rate):
    frames = 40 * 7
    source = probe_video(str(write_video(tmp_path / "a.mp4", [barcode(i) for i in range(frames)], rate)))
    sound = write_audio(tmp_path / "a.wav", tone(frames / float(rate)))
    lasts = frames / rate
    track = AudioTrack(str(sound), Span(0, 10**9), lasts)
    assert join(parts_of(source, cuts(frames, 7)), rate, track, tmp_path / "out.mp4") == frames
    with av.open(str(tmp_path / "out.mp4")) as container:
        video, heard = container.streams.video[0], container.streams.audio[0]
        stamps = [frame.pts * video.time_base for frame in container.decode(video)]
        assert stamps == [i / rate for i in range(frames)]
        assert abs(float((video.start_time or 0) * video.time_base - (heard.start_time or 0) * heard.time_base)) < 1e-3
        assert abs(float(heard.duration * heard.time_base - lasts)) < 1 / rate
    made = probe_video(str(tmp_path / "out.mp4"))
    assert [read_barcode(p.y) for p in decode.pictures(made, 0, frames)] == list(range(frames))


RATES = [Fraction(n, d) for n, d in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001))]


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("bounds", [[12] * 3, [12], [3], [1], []], ids=str)
def test_a_short_last_part_leaves_no_hole_in_the_decoding_times(tmp_path, rate, bounds):
    """A part of one or two frames reorders nothing, the others do."""
    for tail in range(1, 13):
        lengths = [*bounds, tail]
        starts = [sum(lengths[:number]) for number in range(len(lengths))]
        frames = sum(lengths)
        parts = [
            Part(start, lambda a=start, n=length: encode(pictures(a, a + n), rate, Fraction(1), VideoCoding()))
            for start, length in zip(starts, lengths, strict=True)
        ]
        path = tmp_path / f"{tail}.mp4"
        assert join(parts, rate, None, path) == frames
        assert boxes_stts(path.read_bytes()) == [frames], tail  # every packet lasts as long as every other
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.average_rate == rate, tail
            assert stream.duration * stream.time_base == frames / rate
            packets = [packet for packet in container.demux(stream) if packet.dts is not None]
            assert {b.dts - a.dts for a, b in pairwise(packets)} <= {packets[0].duration}
        assert [read_barcode(p.y) for p in decode.pictures(probe_video(str(path)), 0, frames)] == list(range(frames))


def pictures(start, stop):
    """Numbered pictures, 4:2:0."""
    for index in range(start, stop):
        luma = barcode(index)[..., 0]
        grey = np.full((32, 64), 128, np.uint8)
        yield YuvFrame(luma, grey, grey, Colour(1, 1, 1, 1))


def boxes_stts(data):
    """Lengths of the runs of equal durations in an mp4's table of decoding times."""
    place = data.index(b"stts")
    count = int.from_bytes(data[place + 8 : place + 12], "big")
    return [int.from_bytes(data[place + 12 + 8 * n : place + 16 + 8 * n], "big") for n in range(count)]


def test_a_gap_between_parts_is_an_error(tmp_path):
    parts = [Part(a, lambda a=a: encode(pictures(a, a + 4), Fraction(25), Fraction(1), VideoCoding())) for a in (0, 5)]
    with pytest.raises(EncodeError, match="begins at frame 5, the one before ends at 4"):
        join(parts, Fraction(25), None, tmp_path / "out.mp4")


def test_lossless_parts_are_the_frames_and_tags_they_were_made_of(tmp_path):
    source = write_video(
        tmp_path / "a.mp4",
        [barcode(i) for i in range(30)],
        options={"x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"},
    )
    info = probe_video(str(source))
    sound = write_audio(tmp_path / "a.wav", tone(2))
    join(
        parts_of(info, cuts(30, 11), VideoCoding(crf=0)),
        info.rate,
        AudioTrack(str(sound), Span(0, 32000), Fraction(30, 25)),
        tmp_path / "out.mp4",
    )
    made = probe_video(str(tmp_path / "out.mp4"))
    assert made.colour == info.colour
    for before, after in zip(decode.pictures(info, 0, 30), decode.pictures(made, 0, 30), strict=True):
        assert all(np.array_equal(getattr(before, plane), getattr(after, plane)) for plane in "yuv")


def test_audio_begins_with_its_span_to_the_sample(tmp_path):
    rate = 44100
    clicks = np.zeros(rate * 2, np.float32)
    clicks[rate // 2] = 0.9
    source = probe_video(str(write_video(tmp_path / "a.mp4", [barcode(i) for i in range(25)])))
    sound = write_audio(tmp_path / "a.wav", clicks, rate)
    track = AudioTrack(str(sound), Span(rate // 4, rate * 2), Fraction(1))
    join(parts_of(source, cuts(25, 25)), source.rate, track, tmp_path / "out.mp4")
    heard = np.concatenate([block for _, block in audio.blocks(str(tmp_path / "out.mp4"))], axis=1)
    assert abs(int(np.abs(heard[0]).argmax()) - rate // 4) < rate // 1000


def test_a_video_longer_than_its_audio_ends_in_silence(tmp_path):
    source = probe_video(str(write_video(tmp_path / "a.mp4", [barcode(i) for i in range(50)])))
    sound = write_audio(tmp_path / "a.wav", tone(1))
    join(
        parts_of(source, cuts(50, 50)),
        source.rate,
        AudioTrack(str(sound), Span(0, 16000), Fraction(2)),
        tmp_path / "out.mp4",
    )
    heard = np.concatenate([block for _, block in audio.blocks(str(tmp_path / "out.mp4"))], axis=1)[0]
    assert abs(len(heard) - 32000) <= 1024
    assert np.abs(heard[18000:30000]).max() < 0.01 < np.abs(heard[2000:14000]).max()


@pytest.mark.parametrize(("channels", "rate"), [(2, 48000), (6, 44100), (1, 22050)])
def test_rates_and_channels_of_the_source_stay(tmp_path, channels, rate):
    source = probe_video(str(write_video(tmp_path / "a.mp4", [barcode(i) for i in range(10)])))
    sound = write_audio(tmp_path / "a.wav", np.stack([tone(0.4, rate)] * channels), rate)
    join(
        parts_of(source, [(0, 10)]),
        source.rate,
        AudioTrack(str(sound), Span(0, 10**9), Fraction(10, 25)),
        tmp_path / "o.mp4",
    )
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels) == (rate, min(2, channels))


def test_parts_of_another_encoder_are_refused(tmp_path):
    small = probe_video(str(write_video(tmp_path / "a.mp4", [barcode(i) for i in range(4)])))
    large = probe_video(str(write_video(tmp_path / "b.mp4", [barcode(i, 160) for i in range(4)])))
    sound = write_audio(tmp_path / "a.wav", tone(1))
    parts = [*parts_of(small, [(0, 4)]), *(Part(4, part.read) for part in parts_of(large, [(0, 4)]))]
    with pytest.raises(EncodeError, match=r"another header"):
        join(parts, small.rate, AudioTrack(str(sound), Span(0, 16000), Fraction(1)), tmp_path / "out.mp4")


def test_no_pictures_are_an_error():
    with pytest.raises(EncodeError, match="without pictures"):
        encode(iter(()), Fraction(25), Fraction(1), VideoCoding())

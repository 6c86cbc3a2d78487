"""Time and order: files whose clock jumps, whose times are missing or wrong, that are trimmed or begin late.

Every frame carries its number as a barcode, written by the test; nothing of the project says what is right.
"""

import itertools
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import barcode, click, read_barcode, tone, write_audio, write_both, write_video

from lipsync_ray.errors import ProbeError
from lipsync_ray.media import audio, decode
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import probe_video

BFRAMES = {"bf": "2", "g": "12"}
PICTURES = [barcode(number) for number in range(60)]


def numbers(info):
    return [read_barcode(picture.y) for picture in decode.pictures(info, 0, info.frames)]


def same_from_anywhere(info):
    """Any range is what a whole pass gives at its places."""
    whole = [picture.y.copy() for picture in decode.pictures(info, 0, info.frames)]
    starts = [info.frames - 1, 1, info.frames // 2, 2, 0, info.frames // 3]
    for start in starts:
        stop = min(info.frames, start + 4)
        found = list(decode.pictures(info, start, stop))
        assert all(np.array_equal(a.y, b) for a, b in zip(found, whole[start:stop], strict=True)), start
    return True


@pytest.fixture(scope="module")
def cut_spans(tmp_path_factory):
    """Transport streams of 60 frames: one on a clock that begins near 0, one near 100 s, each with 2 s of sound."""
    folder = tmp_path_factory.mktemp("ts")
    sound = tone(2.0, 48_000)
    early = write_both(folder / "early.ts", PICTURES, sound, options=BFRAMES)
    late = write_both(
        folder / "late.ts", PICTURES, sound, options=BFRAMES, video_from=Fraction(100), sound_from=Fraction(100)
    )
    return early.read_bytes(), late.read_bytes()


@pytest.mark.parametrize("order", [(0, 0), (1, 0), (0, 1), (0, 0, 0), (1, 0, 1)], ids=str)
def test_a_clock_that_is_set_anew_joins_its_pieces_in_file_order(cut_spans, order, tmp_path):
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(cut_spans[number] for number in order))
    info = probe_video(str(path))
    assert numbers(info) == list(range(60)) * len(order)
    assert any("clock" in note for note in info.notes)
    assert same_from_anywhere(info)


def test_the_sound_of_joined_pieces_stays_beside_their_pictures(tmp_path):
    """Each piece is 2.4 s of pictures and 2.0 s of sound with a click at 1 s: the second click is due at 3.4 s."""
    piece = write_both(tmp_path / "p.ts", PICTURES, click(1.0, 2.0), options=BFRAMES).read_bytes()
    (tmp_path / "a.ts").write_bytes(piece + piece)
    info = probe_video(str(tmp_path / "a.ts"))
    track = SoundTrack(info.url, begin_s=info.origin_s)
    heard = np.abs(np.concatenate(list(audio.speech_blocks(track)))) > 0.3
    begins = np.flatnonzero(heard[1:] & ~heard[:-1])
    groups = [begins[0], *[b for a, b in itertools.pairwise(begins) if b - a > 8000]]
    assert np.allclose(np.array(groups) / 16_000, [1.0, 3.4], atol=0.02)


@pytest.mark.parametrize("name", ["a.avi", "a.h264", "a.mjpeg", "a.mjpg"])
def test_frames_without_times_are_counted(tmp_path, name):
    codec, form = ("mjpeg", "yuvj420p") if "mj" in name else ("libx264", "yuv420p")
    options = {} if "mj" in name else {"bf": "3", "g": "12"}
    info = probe_video(str(write_video(tmp_path / name, PICTURES, codec=codec, pix_fmt=form, options=options)))
    assert (info.frames, info.rate, info.still) == (60, 25, False)
    assert numbers(info) == list(range(60))
    assert same_from_anywhere(info)


def test_times_that_lie_about_the_order_are_not_believed(tmp_path):
    """An mp4 whose presentation times were set to the decoding times: the pictures come out in their own order."""
    honest = write_video(tmp_path / "honest.mp4", PICTURES, options=BFRAMES)
    with av.open(str(honest)) as source, av.open(str(tmp_path / "a.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            packet.stream = stream
            packet.time_base = Fraction(1, 25)
            packet.pts = packet.dts = number
            target.mux(packet)
    info = probe_video(str(tmp_path / "a.mp4"))
    assert numbers(info) == list(range(60))
    assert any("wrong" in note for note in info.notes)
    assert same_from_anywhere(info)


def trimmed(path, hidden):
    """An mp4 whose edit list hides its first frames, as a stream-copied trim leaves it."""
    whole = write_video(path.with_name("whole.mp4"), PICTURES, options={"bf": "2", "g": "60"})
    data = bytearray(whole.read_bytes())
    at = data.index(b"elst") + 12  # version, flags, count
    duration, media_time = struct.unpack_from(">Ii", data, at)
    with av.open(str(whole)) as container:
        stream = container.streams.video[0]
        unit, scale = Fraction(stream.time_base), 1000  # the movie's own clock is in milliseconds
    struct.pack_into(
        ">Ii", data, at, duration - round(hidden / 25 * scale), media_time + round(Fraction(hidden, 25) / unit)
    )
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(("name", "hidden"), [("a.mp4", 25), ("a.mov", 7)])
def test_an_edit_list_shows_what_it_shows(tmp_path, name, hidden):
    info = probe_video(str(trimmed(tmp_path / name, hidden)))
    assert numbers(info) == list(range(hidden, 60))
    assert same_from_anywhere(info)


@pytest.mark.parametrize(("name", "rate"), [("a.mkv", 240), ("a.mkv", 480), ("a.mp4", 600), ("a.mp4", 1000)])
def test_very_fast_video_keeps_every_frame(tmp_path, name, rate):
    info = probe_video(str(write_video(tmp_path / name, PICTURES, Fraction(rate))))
    assert (info.rate, info.frames) == (rate, 60)
    assert numbers(info) == list(range(60))


def test_frames_that_are_no_time_apart_are_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", PICTURES, stamps=list(range(60)), time_base=Fraction(1, 90_000))
    with pytest.raises(ProbeError, match=r"no frame rate; give it true times: ffmpeg"):
        probe_video(str(path))


def test_a_plan_far_from_what_there_is_is_refused(tmp_path):
    """40 frames, and then one a whole hour later: 90,000 places for 41 pictures."""
    stamps = [*range(40), 90_000]
    path = write_video(tmp_path / "a.mkv", PICTURES[:41], stamps=stamps)
    with pytest.raises(ProbeError, match=r"90001 frames at 25 frames/s, but it holds 41"):
        probe_video(str(path))


def test_a_pause_that_may_be_meant_is_held(tmp_path):
    stamps = [*range(20), *range(120, 140)]
    info = probe_video(str(write_video(tmp_path / "a.mkv", PICTURES[:40], stamps=stamps)))
    assert numbers(info) == [*range(20), *[19] * 100, *range(20, 40)]


@pytest.mark.parametrize("name", ["a.ts", "a.mpg", "a.mkv", "a.mp4"])
def test_any_start_gives_the_same_frames_where_there_is_no_index(tmp_path, name):
    codec = "mpeg2video" if name == "a.mpg" else "libx264"
    info = probe_video(str(write_video(tmp_path / name, PICTURES, codec=codec, options={"g": "12", "bf": "2"})))
    assert numbers(info) == list(range(60))
    assert same_from_anywhere(info)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
@pytest.mark.parametrize(("video_from", "sound_from"), [(0, 0), (Fraction(12, 25), 0), (0, Fraction(12, 25))])
def test_a_videos_own_sound_keeps_its_distance_from_the_pictures(tmp_path, name, video_from, sound_from):
    """A click 1 s into the sound; where the sound says it is, within half a frame of where the file says it is."""
    path = write_both(
        tmp_path / name, PICTURES, click(1.0, 2.4), options=BFRAMES, video_from=video_from, sound_from=sound_from
    )
    info = probe_video(str(path))
    samples = np.concatenate(list(audio.speech_blocks(SoundTrack(str(path), begin_s=info.origin_s))))
    heard = Fraction(int(np.argmax(np.abs(samples) > 0.3)), 16_000)
    shown = Fraction(numbers(info).index(25)) / info.rate  # the frame that is shown 1 s into the pictures
    assert abs((heard - shown) - (sound_from - video_from)) < Fraction(1, 50)


def test_sound_of_its_own_file_begins_with_the_file(tmp_path):
    path = write_audio(tmp_path / "a.wav", click(0.5, 1.0, 16_000))
    samples = np.concatenate(list(audio.speech_blocks(str(path))))
    assert abs(int(np.argmax(np.abs(samples) > 0.3)) - 8000) < 16

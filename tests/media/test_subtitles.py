"""Texts of lines as a track of an mp4; ffprobe's view is that of PyAV's own demuxer and decoder."""

from fractions import Fraction

import av
from clips import barcode, write_video

from lipsync_ray.media.join import Part, join
from lipsync_ray.media.subtitles import Subtitle, SubtitleTrack, read_subtitles, samples_of

LINES = (
    Subtitle(Fraction(1), Fraction(2), "one"),
    Subtitle(Fraction(3, 2), Fraction(5, 2), "two\n<b>{lines}"),
    Subtitle(Fraction(3), Fraction(7, 2), "안녕하세요"),
)


def displayed(subtitles):
    return [(float(one.start_s), float(one.end_s), one.text) for one in subtitles]


WANTED = [(1, 1.5, "one"), (1.5, 2, "one\ntwo\n<b>{lines}"), (2, 2.5, "two\n<b>{lines}"), (3, 3.5, "안녕하세요")]


def test_lines_that_overlap_are_shown_below_each_other():
    assert displayed(samples_of(reversed(LINES))) == WANTED
    assert samples_of([]) == []


def test_a_track_has_its_times_texts_and_language(tmp_path):
    video = write_video(tmp_path / "v.mp4", [barcode(number) for number in range(100)])
    out = tmp_path / "out.mp4"
    assert join([Part(0, lambda: video)], Fraction(25), None, out, "", SubtitleTrack(LINES, "Korean")) == 100
    with av.open(str(out)) as container:
        stream = container.streams.subtitles[0]
        assert (stream.codec_context.name, stream.language) == ("mov_text", "kor")
        packets = [packet for packet in container.demux(stream) if packet.size > 2]
        times = [float(packet.pts * packet.time_base) for packet in packets]
        texts = [bytes(packet)[2:].decode() for packet in packets]
        assert [one.dialogue for one in packets[-1].decode()] == [WANTED[-1][2].encode()]
    assert (times, texts) == ([one[0] for one in WANTED], [one[2] for one in WANTED])


def test_a_track_is_read_back(tmp_path):
    video = write_video(tmp_path / "v.mp4", [barcode(number) for number in range(100)])
    assert read_subtitles(str(video)) is None
    out = tmp_path / "out.mp4"
    join([Part(0, lambda: video)], Fraction(25), None, out, "", SubtitleTrack(LINES, "ko"))
    found = read_subtitles(str(out))
    assert (displayed(found.texts), found.language) == (WANTED, "kor")
    later = read_subtitles(str(out), Fraction(1))
    assert displayed(later.texts)[0] == (0, 0.5, "one")

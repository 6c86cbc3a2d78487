"""Texts of lines as a track of an mp4; ffprobe's view is that of PyAV's own demuxer and decoder."""

from dataclasses import replace
from fractions import Fraction

import av
import pytest
from clips import barcode, write_video

from lipsync_ray.errors import ChangedError
from lipsync_ray.io.identity import identity
from lipsync_ray.media import side_content
from lipsync_ray.media.container import opened
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.notes import of_side_content
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.side_content import SideContent, read_side_content, side_content_of
from lipsync_ray.media.subtitle_text import is_tagged, text_for, text_of
from lipsync_ray.media.subtitles import Subtitle, SubtitleTrack, samples_of, tracks_of
from lipsync_ray.media.time_code import fits, of_parts

LINES = (
    Subtitle(Fraction(1), Fraction(2), "one"),
    Subtitle(Fraction(3, 2), Fraction(5, 2), "two\n<b>{lines}"),
    Subtitle(Fraction(3), Fraction(7, 2), "안녕하세요"),
)


RATE = Fraction(25)


def displayed(subtitles):
    return [(float(one.start_s), float(one.end_s), one.text) for one in subtitles]


WANTED = [(1, 1.5, "one"), (1.5, 2, "one\ntwo\n<b>{lines}"), (2, 2.5, "two\n<b>{lines}"), (3, 3.5, "안녕하세요")]


def test_lines_that_overlap_are_shown_below_each_other():
    assert displayed(samples_of(reversed(LINES))) == WANTED
    assert samples_of([]) == []


def test_a_track_has_its_times_texts_and_language(tmp_path):
    video = write_video(tmp_path / "v.mp4", [barcode(number) for number in range(100)])
    out = tmp_path / "out.mp4"
    assert (
        join(
            [Part(0, lambda: video)], Fraction(25), None, out, "", SideContent(subtitles=(SubtitleTrack(LINES, "kor"),))
        )
        == 100
    )
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
    assert read_side_content(str(video), RATE).subtitles == ()
    out = tmp_path / "out.mp4"
    join(
        [Part(0, lambda: video)],
        Fraction(25),
        None,
        out,
        "",
        SideContent(subtitles=(SubtitleTrack(LINES, "kor", "Lines"), SubtitleTrack(LINES[2:], "fra", forced=True))),
    )
    found, other = read_side_content(str(out), RATE).subtitles
    assert (displayed(found.texts), found.language, found.title) == (WANTED, "kor", "Lines")
    assert (displayed(other.texts), other.language, other.title) == (WANTED[-1:], "fra", "")
    later, _ = read_side_content(str(out), RATE, Fraction(1)).subtitles
    assert displayed(later.texts)[0] == (0, 0.5, "one")
    (cut,) = read_side_content(str(out), RATE, until_s=Fraction(7, 4)).subtitles
    assert displayed(cut.texts) == [WANTED[0], (1.5, 1.75, WANTED[1][2])]


@pytest.mark.parametrize(
    ("codec", "packet", "subrip", "webvtt", "timed"),
    [
        ("mov_text", b"\0\x05<i>ab\0\0\0\x16styl", "<i>ab", "<i>ab", "<i>ab"),
        ("text", b"<i>ab", "<i>ab", "<i>ab", "<i>ab"),
        ("srt", b"{\\an8}<i>a</i>\r\n<font color=red>b</font>", "{\\an8}<i>a</i>\n<font color=red>b</font>", "<i>a</i>\nb", "a\nb"),
        ("srt", b"1 < 2 > {0} <3", "1 < 2 > {0} <3", "1 < 2 > {0} <3", "1 < 2 > {0} <3"),
        ("webvtt", b"<v Ann><b>A</b> <c.big>&amp; B</c><00:01.000>\n", "<b>A</b> & B", "<b>A</b> & B", "A & B"),
        ("ssa", b"0,0,Default,,0,0,0,,a, {\\i1\\b1}b{\\i0}\\N{\\blur3}c\\hd", "a, <i><b>b</i>\nc\u00a0d", "a, <i><b>b</i>\nc\u00a0d", "a, b\nc\u00a0d"),
        ("ass", b"0,0,Default,,0,0,0,,{\\p1}m 0 0 l 1 1{\\p0}", "", "", ""),
    ],
)  # fmt: skip
def test_a_text_becomes_that_of_another_container(codec, packet, subrip, webvtt, timed):
    text, tagged = text_of(packet, codec), is_tagged(codec)
    assert [text_for(text, one, tagged) for one in ("subrip", "webvtt", "mov_text")] == [subrip, webvtt, timed]


def test_subtitles_of_a_source_are_read_once_for_all_of_its_dubs(tmp_path, monkeypatch):
    video = write_video(tmp_path / "v.mp4", [barcode(number) for number in range(100)])
    out = tmp_path / "out.mkv"
    join([Part(0, lambda: video)], RATE, None, out, "", SideContent(subtitles=(SubtitleTrack(LINES),)))
    reads = []
    monkeypatch.setattr(side_content, "tracks_of", lambda container: reads.append(1) or tracks_of(container))
    info = probe_video(str(out), content=identity(str(out)))
    found = [side_content_of(info, Fraction(lasts)).subtitles for lasts in (1.25, 9, 9)]
    assert len(reads) == 1
    assert [len(track.texts) for (track,) in found] == [1, 4, 4]
    assert found[1] == side_content_of(replace(info, content=""), Fraction(9)).subtitles
    join([Part(0, lambda: video)], RATE, None, out, "", SideContent("new", subtitles=(SubtitleTrack(LINES[:1]),)))
    with pytest.raises(ChangedError):
        side_content_of(info, Fraction(9))
    (track,) = side_content_of(replace(info, content=identity(str(out))), Fraction(9)).subtitles
    assert len(track.texts) == 1


def test_subtitles_of_a_clock_that_is_reset_are_left_out(tmp_path):
    video = write_video(tmp_path / "v.mp4", [barcode(number) for number in range(100)])
    out = tmp_path / "out.mkv"
    join([Part(0, lambda: video)], RATE, None, out, "", SideContent("A film", subtitles=(SubtitleTrack(LINES),)))
    info = probe_video(str(out))
    assert len(side_content_of(info, Fraction(9)).subtitles[0].texts) == 4
    assert side_content_of(replace(info, order="joined"), Fraction(9)) == SideContent("A film")
    with opened(str(out)) as container:
        (note,) = of_side_content(container, container.streams.video[0], "joined", RATE)
    assert note == "not carried over: subtitles (1), chapters (0), whose clock is not that of its frames"


@pytest.mark.parametrize(
    ("code", "rate", "can"),
    [
        ("01:00:00:00", Fraction(25), True),
        ("01:00:00;00", Fraction(25), False),
        ("01:00:00;02", Fraction(30000, 1001), True),
        ("01:00:00.02", Fraction(60000, 1001), True),
        ("noon", Fraction(25), False),
    ],
)
def test_drop_frame_is_for_rates_that_drop_frames(code, rate, can):
    assert fits(code, rate) is can


@pytest.mark.parametrize(
    ("code", "same"), [("01:00:00:10", "01:00:00:20"), ("10:59:59;29", "10:59:59;58"), ("noon", "noon"), ("", "")]
)
def test_a_time_code_of_fields_is_the_same_moment(code, same):
    assert of_parts(code, 2) == same
    assert of_parts(code, 1) == code

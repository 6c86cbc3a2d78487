"""Parts of every codec in every container: each frame at its time, parts with equal headers, the same bytes each time."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import barcode, read_barcode, tone, write_audio

from lipsync_ray.errors import EncodeError, SettingsError
from lipsync_ray.media import decode
from lipsync_ray.media.audio import Span
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import CODECS
from lipsync_ray.media.cut import Cutter
from lipsync_ray.media.encode import check_encoder, encode
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.light import HdrLight, Mastering, light_of
from lipsync_ray.media.native import NativePicture
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.side_content import Chapter, SideContent, read_side_content
from lipsync_ray.media.sound_codecs import codec_in
from lipsync_ray.media.sound_writers import AudioTrack
from lipsync_ray.media.subtitles import Subtitle, SubtitleTrack

RATE = Fraction(24000, 1001)
BOUNDS = (0, 13, 26, 29, 30, 32)
ON_CPUS = [name for name, spec in CODECS.items() if not spec.nvenc]
EVERY = [VideoCoding(codec=name, container=one) for name in ON_CPUS for one in CODECS[name].containers]
LIGHT = HdrLight(Mastering((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329), 1000.0, 0.0001), (1000, 400))


def pictures(start, stop, native="", width=128, height=64):
    """Numbered pictures; of 10 bits and PQ in a format, or plain."""
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    for index in range(start, stop):
        luma = barcode(index, width, height)[..., 0]
        own = None
        if native:
            fine = grey if "420" in native else grey.repeat(2, axis=0)
            deep = tuple(plane.astype(np.uint16) << 2 for plane in (luma, fine, fine))
            own = NativePicture(deep, native, 10, Colour(9, 1, 9, 16), (luma, grey, grey))
        yield YuvFrame(luma, grey, grey, Colour(1, 1, 1, 1), own)


def parts_of(coding, bounds=BOUNDS, native="", light=None):
    return [
        Part(a, lambda a=a, b=b: encode(pictures(a, b, native), RATE, Fraction(4, 3), coding, light))
        for a, b in pairwise(bounds)
    ]


@pytest.mark.parametrize("coding", EVERY, ids=lambda one: f"{one.codec}-{one.container}")
def test_every_frame_is_at_its_time_and_in_sync(tmp_path, coding):
    sound = write_audio(tmp_path / "a.wav", tone(BOUNDS[-1] / float(RATE)))
    track = AudioTrack(str(sound), Span(0, 10**9), BOUNDS[-1] / RATE, codec=codec_in(coding.container, None))
    texts = SubtitleTrack(
        (Subtitle(Fraction(1, 4), Fraction(1), "Ä\nb"), Subtitle(Fraction(1), Fraction(5, 4), "c")), "deu"
    )
    out = tmp_path / f"out.{coding.container}"
    end = BOUNDS[-1] / RATE
    side = SideContent(
        "A film", "Camera A", "2020-02-03T04:05:06.000000Z", "10:00:00;02" if RATE > 29 else "10:00:00:02",
        (Chapter(Fraction(0), 7 / RATE, "one"), Chapter(7 / RATE, end)), (texts,),
    )  # fmt: skip
    assert join(parts_of(coding), RATE, track, out, "made of parts", side) == BOUNDS[-1]
    info = probe_video(str(out))
    assert (info.rate, info.frames, info.varies, info.origin_s) == (RATE, BOUNDS[-1], False, 0)
    aspect = Fraction(4, 3) if CODECS[coding.codec].aspect or coding.container in ("mp4", "mov") else 1
    assert (info.pixel_aspect, info.colour) == (aspect, Colour(1, 1, 1, 1))
    assert [read_barcode(one.y) for one in decode.pictures(info, 0, info.frames)] == list(range(info.frames))
    assert [read_barcode(one.y) for one in decode.pictures(info, 27, 30)] == [27, 28, 29]
    kept = read_side_content(str(out), RATE)
    assert replace(kept, chapters=(), subtitles=()) == replace(side, chapters=(), subtitles=())
    assert [one.title for one in kept.chapters] == ["one", ""]
    assert [float(one.start_s) for one in kept.chapters] == pytest.approx([0, float(7 / RATE)], abs=2e-5)
    (found,) = kept.subtitles
    assert (found.texts, found.language) == (texts.texts, "ger" if coding.container == "mov" else "deu")
    with av.open(str(out)) as container:
        assert {name.lower(): text for name, text in container.metadata.items()}["comment"] == "made of parts"
        heard = container.streams.audio[0]
        assert float((heard.start_time or 0) * heard.time_base) == pytest.approx(0, abs=0.03)
    first = out.read_bytes()
    join(parts_of(coding), RATE, track, out, "made of parts", side)
    assert out.read_bytes() == first


@pytest.mark.parametrize("codec", ON_CPUS)
def test_a_part_comes_back_from_the_joined_video(tmp_path, codec):
    coding = VideoCoding(codec=codec)
    out = tmp_path / f"a.{CODECS[codec].containers[0]}"
    join(parts_of(coding), RATE, None, out)
    cutter = Cutter(out.read_bytes(), RATE)
    for part, (a, b) in zip(parts_of(coding), pairwise(BOUNDS), strict=True):
        made = []
        for data in (cutter.part(a, b), part.read()):
            join([Part(0, lambda data=data: data)], RATE, None, tmp_path / f"one{out.suffix}")
            with av.open(str(tmp_path / f"one{out.suffix}")) as container:
                stream = container.streams.video[0]
                packets = [(one.pts, one.dts, one.is_keyframe, bytes(one)) for one in container.demux(stream)]
                made.append((stream.codec_context.extradata, stream.sample_aspect_ratio, packets))
        assert made[0] == made[1]


@pytest.mark.parametrize("codec", [name for name in ON_CPUS if CODECS[name].hdr])
def test_hdr_keeps_its_tags_and_light(tmp_path, codec):
    out = tmp_path / f"a.{CODECS[codec].containers[0]}"
    form = "yuv422p10le" if codec == "prores" else "yuv420p10le"
    join(parts_of(VideoCoding(codec=codec), native=form, light=LIGHT), RATE, None, out)
    info = probe_video(str(out))
    assert (info.colour.primaries, info.colour.transfer, info.colour.matrix) == (9, 16, 9)
    assert info.pixel_format == form
    assert info.hdr == "pq"
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == BOUNDS[-1]
    if codec in ("hevc", "av1"):
        found = light_of(frames[0])
        assert found.content == LIGHT.content
        assert found.mastering.green == pytest.approx(LIGHT.mastering.green, abs=1e-4)
        assert (found.mastering.most, found.mastering.least) == pytest.approx((1000, 0.0001), abs=2e-4)


def test_apple_players_get_the_tag_they_need(tmp_path):
    for container in ("mp4", "mov"):
        out = tmp_path / f"a.{container}"
        join(parts_of(VideoCoding(codec="hevc", container=container)), RATE, None, out)
        with av.open(str(out)) as opened:
            assert opened.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("codec", ["hevc", "av1", "ffv1"])
def test_parts_with_other_headers_are_not_joined(tmp_path, codec):
    coding = VideoCoding(codec=codec)
    mixed = [*parts_of(coding, (0, 5)), *parts_of(coding, (5, 9), native="yuv420p10le")]
    with pytest.raises(EncodeError, match="another header"):
        join(mixed, RATE, None, tmp_path / f"a.{CODECS[codec].containers[0]}")


def lacks(codec):
    """Why an encoder cannot be opened here at its defaults; "" where it can."""
    try:
        context = av.CodecContext.create(CODECS[codec].encoder, "w")
        context.width, context.height, context.pix_fmt, context.time_base = 256, 144, "yuv420p", 1 / RATE
        context.open()
    except (av.error.FFmpegError, av.codec.codec.UnknownCodecError) as error:
        return f"no NVENC here: {error}"
    return ""


@pytest.mark.gpu
@pytest.mark.parametrize(("codec", "native"), [("h264_nvenc", ""), ("hevc_nvenc", ""), ("hevc_nvenc", "yuv420p10le")])
def test_a_card_encodes_parts_that_join_to_every_frame_at_its_time(tmp_path, codec, native):
    """Cards refuse pictures narrower than 145 pixels."""
    if reason := lacks(codec):
        pytest.skip(reason)
    coding = VideoCoding(codec=codec)
    made = [encode(pictures(a, b, native, 256, 144), RATE, Fraction(1), coding) for a, b in pairwise(BOUNDS)]
    out = tmp_path / "a.mp4"
    parts = [Part(a, lambda data=data: data) for a, data in zip(BOUNDS, made, strict=False)]
    assert join(parts, RATE, None, out) == BOUNDS[-1]
    info = probe_video(str(out))
    assert (info.rate, info.frames, info.varies, info.origin_s) == (RATE, BOUNDS[-1], False, 0)
    assert info.pixel_format == (native or "yuv420p")
    assert info.hdr == ("pq" if native else "")
    found = (
        one.native.planes[0] >> 2 if native else one.y for one in decode.pictures(keeping(info, coding), 0, info.frames)
    )
    assert [read_barcode(luma) for luma in found] == list(range(info.frames))
    again = [encode(pictures(a, b, native, 256, 144), RATE, Fraction(1), coding) for a, b in pairwise(BOUNDS)]
    assert again == made


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="a card is here")
@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc"])
def test_without_a_card_a_sentence_says_what_is_missing(codec):
    with pytest.raises(EncodeError, match="is there a card with NVENC"):
        encode(pictures(0, 2), RATE, Fraction(1), VideoCoding(codec=codec))


@pytest.mark.parametrize("coding", EVERY, ids=lambda one: f"{one.codec}-{one.container}")
def test_a_finished_video_can_be_joined_again(tmp_path, coding):
    """As it is when only its provenance changes, or parts of it are used again."""
    out, again = tmp_path / f"a.{coding.container}", tmp_path / f"b.{coding.container}"
    join(parts_of(coding), RATE, None, out)
    assert join([Part(0, lambda: out)], RATE, None, again) == BOUNDS[-1]
    info = probe_video(str(again))
    assert (info.rate, info.frames, info.origin_s) == (RATE, BOUNDS[-1], 0)
    assert [read_barcode(one.y) for one in decode.pictures(info, 0, info.frames)] == list(range(info.frames))
    cutter = Cutter(out.read_bytes(), RATE)
    assert all(cutter.part(a, b) is not None for a, b in pairwise(BOUNDS))


def test_an_encoder_that_ffmpeg_lacks_is_missed_before_anything_starts(monkeypatch):
    for codec in CODECS:
        check_encoder(VideoCoding(codec=codec))
    monkeypatch.setitem(CODECS, "av1", replace(CODECS["av1"], encoder="libnone"))
    with pytest.raises(SettingsError, match=r"--codec av1: FFmpeg of this PyAV .* has no libnone"):
        check_encoder(VideoCoding(codec="av1"))

"""Which codec, container, depth and chroma go together, and what is refused."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
import pytest

from lipsync_ray.errors import SettingsError
from lipsync_ray.io.out_folder import WRITTEN
from lipsync_ray.media.choices import Codec, Container, VideoCoding
from lipsync_ray.media.codecs import CODECS, codec_of, coding_record, decided, in_container_of, part_name, video_name
from lipsync_ray.media.encode import _options
from lipsync_ray.media.kept_samples import kept_format, losses
from lipsync_ray.media.light import HdrLight, Mastering
from lipsync_ray.media.picture import RGB_AS, Colour
from lipsync_ray.media.probe import VideoInfo

SDR, PQ = Colour(1, 1, 1, 1), Colour(9, 1, 9, 16)


def info(pixel_format="yuv420p", colour=SDR, **more):
    plain = VideoInfo(
        "a", 64, 48, 0, Fraction(25), 9, 0, Fraction(1, 25), "x", pixel_format, False, False, Fraction(1), colour, False
    )
    return replace(plain, **more)


@pytest.mark.parametrize(
    ("pixel_format", "more", "kept"),
    [
        ("yuv420p", {}, {}),
        ("yuvj420p", {}, {}),
        ("yuv420p10le", {}, {"hevc": "yuv420p10le", "av1": "yuv420p10le", "prores": "yuv422p10le", "ffv1": "yuv420p10le"}),
        ("yuv422p", {}, {"hevc": "yuv422p", "prores": "yuv422p10le", "ffv1": "yuv422p"}),
        ("yuv422p10le", {}, {"hevc": "yuv422p10le", "av1": "yuv420p10le", "prores": "yuv422p10le", "ffv1": "yuv422p10le"}),
        ("yuv444p12le", {}, {"hevc": "yuv444p12le", "av1": "yuv420p10le", "prores": "yuv444p10le", "ffv1": "yuv444p12le"}),
        ("yuva444p12le", {"transparent": True}, {"hevc": "yuv444p12le", "av1": "yuv420p10le", "prores": "yuva444p10le", "ffv1": "yuva444p12le"}),
        ("yuva420p", {"transparent": True}, {"prores": "yuva444p10le", "ffv1": "yuva420p"}),
        ("yuva420p", {}, {}),
        ("rgba", {"transparent": True, "colour": RGB_AS}, {"hevc": "yuv444p10le", "av1": "yuv420p10le", "prores": "yuva444p10le", "ffv1": "yuva444p10le"}),
        ("yuvj444p", {"still": True}, {}),
        ("yuv422p10le", {"rotation": 90}, {"hevc": "yuv444p10le", "av1": "yuv420p10le", "prores": "yuv444p10le", "ffv1": "yuv444p10le"}),
        ("p010le", {"colour": PQ}, {"hevc": "yuv420p10le", "av1": "yuv420p10le", "prores": "yuv422p10le", "ffv1": "yuv420p10le"}),
        ("yuv420p", {"colour": PQ}, {"hevc": "yuv420p", "av1": "yuv420p", "prores": "yuv422p10le", "ffv1": "yuv420p"}),
    ],
)  # fmt: skip
def test_what_a_codec_keeps_of_a_source(pixel_format, more, kept):
    source = replace(info(pixel_format), **more)
    found = {name: kept_format(source, VideoCoding(codec=name)) for name in ("h264", "hevc", "av1", "prores", "ffv1")}
    assert {name: one for name, one in found.items() if one} == kept


@pytest.mark.parametrize(
    ("source", "codec", "said"),
    [
        (info("yuv420p10le"), "h264", ["10 bits a sample: 8 are kept"]),
        (info("yuv420p10le"), "hevc", []),
        (info("yuv422p12le"), "av1", ["12 bits a sample: 10 are kept", "finer chroma than AV1 keeps here, which is 4:2:0"]),
        (info("yuv422p"), "h264", ["finer chroma than H.264 keeps here"]),
        (info("yuvj444p", still=True), "h264", []),
        (info("yuv420p10le", PQ), "h264", ["HDR (PQ): H.264 in 8 bits cannot keep it, so it was tone-mapped"]),
        (info("yuv420p10le", PQ, light=HdrLight(content=(1, 1))), "hevc", []),
        (info("yuv420p10le", PQ, light=HdrLight(content=(1, 1))), "prores", ["not carried over: its mastering display"]),
        (info("yuva444p10le", transparent=True), "hevc", ["its transparent areas are shown grey"]),
        (info("yuva444p10le", transparent=True), "prores", []),
    ],
)  # fmt: skip
def test_what_a_codec_does_not_keep_is_said(source, codec, said):
    found = losses(source, VideoCoding(codec=codec))
    assert len(found) == len(said)
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True))


@pytest.mark.parametrize(
    ("coding", "said"),
    [
        (VideoCoding(codec="prores", container="mp4"), "--container mp4: cannot hold ProRes; expected mov or mkv for --codec prores"),
        (VideoCoding(codec="ffv1", container="mov"), "expected mkv for --codec ffv1, or --codec h264 or hevc or prores"),
        (VideoCoding(52.0), "--crf 52: expected 0 to 51 for --codec h264"),
        (VideoCoding(0.0, codec="av1"), "--crf 0: expected 1 to 63 for --codec av1"),
        (VideoCoding(18.0, codec="prores"), "--crf: ProRes has no constant rate factor"),
        (VideoCoding(preset="slow", codec="ffv1"), "--preset: FFV1 has no presets"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(coding, said):
    with pytest.raises(SettingsError) as caught:
        decided(coding)
    assert said in str(caught.value)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_has_a_default_of_everything(codec):
    how = decided(VideoCoding(codec=codec))
    assert how == decided(how)
    assert how.container == CODECS[codec].containers[0]
    assert (how.crf is None) == (CODECS[codec].crf is None)
    assert (how.preset is None) == (not CODECS[codec].presets)
    assert video_name("a", how) == f"a.{how.container}"
    assert part_name("a", how).rpartition(".")[2] in ("mp4", "mov", "mkv")


def test_the_table_has_all_that_can_be_chosen():
    assert tuple(CODECS) == get_args(Codec)
    assert tuple(f".{one}" for one in get_args(Container)) == WRITTEN
    page = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text(encoding="utf-8")
    for name, spec in CODECS.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` "))
        *_, containers, crf, preset = (cell.strip() for cell in row.strip("|").split("|"))
        assert tuple(containers.split(", ")) == spec.containers
        assert crf == ("none" if spec.crf is None else "{:g} to {:g}; {:g}".format(*spec.crf))
        assert preset == (spec.preset if spec.presets else "none")


def test_of_a_pair_the_ending_chooses_the_container():
    assert in_container_of("a/B.MOV", VideoCoding(codec="prores")).container == "mov"
    assert in_container_of("a.mkv", VideoCoding()).container == "mkv"
    with pytest.raises(
        SettingsError, match=r"-o a.mp4: .mp4 cannot hold ProRes; expected a name that ends in .mov or .mkv"
    ):
        in_container_of("a.mp4", VideoCoding(codec="prores"))
    with pytest.raises(SettingsError, match=r"--container mov: -o a.mp4 ends in .mp4"):
        in_container_of("a.mp4", VideoCoding(container="mov"))


@pytest.mark.parametrize(("container", "codec"), [("mp4", "h264"), ("mov", "h264"), ("mkv", "h264"), ("webm", "av1")])
def test_a_container_chooses_the_codec_where_none_is_asked_for(container, codec):
    assert codec_of(VideoCoding(container=container)) == codec
    assert coding_record(VideoCoding(container=container)) == coding_record(
        VideoCoding(codec=codec, container=container)
    )
    assert codec_of(in_container_of(f"a.{container}", VideoCoding())) == codec
    assert codec_of(VideoCoding(codec="hevc", container=container)) == "hevc"


def test_a_codec_that_is_asked_for_and_does_not_fit_the_ending_is_refused():
    with pytest.raises(SettingsError, match=r"-o a.webm: .webm cannot hold H.264; expected a name that ends in .mp4"):
        in_container_of("a.webm", VideoCoding(codec="h264"))


def test_the_record_of_h264_in_mp4_is_what_it_was_before_there_were_other_codecs():
    assert coding_record(VideoCoding()) == coding_record(VideoCoding(18)) == {"crf": 18.0, "preset": "veryfast"}
    assert coding_record(VideoCoding(container="mov")) == {"crf": 18.0, "preset": "veryfast", "container": "mov"}
    assert coding_record(VideoCoding(codec="av1"))["codec"] == "av1"


def test_light_is_written_in_each_encoders_units():
    display = Mastering((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329), 1000.0, 0.0001)
    light = HdrLight(display, (1000, 400))
    assert light.x265() == [
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)",
        "max-cll=1000,400",
    ]
    assert light.svt() == [
        "mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)L(1000.0000,0.0001)",
        "content-light=1000,400",
    ]


@pytest.mark.parametrize("codec", CODECS)
def test_an_encoder_knows_every_option_that_it_is_given(codec):
    """FFmpeg ignores an option that it does not know."""
    spec = CODECS[codec]
    known = av.CodecContext.create(spec.encoder, "w").supported_options
    choices = {one.name: {choice.name for choice in one.choices} for one in (*known.generic, *known.private)}
    for preset in spec.presets or (None,):
        for form in spec.formats:
            given = _options(decided(VideoCoding(codec=codec, preset=preset)), form, None, 0)
            assert set(given) <= set(choices)
            assert all(not choices[name] or value in choices[name] or value.isdigit() for name, value in given.items())


@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc"])
def test_nvencs_zero_is_refused_because_it_means_automatic(codec):
    with pytest.raises(SettingsError, match="--crf 0: expected 1 to 51"):
        decided(VideoCoding(0, codec=codec))

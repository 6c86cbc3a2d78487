"""Parameter sets: read, merged, taken apart again; NAL units in either form."""

import io
from fractions import Fraction

import av
import pytest
from clips import barcode, write_video

from lipsync_ray.errors import DecodeError
from lipsync_ray.media import h264
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.h264 import ParameterSets, merged
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.media.sequence_set import SequenceSet


def extradata(path):
    with av.open(str(path) if not isinstance(path, bytes) else io.BytesIO(path)) as container:
        return container.streams.video[0].codec_context.extradata


def part(width=128, height=64, sets_id=0, aspect=Fraction(1), **coding):
    def pictures():
        for index in range(3):
            luma = barcode(index, width, height)[..., 0]
            half = luma[::2, ::2] // 2 + 64
            yield YuvFrame(luma, half, half, Colour(1, 1, 1, 1))

    return encode(pictures(), Fraction(25), aspect, VideoCoding(**coding), sets_id=sets_id)


@pytest.mark.parametrize(
    ("options", "profile"),
    [({}, 100), ({"profile": "main"}, 77), ({"profile": "baseline"}, 66), ({"x264-params": "cqm=jvt:sps-id=9"}, 100)],
)
@pytest.mark.parametrize(("width", "height"), [(128, 64), (130, 66), (640, 360)])
def test_a_sequence_set_tells_profile_and_size(tmp_path, options, profile, width, height):
    path = write_video(tmp_path / "a.mp4", [barcode(n, width, height) for n in range(3)], options=options)
    sets = ParameterSets.of(extradata(path))
    (one,) = sets.parsed
    assert (one.profile, one.width, one.height, one.plain, one.frames_only, one.common) == (
        profile,
        width,
        height,
        *[True] * 3,
    )
    assert one.ident == (9 if "x264-params" in options else 0)
    assert sets.free_id == 1


def test_what_players_may_not_decode_is_not_common(tmp_path):
    ten = write_video(tmp_path / "a.mp4", [barcode(0)], pix_fmt="yuv420p10le")
    (one,) = ParameterSets.of(extradata(ten)).parsed
    assert (one.plain, one.common) == (False, False)
    fields = write_video(tmp_path / "b.mp4", [barcode(0, 128, 128)], options={"x264-params": "interlaced=1"})
    assert [(s.frames_only, s.height) for s in ParameterSets.of(extradata(fields)).parsed] == [(False, 128)]
    (lossless,) = ParameterSets.of(extradata(part(crf=0))).parsed
    assert not lossless.common


def test_the_shape_of_pixels_is_read():
    (wide,) = ParameterSets.of(extradata(part(aspect=Fraction(16, 11)))).parsed
    (odd,) = ParameterSets.of(extradata(part(aspect=Fraction(7, 5)))).parsed
    assert (wide.aspect, odd.aspect) == (Fraction(16, 11), Fraction(7, 5))


@pytest.mark.parametrize("preset", ["veryfast", "ultrafast"])
def test_a_merged_header_has_both_and_each_comes_out_as_it_was(preset):
    own, other = extradata(part(preset=preset, sets_id=1)), extradata(part(preset="medium", crf=30))
    both = merged((ParameterSets.of(other), ParameterSets.of(own)))
    sets = ParameterSets.of(both)
    assert [one.ident for one in sets.parsed] == [0, 1]
    assert (sets.free_id, both[1], len(sets.picture)) == (2, 100, 2)
    assert both[3] == max(own[3], other[3])
    assert both[2] == own[2] & other[2]
    assert sets.only(1).avcc() == own
    assert sets.only(0).avcc() == other
    with pytest.raises(DecodeError, match="without parameter sets of id 5"):
        sets.only(5)


def test_headers_between_start_codes_are_read_too(tmp_path):
    path = write_video(tmp_path / "a.ts", [barcode(n) for n in range(30)])
    sets = ParameterSets.of(extradata(path))
    assert (sets.length, len(sets.sequence), len(sets.picture)) == (0, 1, 1)
    assert sets.parsed[0].width == 128


@pytest.mark.parametrize("data", [None, b"", b"\1", b"\1\x64\0\x0a\xff\xe1\0\x18\x67", b"\0\0\1\x09\xf0"])
def test_a_header_that_is_damaged_or_missing_is_an_error(data):
    with pytest.raises(DecodeError, match="header"):
        ParameterSets.of(data)


def test_a_damaged_sequence_set_is_an_error():
    with pytest.raises(DecodeError, match="ends early"):
        SequenceSet.of(b"\x67\x64\0\x0a\0\0")


def test_packets_have_lengths_of_four_bytes_afterwards():
    slices, delimiter, sets = b"\x65\x88\0\0\3\1\x80", b"\x09\xf0", b"\x67\x64"
    plain = len(slices).to_bytes(4, "big") + slices
    assert h264.packed(plain, 4) is plain
    assert h264.packed(len(slices).to_bytes(2, "big") + slices, 2) == plain
    assert h264.packed(b"\0\0\0\1" + delimiter + b"\0\0\0\1" + sets + b"\0\0\1" + slices + b"\0\0", 0) == plain
    assert [h264.kind(unit) for unit in h264.units(plain * 2, 4)] == [h264.IDR] * 2
    with pytest.raises(DecodeError, match="do not fill"):
        list(h264.units(plain[:-1], 4))

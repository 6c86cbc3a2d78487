"""Samples of more than 8 bits, finer chroma, HDR or alpha: the decoder's own where nothing is drawn, without a step at its edge."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from lipsync_ray.jobs.enhance.stages import enlarged
from lipsync_ray.media import decode, tone
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.frame_cache import FrameCache
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.picture import RGB_AS, from_bgr
from lipsync_ray.media.probe import probe_video

WIDTH, HEIGHT, FRAMES = 64, 48, 3
PQ, HLG, SDR = (9, 9, 16), (9, 9, 18), (1, 1, 1)
FFV1 = VideoCoding(codec="ffv1")


def planes_of(frame):
    """The samples of a frame of FFmpeg, without padding."""
    deep = frame.format.components[0].bits > 8
    rows = [
        np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes
    ]
    return [row.copy() for row in rows]


def write(path, form, tags=SDR, full=False, alpha=None, size=(WIDTH, HEIGHT)):
    """A lossless video of smooth colours with grain; returns its planes, frame by frame."""
    rng = np.random.default_rng(3)
    depth = av.VideoFormat(form, 64, 64).components[0].bits
    made = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"level": "3"})
        stream.width, stream.height, stream.pix_fmt = *size, form
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = tags
        context.color_range = 2 if full else 1
        for number in range(FRAMES):
            frame = av.VideoFrame(*size, form)
            for index, plane in enumerate(frame.planes):
                x, y = np.meshgrid(np.arange(plane.width) / plane.width, np.arange(plane.height) / plane.height)
                level = (0.3 + 0.25 * x + 0.1 * y, 0.45 + 0.1 * y, 0.5 + 0.08 * x)[index] if index < 3 else alpha(x, y)
                grain = 0 if index == 3 else rng.normal(0, 0.004, level.shape)
                values = np.clip((level + grain) * (1 << depth), 0, (1 << depth) - 1)
                rows = np.frombuffer(plane, np.uint8 if depth <= 8 else np.uint16).reshape(plane.height, -1)
                rows[:, : plane.width] = values
            frame.pts, frame.color_range, frame.colorspace = number, 2 if full else 1, tags[0]
            made.append(planes_of(frame))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return made


def draw(picture, strength=60.0):
    """A soft disc drawn into a picture; (H, W) bool of what it covers."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    weight = np.clip(1.2 - np.hypot(x - 30, y - 24) / 12, 0, 1).astype(np.float32)
    drawn = picture.copy()
    half = cv2.resize(weight, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    for plane, how, sign in ((drawn.y, weight, 1), (drawn.u, half, 0.4), (drawn.v, half, -0.4)):
        plane[:] = np.clip(np.rint(plane + sign * strength * how), 16, 235)
    touched = (drawn.y != picture.y) | (
        ((drawn.u != picture.u) | (drawn.v != picture.v)).repeat(2, axis=0).repeat(2, axis=1)
    )
    return drawn, touched


@pytest.mark.parametrize(
    ("form", "tags", "full"),
    [
        ("yuv420p10le", SDR, False),
        ("yuv422p10le", SDR, False),
        ("yuv422p10le", SDR, True),
        ("yuv444p", SDR, False),
        ("yuv444p12le", SDR, False),
        ("yuv420p16le", SDR, False),
        ("yuv420p10le", PQ, False),
        ("yuv422p10le", PQ, False),
        ("yuv420p", PQ, False),
        ("yuv444p12le", HLG, False),
    ],
)
def test_samples_outside_the_drawn_area_are_the_decoders_own_to_the_end(tmp_path, form, tags, full):
    """From decoding over drawing and FFV1 to decoding again; tags too."""
    own = write(tmp_path / "a.mkv", form, tags, full)
    info = keeping(probe_video(str(tmp_path / "a.mkv")), FFV1)
    assert info.native == form
    masks = []

    def pictures():
        for picture in decode.pictures(info, 0, FRAMES):
            drawn, touched = draw(picture)
            masks.append(touched)
            yield drawn

    data = encode(pictures(), Fraction(25), Fraction(1), FFV1)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == form
        context = stream.codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == tags
        assert context.color_range == (2 if full else 1)
        found = [planes_of(frame) for frame in container.decode(stream)]
    assert len(found) == FRAMES
    for before, after, touched in zip(own, found, masks, strict=True):
        assert 0.05 < touched.mean() < 0.5
        for one, other in zip(before, after, strict=True):
            down, across = HEIGHT // one.shape[0], WIDTH // one.shape[1]
            inside = touched.reshape(one.shape[0], down, one.shape[1], across).any(axis=(1, 3))
            assert np.array_equal(one[~inside], other[~inside])
        assert (before[0] != after[0]).mean() > 0.05


@pytest.mark.parametrize(
    ("form", "tags"), [("yuv420p10le", SDR), ("yuv444p12le", SDR), ("yuv420p10le", PQ), ("yuv422p10le", HLG)]
)
def test_there_is_no_step_where_the_drawn_area_ends(tmp_path, form, tags):
    """What a soft edge adds is as small and as smooth in the samples as in the picture."""
    write(tmp_path / "a.mkv", form, tags)
    info = keeping(probe_video(str(tmp_path / "a.mkv")), FFV1)
    picture = next(decode.pictures(info, 0, 1))
    drawn, touched = draw(picture)
    native = picture.native.with_changes(drawn)
    change = native.planes[0].astype(int) - picture.native.planes[0]
    shown = drawn.y.astype(int) - picture.y
    edge = touched & ~cv2.erode(touched.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    level = (np.abs(change) / np.maximum(shown, 1))[shown >= 5].max()  # samples' codes per level of the picture
    assert level < 1.5 * (1 << (picture.native.depth - 8))
    assert (np.abs(change)[edge] <= level * (shown[edge] + 1)).all()
    jumps, steps = (np.abs(np.diff(one, axis=1))[edge[:, 1:]].max() for one in (change, shown))
    assert jumps <= level * (steps + 3)


def test_a_small_change_keeps_the_grain_and_a_large_one_nothing_of_what_was_there(tmp_path):
    write(tmp_path / "a.mkv", "yuv444p12le")
    info = keeping(probe_video(str(tmp_path / "a.mkv")), FFV1)
    picture = next(decode.pictures(info, 0, 1))
    own = picture.native.planes
    small = picture.copy()
    small.y[10:40, 10:40] += 2
    found = picture.native.with_changes(small).planes
    assert np.array_equal(found[0][10:40, 10:40].astype(int) - own[0][10:40, 10:40], np.full((30, 30), 2 << 4))
    assert np.array_equal(found[1], own[1])
    large = picture.copy()
    large.y[10:40, 10:40], large.u[5:20, 5:20], large.v[5:20, 5:20] = 200, 90, 160
    found = picture.native.with_changes(large).planes
    for plane, level in zip(found, (200, 90, 160), strict=True):
        assert (plane[12:38, 12:38] == level << 4).all()


@pytest.mark.parametrize("form", ["yuva420p", "yuva444p10le", "yuva444p12le"])
def test_alpha_is_kept_and_nothing_is_drawn_where_all_is_transparent(tmp_path, form):
    own = write(tmp_path / "a.mkv", form, alpha=lambda x, y: np.where(x < 0.4, 0, np.where(x < 0.6, 0.5, 1)))
    info = keeping(probe_video(str(tmp_path / "a.mkv")), FFV1)
    assert info.native == form
    (picture, *_) = decode.pictures(info, 0, FRAMES)
    drawn, touched = draw(picture)
    found = picture.native.with_changes(drawn)
    assert np.array_equal(found.planes[3], own[0][3])
    behind = own[0][3] == 0
    assert (touched & behind).any()
    assert np.array_equal(found.planes[0][behind], own[0][0][behind])
    seen = own[0][3] == own[0][3].max()
    assert (found.planes[0] != own[0][0])[touched & seen].mean() > 0.9


def test_of_hdr_what_was_drawn_is_tone_mapped_to_what_was_drawn(tmp_path):
    write(tmp_path / "a.mkv", "yuv420p10le", PQ)
    info = keeping(probe_video(str(tmp_path / "a.mkv")), FFV1)
    picture = next(decode.pictures(info, 0, 1))
    drawn, touched = draw(picture, strength=25)
    again = tone.sdr_picture(picture.native.with_changes(drawn).planes, 10, info.colour)
    assert np.abs(again.y.astype(int) - drawn.y)[touched].mean() < 1.5
    assert np.abs(again.u.astype(int) - drawn.u).max() <= 4
    assert np.abs(again.y.astype(int) - drawn.y)[~touched].max() <= 1


def test_turned_and_odd_pictures(tmp_path):
    write(tmp_path / "a.mkv", "yuv420p10le", size=(63, 47))
    info = keeping(probe_video(str(tmp_path / "a.mkv")), FFV1)
    picture = next(decode.pictures(info, 0, 1))
    assert [plane.shape for plane in picture.native.planes] == [(48, 64), (24, 32), (24, 32)]
    assert np.array_equal(picture.native.planes[0][:, 63], picture.native.planes[0][:, 62])
    assert picture.native.with_changes(picture) is picture.native


def test_the_frame_cache_counts_them(tmp_path):
    write(tmp_path / "a.mkv", "yuv444p12le")
    info = probe_video(str(tmp_path / "a.mkv"))
    plain, native = FrameCache(), FrameCache()
    list(plain.pictures_at("a", info, range(FRAMES)))
    list(native.pictures_at("a", keeping(info, FFV1), range(FRAMES)))
    assert plain.bytes == FRAMES * WIDTH * HEIGHT * 3 // 2
    assert native.bytes == plain.bytes + FRAMES * WIDTH * HEIGHT * 3 * 2


def test_a_plain_source_carries_nothing(tmp_path):
    write(tmp_path / "a.mkv", "yuv420p")
    info = keeping(probe_video(str(tmp_path / "a.mkv")), FFV1)
    assert next(decode.pictures(info, 0, 1)).native is None


def test_enlarged_samples_follow_the_enlarged_picture(tmp_path):
    write(tmp_path / "a.mkv", "yuv422p10le")
    info = keeping(probe_video(str(tmp_path / "a.mkv")), FFV1)
    picture = next(decode.pictures(info, 0, 1))
    twice = enlarged(picture, 2)
    assert [plane.shape for plane in twice.native.planes] == [(96, 128), (96, 64), (96, 64)]
    assert twice.native.planes[0].max() < 1 << 10
    assert twice.native.with_changes(twice) is twice.native
    drawn = twice.copy()
    drawn.y[20:40, 30:50] += 2
    change = drawn.native.with_changes(drawn).planes[0].astype(int) - twice.native.planes[0]
    assert (change[20:40, 30:50] == 8).all()
    assert np.count_nonzero(change) == 400


@pytest.mark.parametrize(
    ("codec", "name", "form"), [("png", "a.mov", "rgba"), ("qtrle", "a.mov", "argb"), ("ffv1", "a.mkv", "gbrap10le")]
)
def test_rgb_with_alpha_becomes_ten_bits_of_bt709_with_the_same_alpha(tmp_path, codec, name, form):
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    pixels = np.stack((3 * x, 4 * y, 255 - 2 * x, 4 * x), axis=2).astype(np.uint8)
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, form
        for number in range(2):
            if form == "gbrap10le":  # swscale would add two to every code
                frame = av.VideoFrame(WIDTH, HEIGHT, form)
                for plane, channel in zip(frame.planes, (1, 2, 0, 3), strict=True):
                    rows = np.frombuffer(plane, np.uint16).reshape(HEIGHT, -1)
                    rows[:, :WIDTH] = np.rint(pixels[..., channel] * (1023 / 255))
            else:
                frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for kept in ("prores", "ffv1"):
        info = keeping(probe_video(str(tmp_path / name)), VideoCoding(codec=kept))
        assert info.native == "yuva444p10le"
        native = next(decode.pictures(info, 0, 1)).native
        levels = from_bgr(pixels[..., 2::-1].astype(np.float32), RGB_AS, HEIGHT)
        for index in range(3):
            assert np.abs(native.planes[index] - 4 * levels[..., index]).max() <= 2.5
        assert np.abs(native.planes[3] - pixels[..., 3] * (1023 / 255)).max() <= 1

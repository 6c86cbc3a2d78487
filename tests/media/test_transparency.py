"""What is stored behind full transparency is never shown: a plain ground is, and a sentence says so."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from lipsync_ray.media import decode
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.kept_samples import losses
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.transparency import GROUND

WIDTH, HEIGHT = 128, 96
COLOUR = (200, 60, 40)
SAID = "its transparent areas are shown grey"


def pixels(alpha=0, colour=COLOUR):
    """(h, w, 4) uint8 RGBA: noise behind `alpha` on the left, a colour on the right, half of it there above."""
    out = np.empty((HEIGHT, WIDTH, 4), np.uint8)
    out[..., :3], out[..., 3] = colour, 255
    out[:, : WIDTH // 2, :3] = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH // 2, 3))
    out[:, : WIDTH // 2, 3] = alpha
    if alpha != 255:
        out[:16, WIDTH // 2 :, 3] = 128
    return out


def check(path, colour=COLOUR, half=True, tolerance=3):
    """Both ways to decode show the ground, the colour, and the two mixed; every frame does, from any start."""
    info = probe_video(str(path))
    assert any(SAID in note for note in losses(info, VideoCoding()))
    mixed = [round((level * 128 + GROUND * 127) / 255) for level in colour]
    for start in range(0, info.frames, 2):
        whole = next(decode.pictures(info, start, start + 1)).bgr()[..., ::-1].astype(int)
        small = next(decode.small_rgb(info, start, start + 1, WIDTH // 2, HEIGHT // 2)).astype(int)
        for picture, scale in ((whole, 1), (small, 2)):
            left = picture[:, : (WIDTH // 2 - 4) // scale]
            assert np.abs(left - GROUND).max() <= tolerance
            assert np.abs(picture[24 // scale :, (WIDTH // 2 + 4) // scale :] - colour).max() <= tolerance
            if half:
                above = picture[2 // scale : 12 // scale, (WIDTH // 2 + 4) // scale :]
                assert np.abs(above - mixed).max() <= tolerance


@pytest.mark.parametrize(("name", "options"), [
    ("a.png", {}), ("a.webp", {"lossless": True, "exact": True}), ("a.tiff", {}), ("a.tif", {"compression": "tiff_lzw"}),
])  # fmt: skip
def test_pictures(tmp_path, name, options):
    Image.fromarray(pixels()).save(tmp_path / name, **options)
    check(tmp_path / name)


def test_a_grey_picture(tmp_path):
    Image.fromarray(pixels(colour=(200,) * 3)[..., [0, 3]]).save(tmp_path / "a.png")
    check(tmp_path / "a.png", colour=(200,) * 3)


def test_sixteen_bits(tmp_path):
    with av.open(str(tmp_path / "a.png"), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgba64be"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels(), format="rgba").reformat(format="rgba64be")))
        container.mux(stream.encode(None))
    assert probe_video(str(tmp_path / "a.png")).pixel_format == "rgba64be"
    check(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_a_palette_with_transparent_colours(tmp_path, name):
    """One colour of the palette is the noise's; all of it is transparent."""
    numbers = np.full((HEIGHT, WIDTH), 1, np.uint8)
    numbers[:, : WIDTH // 2] = np.random.default_rng(0).choice([0, 2] if name == "a.png" else [0], (HEIGHT, WIDTH // 2))
    picture = Image.fromarray(numbers, "P")
    picture.putpalette([255, 0, 255, *COLOUR, 0, 255, 0])
    picture.save(tmp_path / name, transparency=b"\0\xff\0" if name == "a.png" else 0)
    check(tmp_path / name, half=False)


@pytest.mark.parametrize(("name", "codec", "form"), [
    ("a.mov", "prores_ks", "yuva444p10le"),
    ("a.mov", "png", "rgba"),
    ("a.mov", "qtrle", "argb"),
    ("a.webm", "libvpx-vp9", "yuva420p"),
    ("a.webm", "libvpx", "yuva420p"),
    ("a.mkv", "ffv1", "yuva420p"),
    ("a.apng", "apng", "rgba"),
])  # fmt: skip
def test_videos(tmp_path, name, codec, form):
    options = {"b": "4M"}
    if codec == "libvpx":
        options["auto-alt-ref"] = "0"
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, form
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(pixels(), format="rgba").reformat(format=form)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    check(tmp_path / name, tolerance=12 if codec.startswith("libvpx") else 4)


@pytest.mark.parametrize("full", [False, True])
def test_both_ranges(tmp_path, full):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuva444p"
        stream.codec_context.color_range = 2 if full else 1
        frame = av.VideoFrame.from_ndarray(pixels(), format="rgba").reformat(
            format="yuva444p", dst_color_range=2 if full else 1
        )
        for number in range(2):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe_video(str(tmp_path / "a.mkv"))
    assert info.colour.range == (2 if full else 1)
    check(tmp_path / "a.mkv")


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.webp"])
def test_a_picture_that_could_have_been_transparent_is_as_it_was(tmp_path, name):
    picture = Image.fromarray(pixels(alpha=255))
    picture.save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    plain = picture.convert("RGB") if name != "a.gif" else Image.open(tmp_path / name).convert("RGB")
    plain.save(tmp_path / "plain.png")
    info = probe_video(str(tmp_path / name))
    assert not any("transparen" in note for note in losses(info, VideoCoding()))
    one, other = (
        next(decode.pictures(probe_video(str(tmp_path / file)), 0, 1)).bgr().astype(int) for file in (name, "plain.png")
    )
    assert np.array_equal(one, other)

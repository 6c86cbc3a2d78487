"""Geometry and pictures: what a stored picture has to look like, by Pillow or by how the test drew it."""

import io
import struct
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from clips import barcode, read_barcode, woven, write_fields, write_video
from PIL import Image, ImageOps

from lipsync_ray.errors import ProbeError
from lipsync_ray.media import decode
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.kept_samples import losses
from lipsync_ray.media.orientation import of_exif, of_matrix
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.side_content import read_side_content
from lipsync_ray.media.stills import playable_size

PICTURES = [barcode(number) for number in range(30)]
UNIT = 65536


def smooth(width=96, height=64):
    return cv2.resize(np.random.default_rng(0).integers(0, 255, (5, 6, 3), np.uint8), (width, height))


def shown(path):
    info = probe_video(str(path))
    return next(decode.pictures(info, 0, 1)).bgr()[: info.height, : info.width, ::-1].astype(int)


@pytest.mark.parametrize("value", range(1, 9))
def test_all_orientations_of_exif_are_as_pillow_shows_them(tmp_path, value):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = value
    Image.fromarray(smooth()).save(path, quality=95, exif=exif)
    right = np.asarray(ImageOps.exif_transpose(Image.open(path)), int)
    assert shown(path).shape == right.shape
    assert np.abs(shown(path) - right).mean() < 1


@pytest.mark.parametrize("value", range(1, 9))
def test_a_display_matrix_is_the_exif_orientation_of_the_same_name(value):
    """Each matrix written by hand from where it sends the corners of a picture."""
    matrices = {
        1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
        5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
    }  # fmt: skip
    a, b, c, d = matrices[value]
    matrix = struct.pack("<9i", a * UNIT, b * UNIT, 0, c * UNIT, d * UNIT, 0, 0, 0, 1 << 30)
    assert of_matrix(matrix) == of_exif(value)
    picture = np.arange(6).reshape(2, 3)
    height, width = picture.shape
    turned = of_exif(value).upright(picture)
    for y, x in np.ndindex(height, width):
        left, top = a * x + c * y, b * x + d * y
        left += (width - 1 if a < 0 else 0) + (height - 1 if c < 0 else 0)
        top += (width - 1 if b < 0 else 0) + (height - 1 if d < 0 else 0)
        assert turned[top, left] == picture[y, x]


def test_a_tilted_video_is_refused_with_its_angle():
    half = UNIT * 7071 // 10000
    with pytest.raises(ValueError, match="turned by 315°"):
        of_matrix(struct.pack("<9i", half, half, 0, -half, half, 0, 0, 0, 1 << 30))


def with_matrix(source, target, matrix):
    """The file with the display matrix of its track replaced."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0
    data[at : at + 36] = struct.pack(">9i", *matrix)
    target.write_bytes(bytes(data))
    return target


@pytest.mark.parametrize(
    ("matrix", "stored"),
    [
        ((-UNIT, 0, 0, 0, UNIT, 0, 128 * UNIT, 0, 1 << 30), lambda p: p[:, ::-1]),
        ((UNIT, 0, 0, 0, -UNIT, 0, 0, 64 * UNIT, 1 << 30), lambda p: p[::-1]),
    ],
    ids=["mirrored", "flipped"],
)
def test_a_mirrored_video_is_shown_as_it_was_meant(tmp_path, matrix, stored):
    plain = write_video(tmp_path / "plain.mp4", [stored(picture) for picture in PICTURES])
    info = probe_video(str(with_matrix(plain, tmp_path / "a.mp4", matrix)))
    assert [read_barcode(picture.y) for picture in decode.pictures(info, 0, 30)] == list(range(30))
    small = next(decode.small_rgb(info, 3, 4, 64, 32))
    assert np.abs(small[:, :, 0].astype(int) - PICTURES[3][::2, ::2, 0]).mean() < 20


@pytest.mark.parametrize(
    ("mode", "name"),
    [("RGB", "a.png"), ("L", "a.png"), ("P", "a.png"), ("LA", "a.png"), ("RGBA", "a.png"), ("1", "a.png"), ("L", "a.jpg"),
     ("CMYK", "a.jpg"), ("RGB", "a.webp"), ("RGB", "a.tiff"), ("L", "a.tiff"), ("RGB", "a.bmp"), ("P", "a.bmp")],
)  # fmt: skip
def test_every_kind_of_picture_has_pillows_colours_and_honest_tags(tmp_path, mode, name):
    image = Image.fromarray(smooth())
    image = image.quantize(200, dither=Image.Dither.NONE) if mode == "P" else image.convert(mode)
    if mode in {"RGBA", "LA"}:
        image.putalpha(255)
    image.save(tmp_path / name, **({"quality": 95} if name.endswith((".jpg", ".webp")) else {}))
    right = np.asarray(Image.open(tmp_path / name).convert("RGB"), int)
    assert np.abs(shown(tmp_path / name) - right).mean() < (4 if mode == "P" else 2)
    colour = probe_video(str(tmp_path / name)).colour
    assert colour.matrix != 0  # "gbr" on 4:2:0 planes makes browsers show other greys


def test_sixteen_bits_of_grey(tmp_path):
    values = np.linspace(0, 65535, 96 * 64).astype(np.uint16).reshape(64, 96)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert np.abs(shown(tmp_path / "a.png")[..., 0] - values / 257).max() < 3
    assert any("16 bits" in note for note in losses(probe_video(str(tmp_path / "a.png")), VideoCoding()))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tiff"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_picture_cut_short_is_refused(tmp_path, name, share):
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (64, 96, 3), np.uint8)).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ProbeError, match=r"cut short or damaged|cannot be read|not a readable"):
        probe_video(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.mp4", "a"])
def test_text_with_a_pictures_name_is_one_sentence(tmp_path, name):
    (tmp_path / name).write_text("<html>404 not found</html>\n" * 40)
    with pytest.raises(ProbeError, match=rf"{name}: ") as caught:
        probe_video(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_animations_are_whole_or_refused(tmp_path):
    frames = [Image.fromarray(picture) for picture in PICTURES]
    for name in ("a.gif", "a.png", "a.apng"):
        kind = "GIF" if name.endswith("gif") else "PNG"
        frames[0].save(tmp_path / name, kind, save_all=True, append_images=frames[1:], duration=40, loop=0)
        info = probe_video(str(tmp_path / name))
        assert (info.frames, info.still) == (30, False), name
        found = [read_barcode(picture.y) for picture in decode.pictures(info, 0, 30)]
        assert found == list(range(30)), name
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=40)
    with pytest.raises(ProbeError, match="animated WebP of 30 pictures"):
        probe_video(str(tmp_path / "a.webp"))


def test_a_phones_jpeg_with_a_second_picture_behind_it_is_a_picture(tmp_path):
    first, second = io.BytesIO(), io.BytesIO()
    Image.fromarray(smooth()).save(first, "JPEG")
    Image.fromarray(smooth(32, 32)).save(second, "JPEG")
    (tmp_path / "a.jpg").write_bytes(first.getvalue() + second.getvalue())
    info = probe_video(str(tmp_path / "a.jpg"))
    assert (info.still, info.width, info.height) == (True, 96, 64)


@pytest.mark.parametrize("name", ["take%2d.jpg", "p[1].jpg", "q?.png", "s*.png", "IMG_0001.JPG", "a::b.png"])
def test_no_sign_in_a_pictures_name_is_a_pattern(tmp_path, name):
    Image.fromarray(smooth()).save(tmp_path / name)
    info = probe_video(str(tmp_path / name))
    assert (info.still, info.width) == (True, 96)


def test_a_size_that_changes_on_the_way_is_scaled_to_the_first(tmp_path):
    small = [barcode(number, 256, 128) for number in range(30, 60)]
    parts = []
    for number, pictures in enumerate((PICTURES, small)):
        path = write_video(tmp_path / f"{number}.ts", pictures, options={"g": "12", "bf": "0"})
        parts.append(path.read_bytes())
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    info = probe_video(str(tmp_path / "a.ts"))
    found = list(decode.pictures(info, 0, info.frames))
    assert {(p.width, p.height) for p in found} == {(128, 64)}
    assert [read_barcode(p.y) for p in found[:30]] == list(range(30))
    again = [read_barcode(np.repeat(np.repeat(p.y, 2, 0), 2, 1)) for p in found[30:]]
    assert again == list(range(30, 60))
    seen = decode.FrameIssues()
    list(decode.small_rgb(info, 0, info.frames, 64, 32, seen))
    assert seen.resized == set(range(30, 60))


def comb(luma):
    """How much neighbouring lines differ from the mean of theirs: combs make it large."""
    rows = luma.astype(int)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mpg", "mpeg2video")])
def test_interlaced_video_loses_its_combs(tmp_path, name, codec):
    """Two fields of something that moves 8 pixels between them."""
    x = np.linspace(0, 14 * np.pi, 160)
    fields = [np.tile(127 + 90 * np.sin(x + number), (96, 1)) for number in range(60)]
    fields = [field.astype(np.uint8) for field in fields]
    write_fields(tmp_path / name, fields, codec)
    info = probe_video(str(tmp_path / name))
    assert info.interlaced
    assert info.frames == 30
    assert any("deinterlaced" in note for note in info.notes)
    found = list(decode.pictures(info, 0, 30))
    assert comb(woven(fields)[10]) > 10
    assert max(comb(picture.y) for picture in found) < 3
    for start in (1, 13, 29):
        (alone,) = decode.pictures(info, start, start + 1)
        assert np.array_equal(alone.y, found[start].y)


@pytest.mark.parametrize(
    ("form", "codec", "name", "tags", "said"),
    [
        ("yuv420p10le", "libx265", "a.mp4", {"color_trc": 16, "color_primaries": 9, "colorspace": 9}, "HDR (PQ)"),
        ("yuv420p10le", "libx265", "a.mkv", {"color_trc": 18, "color_primaries": 9, "colorspace": 9}, "HDR (HLG)"),
        ("yuv422p10le", "prores_ks", "a.mov", {}, "10 bits"),
    ],
)
def test_what_is_lost_on_the_way_to_eight_bits_is_said(tmp_path, form, codec, name, tags, said):
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(
            codec, rate=25, options={"x265-params": "log-level=none"} if codec == "libx265" else {}
        )
        stream.width, stream.height, stream.pix_fmt = 128, 64, form
        for tag, value in tags.items():
            setattr(stream.codec_context, tag, value)
        for number, picture in enumerate(PICTURES[:3]):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=form)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    notes = losses(probe_video(str(tmp_path / name)), VideoCoding())
    assert any(said in note for note in notes), notes


def test_what_does_not_come_along_is_said(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata.update(title="My film", timecode="01:00:00;00")
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}]
        )
        for number, picture in enumerate(PICTURES):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    side = read_side_content(str(tmp_path / "a.mkv"), Fraction(25))
    assert (side.title, [one.title for one in side.chapters]) == ("My film", ["one"])
    info = probe_video(str(tmp_path / "a.mkv"))
    assert info.notes == ("not carried over: the time code 01:00:00;00, which a video of 25 frames/s cannot have",)


def test_a_png_with_an_orientation_of_its_own(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / "plain.png")
    data = (tmp_path / "plain.png").read_bytes()
    tag = b"eXIf" + b"II*\0\x08\0\0\0" + struct.pack("<HHHIHH", 1, 0x0112, 3, 1, 6, 0) + b"\0\0\0\0"
    chunk = struct.pack(">I", len(tag) - 4) + tag + struct.pack(">I", zlib.crc32(tag))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    right = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")), int)
    assert np.abs(shown(tmp_path / "a.png") - right).mean() < 1


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((4096, 2160), (4096, 2160)),
        ((2160, 4096), (2160, 4096)),
        ((999, 777), (999, 777)),
        ((4000, 3000), (3434, 2574)),
        ((9000, 9000), (2974, 2974)),
        ((20000, 100), (4096, 20)),
        ((30000, 1), (4096, 2)),
    ],
)
def test_a_picture_is_made_no_larger_than_players_show(size, shown):
    assert playable_size(*size) == shown


@pytest.mark.parametrize("turn", [1, 6])
def test_a_large_picture_is_shrunk_and_that_is_said(turn, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = turn
    gradient = np.linspace(0, 255, 5000, dtype=np.uint8)[None, :, None].repeat(500, 0).repeat(3, 2)
    Image.fromarray(gradient).save(tmp_path / "a.jpg", quality=95, exif=exif)
    info = probe_video(str(tmp_path / "a.jpg"))
    assert (info.width, info.height) == ((4096, 408) if turn == 1 else (408, 4096))
    assert any("5000 × 500 pixels were shrunk to 4096 × 40" in note for note in info.notes), info.notes
    picture = next(decode.pictures(info, 0, 1))
    assert (picture.width, picture.height) == (info.width, info.height)
    line = picture.y[:, 200] if turn == 6 else picture.y[200]
    assert np.abs(np.diff(line.astype(int))).max() <= 2
    seen = decode.FrameIssues()
    next(decode.small_rgb(info, 0, 1, 64, 64, seen))
    assert not seen.resized

"""Labels: words in many languages, a font that has their letters, a box in a corner."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, features

from lipsync_ray.errors import SettingsError
from lipsync_ray.media import fonts
from lipsync_ray.media.fonts import font_for, letters
from lipsync_ray.media.label import Label, draw_label, labelled, position_of
from lipsync_ray.media.picture import RGB_AS, Colour, YuvFrame
from lipsync_ray.media.wordings import LANGUAGES, wording_of

pytestmark = pytest.mark.skipif(
    not features.check("fribidi"), reason="needs FriBidi, which orders letters (apt-get install libfribidi0)"
)
SQUARE = Fraction(1)
OTHERS = (
    "bn",
    "hi",
    "ja",
    "ko",
    "ta",
    "th",
    "ur",
    "zh",
    "zh-Hant",
)  # whose letters are in no font that comes with a package


def frame(level, width=640, height=360, colour=RGB_AS):
    half = np.full((height // 2, width // 2), 90, np.uint8)
    return YuvFrame(np.full((height, width), level, np.uint8), half, half.copy(), colour)


def drawn(text="Altered with AI", language="en", width=640, height=360, aspect=SQUARE):
    return draw_label(text, font_for(text), language, width, height, aspect)


def test_there_are_words_in_many_languages():
    assert len(LANGUAGES) > 40
    assert {"en", "de", "fr", "es", "ar", "he", "hi", "th", "ja", "ko", "zh"} <= set(LANGUAGES)
    assert all(wording_of(code, False).text != wording_of(code, True).text for code in LANGUAGES)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("German", "de"), ("pt-BR", "pt"), ("한국어", "ko"), ("nb", "no"), ("zh-TW", "zh-Hant"), ("zh_CN", "zh"), ("Chinese", "zh"),
        ("Klingon", "en"), ("", "en"), (None, "en"),
    ],
)  # fmt: skip
def test_a_language_is_understood_however_it_is_written(said, code):
    assert wording_of(said, False).language == code


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code not in OTHERS])
@pytest.mark.parametrize("generated", [False, True])
def test_letters_of_these_are_drawn_with_what_is_installed(code, generated):
    font = font_for(wording_of(code, generated).text)
    assert font.path.endswith("DejaVuSans.ttf")
    assert len(font.sha256) == 64


@pytest.mark.parametrize("code", OTHERS)
def test_letters_of_others_are_drawn_or_refused_with_what_to_install(code):
    text = wording_of(code, False).text
    there = [path for path in fonts._installed() if set(letters(text)) <= fonts._signs_of(path)]
    if there:
        assert font_for(text).path == there[0]
    else:
        with pytest.raises(SettingsError, match=r"fonts-noto-core fonts-noto-cjk.*--label-font"):
            font_for(text)


def test_a_font_without_the_letters_is_refused_naming_them(tmp_path):
    with pytest.raises(SettingsError, match=r"DejaVuSans.ttf: it lacks “字” \(U\+5B57\)"):
        font_for("字 A", fonts._own())
    with pytest.raises(SettingsError, match="no such file"):
        font_for("A", str(tmp_path / "none.ttf"))
    (tmp_path / "text.ttf").write_text("no font")
    with pytest.raises(SettingsError, match=r"text.ttf: it lacks “A”"):
        font_for("A", str(tmp_path / "text.ttf"))


@pytest.mark.parametrize(("missing", "said"), [("raqm", "without Raqm"), ("fribidi", "apt-get install libfribidi0")])
def test_letters_that_cannot_be_joined_are_refused(missing, said, monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: name != missing)
    assert font_for("Vidéo modifiée").path
    with pytest.raises(SettingsError, match=said):
        font_for("تم")


def test_arabic_letters_are_joined_and_run_leftwards():
    """The same text as letters of no script that joins is wider, and its first letter stands right."""
    font = ImageFont.truetype(fonts._own(), 40)
    assert font.getlength("تم") < font.getlength("ت") + font.getlength("م")
    ink = Image.new("L", (200, 80))
    ImageDraw.Draw(ink).text((0, 0), "مـ!", fill=255, font=font)
    right = np.asarray(ink)[:, round(font.getlength("مـ!") / 2) : round(font.getlength("مـ!"))]
    left = np.asarray(ink)[:, : round(font.getlength("!"))]
    assert right.max() == 255
    assert np.flatnonzero(left.max(1)).size > 15  # the exclamation mark, which is tall, stands left


@pytest.mark.parametrize("level", [16, 128, 235])
def test_a_label_is_read_on_any_ground(level):
    label = drawn()
    after = labelled(frame(level), label, 16, 12)
    box = after.y[12 : 12 + label.grey.shape[0], 16 : 16 + label.grey.shape[1]]
    ink, ground = box[label.grey > 200], box[(label.grey < 30) & (label.cover > 150)]
    assert np.median(ink) - np.median(ground) > 100


def test_all_else_stays_and_the_given_frame_does():
    level = 100
    before, label = frame(level), drawn()
    after = labelled(before, label, 20, 30)
    tall, wide = label.grey.shape
    outside = np.ones(before.y.shape, bool)
    outside[30 : 30 + tall, 20 : 20 + wide] = False
    assert (before.y == level).all()
    assert (after.y[outside] == level).all()
    assert np.array_equal(after.u[:15], before.u[:15])
    assert after.u[15 + tall // 4, 10 + wide // 4] != 90


def test_full_range_is_whiter():
    label = drawn()
    full, limited = (labelled(frame(100, colour=c), label, 0, 0).y.max() for c in (Colour(1, 2), Colour(1, 1)))
    assert (full, limited) == (245, 226)


@pytest.mark.parametrize("corner", ["top-left", "top-right", "bottom-left", "bottom-right"])
@pytest.mark.parametrize("size", [(640, 360), (224, 224), (1080, 1920), (96, 160)])
def test_it_stands_in_its_corner_with_a_margin(corner, size):
    label = drawn(width=size[0], height=size[1])
    x, y = position_of(label, corner, *size)
    tall, wide = label.grey.shape
    assert (x % 2, y % 2, tall % 2, wide % 2) == (0, 0, 0, 0)
    left, right, top, low = x, size[0] - x - wide, y, size[1] - y - tall
    assert min(left, right, top, low) > 1
    assert (left < right or left - right < 4) == corner.endswith("left") or abs(left - right) < 4
    assert (top < low) == corner.startswith("top")


def test_it_grows_with_the_picture_and_is_broken_where_it_is_long():
    small, large = drawn(width=640, height=360), drawn(width=1280, height=720)
    assert 1.8 < large.grey.shape[0] / small.grey.shape[0] < 2.2
    text = "This is a text of so many words that it has to be broken into lines"
    long = draw_label(text, font_for(text), "en", 360, 288, SQUARE)
    assert long.grey.shape[1] <= 360
    assert long.grey.shape[0] > 1.4 * drawn(width=360, height=288).grey.shape[0]


def test_a_text_that_cannot_be_read_in_a_picture_is_refused():
    with pytest.raises(SettingsError, match="too long to be read in a picture of 64×64"):
        draw_label("word " * 20, font_for("word"), "en", 64, 64, SQUARE)


def test_wide_pixels_make_it_narrow():
    plain, wide = drawn(width=720, height=576), drawn(width=720, height=576, aspect=Fraction(64, 45))
    assert wide.grey.shape[1] / plain.grey.shape[1] == pytest.approx(45 / 64, abs=0.03)


def test_it_is_kept_as_a_picture():
    label = drawn()
    again = Label.of_png(label.png())
    assert np.array_equal(label.grey, again.grey)
    assert np.array_equal(label.cover, again.cover)
    assert label.png() == drawn().png()

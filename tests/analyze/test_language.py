"""Languages: by langdetect on sentences of our own, and by what people call them."""

import pytest

from lipsync_ray.jobs.analyze.language import detect
from lipsync_ray.media.languages import code_of, strange_scripts

SENTENCES = {
    "ko": "어제 저녁에는 비가 많이 와서 우리는 집에서 따뜻한 국을 끓여 먹었습니다.",
    "ar": "ذهبت أختي صباح اليوم إلى السوق واشترت خبزا طازجا وبعض الفاكهة لأطفالها.",
    "es": "Mañana por la mañana iremos a la playa con los niños si el viento deja de soplar.",
    "en": "My neighbour keeps three hens in the garden and gives us an egg every other day.",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_sentences_are_told_and_always_alike(code):
    first = detect(SENTENCES[code])
    assert first[0] == code
    assert first[1][0].probability > 0.9
    assert all(detect(SENTENCES[code]) == first for _ in range(20))


@pytest.mark.parametrize(
    "text",
    [
        "Բարև ձեզ, ինչպես եք դուք այսօր, լավ եմ շնորհակալություն",
        "გამარჯობა, როგორ ხართ დღეს, მე კარგად ვარ გმადლობთ",
        "እንደምን አደርክ ዛሬ ጥሩ ቀን ነው ለሁሉም",
        "សួស្តី តើអ្នកសុខសប្បាយទេ ថ្ងៃនេះ",
        "Lipsync ႃ မင်္ဂလာပါ နေကောင်းလား ဒီနေ့ ရာသီဥတု ကောင်းတယ်",
    ],
)
def test_a_script_without_a_profile_is_unknown(text):
    assert detect(text) == ("unknown", ())


def test_a_language_needs_its_own_script():
    assert detect("你好世界今天天气很好")[0] in {"zh", "unknown"}
    assert detect("東京都千代田区丸の内")[0] in {"ja", "zh", "unknown"}


def test_capitals_do_not_mislead():
    assert detect(SENTENCES["es"].upper())[0] == "es"
    assert detect(SENTENCES["en"].upper())[0] == "en"


@pytest.mark.parametrize(
    "text", ["", "   ", "12 345 67", "hola", "https://example.org/a-long-address?of=something", "…!?"]
)
def test_too_little_is_unknown(text):
    assert detect(text) == ("unknown", ())


@pytest.mark.parametrize(
    ("written", "code"),
    [("ko", "ko"), ("KO", "ko"), ("ko-KR", "ko"), ("es_MX", "es"), ("Korean", "ko"), ("spanish", "es"), ("castilian", "es"),
     ("zh-cn", "zh"), ("mandarin", "zh"), ("iw", "he"), ("klingon", "tlh"),
     ("eng", "en"), ("deu", "de"), ("ger", "de"), ("Deutsch", "de"), ("한국어", "ko"), ("中文", "zh"), ("", ""),
     ("robot voice 3", "robot voice 3")],
)  # fmt: skip
def test_one_code_for_many_names(written, code):
    assert code_of(written) == code


@pytest.mark.parametrize(
    ("text", "language", "strange"),
    [
        ("The area is π r², 5 µm of it", "en", ()),
        ("a naïve Ｆｕｌｌ ｗｉｄｔｈ text", "en", ()),
        ("I went to the 학교 yesterday", "en", ("Hangul",)),
        ("nosotros 谢谢 Привет todos", "es", ("Cjk", "Cyrillic")),
        ("저는 iPhone 을 샀어요 漢字", "ko", ()),
        ("저는 ありがとう", "ko", ("Hiragana",)),
        ("今日はテレビをＮＨＫで見た", "ja", ()),
        ("你好 world", "zh", ()),
        ("مرحبا يا world", "ar", ()),
        ("مرحبا всем 안녕", "ar", ("Cyrillic", "Hangul")),
        ("мы все 안녕", "no language", ("Hangul",)),
        ("", "en", ()),
    ],
)
def test_scripts_that_do_not_belong(text, language, strange):
    assert strange_scripts(text, language) == strange

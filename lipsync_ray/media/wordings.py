"""Default label texts in many languages: that a video was altered, or generated, with artificial intelligence."""

from __future__ import annotations

from dataclasses import dataclass

import langcodes

from lipsync_ray.media.languages import code_of, is_known

FALLBACK = "en"


@dataclass(frozen=True)
class LabelText:
    """A label's text.

    Attributes
    ----------
    text : to show
    language : its BCP 47 code
    """

    text: str
    language: str


# Language → text for an altered video, and for a generated one
_WORDS = {
    "ar": ("تم تعديل هذا الفيديو بالذكاء الاصطناعي", "تم إنشاء هذا الفيديو بالذكاء الاصطناعي"),
    "bg": ("Видео, променено с ИИ", "Видео, създадено с ИИ"),
    "bn": ("এই ভিডিওটি এআই দিয়ে পরিবর্তিত", "এই ভিডিওটি এআই দিয়ে তৈরি"),
    "ca": ("Vídeo modificat amb IA", "Vídeo generat amb IA"),
    "cs": ("Video upravené pomocí AI", "Video vytvořené pomocí AI"),
    "da": ("Videoen er ændret med AI", "Videoen er lavet med AI"),
    "de": ("Dieses Video wurde mit KI verändert", "Dieses Video wurde mit KI erzeugt"),
    "el": ("Βίντεο τροποποιημένο με ΤΝ", "Βίντεο δημιουργημένο με ΤΝ"),
    "en": ("This video was altered with AI", "This video was generated with AI"),
    "es": ("Vídeo modificado con IA", "Vídeo generado con IA"),
    "et": ("Videot on muudetud tehisintellektiga", "Video on loodud tehisintellektiga"),
    "fa": ("این ویدیو با هوش مصنوعی تغییر داده شده است", "این ویدیو با هوش مصنوعی ساخته شده است"),
    "fi": ("Videota on muokattu tekoälyllä", "Video on luotu tekoälyllä"),
    "fr": ("Vidéo modifiée par IA", "Vidéo générée par IA"),
    "ga": ("Athraíodh an físeán seo le hintleacht shaorga", "Gineadh an físeán seo le hintleacht shaorga"),
    "he": ("הסרטון שונה באמצעות בינה מלאכותית", "הסרטון נוצר באמצעות בינה מלאכותית"),
    "hi": ("यह वीडियो एआई से बदला गया है", "यह वीडियो एआई से बनाया गया है"),
    "hr": ("Videozapis izmijenjen umjetnom inteligencijom", "Videozapis stvoren umjetnom inteligencijom"),
    "hu": ("MI-vel módosított videó", "MI-vel készített videó"),
    "id": ("Video ini diubah dengan AI", "Video ini dibuat dengan AI"),
    "it": ("Video modificato con l’IA", "Video generato con l’IA"),
    "ja": ("この動画はAIで加工されています", "この動画はAIで生成されています"),
    "ko": ("AI로 변경된 영상입니다", "AI로 생성된 영상입니다"),
    "lt": ("Vaizdo įrašas pakeistas naudojant DI", "Vaizdo įrašas sukurtas naudojant DI"),
    "lv": ("Video pārveidots ar MI", "Video radīts ar MI"),
    "ms": ("Video ini diubah dengan AI", "Video ini dijana dengan AI"),
    "mt": ("Dan il-vidjo nbidel bl-IA", "Dan il-vidjo nħoloq bl-IA"),
    "nl": ("Deze video is met AI bewerkt", "Deze video is met AI gemaakt"),
    "no": ("Videoen er endret med KI", "Videoen er laget med KI"),
    "pl": ("Wideo zmienione przy użyciu AI", "Wideo wygenerowane przez AI"),
    "pt": ("Vídeo alterado com IA", "Vídeo gerado com IA"),
    "ro": ("Videoclip modificat cu IA", "Videoclip generat cu IA"),
    "ru": ("Видео изменено с помощью ИИ", "Видео создано с помощью ИИ"),
    "sk": ("Video upravené pomocou AI", "Video vytvorené pomocou AI"),
    "sl": ("Videoposnetek, spremenjen z UI", "Videoposnetek, ustvarjen z UI"),
    "sv": ("Videon har ändrats med AI", "Videon har skapats med AI"),
    "ta": ("இந்தக் காணொளி ஏஐ மூலம் மாற்றப்பட்டது", "இந்தக் காணொளி ஏஐ மூலம் உருவாக்கப்பட்டது"),
    "th": ("วิดีโอนี้ถูกดัดแปลงด้วยเอไอ", "วิดีโอนี้สร้างด้วยเอไอ"),
    "tl": ("Binago ng AI ang video na ito", "Ginawa ng AI ang video na ito"),
    "tr": ("Bu video yapay zekâ ile değiştirildi", "Bu video yapay zekâ ile üretildi"),
    "uk": ("Відео змінено за допомогою ШІ", "Відео створено за допомогою ШІ"),
    "ur": ("اس ویڈیو کو مصنوعی ذہانت سے تبدیل کیا گیا ہے", "یہ ویڈیو مصنوعی ذہانت سے بنائی گئی ہے"),
    "vi": ("Video này đã được chỉnh sửa bằng AI", "Video này được tạo bằng AI"),
    "zh": ("本视频经人工智能修改", "本视频由人工智能生成"),
    "zh-Hant": ("本影片經人工智慧修改", "本影片由人工智慧生成"),
}
LANGUAGES = tuple(_WORDS)


def wording_of(language: str | None, generated: bool) -> LabelText:
    """The label text for a language.

    Parameters
    ----------
    language : as in a table of dubs; English if None or not in the list
    generated : whether the whole video is generated
    """
    code = tagged(language)
    code = code if code in _WORDS else FALLBACK
    return LabelText(_WORDS[code][generated], code)


def tagged(language: str | None) -> str | None:
    """BCP 47 code of a language, with the script for Chinese; None for an unknown name."""
    if language is None or not is_known(language):
        return None
    code = code_of(language)
    if code == "zh" and langcodes.tag_is_valid(language.strip().replace("_", "-")):
        script = langcodes.Language.get(language.strip().replace("_", "-")).maximize().script
        return "zh-Hant" if script == "Hant" else "zh"
    return code

"""Which language a text is in, by langdetect, and what different tools call the same language."""

from __future__ import annotations

import re

from lipsync_ray.analyze.analysis import UNKNOWN, Guess

LEAST_LETTERS = 12  # below, langdetect guesses: "hola" is Welsh to it
_ADDRESS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+")
# Whisper's and older codes of a language → ISO 639-1 as langdetect says it
_SAME = {"jw": "jv", "iw": "he", "in": "id", "nn": "no", "nb": "no", "cmn": "zh", "yue": "zh", "fil": "tl"}


def detect(text: str) -> tuple[str, tuple[Guess, ...]]:
    """(language, all that are likely) of a text; "unknown" and none where it says too little.

    The same text always gives the same answer: langdetect draws samples, and its seed is set.

    Parameters
    ----------
    text : as it was said

    Returns
    -------
    ISO 639-1 code (zh-cn and zh-tw are told apart in the second part only), and probabilities that add up to about 1
    """
    from langdetect import DetectorFactory, detect_langs
    from langdetect.lang_detect_exception import LangDetectException

    plain = _ADDRESS.sub(" ", text).lower()  # capitals alone mislead it
    if sum(character.isalpha() for character in plain) < LEAST_LETTERS:
        return UNKNOWN, ()
    DetectorFactory.seed = 0
    try:
        found = detect_langs(plain)
    except LangDetectException:
        return UNKNOWN, ()
    guesses = tuple(Guess(str(guess.lang), float(guess.prob)) for guess in found)
    return code_of(guesses[0].language), guesses


def code_of(name: str) -> str:
    """One code for what people and tools write: "KO", "ko-KR", "ko_kr" and "Korean" are "ko"."""
    plain = name.strip().lower()
    first = re.split(r"[-_]", plain)[0]
    if len(first) > 3:
        from whisper.tokenizer import TO_LANGUAGE_CODE

        first = TO_LANGUAGE_CODE.get(plain, TO_LANGUAGE_CODE.get(first, first))
    return _SAME.get(first, first)

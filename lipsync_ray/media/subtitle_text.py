"""Text of subtitles as containers store it. Italics, bold and underlining are written as SubRip's tags; other markup is dropped."""

from __future__ import annotations

import re

TIMED_TEXT, SUBRIP, WEBVTT = "mov_text", "subrip", "webvtt"
_PLAIN = (TIMED_TEXT, "text")
_ASS = ("ass", "ssa")
_ASS_FIELDS = 8  # before the text, in a packet of Matroska
TEXT_CODECS = frozenset({*_PLAIN, SUBRIP, "srt", WEBVTT, *_ASS})
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_SWITCH = re.compile(r"\\([biu])(\d+)(?![\d&])")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}")
_TAG = re.compile(r"</?(?:[biusc]|v|font|lang|ruby|rt)(?:[ .][^<>]*)?>|<[\d:.]+>", re.IGNORECASE)
_SIMPLE = re.compile(r"</?[biu]>", re.IGNORECASE)
_ENTITIES = {"&nbsp;": "\u00a0", "&lrm;": "\u200e", "&rlm;": "\u200f", "&lt;": "<", "&gt;": ">", "&amp;": "&"}


def is_tagged(codec: str) -> bool:
    """Whether what :func:`text_of` returns for FFmpeg's codec may have SubRip's tags."""
    return codec not in _PLAIN


def text_of(packet: bytes, codec: str) -> str:
    """The text of a packet of one of :data:`TEXT_CODECS`; empty where it shows none."""
    if codec == TIMED_TEXT:
        packet = packet[2 : 2 + int.from_bytes(packet[:2], "big")]  # boxes of style follow
    text = packet.decode(errors="replace").replace("\r\n", "\n")
    if codec in _ASS:
        return _of_ass(text)
    if codec == WEBVTT:
        text = _without(_TAG, text)
        for entity, sign in _ENTITIES.items():
            text = text.replace(entity, sign)
    return text.rstrip("\n") if is_tagged(codec) else text


def text_for(text: str, codec: str, tagged: bool) -> str:
    """Text as a codec is given it.

    Parameters
    ----------
    tagged : whether the text may have SubRip's tags; others are written as they are
    """
    if not tagged or codec == SUBRIP:
        return text
    text = _OVERRIDE.sub("", text)
    return _without(_TAG, text) if codec == WEBVTT else _TAG.sub("", text)


def _without(tags: re.Pattern[str], text: str) -> str:
    """Text without tags, but those of italics, bold and underlining."""
    return tags.sub(lambda found: found[0] if _SIMPLE.fullmatch(found[0]) else "", text)


def _of_ass(event: str) -> str:
    text = event.split(",", _ASS_FIELDS)[-1]
    if _DRAWING.search(text):
        return ""  # a vector drawing
    text = _OVERRIDE.sub(
        lambda found: "".join(f"<{'/' * (value == '0')}{name}>" for name, value in _SWITCH.findall(found[0])), text
    )
    return text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", "\u00a0")

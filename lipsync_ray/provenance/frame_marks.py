"""Adds a watermark and a label to output frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from lipsync_ray.io import storage
from lipsync_ray.media import label as labels
from lipsync_ray.media import mark_code, watermark
from lipsync_ray.media.fonts import Font, font_for
from lipsync_ray.media.label import Label, draw_label, labelled, position_of
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.wordings import LabelText, tagged, wording_of
from lipsync_ray.provenance.mark_keys import MarkKey, key_of
from lipsync_ray.settings.marks import AUTO, MarkSettings

FOLDER = "labels"


@dataclass(frozen=True)
class PlacedLabel:
    """A label and its position in a video.

    Attributes
    ----------
    url : of its PNG
    x, y : its upper left pixel
    until : first frame without it; None if all frames have it
    text : its text
    """

    url: str
    x: int
    y: int
    until: int | None
    text: str


@dataclass(frozen=True)
class FrameMarks:
    """Marks for the frames of one video.

    Attributes
    ----------
    key, ident : of the watermark; key is None without one
    label : None without one
    """

    key: MarkKey | None = None
    ident: int = 0
    label: PlacedLabel | None = None

    def put(self, picture: YuvFrame, frame: int, drawn: bool) -> YuvFrame:
        """A copy of a frame with its marks.

        Parameters
        ----------
        frame : its number in the output
        drawn : whether anything was drawn in it; only such frames get the watermark
        """
        if self.label is not None and (self.label.until is None or frame < self.label.until):
            picture = labelled(picture, _read_label(self.label.url), self.label.x, self.label.y)
        if self.key is not None and drawn:
            picture = watermark.marked(picture, self.key.secret(), self.ident)
        return picture


NO_MARKS = FrameMarks()


@lru_cache(maxsize=8)
def _read_label(url: str) -> Label:
    return Label.of_png(storage.read_bytes(url))


def mark_columns(marks: FrameMarks) -> dict[str, str | None]:
    """Columns of a finished row that describe its marks."""
    ident = None if marks.key is None else mark_code.id_text(marks.ident)
    return {"watermark": ident, "label": marks.label.text if marks.label is not None else None}


def id_of(row: str, fingerprint: str) -> str:
    """Watermark id of a row: ten hexadecimal digits, determined by the row's id and fingerprint."""
    return storage.digest("watermark", row, fingerprint)[: mark_code.ID_DIGITS]


@dataclass(frozen=True)
class FrameMarking:
    """Frame marks of a run, with keys read and fonts found before anything starts.

    Attributes
    ----------
    generated : videos are entirely synthetic, and their labels say so
    committed : properties of a committed label → its URL
    """

    settings: MarkSettings = field(default_factory=MarkSettings)
    key: MarkKey | None = None
    generated: bool = False
    committed: dict[object, str] = field(default_factory=dict, repr=False, compare=False)

    def without_existing(self, watermarked: bool, labelled: bool, generated: bool) -> FrameMarking:
        """Marks for a video that already has a watermark or a label: these are kept, and none is added twice."""
        settings = replace(self.settings, label=None, label_seconds=5.0, label_corner="top-left", label_font=None)
        key = None if watermarked else self.key
        return FrameMarking(settings if labelled else self.settings, key, generated, self.committed)

    @property
    def files(self) -> tuple[str, ...]:
        """Files that every node must be able to read."""
        return (self.key.path,) if self.key is not None and self.key.path else ()

    def wording(self, language: str | None) -> LabelText:
        """The text of a row's label; a default text is in the row's language."""
        assert self.settings.label is not None
        if self.settings.label == AUTO:
            return wording_of(language, self.generated)
        return LabelText(self.settings.label, tagged(language) or "")

    def font(self, language: str | None) -> Font:
        """The font of a row's label.

        Raises
        ------
        SettingsError : no font has its letters
        """
        return font_for(self.wording(language).text, self.settings.label_font)

    def identity(self, language: str | None) -> tuple[object, ...]:
        """Everything that determines a row's marks, for its fingerprint; empty without marks."""
        parts: list[object] = []
        if self.key is not None:
            parts += ["watermark", mark_code.VERSION, watermark.VERSION, self.key.digest]
        if self.settings.label is not None:
            wording, how = self.wording(language), self.settings
            parts += ["label", labels.VERSION, wording.text, wording.language, self.font(language).sha256]
            parts += [how.label_seconds, how.label_corner]
        return tuple(parts)

    def label(
        self, language: str | None, width: int, height: int, aspect: Fraction, rate: Fraction, out: str
    ) -> PlacedLabel | None:
        """Draw a row's label and commit it to the run's folder; None without one.

        Parameters
        ----------
        width, height, aspect, rate : of the output
        out : the run's folder

        Raises
        ------
        SettingsError : the text is too long for the picture
        """
        if self.settings.label is None:
            return None
        wording, seconds = self.wording(language), self.settings.label_seconds
        width, height = width + width % 2, height + height % 2
        font = self.font(language)
        look = wording, font, width, height, aspect
        drawn = _drawn(*look)
        if (url := self.committed.get(look)) is None:
            data = drawn.png()
            url = self.committed[look] = storage.join(out, FOLDER, f"{storage.digest(data.hex())}.png")
            if not storage.exists(url):
                storage.commit_bytes(url, data)
        until = None if seconds is None else -int(-Fraction(seconds) * rate // 1)
        return PlacedLabel(url, *position_of(drawn, self.settings.label_corner, width, height), until, wording.text)

    def on(self, row: str, fingerprint: str, label: PlacedLabel | None) -> FrameMarks:
        """The marks for a row's frames.

        Parameters
        ----------
        row : its id
        label : from :meth:`label`
        """
        if self.key is None and label is None:
            return NO_MARKS
        return FrameMarks(self.key, int(id_of(row, fingerprint), 16), label)

    def notes(self, language: str | None, width: int, height: int) -> list[str]:
        """Warnings about a row's marks."""
        notes = []
        if self.key is not None and min(width, height) < watermark.LEAST_SIDE:
            notes.append(
                f"its watermark may not survive recoding: the picture has {width}×{height} pixels; {watermark.LEAST_SIDE} or more on "
                "each side keep it"
            )
        if self.settings.label == AUTO and self.wording(language).language != (tagged(language) or "en"):
            notes.append(f"its label is in English: there is no text in {language}; set one with --label TEXT")
        return notes


@lru_cache(maxsize=64)
def _drawn(wording: LabelText, font: Font, width: int, height: int, aspect: Fraction) -> Label:
    return draw_label(wording.text, font, wording.language or None, width, height, aspect)


def frame_marking_of(settings: MarkSettings, languages: Iterable[str | None], generated: bool = False) -> FrameMarking:
    """Prepare the marks of a run from its settings: read the key, find a font for every row.

    Parameters
    ----------
    languages : of the rows

    Raises
    ------
    SettingsError : the key is unusable, or no font has all letters of a text
    """
    marking = FrameMarking(settings, key_of(settings.watermark_key) if settings.watermark else None, generated)
    if settings.label is not None:
        for language in sorted(set(languages), key=str):
            marking.font(language)
    return marking

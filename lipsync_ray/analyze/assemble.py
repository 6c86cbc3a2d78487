"""What is said of a file in the end: its row, its verdict, and the text that a person reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from lipsync_ray.analyze import language
from lipsync_ray.analyze.analysis import IMPOSSIBLE, Analysis
from lipsync_ray.analyze.plan import FileRow, Known, Looked
from lipsync_ray.analyze.verdict import Opinion, look_of, of_audio, of_languages, of_video
from lipsync_ray.engine.rows import Failure
from lipsync_ray.media.details import AudioDetails, VideoDetails
from lipsync_ray.models.spoken import ENGLISH, Phrase

REPORT = "report.txt"


def conclude(known: Known, looked: Looked | None) -> Analysis:
    """The row of a file that could be looked at."""
    row, heard = known.row, known.heard
    file = row.file
    text = _joined(heard.phrases) if heard else None
    detected, guesses = language.detect(text) if text is not None else (None, None)
    look = look_of(looked.faces, len(looked.frames)) if looked else None
    # A file that was named itself is judged as what it is: as a picture where it has one, else as sound.
    roles = file.roles or (("video",) if known.video is not None else ("audio",))
    seen = of_video(known.video, look) if "video" in (file.roles or ("video",)) else None
    sound = of_audio(known.audio, known.audio_error)
    opinion = of_languages(file.languages, heard.language if heard else None, detected)
    opinion += seen if seen is not None and "video" in roles else Opinion()
    opinion += sound if "audio" in roles else Opinion(sound.warnings)
    translated = heard.english if heard else None
    untold = f"{row.whisper} does not translate" if heard and translated is None else known.text_error
    return Analysis(
        **_told(row),
        status="done",
        verdict=opinion.verdict,
        video_verdict=seen.verdict if seen else None,
        audio_verdict=sound.verdict,
        warnings=opinion.warnings,
        video=_plain(known.video),
        audio=_plain(known.audio),
        audio_error=known.audio_error,
        whisper=row.whisper,
        text=text,
        segments=heard.phrases if heard else None,
        text_error=known.text_error,
        whisper_language=heard.language if heard else None,
        whisper_probability=heard.probability if heard else None,
        translation=_joined(translated) if translated is not None else None,
        translation_segments=translated,
        translation_error=untold,
        language=detected,
        languages=guesses,
        looked_frames=looked.frames if looked else None,
        face_share=look.share if look else None,
        people=look.people if look else None,
        face_height_px=look.height_px if look else None,
        face_turn_deg=look.turn_deg if look else None,
        faces=looked.faces if looked else None,
        thumbnail=looked.thumbnail if looked else None,
    )


def unusable(row: FileRow, failure: Failure) -> Analysis:
    """The row of a file that could not be looked at."""
    return Analysis(
        **_told(row),
        status="failed",
        verdict=(verdict := f"{IMPOSSIBLE}: {failure.reason}"),
        video_verdict=verdict,
        audio_verdict=verdict,
        stage=failure.stage,
        error=failure.reason,
    )


def _told(row: FileRow) -> dict[str, Any]:
    """What is known of a file before it is opened."""
    file = row.file
    return {
        "id": file.id,
        "url": file.url,
        "roles": file.roles,
        "dubs": file.dubs,
        "expected_languages": file.languages,
        "identity": row.identity,
        "fingerprint": row.fingerprint,
    }


def _joined(phrases: Iterable[Phrase]) -> str:
    return " ".join(phrase.text for phrase in phrases)


def _plain(details: VideoDetails | AudioDetails | None) -> dict[str, Any] | None:
    """A record's values for a table: fractions as texts, but durations as numbers; the address is the row's."""
    if details is None:
        return None
    values = asdict(details) | {"duration_s": float(details.duration_s)}
    del values["url"]
    return {name: str(value) if isinstance(value, Fraction) else value for name, value in values.items()}


def report_text(analysis: Analysis) -> str:
    """report.txt: all that a person wants to read of a file."""
    lines = [analysis.url, "=" * len(analysis.url), "", f"verdict: {analysis.verdict}"]
    lines += [f"warning: {warning}" for warning in analysis.warnings]
    if analysis.dubs:
        lines.append(f"used as {' and '.join(analysis.roles)} by {', '.join(analysis.dubs)}")
    lines += _section("Video", _video_lines(analysis)) + _section("Audio", _audio_lines(analysis))
    lines += _section("Language", _language_lines(analysis))
    lines += _section("Transcript", _phrase_lines(analysis.segments, analysis.text_error))
    if analysis.whisper_language != ENGLISH:
        lines += _section("In English", _phrase_lines(analysis.translation_segments, analysis.translation_error))
    if analysis.faces is not None:
        lines += _section("Saved faces", _face_lines(analysis))
    return "\n".join(lines) + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, "-" * len(title), *lines]


def _video_lines(analysis: Analysis) -> list[str]:
    video = analysis.video
    if video is None:
        return ["none"]
    varies = f", varying; {float(Fraction(video['average_rate'])):.3f} on average" if video["varies"] else ""
    turned = f", stored turned by {video['rotation']}°" if video["rotation"] else ""
    shown = [
        f"{video['codec']} ({video['profile'] or 'no profile'}) in {video['container']}, {video['pixel_format']}",
        f"{video['width']} × {video['height']} pixels{turned}",
        f"{video['rate']} frames/s{varies}; {video['frames']} frames, {video['duration_s']:.3f} s",
        f"{video['bit_rate'] / 1000:.0f} kbit/s, {video['bytes']:,} bytes",
    ]
    if analysis.face_share is not None and analysis.looked_frames is not None:
        shown.append(f"a face in {analysis.face_share:.0%} of {len(analysis.looked_frames)} frames looked at")
    if analysis.face_height_px is not None:
        shown.append(
            f"at most {analysis.people} at a time; the largest {analysis.face_height_px:.0f} pixels tall, "
            f"turned by about {analysis.face_turn_deg:.0f}°"
        )
    return shown


def _audio_lines(analysis: Analysis) -> list[str]:
    audio = analysis.audio
    if audio is None:
        return [analysis.audio_error or "none"]
    loudness = "" if audio["loudness_lufs"] is None else f", loudness {audio['loudness_lufs']:.1f} LUFS"
    return [
        f"{audio['codec']} in {audio['container']}, {audio['sample_rate']} Hz, {audio['channels']} channels, "
        f"{audio['duration_s']:.3f} s",
        f"peak {audio['peak_dbfs']:.1f} dBFS, RMS {audio['rms_dbfs']:.1f} dBFS{loudness}, "
        f"{audio['silence']:.0%} of it silence",
    ]


def _language_lines(analysis: Analysis) -> list[str]:
    shown = [f"by the table: {', '.join(analysis.expected_languages)}"] if analysis.expected_languages else []
    if analysis.whisper_language is not None:
        shown.append(
            f"by ear (Whisper {analysis.whisper}): {analysis.whisper_language}, {analysis.whisper_probability:.0%}"
        )
    if analysis.language is not None:
        rest = ", ".join(f"{guess.language} {guess.probability:.0%}" for guess in analysis.languages or ())
        shown.append(f"by the text (langdetect): {analysis.language}" + (f" ({rest})" if rest else ""))
    return shown or [analysis.text_error or "not known"]


def _phrase_lines(phrases: Iterable[Phrase] | None, error: str | None) -> list[str]:
    if phrases is None:
        return [f"none: {error}"]
    return [f"{_clock(p.start_s)} – {_clock(p.end_s)}  {p.text}" for p in phrases] or ["no speech was heard"]


def _face_lines(analysis: Analysis) -> list[str]:
    return [
        f"{face.picture}  at {face.time_s:.3f} s, {face.height_px:.0f} pixels tall, {face.probability:.0%}"
        + (f"; sound: {face.clip}" if face.clip else "")
        for face in analysis.faces or ()
    ] or ["none"]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"

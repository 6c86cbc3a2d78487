"""Results of a file: its row, its verdict, and its text report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import pyarrow as pa

from lipsync_ray import addresses
from lipsync_ray.engine.stages import Failure
from lipsync_ray.io.formatting import number, share, text_or_dash
from lipsync_ray.jobs.analyze import language
from lipsync_ray.jobs.analyze.analysis import AUDIO, IMPOSSIBLE, VIDEO, Analysis, Guess, PersonInVideo
from lipsync_ray.jobs.analyze.plan import FileRow, FrameSamples, Known
from lipsync_ray.jobs.analyze.verdict import Assessment, face_statistics, of_audio, of_languages, of_speech, of_video
from lipsync_ray.media.details import AudioDetails, VideoDetails
from lipsync_ray.models.spoken import ENGLISH, Phrase, Transcript, uncertain_share

REPORT = "report.txt"


def build_row(known: Known, samples: FrameSamples | None) -> Analysis:
    """The row of a readable file."""
    row, speech = known.row, known.speech
    file = row.file
    detected, guesses = _read(speech)
    faces_found = face_statistics(samples.faces, len(samples.frames), samples.turned) if samples else None
    # A file without a table is judged as a video if it has a picture, else as audio.
    roles = file.roles or (("video",) if known.video is not None else ("audio",))
    video_opinion = of_video(known.video, faces_found) if "video" in (file.roles or ("video",)) else None
    sound = of_audio(known.audio, known.audio_error, spoken=speech is not None and speech.speech_s > 0)
    sound += of_speech(speech) + of_languages(file.languages, speech, detected)
    opinion = video_opinion if video_opinion is not None and "video" in roles else Assessment()
    opinion += sound if "audio" in roles else Assessment(sound.warnings)
    translated = speech.english if speech else None
    translation_error = f"{row.whisper} does not translate" if speech and translated is None else known.text_error
    return Analysis(
        **_file_fields(row),
        status="done",
        verdict=opinion.verdict,
        video_verdict=video_opinion.verdict if video_opinion else None,
        audio_verdict=sound.verdict,
        warnings=opinion.warnings,
        video=_plain(known.video, VIDEO),
        audio=_plain(known.audio, AUDIO),
        audio_error=known.audio_error,
        whisper=row.whisper,
        speech_s=speech.speech_s if speech else None,
        text=_joined(speech.phrases) if speech else None,
        segments=speech.phrases if speech else None,
        text_uncertain=uncertain_share(speech.phrases) if speech else None,
        text_error=known.text_error,
        whisper_language=speech.language if speech else None,
        whisper_probability=speech.probability if speech else None,
        whisper_others=speech.others if speech else (),
        translation=_joined(translated) if translated is not None else None,
        translation_segments=translated,
        translation_uncertain=uncertain_share(translated) if translated is not None else None,
        translation_error=translation_error,
        language=detected,
        languages=guesses,
        looked_frames=samples.frames if samples else None,
        face_share=faces_found.share if faces_found else None,
        people=faces_found.people if faces_found else None,
        face_height_px=faces_found.height_px if faces_found else None,
        face_turn_deg=faces_found.turn_deg if faces_found else None,
        faces=samples.faces if samples else None,
        thumbnail=samples.thumbnail if samples else None,
    )


def unusable(row: FileRow, failure: Failure) -> Analysis:
    """The row of an unreadable file."""
    return Analysis(
        **_file_fields(row),
        status="failed",
        verdict=(verdict := f"{IMPOSSIBLE}: {failure.reason}"),
        video_verdict=verdict,
        audio_verdict=verdict,
        stage=failure.stage,
        error=failure.reason,
    )


def _file_fields(row: FileRow) -> dict[str, Any]:
    """Fields known before a file is opened."""
    file = row.file
    return {
        "id": file.id,
        "url": addresses.address(file.url),
        "roles": file.roles,
        "dubs": file.dubs,
        "expected_languages": file.languages,
        "identity": row.identity,
        "fingerprint": row.fingerprint,
    }


def _read(speech: Transcript | None) -> tuple[str | None, tuple[Guess, ...] | None]:
    """Language of the certain text, and all likely ones; None without speech."""
    if speech is None or speech.language is None:
        return None, None
    return language.detect(_joined(phrase for phrase in speech.phrases if not phrase.uncertain))


def _joined(phrases: Iterable[Phrase]) -> str:
    return " ".join(phrase.text for phrase in phrases)


def _plain(details: VideoDetails | AudioDetails | None, kind: pa.StructType) -> dict[str, Any] | None:
    """Details as values of the table's struct: fractions as texts, durations as numbers."""
    if details is None:
        return None
    values = asdict(details) | {"duration_s": float(details.duration_s), "notes": list(details.notes)}
    plain = {name: str(value) if isinstance(value, Fraction) else value for name, value in values.items()}
    return {field.name: plain[field.name] for field in kind}


def report_text(analysis: Analysis) -> str:
    """Content of report.txt."""
    lines = [analysis.url, "=" * len(analysis.url), "", f"verdict: {analysis.verdict}"]
    lines += [f"warning: {warning}" for warning in analysis.warnings]
    if analysis.dubs:
        lines.append(f"used as {' and '.join(analysis.roles)} by {', '.join(analysis.dubs)}")
    lines += _section("Video", _video_lines(analysis)) + _section("Audio", _audio_lines(analysis))
    lines += _section("Language", _language_lines(analysis))
    lines += _section("Transcript", _phrase_lines(analysis.segments, analysis.text_error))
    if analysis.whisper_language != ENGLISH and not analysis.wordless:
        lines += _section("In English", _phrase_lines(analysis.translation_segments, analysis.translation_error))
    if analysis.faces is not None:
        lines += _section("Saved faces", _face_lines(analysis))
    if analysis.persons is not None or analysis.speakers_error:
        lines += _section("People", _people_lines(analysis))
    return "\n".join(lines) + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, "-" * len(title), *lines]


def _video_lines(analysis: Analysis) -> list[str]:
    video = analysis.video
    if video is None:
        return ["none"]
    average = None if video["average_rate"] is None else Fraction(video["average_rate"])
    varies = f", varying; {number(average, 3)} on average" if video["varies"] else ""
    turned = f", stored turned by {video['rotation']}°" if video["rotation"] else ""
    turned += ", mirrored" if video.get("mirrored") else ""
    bit_rate = None if video["bit_rate"] is None else video["bit_rate"] / 1000
    rows = [
        f"{text_or_dash(video['codec'])} ({video['profile'] or 'no profile'}) in {text_or_dash(video['container'])}, "
        f"{text_or_dash(video['pixel_format'])}",
        f"{text_or_dash(video['width'])} × {text_or_dash(video['height'])} pixels{turned}",
        f"{text_or_dash(video['rate'])} frames/s{varies}; {text_or_dash(video['frames'])} frames, "
        f"{number(video['duration_s'], 3)} s",
        f"{number(bit_rate)} kbit/s, {text_or_dash(video['bytes'])} bytes",
    ]
    if analysis.face_share is not None and analysis.looked_frames is not None:
        rows.append(f"a face in {share(analysis.face_share)} of {len(analysis.looked_frames)} frames looked at")
    if analysis.face_height_px is not None:
        rows.append(
            f"at most {text_or_dash(analysis.people)} at a time; the largest {number(analysis.face_height_px)} "
            "pixels tall, "
            f"turned by about {number(analysis.face_turn_deg)}°"
        )
    return rows


def _audio_lines(analysis: Analysis) -> list[str]:
    audio = analysis.audio
    if audio is None:
        return [analysis.audio_error or "none"]
    loudness = "" if audio["loudness_lufs"] is None else f", loudness {number(audio['loudness_lufs'], 1)} LUFS"
    return [
        f"{text_or_dash(audio['codec'])} in {text_or_dash(audio['container'])}, {text_or_dash(audio['sample_rate'])} "
        "Hz, "
        f"{text_or_dash(audio['channels'])} channels, {number(audio['duration_s'], 3)} s",
        f"peak {number(audio['peak_dbfs'], 1)} dBFS, RMS {number(audio['rms_dbfs'], 1)} dBFS{loudness}, "
        f"{share(audio['silence'])} of it silence",
    ]


def _language_lines(analysis: Analysis) -> list[str]:
    rows = [f"by the table: {', '.join(analysis.expected_languages)}"] if analysis.expected_languages else []
    if analysis.wordless:
        rows.append(f"by ear: {analysis.wordless}")
    if analysis.whisper_language is not None:
        rows.append(
            f"by ear (Whisper {text_or_dash(analysis.whisper)}): {analysis.whisper_language}, "
            f"{share(analysis.whisper_probability)}"
        )
    if analysis.language is not None:
        rest = ", ".join(f"{guess.language} {share(guess.probability)}" for guess in analysis.languages or ())
        rows.append(f"by the text (langdetect): {analysis.language}" + (f" ({rest})" if rest else ""))
    return rows or [analysis.text_error or "not known"]


def _phrase_lines(phrases: Iterable[Phrase] | None, error: str | None) -> list[str]:
    if phrases is None:
        return [f"none: {text_or_dash(error)}"]
    return [
        f"{_clock(p.start_s)} – {_clock(p.end_s)}  {p.text}" + (f"  [uncertain: {p.uncertain}]" if p.uncertain else "")
        for p in phrases
    ] or ["nothing was heard"]


def _face_lines(analysis: Analysis) -> list[str]:
    return [
        f"{face.picture}  at {number(face.time_s, 3)} s, {number(face.height_px)} pixels tall, "
        f"{share(face.probability)}" + (f"; sound: {face.clip}" if face.clip else "")
        for face in analysis.faces or ()
    ] or ["none"]


def _people_lines(analysis: Analysis) -> list[str]:
    lines = [
        f"person {one.person}: {times_of(one)}" + (f"; {one.picture}" if one.picture else "")
        for one in analysis.persons or ()
    ]
    failed = [f"who speaks is not known: {analysis.speakers_error}"] if analysis.speakers_error else []
    return [*lines, *analysis.speaker_notes, *failed] or ["none"]


def times_of(person: PersonInVideo) -> str:
    """How long a person speaks and is seen, in words."""
    spoken = "" if person.spoken_s is None else f"speaks {number(person.spoken_s, 1)} s, "
    return f"{spoken}seen {number(person.seen_s, 1)} s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"

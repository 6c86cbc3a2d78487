"""Which attributes of a source a dub keeps, warns of, or loses without a word: by ffprobe and by decoded samples.

    python benchmarks/deliver.py [FOLDER] [--model warp] [--only pq,hlg]

Makes sources of the demo's portrait by the program ffmpeg (with libzimg), each with attributes of its own, dubs every one in this process
with a codec that should keep them, and again with H.264. Prints source | result by attribute, and the verdict: kept, applied (meant to
change), warned, or LOST; then a row for each dub. "Samples" are those of a corner where nothing is
drawn, as PSNR in the source's own depth; of FFV1 it has to be "equal".
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--model", default="warp")
    parser.add_argument("--only", default="", help="names of sources")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import numpy as np

import lipsync_ray
from lipsync_ray import DubSettings, VideoCoding, Workers
from lipsync_ray.media import decode
from lipsync_ray.media.choices import Deinterlace
from lipsync_ray.media.deinterlace import frames_of_each
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.time_code import of_parts
from lipsync_ray.settings.sound import SoundSettings

DATA = Path(lipsync_ray.__file__).parent / "demo" / "data"
SECONDS, CORNER = "1.2", 40  # pixels of the corner that is compared
MOVING = (
    "scale=400:-2:out_color_matrix=bt709:out_range=tv,format=yuv444p,crop=320:320:40+20*sin(n/8):20+10*cos(n/9),setsar=1,"
    "noise=alls=4:allf=t,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
)
TAGGED = ["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"]
LIGHT = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400:hdr10=1"
HDR = "log-level=error:colorprim=9:colormatrix=9"


@dataclass(frozen=True)
class Source:
    """A source: its name, the codec that should keep it, FFmpeg's filters behind :data:`MOVING`, options of the output, the
    container of the dub where it is not the codec's usual one, how fields become frames, pictures a second before the filters, and what the dub is to
    sound like."""

    name: str
    codec: str
    filters: str
    options: list[str]
    container: str = ""
    deinterlace: Deinterlace = "estdif"
    rate: int = 25
    sound: SoundSettings = field(default_factory=SoundSettings)


ALPHA = "format=yuva444p10le,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='if(lt(X,60),X*17,1023)'"
ZSCALE = "zscale=p=2020:t={}:m=2020_ncl:r=limited:npl=203,format=yuv420p10le"
X264 = ["-c:v", "libx264", "-crf", "10"]
FIELDS = "tinterlace=interleave_top,setfield=tff,format"
SURROUND = SoundSettings(background="source", voice_channel="center", loudness=-23.0, keep_audio=True)
SOURCES = (
    Source("pq.mp4", "hevc", ZSCALE.format("smpte2084"), ["-c:v", "libx265", "-crf", "8", "-x265-params", f"{HDR}:transfer=16:{LIGHT}"]),
    Source("hlg.mkv", "av1", ZSCALE.format("arib-std-b67"), ["-c:v", "libx265", "-crf", "8", "-x265-params", f"{HDR}:transfer=18"]),
    Source("whole.mkv", "ffv1", ZSCALE.format("smpte2084"), ["-c:v", "ffv1", "-level", "3"]),
    Source("prores422.mov", "prores", "format=yuv422p10le", ["-c:v", "prores_ks", "-profile:v", "3", *TAGGED]),
    Source("prores4444.mov", "prores", ALPHA, ["-c:v", "prores_ks", "-profile:v", "4", *TAGGED]),
    Source("anamorphic.mp4", "hevc", "format=yuv420p,setsar=4/3", [*X264, *TAGGED]),
    Source("interlaced.mp4", "h264", f"{FIELDS}=yuv420p", [*X264, "-flags", "+ildct+ilme", *TAGGED], rate=50),
    Source("fields.mov", "h264", f"{FIELDS}=yuv420p", [*X264, "-flags", "+ildct+ilme", "-timecode", "01:00:00:10", *TAGGED], "mov", "bwdif-fields", 50),
    Source("fields422.mov", "prores", f"{FIELDS}=yuv422p10le", ["-c:v", "prores_ks", "-profile:v", "3", "-flags", "+ildct", *TAGGED], "", "bwdif-fields", 50),
    Source("vfr.mkv", "h264", "format=yuv420p,select='not(eq(mod(n,7),3))'", [*X264, "-vsync", "vfr", *TAGGED]),
    Source("timecode.mov", "h264", "format=yuv420p", [*X264, "-timecode", "01:00:00:00", *TAGGED]),
    Source("tracks.mkv", "h264", "format=yuv420p", [*X264, *TAGGED, "-map", "0:v", "-map", "1:a", "-map", "2:s", "-map", "2:s", "-map_metadata", "3", "-ac", "6", "-c:a", "flac", "-metadata", "title=A film", "-metadata", "creation_time=2020-02-03T04:05:06Z", "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=fre"]),
    Source("surround.mkv", "h264", "format=yuv420p", [*X264, *TAGGED, "-map", "0:v", "-map", "1:a", "-ac", "6", "-c:a", "flac", "-metadata:s:a:0", "language=eng", "-metadata:s:a:0", "title=Original"], "mkv", sound=SURROUND),
    Source("web.mov", "av1", "format=yuv420p", [*X264, *TAGGED, "-map", "0:v", "-map", "2:s", "-c:s", "mov_text", "-map_metadata", "3", "-timecode", "01:00:00:00", "-metadata:s:s:0", "language=eng"], container="webm"),
)  # fmt: skip


def make(source: Source, folder: Path) -> Path:
    """Make a source by ffmpeg; an existing one stays."""
    path = folder / source.name
    if path.exists():
        return path
    texts, chapters = folder / "texts.srt", folder / "chapters.txt"
    texts.write_text("1\n00:00:00,100 --> 00:00:01,000\nHello\n")
    chapters.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=600\ntitle=one\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=600\nEND=1200\ntitle=two\n"
    )
    picture = ["-loop", "1", "-framerate", str(source.rate), "-t", SECONDS, "-i", str(DATA / "portrait.jpg")]
    more = ["-t", SECONDS, "-i", str(DATA / "en.ogg"), "-i", str(texts), "-i", str(chapters)]
    filters = ["-vf", f"{MOVING},{source.filters}", *source.options]
    subprocess.run(["ffmpeg", "-y", "-v", "error", *picture, *more, *filters, "-t", SECONDS, str(path)], check=True)
    return path


def rotated(folder: Path) -> Path:
    """A source whose display matrix turns it."""
    plain, path = (
        make(Source("plain.mp4", "h264", "format=yuv420p,transpose=1", [*X264, *TAGGED]), folder),
        folder / "rotated.mp4",
    )
    turn = ["-c", "copy", "-metadata:s:v", "rotate=90"]
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-i", str(plain), *turn, str(path)], check=True)
    return path


def attributes(path: Path) -> dict[str, str]:
    """What ffprobe says of a file."""
    show = ["-show_streams", "-show_format", "-show_chapters", "-show_frames", "-read_intervals", "%+#1"]
    command = ["ffprobe", "-v", "error", "-of", "json", *show, str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    video = next(one for one in found["streams"] if one["codec_type"] == "video")
    frame: dict[str, Any] = next((one for one in found.get("frames", ()) if one["media_type"] == "video"), {})
    info = probe_video(str(path))
    light = {one["side_data_type"]: one for one in (*frame.get("side_data_list", ()), *video.get("side_data_list", ()))}
    master, content = light.get("Mastering display metadata", {}), light.get("Content light level metadata", {})
    out = {
        "size": f"{info.width} × {info.height}",
        "pixel format": video.get("pix_fmt", ""),
        "colour": " ".join(video.get(f"color_{one}", "–") for one in ("range", "primaries", "transfer", "space")),
        "pixel aspect": str(info.pixel_aspect),
        "mastering display": " ".join(str(_number(master[one])) for one in sorted(master) if one != "side_data_type")
        or "–",
        "light level": f"{content.get('max_content', '–')} {content.get('max_average', '')}".strip(),
        "fields": "interlaced" if info.interlaced else "progressive",
        "rate": f"{float(info.rate):.4g}{' varying' if info.varies else ''}",
        "turned": str(info.rotation),
        "subtitles": " ".join(
            tags(one).get("language", "und") for one in found["streams"] if one["codec_type"] == "subtitle"
        )
        or "–",
        "chapters": " ".join(f"{float(one['end_time']):.2f} {tags(one).get('title')}" for one in found["chapters"])
        or "–",
        "title": tags(found["format"]).get("title", "–"),
        "creation time": tags(found["format"]).get("creation_time", "–"),
        "sound": ", ".join(
            f"{one['channels']} channels {tags(one).get('language', 'und')} {tags(one).get('title', '')}".strip()
            for one in found["streams"]
            if one["codec_type"] == "audio"
        )
        or "–",
        "time code": next((t for one in (*found["streams"], found["format"]) if (t := tags(one).get("timecode"))), "–"),
    }
    return out


def tags(one: dict[str, Any]) -> dict[str, str]:
    """Tags by their names in small letters: Matroska has capitals."""
    return {name.lower(): text for name, text in one.get("tags", {}).items()}


def _number(text: Any) -> float:
    top, _, bottom = str(text).partition("/")
    return round(int(top) / int(bottom or 1), 4)


# Attribute → a word of the warning that names it; "" where a dub means it to change
WORDS = {
    "pixel format": ("bits", "chroma", "HDR", "transparent"), "colour": ("HDR",), "mastering display": ("HDR", "mastering"),
    "light level": ("HDR", "mastering"), "fields": ("deinterlaced",),
    "subtitles": ("subtitles",), "chapters": ("chapters",), "time code": ("time code",), "pixel aspect": ("aspect",),
}  # fmt: skip
APPLIED = {"turned", "rate"}  # turned upright; a constant grid of the nominal rate
WIDER = {
    "yuva444p12le": "yuva444p10le",
    "yuva444p10le": "yuva444p12le",
    "yuv422p10le": "yuv422p10le",
}  # FFmpeg decodes 4444 as 12 bits


def samples(source: Path, result: Path, codec: str, deinterlace: Deinterlace) -> tuple[str, str]:
    """(PSNR of a corner's luma, of its alpha), in the format that the result keeps; "equal" where it is."""
    coding = VideoCoding(codec=codec)  # type: ignore[arg-type]
    one, other = (keeping(probe_video(str(path), deinterlace=deinterlace), coding) for path in (source, result))
    errors: list[list[float]] = [[], []]
    most = 255
    for a, b in zip(decode.pictures(one, 0, 8), decode.pictures(other, 0, 8), strict=True):
        if a.native is None or b.native is None:
            planes = [(a.y, b.y)]
        else:
            planes = [
                (a.native.planes[n], b.native.planes[n])
                for n in (0, 3)
                if n < min(len(a.native.planes), len(b.native.planes))
            ]
            most = (1 << a.native.depth) - 1
        for found, (own, made) in zip(errors, planes, strict=False):
            found.append(float(np.square(own[:CORNER, :CORNER].astype(float) - made[:CORNER, :CORNER]).mean()))
    said = [
        "–" if not each else "equal" if max(each) == 0 else f"{10 * np.log10(most**2 / np.mean(each)):.1f} dB"
        for each in errors
    ]
    return said[0], said[1]


def loudness(path: Path) -> float:
    """Of the first audio track, by FFmpeg's ebur128, in LUFS."""
    command = [
        "ffmpeg",
        "-hide_banner",
        "-nostats",
        "-i",
        str(path),
        "-map",
        "0:a:0",
        "-af",
        "ebur128",
        "-f",
        "null",
        "-",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return float(re.findall(r"I:\s+(-?[\d.]+) LUFS", said)[-1])


def rows(
    asked: Source, source: Path, codec: str, container: str, folder: Path, model: str
) -> Iterator[tuple[str, str, str, str]]:
    """(attribute, source, result, verdict) of a dub."""
    out, deinterlace = folder / f"{source.stem}-{codec}", asked.deinterlace
    coding = VideoCoding(codec=codec, container=container or None)  # type: ignore[arg-type]
    settings = DubSettings(model=model, coding=coding, deinterlace=deinterlace, sound=asked.sound)
    summary = lipsync_ray.dub(
        source, DATA / "en.ogg", out, settings=settings, workers=Workers(engine="inline"), progress=False
    )
    (result,) = summary.results
    if result.output is None:
        yield "dub", "", str(result.error), "FAILED"
        return
    before, after = attributes(source), attributes(Path(result.output))
    warnings = " ".join(result.warnings)
    for name, value in before.items():
        same = value == after[name] or WIDER.get(value) == after[name] or value == "–"
        named = any(word in warnings for word in WORDS.get(name, ()))
        moved = name == "time code" and after[name] == of_parts(value, frames_of_each(deinterlace))
        voiced = name == "sound" and (
            not asked.sound.keep_audio or value in after[name]
        )  # the voice is in the source's place
        applied = name in APPLIED or moved or voiced
        yield (
            name,
            value,
            after[name],
            "kept" if same else "applied" if applied else "warned" if named else "LOST",
        )
    luma, alpha = samples(source, Path(result.output), codec, deinterlace)
    good = luma == "equal" if codec == "ffv1" else luma == "equal" or float(luma.split()[0]) > 35
    yield "samples, luma", "", luma, "kept" if good else "LOST"
    if (goal := asked.sound.loudness) is not None:
        found = loudness(Path(result.output))
        yield "loudness", "", f"{found:.1f} LUFS", "kept" if abs(found - goal) <= 0.3 else "LOST"
    if alpha != "–":
        yield "samples, alpha", "", alpha, "kept"


SUMMARY = "| source | options | kept | changed as asked | in `warnings` | lost | luma |\n|---|---|---|---|---|---|---|"


def summed(name: str, options: str, found: Sequence[tuple[str, str, str, str]]) -> str:
    """A row for a dub: how many attributes that the source has are kept, and the others by name."""
    kept = sum(verdict == "kept" and before not in ("", "–") for _, before, _, verdict in found)
    named = [
        ", ".join(attribute for attribute, *_, verdict in found if verdict in verdicts) or "–"
        for verdicts in (("applied",), ("warned",), ("LOST", "FAILED"))
    ]
    luma = next((value for attribute, _, value, _ in found if attribute == "samples, luma"), "–")
    return f"| {name} | `{options}` | {kept} | {' | '.join(named)} | {luma} |"


def main(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(arguments.folder or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = set(filter(None, arguments.only.split(",")))
        jobs = [*SOURCES, Source("rotated.mp4", "h264", "", [])]
        lost, summary = 0, [SUMMARY]
        for one in jobs:
            if wanted and one.name.partition(".")[0] not in wanted:
                continue
            path = rotated(folder) if one.name == "rotated.mp4" else make(one, folder)
            codecs = {one.codec: one.container} if one.codec == "h264" else {"h264": "", one.codec: one.container}
            for used, held in codecs.items():
                options = f"--codec {used}{held and f' --container {held}'}"
                options += f" --deinterlace {one.deinterlace}" if one.deinterlace != "estdif" else ""
                print(f"\n{one.name}, {options}\n\n| attribute | source | result | |\n|---|---|---|---|")
                found = []
                for row in rows(one, path, used, held, folder, arguments.model):
                    found.append(row)
                    print("| " + " | ".join(row) + " |", flush=True)
                lost += sum(row[-1] in ("LOST", "FAILED") for row in found)
                summary.append(summed(one.name, options, found))
        print("\n" + "\n".join(summary) + f"\n\n{lost} lost without a word")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main(ARGUMENTS))

"""Print a digest of everything that is made from the files of a folder, from pictures and from samples.

Run in processes whose fresh memory differs; the files are written once, by the process that compares.
"""

import hashlib
import io
import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from clips import write_audio, write_video

from lipsync_ray.media import audio, decode
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.join import Part, join
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_writers import AudioTrack

SIZES = [(590, 590), (854, 480), (1080, 192), (512, 512), (322, 242), (606, 130)]  # the last ones: what shows it, small
OTHERS = ["hevc", "av1", "prores", "ffv1"]
PRESETS = ["ultrafast", "veryfast", "medium"]


def say(name, *arrays):
    digest = hashlib.md5()
    for array in arrays:
        digest.update(array if isinstance(array, bytes) else np.ascontiguousarray(array).tobytes())
    print(name, digest.hexdigest())


def noisy(width, height, count=6):
    rng = np.random.default_rng(0)
    base = np.kron(rng.integers(0, 255, (height // 8 + 3, width // 8 + 3)), np.ones((8, 8), int))
    for index in range(count):
        y = base[index : index + height, index : index + width] + rng.integers(-20, 20, (height, width))
        yield np.clip(y, 0, 255).astype(np.uint8)


VIDEOS = {"yuv422p10le": ("ffv1", "a.mkv"), "bgr0": ("ffv1", "b.mkv"), "yuv420p": ("libx264", "c.mp4")}
SOUNDS = {1: 44_100, 2: 22_050, 6: 48_000}


def write_inputs(folder):
    for form, (codec, name) in VIDEOS.items():
        pictures = [np.stack([y] * 3, axis=2) for y in noisy(358, 202)]
        write_video(folder / name, pictures, codec=codec, pix_fmt=form)
    rng = np.random.default_rng(1)
    for channels, rate in SOUNDS.items():
        samples = 0.3 * rng.standard_normal((channels, rate)).astype(np.float32)
        write_audio(folder / f"{channels}.wav", samples, rate)


def main(folder):
    for width, height in SIZES:
        planes = [YuvFrame(y, y[::2, ::2].copy(), y[1::2, 1::2].copy(), Colour()) for y in noisy(width, height)]
        for preset in PRESETS:
            part = encode(planes, Fraction(25), Fraction(1), VideoCoding(18, preset))
            say(f"encode {width}x{height} {preset}", part)
        if width < 600:
            for codec in OTHERS:
                say(
                    f"encode {width}x{height} {codec}",
                    encode(planes, Fraction(25), Fraction(1), VideoCoding(codec=codec)),
                )
        info_of = io.BytesIO(part)
        with av.open(info_of) as container:
            say(f"decode {width}x{height}", *(frame.to_ndarray() for frame in container.decode(video=0)))
    for form, (_, name) in VIDEOS.items():
        info = probe_video(str(folder / name))
        for picture in decode.pictures(info, 0, info.frames):
            say(f"planes {form}", picture.y, picture.u, picture.v)
        for codec in OTHERS:
            kept = keeping(
                replace(info, colour=Colour(9, 1, 9, 16)) if form == "yuv422p10le" else info, VideoCoding(codec=codec)
            )
            for picture in decode.pictures(kept, 0, info.frames):
                native = picture.native
                say(f"samples {form} for {codec}", picture.y, *(() if native is None else native.planes))
        for width in (111, 112, 179, 320):
            say(f"scaled {form} to {width}", *decode.small_rgb(info, 0, info.frames, width, width * 9 // 16))
    with tempfile.TemporaryDirectory() as scratch:
        for channels, rate in SOUNDS.items():
            path = str(folder / f"{channels}.wav")
            say(f"blocks of {channels}", *(block for _, block in audio.blocks(path)))
            say(f"speech of {channels}", *audio.speech_blocks(path))
            track = AudioTrack(SoundTrack(path), Span(0, rate), Fraction(1))
            join([Part(0, lambda: part)], Fraction(25), track, Path(scratch) / "out.mp4")
            say(f"joined with {channels}", (Path(scratch) / "out.mp4").read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))

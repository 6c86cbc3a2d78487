"""One table with a good row and with every kind of odd file: each is done right, with a word, or refused, with a reason."""

import csv
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from clips import tone, write_audio, write_both, write_video
from commands import frame_digests, lipsync_ray
from PIL import Image

from lipsync_ray.io.results import read_results
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video


@pytest.fixture(scope="module")
def faces(demo_inputs):
    """(h, w, 3) uint8 RGB: the demo's portrait, moving a little."""
    face = cv2.resize(cv2.imread(str(demo_inputs / "portrait.jpg")), (256, 300))[..., ::-1]
    wall = np.full((320, 400, 3), 110, np.uint8)
    pictures = []
    for number in range(30):
        picture = wall.copy()
        picture[10:310, 60 + number // 3 : 316 + number // 3] = face
        pictures.append(picture)
    return pictures


def spoken(path):
    """(n,) float32 of 1.2 s at 48 kHz, behind the first half second."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", 48_000)
        blocks = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(blocks)[24_000:][:57_600]


@pytest.fixture(scope="module")
def folder(faces, demo_inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    speech = spoken(demo_inputs / "en.ogg")
    write_audio(folder / "voice.wav", speech, 48_000)
    surround = np.zeros((8, len(speech)), np.float32)
    surround[2] = speech
    write_audio(folder / "surround.wav", surround, 48_000)
    write_audio(folder / "silent.wav", np.zeros(19_200, np.float32))
    parts = [write_audio(folder / f"{r}.aac", tone(0.6, r), r, "aac").read_bytes() for r in (48_000, 44_100)]
    (folder / "rates.aac").write_bytes(b"".join(parts))
    write_video(folder / "good.mp4", faces)
    write_video(folder / "b.avi", faces, options={"bf": "3", "g": "12"})
    write_video(folder / "raw.h264", faces)
    piece = write_both(folder / "p.ts", faces, speech, options={"bf": "2", "g": "12"}).read_bytes()
    late = write_both(
        folder / "l.ts", faces, speech, options={"bf": "2"}, video_from=Fraction(90), sound_from=Fraction(90)
    )
    (folder / "back.ts").write_bytes(late.read_bytes() + piece)
    write_video(folder / "hour.mkv", faces, stamps=[*range(29), 90_000])
    Image.fromarray(faces[0]).save(folder / "portrait.jpg", quality=95)
    (folder / "cut.jpg").write_bytes((folder / "portrait.jpg").read_bytes()[:6000])
    exif = Image.Exif()
    exif[0x0112] = 2
    Image.fromarray(faces[0][:, ::-1].copy()).save(folder / "mirrored.jpg", quality=95, exif=exif)
    still = Image.fromarray(faces[0])
    still.save(
        folder / "moving.webp", save_all=True, append_images=[Image.fromarray(f) for f in faces[1:]], duration=40
    )
    (folder / "text.png").write_text("<html>404</html>" * 50)
    return folder


def test_each_is_done_right_or_refused_and_nobody_waits(folder, tmp_path):
    rows = {
        "good": ("good.mp4", "voice.wav"), "avi": ("b.avi", "voice.wav"), "raw": ("raw.h264", "voice.wav"),
        "back": ("back.ts", "back.ts"), "hour": ("hour.mkv", "voice.wav"), "cut": ("cut.jpg", "voice.wav"),
        "mirrored": ("mirrored.jpg", "voice.wav"), "webp": ("moving.webp", "voice.wav"), "text": ("text.png", "voice.wav"),
        "surround": ("good.mp4", "surround.wav"), "rates": ("good.mp4", "rates.aac"), "silent": ("good.mp4", "silent.wav"),
    }  # fmt: skip
    table = tmp_path / "t.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio", "language"), *((i, folder / v, folder / a, "ko") for i, (v, a) in rows.items())])  # fmt: skip
    assert lipsync_ray("dub", table, "-o", tmp_path / "out", "--model", "mini", "--crf", "0") == 1
    found = {result.id: result for result in read_results(str(tmp_path / "out"))}
    refused = {
        "hour": "holds 30", "cut": "cut short or damaged", "webp": "animated WebP", "text": "text.png",
    }  # fmt: skip
    assert {name for name, result in found.items() if result.status != "done"} == set(refused)
    for name, said in refused.items():
        assert found[name].stage == "probe"
        assert said in found[name].error
        assert "\n" not in found[name].error
    warned = {
        "avi": "30 frames were counted", "raw": "30 frames were counted", "back": "clock is reset 1 time", "silent": "silent",
    }  # fmt: skip
    # Where a sound is no voice, its row says that, too.
    others = {name: [w for w in result.warnings if "no voice" not in w] for name, result in found.items()}
    assert {name for name, warnings in others.items() if warnings} == set(warned)
    for name, said in warned.items():
        assert said in others[name][0]
    assert found["back"].frames in (60, 61)  # as long as its sound, whose last AAC packet is filled up
    assert {found[name].frames for name in ("good", "avi", "raw", "surround", "silent")} == {30}
    # The same pictures and the same sound are the same dub, whatever they came in.
    digests = {name: frame_digests(found[name].output) for name in ("good", "surround", "silent")}
    assert digests["good"] != digests["silent"]
    close = [
        np.abs(a.y.astype(int) - b.y).mean()
        for a, b in zip(shown(found["good"]), shown(found["surround"]), strict=True)
    ]
    assert max(close) < 0.2
    with av.open(found["surround"].output) as container:
        sound = container.streams.audio[0]
        assert (sound.codec_context.channels, sound.language) == (2, "kor")


def shown(result):
    info = probe_video(result.output)
    return decode.pictures(info, 0, info.frames)

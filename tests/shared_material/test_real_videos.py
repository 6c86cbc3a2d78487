"""Real videos and speech, which are not part of the repository: all that needs them is here.

Skipped, with the reason, where they are not.
"""

import csv
import hashlib
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from clips import read_sound, write_audio
from commands import lipsync_ray
from material import random_whisper, shift_sound

from lipsync_ray import DubSettings, dub_table
from lipsync_ray.jobs.analyze.analysis import read_analyses
from lipsync_ray.jobs.evaluate.scores import SCORES
from lipsync_ray.media import decode
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.details import get_audio_details, get_video_details
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.models import weights
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.mini import Mini
from lipsync_ray.settings import Workers

pytestmark = pytest.mark.slow

# As ffprobe 5.1 says: format, codec, width, height, r_frame_rate, avg_frame_rate, packets, seconds, varies
VIDEOS = {
    "anchor_224.avi": ("avi", "mpeg4", 224, 224, "25", "25", 317, 12.68, False),
    "crowd_1080p.mp4": ("mov,mp4", "h264", 1920, 1080, "25", "25", 105, 4.2, False),
    "hdtf_a.mp4": ("mov,mp4", "mpeg4", 512, 512, "25", "25", 200, 8.0, False),
    "hdtf_b.mp4": ("mov,mp4", "mpeg4", 512, 512, "25", "25", 200, 8.0, False),
    "no_face.mov": ("mov,mp4", "h264", 1920, 1080, "24000/1001", "24000/1001", 246, 10.26025, False),
    "odd_rate.mp4": ("mov,mp4", "h264", 700, 700, "30", "1350/61", 135, 6.1, True),
    "portrait_hevc_25.mp4": ("mov,mp4", "hevc", 1080, 1920, "25", "25", 250, 10.0, False),
    "portrait_hevc_30.mp4": ("mov,mp4", "hevc", 1080, 1920, "30", "30", 600, 20.0, False),
    "small_face_es.webm": ("matroska,webm", "vp9", 1280, 720, "25", "25", 276, 11.04, False),
    "square_590.mp4": ("mov,mp4", "h264", 590, 590, "25", "25", 125, 5.0, False),
}
# ffprobe: codec, Hz, channels, seconds; ffmpeg: volumedetect's mean and max, dB; ebur128's integrated loudness, LUFS
AUDIOS = {
    "ar.wav": ("pcm_s16le", 16000, 1, 10.651125, -30.9, -12.3, -31.0),
    "en.wav": ("pcm_s16le", 16000, 1, 54.739688, -18.1, -1.7, -17.7),
    "es.wav": ("pcm_s16le", 16000, 1, 29.522562, -18.1, -0.3, -17.8),
    "jfk.flac": ("flac", 44100, 2, 11.0, -16.9, -2.1, -12.5),
    "ko.wav": ("pcm_s16le", 16000, 1, 8.597, -26.8, -5.1, -26.2),
}


def test_video_details_are_ffprobes(corpus):
    for name, values in VIDEOS.items():
        found = get_video_details(str(corpus / "videos" / name))
        container, codec, width, height, rate, average, frames, seconds, varies = values
        assert found.container.startswith(container), name
        assert (found.codec, found.width, found.height, found.pixel_format) == (codec, width, height, "yuv420p")
        assert (found.rate, found.average_rate) == (Fraction(rate), Fraction(average))
        assert (found.frames, found.varies, found.has_audio, found.still) == (frames, varies, True, False)
        assert float(found.duration_s) == pytest.approx(seconds, abs=1e-3)
        assert found.bytes == (corpus / "videos" / name).stat().st_size
        assert found.bit_rate == pytest.approx(found.bytes * 8 / seconds, rel=1e-3)


def test_audio_details_are_ffmpegs(corpus):
    for name, (codec, rate, channels, seconds, mean, peak, loudness) in AUDIOS.items():
        found = get_audio_details(str(corpus / "audio" / name))
        assert (found.codec, found.sample_rate, found.channels) == (codec, rate, channels), name
        assert float(found.duration_s) == pytest.approx(seconds, abs=1e-5)
        levels = (found.rms_dbfs, found.peak_dbfs, found.loudness_lufs)
        assert levels == pytest.approx((mean, peak, loudness), abs=0.06), name


def test_real_videos_are_the_same_from_anywhere(corpus):
    for name in ("anchor_224.avi", "odd_rate.mp4", "small_face_es.webm", "square_590.mp4", "hdtf_a.mp4"):
        info = probe_video(str(corpus / "videos" / name))

        def digests(start, stop, info=info):
            return [
                hashlib.md5(p.y.tobytes() + p.u.tobytes() + p.v.tobytes()).hexdigest()
                for p in decode.pictures(info, start, stop)
            ]

        whole = digests(0, info.frames)
        assert len(whole) == info.frames == (183 if name == "odd_rate.mp4" else VIDEOS[name][6])
        for start in (1, 24, 61, 100):
            assert digests(start, start + 9) == whole[start : start + 9], (name, start)


def test_the_sound_of_a_video_is_on_the_videos_clock(corpus):
    """The crowd's audio begins 10 ms after its picture: within rounding of a frame, no silence is put in."""
    sound = probe_audio(str(corpus / "videos" / "crowd_1080p.mp4"))
    assert abs(float(sound.duration_s) - 4.2) < 0.01


def test_mini_equals_its_training_codes_output_on_a_photograph(shared):
    golden = np.load(shared / "golden" / "mini_generator.npz")
    network = Mini()
    load_into(network, read_state(weights.location(weights.find("mini"))), "mini")
    with torch.inference_mode():
        found = network.eval()(*(torch.from_numpy(golden[name]).float() for name in ("mel", "image")))
    assert np.abs(found.numpy() - golden["output"]).max() < 1e-4


@pytest.mark.nightly
def test_a_known_shift_is_found(corpus, tmp_path):
    shifts = (-8, 0, 4)
    source = str(corpus / "videos" / "hdtf_b.mp4")
    with (tmp_path / "t.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("id", "video"))
        for shift in shifts:
            shift_sound(source, shift, str(tmp_path / f"{shift}.mkv"))
            table.writerow((f"s{shift}", tmp_path / f"{shift}.mkv"))
    quick = ("--scorer", "mini-sync", "--fid", "none", "--previews", "0")
    assert lipsync_ray("evaluate", tmp_path / "t.csv", "-o", tmp_path / "out", *quick) == 0
    found = {score.id: score for score in SCORES.read_table(str(tmp_path / "out"))}
    base = found["s0"].offset
    assert [found[f"s{shift}"].offset - base for shift in shifts] == [8, 0, -4]
    # What moved the sound did move it.
    with av.open(source) as a, av.open(str(tmp_path / "4.mkv")) as b:
        before, after = (
            np.concatenate([f.to_ndarray().astype(np.float32).mean(0) for f in c.decode(audio=0)]) for c in (a, b)
        )
        step = a.streams.audio[0].rate * 4 // 25
    assert np.abs(after[:step]).max() < 1e-3
    assert len(after) == len(before)


@pytest.mark.nightly
def test_the_corpus_is_analysed(corpus, tmp_path):
    network = random_whisper(tmp_path / "nonsense.pt")
    command = ("analyze", corpus / "videos" / "*", corpus / "audio" / "*", "-o", tmp_path / "out", "--whisper", network)
    assert lipsync_ray(*command, "--frames", "6") == 0
    found = {analysis.id: analysis for analysis in read_analyses(str(tmp_path / "out" / "analysis.parquet"))}
    assert len(found) == 15
    verdicts = {name: analysis.verdict for name, analysis in found.items()}
    assert verdicts["no_face"] == "impossible: no face in any of the 24 frames that were looked at"
    assert [name for name, verdict in verdicts.items() if verdict.startswith("impossible")] == ["no_face"]
    assert verdicts["hdtf_a"] == "good"
    assert verdicts["ko"].startswith("poor: its transcript is uncertain")  # nonsense
    assert found["crowd_1080p"].people > 3
    assert any("several people" in warning for warning in found["crowd_1080p"].warnings)
    assert any("frame rate varies" in warning for warning in found["odd_rate"].warnings)
    assert found["odd_rate"].video["average_rate"] == "1350/61"
    assert found["jfk"].video is None
    assert found["jfk"].audio["sample_rate"] == 44100
    for analysis in found.values():
        assert (len(analysis.segments) > 0) == (analysis.id != "crowd_1080p")  # where nobody speaks
        for face in analysis.faces or ():
            with av.open(str(tmp_path / "out" / face.clip)) as container:
                seconds = sum(f.samples for f in container.decode(audio=0)) / container.streams.audio[0].rate
            assert 0.49 < seconds <= 1.0001
    assert all(len(found[name].faces) >= 6 for name in ("hdtf_a", "hdtf_b", "anchor_224", "square_590"))


# Of cases/media.sh: the numbers that its frames carry, from 1, as they have to be shown. Counted with ffprobe where a
# tool can count them, else by how the script makes the file.
NUMBERS = {
    **dict.fromkeys(
        ["base.mp4", "v_bframes.avi", "n_xvid_b.avi", "v_plain.ts", "v_wrap.ts", "late.ts", "v_raw.h264", "v_raw.mjpeg",
         "v_raw.mjpg", "v_mjpeg.avi", "v_120fps.mp4", "v_240fps.mp4", "v_mirror.mp4", "v_rot180.mp4", "v_rot270.mp4", "v_sar.mp4",
         "v_sar2.mp4", "v_709.mp4", "v_601.mp4", "v_full.mp4", "v_full422.mp4", "v_full444p10.mkv", "v_prores.mov", "v_pq10.mp4",
         "v_hdr10.mp4", "v_gray.mp4", "v_grayffv1.mkv", "v_gray10.mp4", "v_rgb.mp4", "v_411.mkv", "v_440.mkv", "v_alpha.mov",
         "v_alpha.webm", "v_qtrle.mov", "v_raw.avi", "v_uyvy.avi", "v_nv12.nut", "v_anim.gif", "v_anim.apng", "v_c.wmv", "v_c.flv",
         "v_c.3gp", "v_c.ogv", "v_c.mpg", "v_c.webm", "v_c.dv", "v_UPPER.MP4", "v_subs.mov", "v_coverlast.mp4", "v_lie.mkv",
         "v_lie.mp4", "n_frag.mp4", "v_interlaced.mp4", "v_i.mpg"],
        tuple(range(1, 61)),
    ),
    **dict.fromkeys(["v_cat_restart.ts", "v_cat_back.ts", "v_resize.ts", "v_resize.h264"], (*range(1, 61), *range(1, 61))),
    **dict.fromkeys(["v_editlist.mp4", "n_edit.mov"], tuple(range(26, 61))),
    "n_noctts.mp4": (2, *range(4, 61)),  # as FFmpeg shows it: its edit list hides the two packets that are first in the file
    "v_1fps.mp4": (1, 2, 3, 4),
    "v_hole.mp4": (*range(1, 21), *[20] * 20, *range(41, 61)),
}  # fmt: skip
REFUSED = {
    "v_anim.webp": "animated WebP of 60 pictures",
    "d_nomoov.mp4": "cut off before its index",
    "d_cutfast.mp4": "cut off: 60 frames declared",
    "d_cut.avi": "cut off",
    "d_text.mp4": "another kind of file",
    "d_zero.mp4": "0 bytes",
}


TRANSPARENT = {"v_alpha.mov", "v_alpha.webm"}  # the first 40 columns of pixels: a plain ground, where blocks would be


def same(name, found, expected):
    """Whether frames carry the numbers that they have to, as far as these can be seen."""
    if name in TRANSPARENT:  # neither which 25 they are of, nor the first three of these
        found, expected = ([n % 25 if n % 25 > 2 else -1 for n in numbers] for numbers in (found, expected))
        found = [-1 if n < 0 else f for f, n in zip(found, expected, strict=True)]
    return list(found) == list(expected)


def drawn_number(luma):
    """The number of a frame of cases/media.sh: a white block in the first row of blocks, and one in the second."""
    height, width = luma.shape
    across, down = width / 400, height / 320

    def column(row):
        top, bottom = round((row + 4) * down), round((row + 12) * down)
        cells = [
            luma[top:bottom, round((16 * n + 4) * across) : round((16 * n + 12) * across)].mean() for n in range(25)
        ]
        return int(np.argmax(cells))

    return column(0) + 25 * column(16)


@pytest.fixture(scope="module")
def media(shared, tmp_path_factory):
    """The files that cases/media.sh builds."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("builds its files with ffmpeg: apt-get install -y ffmpeg")
    folder = tmp_path_factory.mktemp("media")
    subprocess.run(["bash", str(shared / "cases" / "media.sh"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.nightly
def test_the_odd_files_are_shown_as_they_are(media):
    wrong = {}
    for name, expected in NUMBERS.items():
        info = probe_video(str(media / name))
        found = tuple(drawn_number(picture.y) for picture in decode.pictures(info, 0, info.frames))
        if not same(name, found, expected):
            wrong[name] = found
        for start in (2, info.frames // 2):
            alone = next(decode.pictures(info, start, start + 1))
            assert drawn_number(alone.y) == found[start], name
    assert wrong == {}
    for name, said in REFUSED.items():
        with pytest.raises(Exception, match=said):
            probe_video(str(media / name))


UNSOUGHT = ("v_bframes.avi", "v_raw.h264", "v_raw.mjpeg", "v_cat_restart.ts", "v_cat_back.ts", "v_resize.ts", "v_resize.h264", "n_noctts.mp4")  # fmt: skip


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("model", ["warp", "mini"])
def test_dubs_of_the_odd_files_show_every_frame_at_its_place(model, media, tmp_path):
    """Every bundled model: one reads other frames of a file while a range of it is read. Whole, where a file cannot be sought."""
    sound = media / "a.wav"
    for seconds in (0.4, 2.4, 4.8):
        write_audio(media / f"{seconds}.wav", np.tile(read_sound(sound)[0], 3)[: round(16_000 * seconds)])
    rows = [
        {
            "id": name.replace(".", "_"),
            "video": media / name,
            "audio": media / f"{0.4 if name not in UNSOUGHT else 2.4 if len(expected) <= 60 else 4.8}.wav",
        }
        for name, expected in NUMBERS.items()
    ]
    table = tmp_path / "t.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    workers = Workers(engine="inline", segment_s=1.0)
    settings = DubSettings(model=model, loop="restart", coding=VideoCoding(crf=10))
    done = dub_table(table, tmp_path / "out", settings=settings, workers=workers, progress=False)
    found = {result.id: result for result in done.results}
    wrong = {}
    for name, expected in NUMBERS.items():
        result = found[name.replace(".", "_")]
        if result.status == "no_face" and name in {"v_rot180.mp4", "v_rot270.mp4"}:
            continue  # they lie on their side, and are shown so
        if result.status != "done":
            wrong[name] = result.error
            continue
        with av.open(result.output) as container:
            numbers = [drawn_number(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
        shown = [expected[place % len(expected)] for place in range(len(numbers))]
        if not same(name, numbers, shown):
            wrong[name] = [
                (place, *pair) for place, pair in enumerate(zip(shown, numbers, strict=True)) if len(set(pair)) > 1
            ][:4]
    assert wrong == {}

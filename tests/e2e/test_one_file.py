"""The languages of a video in one file: made by the command line, resumed, opened by ffprobe and by Chromium."""

import csv
import subprocess
import sys
import time

import av
import cv2
import numpy as np
import pytest
from commands import lipsync_ray
from material import random_gfpgan
from programs import streams

from lipsync_ray.io import storage
from lipsync_ray.io.results import read_results

LANGUAGES = ("en", "es")
OPTIONS = ("--model", "warp", "--length", "video", "--one-file")
SEEN_S = 1.0
LOAD = """async ([time]) => {
  const video = document.querySelector("video");
  const until = name => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, {once: true});
    video.addEventListener("error", () => reject(video.error.message), {once: true});
  });
  if (video.readyState < 2) await until("loadeddata");
  await video.play();
  await until("timeupdate");
  video.pause();
  const seeked = until("seeked");
  video.currentTime = time;
  await seeked;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return [video.duration, video.videoWidth, video.videoHeight, video.webkitAudioDecodedByteCount, Array.from(pixels)];
}"""


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    rows = [
        (f"pan-{language}", demo_inputs / "pan.mp4", demo_inputs / f"{language}.ogg", language)
        for language in LANGUAGES
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio", "language"), *rows])
    return path


@pytest.fixture(scope="module")
def made(table, tmp_path_factory):
    """The folder of a run."""
    out = tmp_path_factory.mktemp("made") / "OUT"
    assert lipsync_ray("dub", table, "-o", out, *OPTIONS) == 0
    return out


def packets(path, kind, number):
    with storage.opened(str(path)) as source, av.open(source) as container:
        stream = getattr(container.streams, kind)[number]
        return [(bytes(one), one.pts, one.dts) for one in container.demux(stream) if one.dts is not None]


def check(out, ending="mp4"):
    """That the file has what the dubs have."""
    rows = read_results(str(out))
    assert {row.one_file for row in rows} == {storage.join(str(out), "one-file", f"pan.{ending}")}
    for number, row in enumerate(rows):
        for kind in ("video", "audio"):
            assert packets(row.one_file, kind, number) == packets(row.output, kind, 0)


def test_the_file_has_the_packets_of_the_dubs(made, capsys, table):
    check(made)
    shown = streams(made / "one-file/pan.mp4")
    assert [one["tags"]["language"] for one in shown] == ["eng", "eng", "spa", "spa"]
    assert [one["tags"]["handler_name"] for one in shown] == ["English", "English", "Spanish", "Spanish"]
    assert [one["disposition"]["default"] for one in shown] == [1, 1, 0, 0]
    assert len({one["duration"] for one in shown if one["codec_type"] == "video"}) == 1
    before = (made / "one-file/pan.mp4").stat().st_mtime_ns
    assert lipsync_ray("dub", table, "-o", made, *OPTIONS) == 0
    assert "2 of 2 dubs were finished before" in capsys.readouterr().out
    assert (made / "one-file/pan.mp4").stat().st_mtime_ns == before


@pytest.mark.parametrize("ending", ["mp4", pytest.param("webm", marks=pytest.mark.nightly)])
def test_chromium_plays_the_first_language(ending, made, table, tmp_path, page):
    if ending != "mp4":
        assert lipsync_ray("dub", table, "-o", tmp_path / "OUT", *OPTIONS, "--container", ending) == 0
        check(tmp_path / "OUT", ending)
        made = tmp_path / "OUT"
    path = made / f"one-file/pan.{ending}"
    page.route("https://player.test/*", lambda route: serve(route, path))
    page.goto("https://player.test/page")
    lasts, width, height, heard, pixels = page.evaluate(LOAD, [SEEN_S + 0.01])
    with av.open(str(path)) as container:
        shown = [container.streams.video[number] for number in range(2)]
        assert (width, height) == (shown[0].width, shown[0].height)
        frames = [frame_at(path, number) for number in range(2)]
    assert lasts == pytest.approx(4, abs=0.05)
    assert heard > 0
    rgb = np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3].astype(float)
    far = [np.abs(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(float) - rgb).mean() for frame in frames]
    assert far[0] < 2
    assert far[0] < far[1]
    assert not page.complaints


def serve(route, path):
    """A page with a player, and its video, in ranges as players ask for them."""
    if route.request.url.endswith("/page"):
        route.fulfill(body='<video src="/video" muted></video>', content_type="text/html")
        return
    data = path.read_bytes()
    first = int((route.request.headers.get("range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
    headers = {
        "Content-Type": "video/webm" if path.suffix == ".webm" else "video/mp4",
        "Accept-Ranges": "bytes",
        "Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}",
    }
    route.fulfill(status=206, headers=headers, body=data[first:])


def frame_at(path, number):
    """(h, w, 3) BGR of a track at the time that is looked at."""
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[number]):
            if frame.time >= SEEN_S - 1e-3:
                return frame.to_ndarray(format="bgr24")
    raise AssertionError(number)


def test_another_sound_of_one_language_makes_the_file_anew(table, tmp_path, capsys):
    out = tmp_path / "OUT"
    assert lipsync_ray("dub", table, "-o", out, *OPTIONS) == 0
    before = (out / "one-file/pan.mp4").read_bytes()
    assert lipsync_ray("dub", table, "-o", out, *OPTIONS, "--loudness", "-23") == 0
    check(out)
    assert (out / "one-file/pan.mp4").read_bytes() != before
    capsys.readouterr()
    rest = tmp_path / "one.csv"
    rest.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n")
    assert lipsync_ray("dub", rest, "-o", out, *OPTIONS) == 2
    assert "--one-file: no video has two rows" in " ".join(capsys.readouterr().err.split())
    assert lipsync_ray("dub", rest, "-o", out, *OPTIONS[:-1], "--loudness", "-23") == 0
    assert not list((out / "one-file").iterdir())


def test_a_plan_tells_of_the_files_and_refuses_what_a_run_refuses(table, tmp_path, capsys):
    assert lipsync_ray("dub", table, "-o", tmp_path / "OUT", *OPTIONS, "--dry-run") == 0
    assert "files of several languages: 1" in capsys.readouterr().out
    bad = tmp_path / "bad.csv"
    bad.write_text(table.read_text().replace(",es\n", ",\n").replace(",es\r\n", ",\r\n"))
    for words in ((), ("--dry-run",)):
        assert lipsync_ray("dub", bad, "-o", tmp_path / "OUT", *OPTIONS, *words) == 2
        assert "pan-es, column 'language': empty" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "OUT").exists()


@pytest.mark.nightly
@pytest.mark.usefixtures("cluster")
def test_on_ray_and_in_a_bucket_the_file_has_the_same_bytes(made, table, demo_inputs):
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("onefile", exist_ok=True)
    assert lipsync_ray("dub", table, "-o", "s3://onefile/OUT", *OPTIONS, engine="ray") == 0
    check("s3://onefile/OUT")
    assert storage.read_bytes("s3://onefile/OUT/one-file/pan.mp4") == (made / "one-file/pan.mp4").read_bytes()


@pytest.mark.nightly
def test_a_run_that_is_killed_before_the_file_is_written_goes_on_to_the_same_bytes(made, table, tmp_path):
    out = tmp_path / "OUT"
    command = [sys.executable, "-m", "lipsync_ray", "dub", str(table), "-o", str(out), *OPTIONS, "--engine", "inline"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None and len(list((out / "videos").glob("[!.]*.mp4"))) < len(LANGUAGES):
        time.sleep(0.01)
    assert run.poll() is None, "it was never caught at work"
    run.kill()
    run.wait()
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    check(out)
    assert (out / "one-file/pan.mp4").read_bytes() == (made / "one-file/pan.mp4").read_bytes()


@pytest.mark.nightly
def test_restored_dubs_are_put_into_one_file_too(made, tmp_path):
    network = random_gfpgan(tmp_path / "narrow.pth", 0.0625)
    assert lipsync_ray("enhance", made, "-o", tmp_path / "OUT", "--restore", network, "--one-file") == 0
    check(tmp_path / "OUT")
    assert (tmp_path / "OUT/one-file/pan.mp4").read_bytes() != (made / "one-file/pan.mp4").read_bytes()

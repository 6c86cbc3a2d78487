"""An input that is replaced while a run works on it: no video of two contents, the reason in the row, and the next run is right.

``PYTHONPATH=tests python tests/e2e/test_changed_inputs.py [RUNS]`` does it at so many random moments, on disk and in a bucket (20 by default).
"""

from __future__ import annotations

import io
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import av
import cv2
import fsspec
import numpy as np
import pytest
from clips import noise, write_audio, write_video

from lipsync_ray import DubSettings, dub_table
from lipsync_ray.io import storage
from lipsync_ray.settings import Workers

FRAMES, RATE = 100, 16_000
DARK, LIGHT = 40, 200  # luma of the two videos' upper left corners
LOW, HIGH = 300, 3000  # hertz of the two sounds' own tones


def a_video(folder: Path, portrait: Path, corner: int) -> bytes:
    face = cv2.resize(cv2.imread(str(portrait)), (192, 224))[..., ::-1]
    pictures = []
    for number in range(FRAMES):
        picture = np.full((256, 256, 3), corner, np.uint8)
        picture[16:240, 32 + number % 8 : 224 + number % 8] = face
        pictures.append(picture)
    return write_video(folder / f"{corner}.mp4", pictures, options={"g": "10"}).read_bytes()


def a_sound(folder: Path, hertz: int) -> bytes:
    seconds = FRAMES / 25
    speech = noise(np.random.default_rng(0), seconds, RATE)
    tone = np.sin(2 * np.pi * hertz * np.arange(len(speech)) / RATE).astype(np.float32)
    return write_audio(folder / f"{hertz}.wav", 0.3 * speech + 0.5 * tone, RATE).read_bytes()


def contents_of(url: str) -> tuple[set[str], set[str]]:
    """Which videos and which sounds a dub shows, by PyAV alone."""
    shown, heard = set(), []
    with av.open(file_of(url)) as container:
        for frame in container.decode(video=0):
            corner = float(frame.to_ndarray(format="gray")[:8, :8].mean())
            shown.add(
                "first" if abs(corner - DARK) < 25 else "second" if abs(corner - LIGHT) < 25 else f"luma {corner:.0f}"
            )
    with av.open(file_of(url)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        for frame in container.decode(audio=0):
            heard += [part.to_ndarray().ravel() for part in resampler.resample(frame)]
    sound = np.concatenate(heard)[: RATE * 3].reshape(-1, RATE // 2)
    power = np.abs(np.fft.rfft(sound, axis=1))
    tones = {"first" if row[LOW // 2] > row[HIGH // 2] else "second" for row in power}
    return shown, tones


def file_of(url: str) -> io.BytesIO:
    return io.BytesIO(storage.read_bytes(url))


class Case:
    """A dub of two files that exist in two versions each.

    Parameters
    ----------
    home : folder or bucket of the inputs and of OUT
    """

    def __init__(self, home: str, scratch: Path, portrait: Path) -> None:
        self.home = home
        self.versions = {
            "v.mp4": [a_video(scratch, portrait, corner) for corner in (DARK, LIGHT)],
            "a.wav": [a_sound(scratch, hertz) for hertz in (LOW, HIGH)],
        }
        self.table = storage.join(home, "t.csv")
        storage.commit_bytes(self.table, b"id,video,audio\nd,v.mp4,a.wav\n")
        self.out = storage.join(home, "out")

    def put(self, name: str, version: int, in_place: bool = False) -> None:
        url = storage.join(self.home, name)
        if in_place and storage.is_local(url):
            storage.local_path(url).write_bytes(self.versions[name][version])
        else:
            storage.commit_bytes(url, self.versions[name][version])

    def dub(self, engine: str = "inline"):
        settings = DubSettings(model="warp")
        workers = Workers(engine=engine, segment_s=0.5, actors=1)
        return dub_table(self.table, self.out, settings=settings, workers=workers, progress=False).results[0]

    def run(self, name: str, ready, engine: str = "inline", in_place: bool = False):
        """The row of a run in which `name` is replaced as soon as `ready` says so; whether it was."""
        for each in self.versions:
            self.put(each, 0)
        storage.remove(self.out)
        over, replaced = threading.Event(), threading.Event()

        def watch() -> None:
            while not over.is_set():
                if ready(self):
                    self.put(name, 1, in_place)
                    replaced.set()
                    return
                time.sleep(0.005)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            row = self.dub(engine)
        finally:
            over.set()
            thread.join()
        return row, replaced.is_set()

    def check(self, row) -> str:
        """What became of it; a dub of two contents is an AssertionError."""
        if row.status == "done":
            shown, heard = contents_of(row.output)
            assert len(shown) == 1, shown
            assert len(heard) == 1, heard
            return "done"
        assert "changed during" in (row.error or ""), row.error
        assert not storage.exists(storage.join(self.out, "videos", "d.mp4"))
        return "failed"


def after_parts(count: int):
    """Ready when so many segments are committed; 0: when the files have been looked at."""

    def ready(case: Case) -> bool:
        folder = storage.join(case.out, "parts" if count else "faces")
        return len(storage.list_tree(folder)) >= max(1, count)

    return ready


@pytest.fixture(params=["disk", "bucket"])
def case(request, tmp_path, demo_inputs):
    home = str(tmp_path)
    if request.param == "bucket":
        request.getfixturevalue("s3_server")
        fsspec.filesystem("s3").makedirs("changed", exist_ok=True)
        home = f"s3://changed/{tmp_path.name}"
    return Case(home, tmp_path, demo_inputs / "portrait.jpg")


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "parts"), [("v.mp4", 0), ("v.mp4", 2), ("a.wav", 2)])
def test_a_replaced_input_fails_its_row_and_the_next_run_is_of_the_new_one(case, name, parts):
    row, replaced = case.run(name, after_parts(parts))
    assert replaced
    assert case.check(row) == "failed"
    again = case.dub()
    assert again.status == "done"
    shown, heard = contents_of(again.output)
    assert (shown, heard) == ({"second"}, {"first"}) if name == "v.mp4" else ({"first"}, {"second"})


@pytest.mark.nightly
def test_a_file_that_is_written_to_in_place_fails_its_row(tmp_path, demo_inputs):
    case = Case(str(tmp_path), tmp_path, demo_inputs / "portrait.jpg")
    row, replaced = case.run("v.mp4", after_parts(2), in_place=True)
    assert replaced
    assert row.status == "failed"
    assert not (tmp_path / "out" / "videos").exists() or not list((tmp_path / "out" / "videos").iterdir())


def campaign(runs: int) -> None:
    """Replace at random moments; its counts are in docs/robustness.md."""
    from moto.server import ThreadedMotoServer

    from lipsync_ray.demo.corpus import make_corpus

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    fsspec.filesystem("s3").makedirs("changed", exist_ok=True)
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder) / "demo")
        scratch = Path(folder)
        cases = {where: Case(home, scratch, scratch / "demo" / "portrait.jpg") for where, home in (("disk", f"{folder}/home"), ("bucket", "s3://changed/home"))}  # fmt: skip
        for number in range(runs):
            where = ("disk", "bucket")[number % 2]
            name = chance.choice(["v.mp4", "v.mp4", "a.wav"])
            in_place = where == "disk" and chance.random() < 0.3
            moment = chance.uniform(0.2, 6.0)
            began = time.monotonic()
            row, replaced = cases[where].run(name, lambda _, t=began + moment: time.monotonic() >= t, in_place=in_place)
            print(f"{number:3} {where:6} {name} {'written to' if in_place else 'replaced  '} after {moment:.2f} s "
                  f"{'' if replaced else '(not: it was over) '}{row.status}: {row.error or contents_of(row.output)}", flush=True)  # fmt: skip
            if row.status == "done":
                shown, heard = contents_of(row.output)
                assert len(shown) == len(heard) == 1, (shown, heard)
    server.stop()


if __name__ == "__main__":
    campaign(int(sys.argv[1]) if len(sys.argv) > 1 else 20)

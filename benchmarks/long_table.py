"""What a table of many dubs costs the driver: planned, run with stages that do nothing, killed in the middle, resumed, looked at again.

    uv run python benchmarks/long_table.py [--dubs 100000] [--engine ray] [--kill 0.5] [--profile]
    uv run python benchmarks/long_table.py --bucket [--dubs 100000] [--latency 5]

Everything but the pixels is the dub job's own: the table, the checks of its files, identities, headers, sounds, face tables, who speaks,
segments, outcomes, results.parquet and the page. A part and a video are one byte. Sources are short videos under many names (hard links).

With --bucket, inputs and results are in an S3 store on this machine that answers after so many milliseconds and counts its requests.
Each dub has a sound of its own there, whose features are not computed, and nothing is written for parts: what is measured is how long
a run takes to know that all is done.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import csv
import os
import pstats
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dubs", type=int, default=100_000)
    parser.add_argument("--videos", type=int, default=200, help="distinct videos; each has its own faces looked for")
    parser.add_argument("--sounds", type=int, default=500, help="distinct sounds")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each video and sound")
    parser.add_argument("--engine", choices=("ray", "inline"), default="ray")
    parser.add_argument(
        "--kill", type=float, default=0.5, help="part of the dubs after which the driver is killed; 0: never"
    )
    parser.add_argument("--profile", action="store_true", help="print what the driver's functions cost")
    parser.add_argument("--bucket", action="store_true", help="inputs and results in a store; one process")
    parser.add_argument("--latency", type=float, default=5.0, help="ms of each request of that store")
    parser.add_argument("--work", help="folder of inputs and results, kept; default: a temporary one")
    parser.add_argument("--driver", nargs=2, metavar=("TABLE", "OUT"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import psutil

from lipsync_ray.jobs.dub.methods.method import Method
from lipsync_ray.provenance.claims import MadeFile
from lipsync_ray.restoration.compose import Composed

MODEL = "nothing"
BUCKET = "long"
POLL_S = 0.5


class Nothing:
    """The only stage: draws nothing, and writes a part of one byte; in a bucket none."""

    def __call__(self, row: Any) -> Composed:
        from lipsync_ray.io import storage

        if storage.is_local(row.url):
            storage.commit_bytes(row.url, b"-")
        return Composed(row.stop - row.start, row.stop - row.start, 0)


def join_nothing(order: Any) -> MadeFile:
    """In the place of the join: a video of one byte; in a bucket none."""
    from lipsync_ray.io import storage

    if storage.is_local(order.url):
        storage.commit_bytes(order.url, b"-")
    return MadeFile(order.url, ())


class FirstSound:
    """In the place of every sound's features: those of the first."""

    def __init__(self, hear: Callable[[Any], Any]) -> None:
        self._hear, self._lock, self._heard = hear, threading.Lock(), []  # type: ignore[var-annotated]

    def __call__(self, source: Any) -> Any:
        with self._lock:
            self._heard = self._heard or [self._hear(source)]
        return self._heard[0]


@dataclass
class NoLead:
    """In the place of landmarks: dubs begin when is known who speaks."""

    spec: Any
    begin: Callable[[Any], None]

    def wanted(self, key: str, dubs: Sequence[Any]) -> tuple[str, ...]:
        for dub in dubs:
            self.begin(dub)
        return ()

    def drop(self, key: str) -> None:
        pass


class NoMethod(Method):
    """Draws nothing."""

    name = MODEL

    def prepared_by(self) -> dict[str, Any]:
        return {}

    def lead(self, run: Any, videos: Mapping[str, Any], layout: Any, after: tuple[Any, ...]) -> Any:
        from lipsync_ray.engine.stages import StageSpec
        from lipsync_ray.engine.video_pass import VideoPass

        spec: Any = VideoPass(
            name="lead", folder=run.url("lead"), active={}, parts_of=lambda video: (), stages=[StageSpec("lead", Nothing)],
            assemble=("lead", join_nothing), on_done=lambda video, made: None, fail=lambda video, failure: None, after=after,
        )  # fmt: skip
        return NoLead(spec, run.begin)

    def draw_stages(self, layout: Any) -> list[Any]:
        return []

    def stages(self, layout: Any) -> list[Any]:
        return [layout.read.stage("draw", Nothing)]


@dataclass
class Clock:
    """Prints when a part of the driver's work has ended, how long it took, and the driver's memory."""

    began: float
    dubs: int

    def around(self, owner: Any, name: str, what: str) -> None:
        """Time a function of a module."""
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began, cpu = time.perf_counter(), time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.say(what, time.perf_counter() - began, time.thread_time() - cpu)

        setattr(owner, name, timed)

    def say(self, what: str, seconds: float, cpu: float) -> None:
        memory = psutil.Process().memory_info().rss
        print(
            f"  {time.time() - self.began:7.1f} s  {what:<28} {seconds:8.2f} s, {cpu:7.2f} s of CPU, {cpu * 1e3 / self.dubs:6.3f} ms a"
            f" dub  {memory / 2**20:6.0f} MiB",
            flush=True,
        )


def drive(arguments: argparse.Namespace) -> None:
    """One run, in this process."""
    from lipsync_ray import api
    from lipsync_ray.inputs import audio_features
    from lipsync_ray.io import manifest
    from lipsync_ray.jobs.dub import files, inputs, job
    from lipsync_ray.jobs.dub.methods.registry import register
    from lipsync_ray.models.lip_sync import AudioWindow, GeneratorSpec
    from lipsync_ray.report import review
    from lipsync_ray.settings import DubSettings, Workers

    register(
        GeneratorSpec(MODEL, method=MODEL, audio=AudioWindow("mel", columns_per_s=80, columns=16), reference=None),
        NoMethod,
        Path(__file__),
    )
    setattr(job, "make_video", join_nothing)  # noqa: B010
    if arguments.bucket:
        setattr(files, "extract_audio_features", FirstSound(audio_features.extract_audio_features))  # noqa: B010
    clock = Clock(time.time(), arguments.dubs)
    clock.around(manifest, "read_manifest", "table, and its files")
    clock.around(inputs, "content_ids", "identities")
    clock.around(inputs, "keep_and_mark", "what is done")
    clock.around(inputs, "look_at_files", "headers and sounds")
    clock.around(job, "prepare", "in all before the first row")
    clock.around(job, "_make_dubs", "passes")
    clock.around(inputs.DubRun, "finish", "tables")
    clock.around(review, "write_review_page", "page")
    table, out = arguments.driver
    workers = Workers(engine=arguments.engine, actors=2 if arguments.engine == "ray" else None)
    clock.around(api, "dub_table", "the run")
    profile = cProfile.Profile(time.thread_time)  # of this thread: others of the driver wait for Ray and for storage
    with profile if arguments.profile else contextlib.nullcontext():
        summary = api.dub_table(table, out, settings=DubSettings(model=MODEL, face="largest"), workers=workers)
    spent = Counter[str]()
    for thread in psutil.Process().threads():
        name = Path(f"/proc/self/task/{thread.id}/comm")
        spent[name.read_text().strip() if name.exists() else "?"] += round(
            1e3 * (thread.user_time + thread.system_time)
        )
    shown = ", ".join(f"{name} {ms / 1e3:.1f}" for name, ms in spent.most_common(8))
    print(f"  s of CPU of the driver's threads: {shown}", flush=True)
    if arguments.profile:
        stats = pstats.Stats(profile)
        stats.sort_stats("tottime").print_stats(30)
        stats.sort_stats("cumtime").print_stats(70)
    assert len(summary.results) == arguments.dubs
    assert summary.complete, next(row.error for row in summary.results if row.status != "done")


def make_inputs(folder: Path, arguments: argparse.Namespace, store: Any = None) -> Path:
    """The table and its files; what is there is kept. With a store, the files are in it."""
    import av

    from lipsync_ray.demo.corpus import make_corpus

    table = folder / f"table-{arguments.dubs}-{arguments.videos}-{arguments.sounds}.csv"
    if table.exists() and store is None:
        return table
    make_corpus(folder / "demo")
    video, sound = folder / "short.mp4", folder / "short.wav"
    with av.open(str(folder / "demo/pan.mp4")) as read, av.open(str(video), "w") as write:
        stream = read.streams.video[0]
        copy = write.add_stream_from_template(stream)
        for packet in read.demux(stream):
            if packet.dts is not None and packet.pts * stream.time_base < arguments.seconds:
                packet.stream = copy
                write.mux(packet)
    with av.open(str(folder / "demo/en.ogg")) as read, av.open(str(sound), "w") as write:
        out = write.add_stream("pcm_s16le", rate=16_000, layout="mono")
        resampler = av.AudioResampler("s16", "mono", 16_000)
        frames = (part for frame in read.decode(audio=0) for part in resampler.resample(frame))
        for frame in frames:
            if frame.pts < 16_000 * arguments.seconds:
                write.mux(out.encode(frame))
        write.mux(out.encode(None))
    (folder / "in").mkdir(exist_ok=True)
    for count, source in ((arguments.videos, video), (arguments.sounds, sound)):
        data = source.read_bytes()
        for number in range(count):
            link = folder / "in" / f"{number}{source.suffix}"
            if store is not None:
                store.put(BUCKET, f"in/{link.name}", data)
            elif not link.exists():
                os.link(source, link)
    place = folder if store is None else f"s3://{BUCKET}"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "video", "audio"))
        for number in range(arguments.dubs):
            video_number, sound_number = number % arguments.videos, number // arguments.videos % arguments.sounds
            if arguments.sounds >= arguments.dubs:
                sound_number = number
            rows.writerow((f"d{number}", f"{place}/in/{video_number}.mp4", f"{place}/in/{sound_number}.wav"))
    return table


def start(table: Path, out: str, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    """A driver in a process of its own."""
    words = [sys.executable, __file__, "--driver", str(table), out, "--engine", arguments.engine]
    words += ["--dubs", str(arguments.dubs)]
    words += [f"--{name}" for name in ("profile", "bucket") if getattr(arguments, name)]
    return subprocess.Popen(words)


def finished(out: str) -> int:
    """Dubs whose video is there."""
    try:
        return len(os.listdir(f"{out}/videos"))
    except FileNotFoundError:
        return 0


def wait(driver: subprocess.Popen[bytes], out: str, kill_at: float) -> tuple[float, int, int]:
    """(seconds, dubs whose video was there at the end, most bytes of the driver's memory) of a driver, killed at so many dubs."""
    began, most = time.time(), 0
    process = psutil.Process(driver.pid)
    while driver.poll() is None:
        time.sleep(POLL_S)
        if driver.poll() is None:
            try:
                most = max(most, process.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
            if kill_at and finished(out) >= kill_at:
                driver.kill()
                driver.wait()
    if not kill_at and driver.returncode:
        raise SystemExit(f"the driver ended with {driver.returncode}")
    return time.time() - began, finished(out), most


def main(arguments: argparse.Namespace, folder: Path) -> None:
    began = time.time()
    table, out = make_inputs(folder, arguments), str(folder / "out")
    print(
        f"{time.strftime('%H:%M:%S')}  a table of {arguments.dubs:,} dubs of {arguments.videos} videos ({time.time() - began:.0f} s)"
    )
    turns = [("planned and run, killed in the middle", arguments.kill * arguments.dubs)] if arguments.kill else []
    for what, kill_at in (*turns, ("resumed" if turns else "planned and run", 0.0), ("all done before", 0.0)):
        print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)
        seconds, done, memory = wait(start(table, out, arguments), out, kill_at)
        print(
            f"{time.strftime('%H:%M:%S')}  {seconds:.1f} s, {done:,} videos are there, at most {memory / 2**20:.0f} MiB\n",
            flush=True,
        )


def in_a_bucket(arguments: argparse.Namespace, folder: Path) -> None:
    """The same in a store: a run that makes its records, and one that finds all of them."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from slow_store import slow_store

    arguments.engine, arguments.sounds = "inline", arguments.dubs
    with slow_store(BUCKET, 0.0) as store:
        table, out = make_inputs(folder, arguments, store), f"s3://{BUCKET}/out"
        for what in ("planned and run", "all done before"):
            store.asked.clear()
            print(f"{time.strftime('%H:%M:%S')}  {what}, {store.latency_s * 1e3:g} ms a request", flush=True)
            seconds, _, memory = wait(start(table, out, arguments), out, 0.0)
            asked = ", ".join(f"{number:,} {kind}" for kind, number in store.asked.most_common())
            print(f"  {seconds:.1f} s, at most {memory / 2**20:.0f} MiB; requests: {asked}", flush=True)
            for number in range(arguments.dubs):
                store.put(BUCKET, f"out/videos/d{number}.mp4", b"-")
            store.latency_s = arguments.latency / 1e3


if __name__ == "__main__":
    if ARGUMENTS.driver:
        drive(ARGUMENTS)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(ARGUMENTS.work or scratch).absolute()
            work.mkdir(parents=True, exist_ok=True)
            (in_a_bucket if ARGUMENTS.bucket else main)(ARGUMENTS, work)

"""A campaign of faults: break a run in a way and at a moment that a seed decides, go on, and compare every pixel.

    python tests/e2e/faults.py [--count 100] [--seed 0] [--kinds driver disk …] [--log faults.jsonl]

A table of dubs 512, 590 and 1080 pixels wide is made once undisturbed, in one process. Each run of the campaign then makes it
again, and meets one kind of fault:

* ``worker``, ``raylet``, ``gcs``, ``driver``: SIGKILL of that process, under Ray; ``inline``: of a run without Ray
* ``SIGTERM``, ``SIGINT``: the run is asked to stop
* ``disk``: OUT is a tmpfs that is too small; then it is given room
* ``store``: OUT is in a bucket whose store is busy, hangs up, cuts off and is slow; half of these drivers are killed, too
* ``poison``: files that are no media, cut off, empty or damaged lie in the same table, and a worker is killed

The same command is given again until it ends well. What is looked at: rows, the SHA-256 of every decoded frame (by PyAV, not
by this project's decoder), names of the files that are there at the end, what was made a second time although it had been
committed, segments that were in work when the blow fell, and processes and session folders that Ray left.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from faulty_store import faulty_store

from lipsync_ray.io import storage
from lipsync_ray.io.records import all_values
from lipsync_ray.io.results import read_results

KINDS = ("worker", "driver", "raylet", "gcs", "SIGTERM", "SIGINT", "inline", "disk", "store", "poison")
WITHOUT_RAY = ("inline", "disk")
WIDTHS = (512, 590, 1080)
TRIES = 6
LOOK_S = 0.2  # at what a process computes
RATES = {"busy": 0.03, "reset": 0.01, "cut": 0.01, "slow": 0.03}
KEY = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Blow:
    """One run of the campaign, and what came of it.

    Attributes
    ----------
    struck : whether the fault happened; a run may be over before
    exits : status of each time the command was given; None where it hung
    said : its last line where it did not end well
    in_work : processes that worked on segments when the blow fell; 1 for threads of one process
    lost : rows that did not come out as they should
    differ : decoded frames that are not the undisturbed run's
    remade : committed files that a later run wrote again
    strays : files at the end that the undisturbed run has not, or the other way round
    left : processes and session folders of Ray that stayed
    segments : that the table has
    """

    kind: str
    number: int
    struck: bool = False
    exits: list[int | None] = field(default_factory=list)
    said: str = ""
    in_work: int = 0
    lost: list[str] = field(default_factory=list)
    differ: int = 0
    remade: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    segments: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.differ or self.remade or self.strays or self.left or None in self.exits)


def frames_of(path: str) -> list[str]:
    """SHA-256 of every decoded frame, by PyAV."""
    with av.open(path) as container:
        return [
            hashlib.sha256(frame.to_ndarray(format="yuv420p").tobytes()).hexdigest()
            for frame in container.decode(video=0)
        ]


def scaled(source: Path, width: int, target: Path) -> None:
    """The video at another width, H.264, whole pixels of colour."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream: Any = None
        for frame in reading.decode(video=0):
            height = round(frame.height * width / frame.width / 2) * 2
            if stream is None:
                stream = writing.add_stream("libx264", rate=Fraction(25), options={"crf": "16"})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            small = frame.reformat(width, height, "yuv420p")
            small.pts = None
            writing.mux(stream.encode(small))
        writing.mux(stream.encode(None))


class Campaign:
    """The tables, what is right, and the blows.

    Parameters
    ----------
    folder : scratch; its path is short, for Ray's sockets lie in it
    patience : seconds after which a run is taken to hang
    """

    def __init__(self, folder: Path, widths: tuple[int, ...] = WIDTHS, patience: float = 400) -> None:
        from lipsync_ray.demo.corpus import make_corpus

        self.folder, self.patience = folder, patience
        inputs = folder / "in"
        make_corpus(inputs)
        rows = []
        for width, (video, voice) in zip(widths, [("pan", "en"), ("sway", "ko"), ("pan", "ko")], strict=False):
            scaled(inputs / f"{video}.mp4", width, inputs / f"w{width}.mp4")
            rows.append(f"w{width},{inputs}/w{width}.mp4,{inputs}/{voice}.ogg")
        self.good = [row.partition(",")[0] for row in rows]
        self._table("good", rows)
        self._table("poison", [*self._poison(inputs), *rows])
        out = folder / "right"
        status, said = self._run("good", str(out), "inline", {})
        assert status == 0, said
        results = read_results(str(out))
        assert {row.status for row in results} == {"done"}
        self.frames = {row.id: frames_of(row.output or "") for row in results}
        self.files = storage.list_tree(str(out))
        self.bytes = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        self.segments = sum(row.segments or 0 for row in results)

    def _table(self, name: str, rows: list[str]) -> None:
        (self.folder / f"{name}.csv").write_text("id,video,audio\n" + "\n".join(rows) + "\n")

    def _poison(self, inputs: Path) -> list[str]:
        """Rows of files that cannot be dubbed."""
        whole = (inputs / "pan.mp4").read_bytes()
        files = {
            "cut": whole[: len(whole) // 3],
            "text": b"a shopping list\n" * 99,
            "empty": b"",
            "noise": random.Random(1).randbytes(99_999),
        }
        for name, data in files.items():
            (inputs / f"{name}.mp4").write_bytes(data)
        (inputs / "deaf.ogg").write_bytes((inputs / "en.ogg").read_bytes()[:300])
        voice, face = inputs / "en.ogg", inputs / "pan.mp4"
        return [*(f"p-{name},{inputs}/{name}.mp4,{voice}" for name in files), f"p-deaf,{face},{inputs}/deaf.ogg"]

    def _command(self, table: str, out: str, engine: str) -> list[str]:
        words = [sys.executable, "-m", "lipsync_ray", "dub", str(self.folder / f"{table}.csv"), "-o", out]
        return [*words, "--engine", engine, "--model", "warp", "--precision", "fp32", "--segment", "0.5"]

    def _begun(self, table: str, out: str, engine: str, more: dict[str, str]) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "AWS_"))}
        environment |= {"RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": str(self.folder / "r"), **more}
        with (self.folder / "log").open("w") as log:
            return subprocess.Popen(self._command(table, out, engine), stdout=log, stderr=log, env=environment)

    def _waited(self, process: subprocess.Popen[bytes]) -> int | None:
        try:
            return process.wait(self.patience)
        except subprocess.TimeoutExpired:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            return None

    def _run(self, table: str, out: str, engine: str, more: dict[str, str]) -> tuple[int | None, str]:
        """(exit status, the last line it said)."""
        status = self._waited(self._begun(table, out, engine, more))
        return status, self._said()

    def _said(self) -> str:
        lines = [line for line in (self.folder / "log").read_text(errors="replace").splitlines() if line.strip()]
        return next((line for line in lines if line.startswith(("error", "stopped"))), lines[-1] if lines else "")

    def strike(self, kind: str, number: int) -> Blow:
        """One run: the fault, what mends it, and what is there in the end."""
        began, blow = time.monotonic(), Blow(kind, number, segments=self.segments)
        chance = random.Random(f"{kind} {number}")
        name = f"{kind}-{number}"
        (self.folder / "r").mkdir(exist_ok=True)
        table = "poison" if kind == "poison" else "good"
        with contextlib.ExitStack() as stack:
            if kind == "store":
                out, more = stack.enter_context(_bucket(name, number)), dict(os.environ)
                more = {k: v for k, v in more.items() if k.startswith("AWS_")}
                stack.callback(shutil.rmtree, self.folder / name, ignore_errors=True)
                self._store(blow, chance, out, more)
            elif kind == "disk":
                out = str(stack.enter_context(_small_disk(self.folder / name, self.bytes)) / "out")
                self._disk(blow, chance, Path(out))
            else:
                out = str(self.folder / name)
                stack.callback(shutil.rmtree, out, ignore_errors=True)
                self._kill(blow, chance, table, Path(out))
            self._look(blow, table, out)
        blow.left = self._left_of_ray()
        blow.seconds = time.monotonic() - began
        return blow

    def _kill(self, blow: Blow, chance: random.Random, table: str, out: Path) -> None:
        engine = "inline" if blow.kind in WITHOUT_RAY else "ray"
        # A quarter of the blows fall before the first segment is there: while Ray starts, while faces are found.
        early = chance.random() < 0.25
        parts = 0 if early else chance.randint(1, max(1, self.segments * 3 // 4))
        delay = chance.uniform(0, 8) if early else chance.uniform(0, 0.3)
        process = self._begun(table, str(out), engine, {})
        until = time.monotonic() + self.patience
        while process.poll() is None and time.monotonic() < until:
            if (out / "running.json").exists() and _finished(out) >= parts:
                time.sleep(delay)
                delay = 0.0
                target = _victim(blow.kind, process.pid, out)
                if target is not None and process.poll() is None:
                    blow.struck = True
                    alone = blow.kind in ("worker", "poison")  # it takes its own segment along, no other one
                    blow.in_work = 1 if alone else max(1, len(_working(process.pid)))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(target, getattr(signal, blow.kind, signal.SIGKILL))
                    break
            time.sleep(0.02)
        blow.exits.append(self._waited(process))
        self._go_on(blow, table, str(out), engine, {})

    def _disk(self, blow: Blow, chance: random.Random, out: Path) -> None:
        ballast = out.parent / "ballast"
        ballast.write_bytes(b"\0" * int(self.bytes * chance.uniform(1.3, 2.4)))
        blow.exits.append(self._run("good", str(out), "inline", {})[0])
        blow.said = self._said()
        blow.struck = blow.exits[0] != 0
        ballast.unlink()
        self._go_on(blow, "good", str(out), "inline", {})

    def _store(self, blow: Blow, chance: random.Random, out: str, more: dict[str, str]) -> None:
        process = self._begun("good", out, "ray", more)
        if chance.random() < 0.5:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(5, 30))
            process.kill()
        blow.struck = True
        blow.exits.append(self._waited(process))
        self._go_on(blow, "good", out, "ray", more)

    def _go_on(self, blow: Blow, table: str, out: str, engine: str, more: dict[str, str]) -> None:
        """Give the command again until all that can be done is done."""
        blow.said = blow.said or self._said()
        well = {0, 1} if table == "poison" else {0}
        while blow.exits[-1] not in well and blow.exits[-1] is not None and len(blow.exits) < TRIES:
            time.sleep(3)  # its last words come from another process; Ray's processes end with their driver
            said = self._said()
            blow.said = said if said.startswith(("error", "stopped")) else blow.said
            before = _stamps(out)
            blow.exits.append(self._run(table, out, engine, more)[0])
            after = _stamps(out)
            blow.remade += [name for name, stamp in before.items() if after.get(name, stamp) != stamp]

    def _look(self, blow: Blow, table: str, out: str) -> None:
        rows = (
            {row.id: row for row in read_results(out)} if storage.exists(storage.join(out, "results.parquet")) else {}
        )
        for name in self.good:
            row = rows.get(name)
            if row is None or row.status != "done" or row.output is None:
                blow.lost.append(f"{name}: {row.status if row else 'no row'}: {row.error if row else ''}")
                continue
            with tempfile.TemporaryDirectory() as scratch:
                local = f"{scratch}/video.mp4"
                storage.copy(row.output, local)
                found = frames_of(local)
            right = self.frames[name]
            blow.differ += sum(a != b for a, b in zip(right, found, strict=False)) + abs(len(right) - len(found))
        if blow.struck and blow.kind in ("worker", "poison") and max((row.attempts or 1) for row in rows.values()) < 2:
            blow.lost.append("no row tells that its process was killed")
        if table == "poison":
            ended = [row for row in rows.values() if row.id not in self.good]
            blow.lost += [f"{row.id}: {row.status}" for row in ended if row.status != "failed" or not row.error]
            return  # some of its files are read as far as they go
        strays = (
            storage.list_tree(out) ^ self.files
        )  # records lie in as many blocks as there were moments at which rows ended
        blow.strays = sorted(name for name in strays if not name.startswith("outcomes/"))

    def _left_of_ray(self) -> list[str]:
        """Processes and session folders of Ray that are still there; the processes are then ended."""
        home = str(self.folder / "r")
        until = time.monotonic() + 40
        while True:
            found = [p for p in psutil.process_iter() if home in " ".join(_words(p))]
            sessions = [path for path in (self.folder / "r").rglob("session_2*") if path.is_dir()]
            if not (found or sessions) or time.monotonic() > until:
                break
            time.sleep(0.5)
        left = [*(" ".join(_words(p))[:60] for p in found), *map(str, sessions)]
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(self.folder / "r", ignore_errors=True)
        return left


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _finished(out: Path) -> int:
    """Segments that are committed, those of finished dubs as a whole."""
    return len(list(out.glob("parts/*/*.mp4"))) + 8 * len(list(out.glob("videos/*.mp4")))


def _stamps(out: str) -> dict[str, Any]:
    """What a run keeps, and a sign of when it was written. What every run writes anew is left out.

    A video is kept from its record on: one whose driver was killed before it wrote that is joined again.
    """
    if storage.is_local(out):
        names = storage.list_tree(out)
        found = {name: (Path(out) / name).stat().st_mtime_ns for name in names if (Path(out) / name).exists()}
    else:
        import s3fs

        store = s3fs.S3FileSystem(use_listings_cache=False)
        root = out.removeprefix("s3://") + "/"
        found = {name.removeprefix(root): info["LastModified"] for name, info in store.find(root, detail=True).items()}
    kept = ("parts/", "faces/", "sources/")
    videos = {f"videos/{values['id']}.mp4" for values in all_values(out, "dub")}
    return {name: stamp for name, stamp in found.items() if name.startswith(kept) or name in videos}


def _working(pid: int) -> list[int]:
    """Processes of a driver's Ray that work on rows: Ray puts the method that runs into their titles."""
    out = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            title = " ".join(_words(process))
            if "_StageActor" in title and ".submit" in title:
                out.append(int(process.pid))
    return sorted(out)


def _computes(pid: int) -> bool:
    """Whether a process works on a row: while it waits for rows that are not known yet, it is in the same method."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        before = process.cpu_times()
        time.sleep(LOOK_S)
        after = process.cpu_times()
        return bool(after.user + after.system - before.user - before.system >= LOOK_S / 10)
    return False


def _victim(kind: str, pid: int, out: Path) -> int | None:
    """The process that is to be hit; None where it is not there yet."""
    if kind in ("driver", "inline", "SIGTERM", "SIGINT"):
        return pid
    if kind in ("worker", "poison"):
        return next(filter(_computes, _working(pid)), None)
    word = {"raylet": "raylet/raylet", "gcs": "gcs_server"}[kind]
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            if any(word in part for part in _words(process)[:1]):
                return int(process.pid)
    return None


@contextlib.contextmanager
def _small_disk(folder: Path, room: int) -> Iterator[Path]:
    """A tmpfs with room for so many bytes two and a half times: parts and the videos that are made of them lie there at once."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room * 5 // 2}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@contextlib.contextmanager
def _bucket(name: str, seed: int) -> Iterator[str]:
    """A folder in a bucket of a store that fails; its address is in this process' environment meanwhile."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    before = {key: os.environ.get(key) for key in (*KEY, "AWS_ENDPOINT_URL")}
    try:
        with faulty_store(f"http://{host}:{port}", seed) as store:
            os.environ.update(KEY | {"AWS_ENDPOINT_URL": store.address})
            s3fs.S3FileSystem.clear_instance_cache()
            s3fs.S3FileSystem().mkdir(name)
            store.rates = RATES
            yield f"s3://{name}/out"
    finally:
        server.stop()
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value
        s3fs.S3FileSystem.clear_instance_cache()


def table_of(blows: list[Blow]) -> Table:
    """What each kind came to."""
    names = (
        "fault",
        "runs",
        "struck",
        "exit at first",
        "rows lost",
        "frames differ",
        "committed, made again",
        "in work",
        "strays",
    )
    table = Table(*names, "left of Ray", "hangs", "seconds each")
    for kind in [*dict.fromkeys(blow.kind for blow in blows), "all"]:
        some = [blow for blow in blows if kind in (blow.kind, "all")]
        exits = Counter(blow.exits[0] for blow in some)
        said = ", ".join(f"{status} × {count}" for status, count in exits.most_common())
        work = sum(blow.segments for blow in some)
        again = sum(blow.in_work for blow in some)
        table.add_row(
            kind,
            str(len(some)),
            str(sum(blow.struck for blow in some)),
            said if kind != "all" else "",
            str(sum(len(blow.lost) for blow in some)),
            str(sum(blow.differ for blow in some)),
            str(sum(len(blow.remade) for blow in some)),
            f"{again} of {work} ({again / work:.1%})",
            str(sum(len(blow.strays) for blow in some)),
            str(sum(len(blow.left) for blow in some)),
            str(sum(None in blow.exits for blow in some)),
            f"{sum(blow.seconds for blow in some) / len(some):.0f}",
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="runs")
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which faults happen")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--log", type=Path, default=Path("faults.jsonl"), help="one line a run")
    arguments = parser.parse_args()
    console, blows = Console(width=170), []
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="f", dir="/tmp"))
    try:
        campaign = Campaign(folder)
        frames = sum(map(len, campaign.frames.values()))
        console.print(f"undisturbed: {len(campaign.good)} rows, {frames} frames, {campaign.segments} segments")
        with arguments.log.open("a") as log:
            for number in range(arguments.count):
                kind = arguments.kinds[number % len(arguments.kinds)]
                blow = campaign.strike(kind, arguments.seed * 10_000 + number)
                blows.append(blow)
                log.write(json.dumps(asdict(blow)) + "\n")
                log.flush()
                console.print(f"{kind} {number}: {blow.exits} {'clean' if blow.clean else blow}", highlight=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if blows:
            console.print(table_of(blows))
    sys.exit(0 if all(blow.clean for blow in blows) else 1)


if __name__ == "__main__":
    main()

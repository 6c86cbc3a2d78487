"""Output that cannot be written: lines are lost or replaced, the work and its exit status are not."""

import errno
import io
import os
import subprocess
import sys

import pytest
from rich.progress import Progress
from rich.table import Table

from lipsync_ray.io.console import LenientStream, console_for, lenient, lenient_streams

HELP = (sys.executable, "-m", "lipsync_ray", "--help")
REFUSED = (sys.executable, "-m", "lipsync_ray", "dub", "nowhere.csv", "-o", "out")


class Broken(io.StringIO):
    """A stream that takes nothing."""

    encoding = "utf-8"

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


def narrow(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def written(stream):
    stream.flush()
    return stream.buffer.getvalue().decode(stream.encoding)


ERRORS = [
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    BlockingIOError(errno.EAGAIN, "write could not complete without blocking", 0),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EIO, "Input/output error"),
    ValueError("I/O operation on closed file."),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_stream_that_takes_nothing_stops_nobody(error, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(error))
    console = console_for()
    console.print("a line")
    table = Table("id")
    table.add_row("a")
    console.print(table)
    with Progress(console=console) as bar:
        bar.advance(bar.add_task("lips", total=1))


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_characters_that_an_encoding_lacks_are_replaced(encoding, monkeypatch):
    stream = narrow(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    console_for().print("日本-ż: 12 frames … done", soft_wrap=True)
    assert "12 frames" in written(stream)
    assert written(stream).startswith("??-?")


def test_a_name_that_is_not_utf8_is_written_all_the_same():
    stream = narrow("utf-8")
    LenientStream(stream).write("caf\udce9.mp4\n")
    assert written(stream) == "caf?.mp4\n"


def test_what_can_be_written_is_written_unchanged():
    stream = narrow("utf-8")
    lenient(lenient(stream)).write("日本 … ✓\n")
    assert written(stream) == "日本 … ✓\n"


def test_a_mistake_in_the_program_is_not_hidden():
    with pytest.raises(TypeError):
        LenientStream(narrow("utf-8")).write(b"bytes")


def test_no_standard_output_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    console_for().print("a line")


def test_streams_come_back(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    before = sys.stderr
    with lenient_streams():
        print("a line")
    assert sys.stdout is None
    assert sys.stderr is before


@pytest.mark.parametrize(("command", "status"), [(HELP, 0), (REFUSED, 2)], ids=["help", "refused"])
@pytest.mark.parametrize("broken", ["stdout", "stderr", "both"])
def test_a_reader_that_has_left_changes_no_exit_status(command, status, broken, tmp_path):
    read, write = os.pipe()
    os.close(read)
    streams = {name: write if broken in (name, "both") else subprocess.PIPE for name in ("stdout", "stderr")}
    try:
        done = subprocess.run(command, **streams, cwd=tmp_path, timeout=120)
    finally:
        os.close(write)
    assert done.returncode == status
    for said in (done.stdout, done.stderr):
        assert b"ignored" not in (said or b"")
        assert b"Traceback" not in (said or b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize(("command", "status"), [(HELP, 0), (REFUSED, 2)], ids=["help", "refused"])
def test_a_full_disk_under_the_output_changes_no_exit_status(command, status, tmp_path):
    with open("/dev/full", "w") as full:
        assert subprocess.run(command, stdout=full, stderr=full, cwd=tmp_path, timeout=120).returncode == status


def test_descriptors_that_are_closed_are_not_given_to_files(tmp_path):
    script = f'exec "{sys.executable}" -m lipsync_ray weights list >&- 2>&-'
    assert subprocess.run(["sh", "-c", script], cwd=tmp_path, timeout=120).returncode == 0
    code = (
        "import os\nfrom lipsync_ray.io.console import lenient_streams\n"
        "with lenient_streams():\n    os._exit(os.open('file', os.O_CREAT | os.O_WRONLY) < 3)"
    )
    script = f'exec "{sys.executable}" -c "{code}" >&- 2>&-'
    assert subprocess.run(["sh", "-c", script], cwd=tmp_path, timeout=120).returncode == 0


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_the_command_line_speaks_any_encoding(encoding, tmp_path):
    table = tmp_path / "日本.csv"
    table.write_text("id,video,audio\n日本-żółć,gone.mp4,gone.wav\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "lipsync_ray", "dub", table, "-o", tmp_path / "out", "--model", "warp"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert b"gone.mp4" in done.stderr
    assert b"Traceback" not in done.stderr

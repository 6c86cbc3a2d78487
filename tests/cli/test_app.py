"""The command line, as far as it goes without Ray; and every command the README shows."""

import ast
import errno
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import lipsync_ray
from lipsync_ray.cli import app
from lipsync_ray.models import download, weights

ROOT = Path(__file__).resolve().parents[2]


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["lipsync-ray", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code or 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dub", "gone.csv", "-o", "out"), "gone.csv: 1 problem; nothing was started"),
        (("dub", "v.mp4", "-o", "out"), "needs its audio as the second argument"),
        (("dub", "v.mp4", "a.wav", "-o", "o.mp4"), "no such file"),
        (("dub", "t.csv"), "-o is missing"),
        (("dub", "t.csv", "-o", "out.mp4"), "go into a folder"),
        (
            ("dub", "t.csv", "-o", "out", "--face", "tallest"),
            "expected one of auto, speaking, largest, center, left, right, all",
        ),
        (("dub", "t.csv", "-o", "out", "--still-rate", "fast"), "expected a number or a fraction"),
        (("weights", "fetch", "nothing"), "not in the registry; expected warp, mini, wav2lip, wav2lip_gan"),
    ],
)
def test_unusable_arguments_are_told_and_exit_with_2(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_nowhere_stop_the_default_model(tmp_path, monkeypatch, capsys, demo_inputs):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))

    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(download.urllib.request, "urlopen", refuse)
    code = run(monkeypatch, "dub", demo_inputs / "pan.mp4", demo_inputs / "en.ogg", "-o", tmp_path / "o.mp4")
    shown = capsys.readouterr()
    assert code == 2
    for part in (
        "wav2lip_gan",
        "weights fetch",
        "--model warp",
        str(tmp_path / "cache" / "wav2lip_gan.pth"),
        "no network",
    ):
        assert part in shown.err
    assert "non-commercial" in shown.out
    assert not list(tmp_path.glob("o.mp4*"))


def test_the_registry_is_listed_and_verified(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path))
    assert run(monkeypatch, "weights", "list") == 0
    listed = capsys.readouterr().out
    assert "wav2lip_gan" in listed
    assert "436 MB" not in listed.replace("435.8", "")  # of a size that nobody has confirmed nothing is claimed
    (tmp_path / "whisper-tiny.pt").write_bytes(bytes(75_600_000))
    assert run(monkeypatch, "weights", "list") == 0
    assert "75.6 MB" in capsys.readouterr().out
    (tmp_path / "whisper-tiny.pt").unlink()
    assert run(monkeypatch, "weights", "verify") == 0
    assert "mini: good" in capsys.readouterr().out
    (tmp_path / "wav2lip.pth").write_bytes(b"<html>")
    assert run(monkeypatch, "weights", "verify") == 1
    assert "web page" in capsys.readouterr().out
    assert run(monkeypatch, "weights", "verify", "wav2lip_gan") == 1
    assert run(monkeypatch, "weights", "fetch", "mini") == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_being_stopped_says_how_to_go_on(monkeypatch, capsys, number, status):
    before = signal.getsignal(number)
    monkeypatch.setattr(app, "app", lambda: signal.raise_signal(number))
    assert run(monkeypatch) == status
    assert "run the same command again" in capsys.readouterr().err
    assert signal.getsignal(number) is before


def test_a_stop_that_another_exception_hides_is_still_one(monkeypatch, capsys):
    def hidden():
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException as error:
            raise TypeError("expected a message argument") from error

    monkeypatch.setattr(app, "app", hidden)
    assert run(monkeypatch) == 143
    assert "run the same command again" in capsys.readouterr().err


def test_a_broken_pipe_of_the_work_is_an_error_that_is_told(monkeypatch, capsys):
    def broken(*arguments):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(weights, "location", broken)
    assert run(monkeypatch, "weights", "list") == 1
    assert "closed from its other end" in capsys.readouterr().err


def test_an_error_of_the_system_is_one_line(monkeypatch, capsys):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device", "/out/x")

    monkeypatch.setattr(app, "app", full)
    assert run(monkeypatch) == 1
    assert capsys.readouterr().err == "error: /out/x: No space left on device\n"


def test_help_needs_no_heavy_import():
    code = "import sys, lipsync_ray.cli.app; print([m for m in ('torch', 'ray', 'av', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]


def commands_of(*pages):
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_every_command_of_the_pages_is_one():
    group = typer.main.get_command(app.app)
    shown = [line for line in commands_of(*PAGES) if "lipsync-ray " in line]
    assert len(shown) >= 15
    for line in shown:
        words = shlex.split(line.split("lipsync-ray ", 1)[1])
        command, context = group, None
        while hasattr(command, "commands") and words:
            context = command.make_context(command.name, words[:1], parent=context, resilient_parsing=True)
            command = command.get_command(context, words.pop(0))
            assert command is not None, line
        command.make_context(command.name, words, parent=context)


def test_ci_runs_the_readmes_test_command():
    (tests,) = [line for line in commands_of(ROOT / "README.md") if "pytest" in line]
    assert tests.split("&& ")[1] in (ROOT / ".ci" / "run").read_text()


def test_links_of_the_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_is_short_and_its_python_is_python():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        called = {node.attr for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Attribute)}
        assert called <= set(lipsync_ray.__all__)


def test_train_has_its_own_help_for_out(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, "train", "--help") == 0
    said = capsys.readouterr().out
    assert "Folder for the weights, their card and curve." in said
    assert ".mp4 for one pair" not in said
    assert run(monkeypatch, "train", "pose", "clips") == 2
    assert "'-o'" in capsys.readouterr().err

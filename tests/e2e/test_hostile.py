"""A table that somebody else wrote: nothing it says is run, and nothing is written outside of OUT."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from clips import noise, write_audio
from commands import lipsync_ray

from lipsync_ray.io.results import read_results

NAMES = (
    "a; touch pwned.mp4",
    "$(touch pwned).mp4",
    "`touch pwned`.mp4",
    "-o pwned.mp4",
    '日本 語\'s "v".mp4',
    "a%2Fb&c=d.mp4",
)


@pytest.fixture
def folder(demo_inputs, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for name in NAMES:
        shutil.copy(demo_inputs / "pan.mp4", home / name)
    write_audio(home / "short.wav", noise(np.random.default_rng(0), 0.5, 16_000), 16_000)
    monkeypatch.chdir(home)
    return home


def tree(folder, but=""):
    return {path for path in Path(folder).rglob("*") if not but or not path.is_relative_to(but)}


def test_names_are_names(folder):
    quoted = ['"' + name.replace('"', '""') + '"' for name in NAMES]
    (folder / "t.csv").write_text("video,audio\n" + "".join(f"{name},short.wav\n" for name in quoted))
    out, before = folder / "out", tree(folder.parent)
    assert lipsync_ray("dub", "t.csv", "-o", out, "--model", "warp") == 0
    rows = read_results(str(out))
    assert [row.video for row in rows] == [str(folder / name) for name in NAMES]
    assert {Path(row.output).parent for row in rows} == {out / "videos"}
    assert len({row.output for row in rows}) == len(NAMES)
    assert tree(folder.parent, out) == before
    assert not [path for path in tree(folder.parent) if path.name == "pwned"]


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a;b", "a b", "..", ".", "a/b", "-rf", "a\\b", "x" * 300])
def test_an_id_that_leaves_the_folder_is_refused(folder, name, capsys):
    (folder / "t.csv").write_text(f'id,video,audio\n"{name}","{NAMES[1]}",short.wav\n')
    before = tree(folder.parent)
    assert lipsync_ray("dub", "t.csv", "-o", folder / "out", "--model", "warp") == 2
    assert "row 1, column 'id'" in capsys.readouterr().err
    assert tree(folder.parent) == before


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


@pytest.mark.parametrize(
    "command", [("dub", "a; touch pwned.mp4", "short.wav", "--model"), ("analyze", "short.wav", "--whisper")]
)
def test_weights_that_would_run_code_are_refused(folder, command, capsys):
    (folder / "evil.pth").write_bytes(pickle.dumps({"state_dict": Evil()}))
    assert lipsync_ray(*command, "evil.pth", "-o", folder / "out") in (1, 2)
    assert "not a checkpoint that can be read safely" in capsys.readouterr().err
    assert not (folder / "pwned").exists()

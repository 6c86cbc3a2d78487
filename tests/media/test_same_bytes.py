"""The same pictures and samples are the same bytes, whatever an earlier use has left in a process's memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from digests import write_inputs

from lipsync_ray.media import encode

HERE = Path(__file__).parent
FILLINGS = (0, 85, 170, 255)


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="fills fresh memory by a setting of glibc")
def test_nothing_depends_on_memory_that_nobody_wrote(tmp_path):
    write_inputs(tmp_path)
    said = []
    for filling in FILLINGS:
        environment = os.environ | {"MALLOC_PERTURB_": str(filling), "PYTHONPATH": str(HERE.parent)}
        command = [sys.executable, str(HERE / "digests.py"), str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=240)
        said.append(done.stdout.splitlines())
    assert len(said[0]) > 40
    different = {
        line.rsplit(" ", 1)[0]
        for other in said[1:]
        for line, first in zip(other, said[0], strict=True)
        if line != first
    }
    assert not different


@pytest.mark.parametrize(
    ("machine", "info", "expected"),
    [
        ("x86_64", "flags\t\t: fpu sse2 avx2 avx512f avx512bw\n", "asm="),
        ("x86_64", "flags\t\t: fpu sse2 avx2\n", ""),
        ("AMD64", None, "mbtree=0"),
        ("aarch64", None, ""),
        ("arm64", "Features : asimd\n", ""),
    ],
)
def test_the_encoder_is_told_what_the_processor_needs(monkeypatch, tmp_path, machine, info, expected):
    monkeypatch.setattr(encode.platform, "machine", lambda: machine)
    monkeypatch.setattr(encode, "_CPU_INFO", tmp_path / "cpuinfo")
    if info is not None:
        (tmp_path / "cpuinfo").write_text(info)
    encode.x264_parameters.cache_clear()
    found = encode.x264_parameters()
    encode.x264_parameters.cache_clear()
    assert found.startswith(expected)
    assert bool(found) == bool(expected)
    assert "AVX512" not in found

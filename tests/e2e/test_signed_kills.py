"""A signed run that is killed when some of its videos are there, and started again: every video is signed once, and holds."""

import io
import json
import subprocess
import sys
import time

import pytest
from certificates import write_signer
from clips import tone, write_audio
from commands import lipsync_ray

from lipsync_ray.io import storage
from lipsync_ray.io.results import read_results
from lipsync_ray.provenance.inspection import inspect_file

pytestmark = pytest.mark.nightly

c2pa = pytest.importorskip("c2pa", reason="needs the extra provenance (c2pa-python)")
ROWS = 4
PATIENCE_S = 240


def videos(out):
    return [name for name in storage.list_names(storage.join(out, "videos")) if name.endswith(".mp4")]


def test_every_video_is_signed_once(place, demo_inputs, cluster, tmp_path):
    out, signer = place, write_signer(tmp_path)
    rows = []
    for number in range(ROWS):
        write_audio(tmp_path / f"{number}.wav", tone(1.2, hertz=200 + 50 * number))
        rows.append(f"{number},{demo_inputs / 'pan.mp4'},{tmp_path / str(number)}.wav")
    (tmp_path / "t.csv").write_text("\n".join(["id,video,audio", *rows]))
    words = ["dub", tmp_path / "t.csv", "-o", out, "--model", "mini", "--crf", "0", "--actors", "1"]
    words += ["--provenance", "c2pa", "--sign-cert", signer[0], "--sign-key", signer[1]]
    kills = 0
    for wanted in (1, 2):
        with (tmp_path / "log").open("w") as log:
            command = [sys.executable, "-m", "lipsync_ray", *map(str, words), "--engine", "ray"]
            driver = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            deadline = time.monotonic() + PATIENCE_S
            while len(videos(out)) < wanted and driver.poll() is None:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(0.1)
            kills += driver.poll() is None
            driver.kill()
            driver.wait()
    assert kills, "it was never caught at work"
    assert lipsync_ray(*words, engine="ray") == 0
    results = read_results(out)
    assert [row.status for row in results] == ["done"] * ROWS
    for row in results:
        assert inspect_file(row.output, str(signer[2])).manifest.state == "Trusted"
        with c2pa.Reader("video/mp4", io.BytesIO(storage.read_bytes(row.output))) as reader:
            assert len(json.loads(reader.json())["manifests"]) == 1

"""What files say of themselves, on one line and as an exit status."""

import json

import cv2
import numpy as np
import pytest
from certificates import write_signer
from clips import barcode, tone, write_audio, write_video
from typer.testing import CliRunner

from lipsync_ray.cli.app import app
from lipsync_ray.errors import SettingsError
from lipsync_ray.provenance import inspection
from lipsync_ray.provenance.claims import EDITED, Claim
from lipsync_ray.provenance.inspection import inspect_file, status_of
from lipsync_ray.provenance.manifest import sign_file
from lipsync_ray.provenance.signer import signer_of
from lipsync_ray.provenance.tags import write_tags
from lipsync_ray.settings import ProvenanceSettings

pytest.importorskip("c2pa", reason="needs the extra provenance (c2pa-python)")

CLAIM = Claim("a.mp4", "lips", "warp")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of files, tagged, signed and neither."""
    folder = tmp_path_factory.mktemp("files")
    chain, key, _ = write_signer(folder)
    signer = signer_of(ProvenanceSettings("c2pa", str(chain), str(key)))
    for name in ("plain", "tagged", "signed", "both"):
        write_video(folder / f"{name}.mp4", [barcode(i) for i in range(5)])
    cv2.imwrite(str(folder / "signed.png"), np.zeros((20, 20, 3), np.uint8))
    for name in ("tagged.mp4", "both.mp4"):
        write_tags(folder / name, CLAIM)
    for name in ("signed.mp4", "both.mp4", "signed.png"):
        sign_file(folder / name, CLAIM, signer, clear=False)
    write_audio(folder / "sound.wav", tone(0.2))
    data = bytearray((folder / "both.mp4").read_bytes())
    place = data.index(b"c2pa.actions.v2")
    data[place + 120 : place + 160] = bytes(40)
    (folder / "torn.mp4").write_bytes(data)
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.mark.parametrize(
    ("name", "marked", "said"),
    [
        ("plain.mp4", False, "not marked; no manifest, no tag"),
        ("tagged.mp4", True, 'marked; IPTC compositeWithTrainedAlgorithmicMedia; "The lips'),
        ("signed.mp4", True, "marked; manifest valid (unknown signer), signed by Signer, Studio"),
        ("both.mp4", True, "marked; manifest valid"),
        ("signed.png", True, "marked; manifest valid"),
        ("torn.mp4", False, "not marked; manifest INVALID"),
        ("sound.wav", False, "not marked; no manifest, no tag"),
        ("text.mp4", False, "unreadable: not a readable video"),
        ("none.mp4", False, "unreadable: no such file"),
        (".", False, "unreadable: a folder"),
    ],
)
def test_a_line_a_file(files, name, marked, said):
    found = inspect_file(files / name)
    assert found.marked is marked
    assert found.line.startswith(f"{files / name}: {said}")
    assert status_of([found]) == (2 if "unreadable" in said else 0 if marked else 1)


def test_without_c2pa_a_manifest_is_seen_and_not_checked(files, monkeypatch):
    monkeypatch.setattr(inspection, "find_spec", lambda name: None)
    for name in ("both.mp4", "signed.png"):
        assert inspect_file(files / name).manifest.state == "unchecked"
    assert inspect_file(files / "tagged.mp4").manifest is None
    with pytest.raises(SettingsError, match="c2pa-python"):
        inspect_file(files / "both.mp4", str(files / "root.pem"))


def test_whom_nobody_trusts_is_no_mark(files, tmp_path):
    others = write_signer(tmp_path)[2]
    assert inspect_file(files / "both.mp4", str(files / "root.pem")).line.count("manifest trusted") == 1
    found = inspect_file(files / "both.mp4", str(others))
    assert (found.marked, found.manifest.state) == (False, "Valid")
    assert inspect_file(files / "tagged.mp4", str(others)).marked


@pytest.mark.parametrize("name", ["none.pem", "text.mp4"])
def test_anchors_that_are_none_are_refused(files, name):
    with pytest.raises(SettingsError, match=f"--trust .*{name}"):
        inspect_file(files / "both.mp4", str(files / name))


def command(*arguments):
    done = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    return done.exit_code, done.output.splitlines()


def test_the_command_line(files):
    status, lines = command(files / "both.mp4", files / "tagged.mp4")
    assert (status, len(lines)) == (0, 2)
    status, lines = command(files / "both.mp4", files / "plain.mp4", "--json")
    signed, plain = map(json.loads, lines)
    assert (status, signed["marked"], plain["marked"], signed["source_type"]) == (1, True, False, EDITED)
    assert signed["manifest"]["actions"] == ["c2pa.created", "c2pa.edited"]
    assert command(files / "text.mp4", files / "plain.mp4")[0] == 2


def test_a_file_in_a_bucket(files, s3_server):
    import s3fs

    from lipsync_ray.io import storage

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("said", exist_ok=True)
    storage.commit_file(files / "both.mp4", "s3://said/both.mp4")
    assert inspect_file("s3://said/both.mp4").marked
    assert inspect_file("s3://said/none.mp4").error == "no such file"

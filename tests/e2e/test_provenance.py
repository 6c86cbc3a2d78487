"""What finished videos say of themselves: by the commands, from the source to the enhanced dub."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from certificates import write_signer
from clips import tone, write_audio
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from material import random_gfpgan

sys.path.insert(0, str(Path(__file__).parent))
from commands import frame_digests, lipsync_ray

from lipsync_ray.engine.cleaning import contents
from lipsync_ray.engine.record_writer import RecordWriter
from lipsync_ray.io.results import read_results
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.provenance.inspection import inspect_file

pytest.importorskip("c2pa", reason="needs the extra provenance (c2pa-python)")


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    """Two dubs of a second, one of them of a source that has a manifest."""
    folder = tmp_path_factory.mktemp("said")
    for name in ("a", "b"):
        write_audio(folder / f"{name}.wav", tone(1.2, hertz=220 if name == "a" else 330))
    rows = [f"{name},{demo_inputs / 'pan.mp4'},{folder / name}.wav,{name} has signed" for name in ("a", "b")]
    (folder / "t.csv").write_text("\n".join(["id,video,audio,consent", *rows]))
    return folder / "t.csv"


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return write_signer(tmp_path_factory.mktemp("keys"))


def dub(table, out, *more):
    return lipsync_ray("dub", table, "-o", out, "--model", "mini", "--crf", "0", "--actors", "1", *more)


def by(signer):
    return "--provenance", "c2pa", "--sign-cert", signer[0], "--sign-key", signer[1]


def packets(path):
    with av.open(str(path)) as container:
        return [(p.stream.index, p.pts, p.dts, bytes(p)) for p in container.demux() if p.dts is not None]


@pytest.fixture(scope="module")
def signed(table, signer, tmp_path_factory):
    """A run that was killed when its first video was committed and not yet recorded, and gone on with."""
    out = tmp_path_factory.mktemp("signed") / "run"
    add, left = RecordWriter.add, [1]

    def killed(self, *arguments):
        if left and left.pop():
            raise KeyboardInterrupt
        add(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordWriter, "add", killed)
        assert dub(table, out, *by(signer), "--log-file", out.parent / "log") == 130
    assert len(list((out / "videos").iterdir())) == 1
    assert dub(table, out, *by(signer), "--log-file", out.parent / "log") == 0
    return out


def test_every_video_is_signed_once_and_holds(signed, signer):
    for row in read_results(str(signed)):
        found = inspect_file(row.output, str(signer[2]))
        assert (found.marked, found.manifest.state, len(found.manifest.chain)) == (True, "Trusted", 1)
        assert Path(row.output).read_bytes().count(b"jumdc2pa") == 1
        assert (row.provenance, len(row.signer), row.consent) == ("c2pa", 64, f"{row.id} has signed")
    assert json.loads((signed / "run.json").read_text())["settings"]["provenance"]["kind"] == "c2pa"


def test_the_key_is_nowhere(signed, signer):
    text = signer[1].read_bytes()
    number = load_pem_private_key(text, None).private_numbers().private_value
    secrets = [number.to_bytes(32, "big"), number.to_bytes(32, "little"), *text.splitlines()[1:-1]]
    files = [path for path in signed.parent.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        data = path.read_bytes()
        assert not [secret for secret in secrets if secret in data], path
        assert str(signer[1]).encode() not in data, path


@pytest.mark.nightly
def test_the_key_is_in_none_of_rays_files_either(table, signer, cluster, tmp_path):
    """Of the session and its workers' logs."""
    import ray

    text = signer[1].read_bytes()
    number = load_pem_private_key(text, None).private_numbers().private_value
    arguments = "dub", table, "-o", tmp_path / "run", "--model", "mini", "--crf", "0", *by(signer)
    assert lipsync_ray(*arguments, engine="ray") == 0
    for row in read_results(str(tmp_path / "run")):
        assert inspect_file(row.output, str(signer[2])).manifest.state == "Trusted"
    for path in Path(ray._private.worker._global_node.get_session_dir_path()).rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert number.to_bytes(32, "big") not in data, path
            assert text.splitlines()[1] not in data, path


@pytest.fixture(scope="module")
def plain(table, signed, tmp_path_factory):
    """A run that says nothing, with the other's faces."""
    out = tmp_path_factory.mktemp("plain")
    shutil.copytree(signed / "faces", out / "faces")
    assert dub(table, out, "--provenance", "none") == 0
    return out


def test_nothing_said_is_no_tag_and_the_same_packets(signed, plain):
    for name in ("a", "b"):
        without = plain / "videos" / f"{name}.mp4"
        found = inspect_file(without)
        assert (found.marked, found.comment, found.source_type, found.manifest) == (False, "", "", None)
        assert packets(without) == packets(signed / "videos" / f"{name}.mp4")


def test_another_certificate_or_none_makes_no_frame(table, signed, plain, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(signed, out)
    shutil.rmtree(out / "faces")
    other = write_signer(tmp_path)
    assert dub(table, out, *by(other)) == 0
    assert "2 of 2 dubs were finished before, and their provenance has changed" in capsys.readouterr().out
    before, after = read_results(str(signed)), read_results(str(out))
    assert {Path(row.output).parent for row in after} == {out / "videos"}
    assert [row.fingerprint for row in before] == [row.fingerprint for row in after]
    assert not {row.signer for row in before} & {row.signer for row in after}
    assert not (out / "faces").exists()
    for row in after:
        assert inspect_file(row.output, str(other[2])).manifest.state == "Trusted"
        assert Path(row.output).read_bytes().count(b"jumdc2pa") == 1
    assert dub(table, out, "--provenance", "none") == 0
    for name in ("a", "b"):
        assert packets(out / "videos" / f"{name}.mp4") == packets(plain / "videos" / f"{name}.mp4")
        assert not inspect_file(out / "videos" / f"{name}.mp4").comment


def test_what_cannot_be_signed_anew_is_left_as_it_was(table, signed, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(signed, out)
    before = (out / "videos" / "a.mp4").read_bytes()
    count = tmp_path / "count"
    sign = tmp_path / "sign.sh"  # the first two signatures, which are asked for before the run, and no other
    sign.write_text(f'echo >> {count}; [ $(wc -l < {count}) -le 2 ] && openssl dgst -sha256 -sign "$1"\n')
    chain, key, _ = write_signer(tmp_path)
    command = "--provenance", "c2pa", "--sign-cert", chain, "--sign-command", f"sh {sign} {key}"
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    assert dub(table, out, *command) == 1
    row = read_results(str(out))[0]
    assert (row.status, row.stage) == ("failed", "mark")
    assert "--sign-command: ended with status 1" in row.error
    assert (out / "videos" / "a.mp4").read_bytes() == before
    count.unlink()
    sign.write_text('openssl dgst -sha256 -sign "$1"\n')
    assert dub(table, out, *command) == 0
    assert read_results(str(out))[0].status == "done"


def test_a_wrong_key_ends_the_run_before_anything_is_touched(table, signer, tmp_path, capsys):
    other = write_signer(tmp_path)
    out = tmp_path / "run"
    assert dub(table, out, "--provenance", "c2pa", "--sign-cert", signer[0], "--sign-key", other[1]) == 2
    assert "--sign-key" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.nightly
def test_the_chain_goes_on_when_a_dub_is_enhanced(signed, signer, tmp_path):
    network = random_gfpgan(tmp_path / "narrow.pth", 0.0625)
    out = tmp_path / "enhanced"
    assert lipsync_ray("enhance", signed, "-o", out, "--restore", network, *by(signer), "--actors", "1") == 0
    for row in read_results(str(out)):
        found = inspect_file(row.output, str(signer[2])).manifest
        assert (found.state, found.chain) == ("Trusted", (f"{row.id}.mp4", f"{row.id}.mp4"))
        assert (row.consent, row.drawn[0].start_s, row.drawn[0].stop_s) == (f"{row.id} has signed", 0.0, 1.2)


def test_enhanced_pictures_are_tagged_and_signed(demo_inputs, signer, tmp_path):
    network = random_gfpgan(tmp_path / "narrow.pth", 0.0625)
    out = tmp_path / "enhanced"
    picture = demo_inputs / "portrait.jpg"
    assert lipsync_ray("enhance", picture, "-o", out, "--restore", network, *by(signer), "--actors", "1") == 0
    (row,) = read_results(str(out))
    found = inspect_file(row.output, str(signer[2]))
    assert (found.manifest.state, found.source_type.rpartition("/")[2]) == (
        "Trusted",
        "compositeWithTrainedAlgorithmicMedia",
    )
    if shutil.which("exiftool") is not None:  # which reads manifests of pictures, in this version not of videos
        said = subprocess.run(["exiftool", "-G1", "-a", row.output], capture_output=True, text=True, check=True).stdout
        assert "urn:c2pa:" in said
    assert lipsync_ray("enhance", picture, "-o", out, "--restore", network, "--actors", "1") == 0
    found = inspect_file(row.output)
    assert (found.marked, found.manifest) == (True, None)


@pytest.mark.parametrize("model", ["mini", "warp"])
def test_what_is_said_to_be_drawn_holds_all_that_was(demo_inputs, plain, tmp_path, model):
    out = plain
    if model == "warp":
        out = tmp_path / "run"
        shutil.copytree(plain / "faces", out / "faces")
        write_audio(tmp_path / "a.wav", tone(1.2))
        (tmp_path / "t.csv").write_text(f"id,video,audio\na,{demo_inputs / 'pan.mp4'},{tmp_path / 'a.wav'}\n")
        assert (
            lipsync_ray("dub", tmp_path / "t.csv", "-o", out, "--model", model, "--crf", "0", "--no-close-in-silence")
            == 0
        )
    row = read_results(str(out))[0]
    source, made = (probe_video(str(path)) for path in (demo_inputs / "pan.mp4", row.output))
    pairs = zip(decode.pictures(source, 0, row.frames), decode.pictures(made, 0, row.frames), strict=True)
    changed = np.any([before.y != after.y for before, after in pairs], axis=0)
    (drawn,) = row.drawn
    outside = changed.copy()
    outside[drawn.y : drawn.y + drawn.height, drawn.x : drawn.x + drawn.width] = False
    assert changed.sum() > 1000
    assert not outside.any()
    assert (drawn.start_s, drawn.stop_s) == (0.0, 1.2)


def test_consent_that_is_required_and_missing_starts_nothing(table, tmp_path, capsys):
    rows = table.read_text().splitlines()
    (tmp_path / "t.csv").write_text("\n".join([rows[0], rows[1], rows[2].replace("b has signed", "")]))
    assert dub(tmp_path / "t.csv", tmp_path / "run", "--require-consent") == 2
    assert "row 2, column 'consent': empty" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_was_cleaned_is_made_again_where_it_is_needed(table, signed, signer, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(signed, out)
    assert lipsync_ray("clean", out) == 0
    left = ["faces", "index.html", "outcomes", "results.parquet", "run.json", "videos"]
    assert sorted(path.name for path in out.iterdir()) == left
    assert [path.name for path in (out / "faces").iterdir()] == ["people"]  # shown by the page
    assert dub(table, out, *by(signer)) == 0
    assert "2 of 2 dubs were finished before" in capsys.readouterr().out
    assert [path.name for path in (out / "faces").iterdir()] == ["people"]
    (tmp_path / "t.csv").write_text(
        "\n".join(
            line.replace("b,", "c,", 1) if line.startswith("b,") else line for line in table.read_text().splitlines()
        )
    )
    assert dub(tmp_path / "t.csv", out, *by(signer)) == 0
    assert [path.suffix for path in (out / "faces").iterdir() if path.is_file()] == [".parquet"]
    assert frame_digests(out / "videos" / "c.mp4") == frame_digests(out / "videos" / "b.mp4")


def test_every_file_that_a_run_makes_is_known(demo_run, demo_scores, analysed):
    """Or `clean` would leave it."""
    for out in (demo_run, demo_scores, analysed):
        unknown = [path for one in contents(str(out), False) if one.use is None for path in one.files]
        assert [path for path in unknown if not path.startswith("inputs/")] == []

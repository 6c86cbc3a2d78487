"""Files behind signatures: made once, however often they are signed, and the signature is nowhere."""

import pytest
from commands import lipsync_ray
from web_server import web_server

from lipsync_ray.io.results import read_results
from lipsync_ray.jobs.analyze.analysis import read_analyses

OLD, NEW = "0123abcdSECRET", "9999ffffSECRET"


@pytest.fixture
def server(demo_inputs):
    with web_server() as found:
        for name in ("pan.mp4", "sway.mp4", "portrait.jpg", "en.ogg"):
            found.files[f"/in/{name}"] = (demo_inputs / name).read_bytes()
        yield found


def table_of(server, signature):
    """A table of dubs, on the server too, that is signed as its files are."""
    host = server.address.removeprefix("http://")
    sign = f"X-Amz-Credential=AK%2F1&X-Amz-Signature={signature}"
    rows = [
        f"http://{host}/in/pan.mp4?{sign},http://me:{signature}@{host}/in/en.ogg",
        f"http://{host}/in/portrait.jpg?Expires=1&Signature={signature}&Key-Pair-Id=K,http://{host}/in/en.ogg?{sign}",
        f"http://{host}/in/gone.jpg?sv=2024&sig={signature},http://{host}/in/en.ogg?token={signature}",
    ]
    return rows, f"http://{host}/in/t.csv?{sign}"


def secrets_in(folder):
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and (b"SECRET" in path.read_bytes() or "SECRET" in path.name)
    ]


@pytest.mark.nightly
@pytest.mark.parametrize("way", [{}, {"ranges": False, "etag": False}], ids=["parts", "whole"])
def test_dubs_are_made_once(server, tmp_path, capfd, way):
    vars(server).update(way)
    out = tmp_path / "out"

    def run(signature, count=2):
        rows, table = table_of(server, signature)
        server.files["/in/t.csv"] = "\n".join(["video,audio", *rows[:count]]).encode()
        return lipsync_ray(
            "dub",
            table,
            "-o",
            out,
            "--model",
            "mini",
            "--engine",
            "inline",
            "--preset",
            "ultrafast",
            "--length",
            "shortest",
        )

    assert run(OLD, 3) == 2
    assert "gone.jpg: no such file" in capfd.readouterr().err
    assert run(OLD) == 0
    first = {result.id: result for result in read_results(str(out))}
    assert set(first) == {"pan-en", "portrait-en"}
    assert first["pan-en"].video == f"{server.address}/in/pan.mp4"
    assert run(NEW) == 0
    assert {result.id: result for result in read_results(str(out))} == first
    server.files["/in/pan.mp4"] = server.files["/in/sway.mp4"]
    assert run(NEW) == 0
    last = {result.id: result for result in read_results(str(out))}
    assert last["portrait-en"] == first["portrait-en"]
    assert last["pan-en"].fingerprint != first["pan-en"].fingerprint
    server.needs = "a signature that nobody has"
    assert run(OLD) == 2
    said = capfd.readouterr()
    assert "sign it again" in said.err
    assert "SECRET" not in said.err + said.out
    assert not secrets_in(out)


def test_an_analysis_an_evaluation_and_a_restoration_hold_no_signature(server, tmp_path, capfd):
    rows, _ = table_of(server, OLD)
    videos = [cell for row in rows[:2] for cell in row.split(",")]
    command = ("analyze", "-o", tmp_path / "analysis", "--whisper", "none", "--frames", "2", "--engine", "inline")
    assert lipsync_ray(*command, *videos) == 0
    first = read_analyses(str(tmp_path / "analysis" / "analysis.parquet"))
    again = [url.replace(OLD, NEW) for url in videos]
    assert lipsync_ray(*command, *again) == 0
    said = capfd.readouterr()
    assert "3 of 3 files were analysed before" in said.out
    assert {one.url for one in first} == {
        f"{server.address}/in/{name}" for name in ("pan.mp4", "portrait.jpg", "en.ogg")
    }
    table = tmp_path / "t.csv"
    table.write_text(f"video,reference\n{videos[0]},{videos[0]}\n{videos[0]},{server.address}/in/gone.mp4?sig={OLD}\n")
    assert lipsync_ray(
        "evaluate", table, "-o", tmp_path / "scores", "--engine", "inline", "--scorer", "mini-sync", "--fid", "none"
    ) in (0, 1)
    said = capfd.readouterr().out + said.out + said.err
    assert "SECRET" not in said
    assert not secrets_in(tmp_path / "analysis") + secrets_in(tmp_path / "scores")

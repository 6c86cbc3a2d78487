"""A way to draw that somebody else writes: one short file, and everything that the package's own models have."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_method
from clips import write_audio
from commands import frame_digests, lipsync_ray
from material import random_gfpgan

from lipsync_ray.errors import ModelError
from lipsync_ray.io.results import read_results
from lipsync_ray.jobs.dub.methods import registry
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models import abilities, generators

DOCS = Path(__file__).resolve().parents[2] / "docs" / "add-a-model.md"
RATE = 16_000


@pytest.fixture(scope="module")
def added():
    before = list(registry.METHODS), list(generators.GENERATORS)
    toy_method.add()
    yield
    registry.METHODS[:], generators.GENERATORS[:] = before
    del generators._ADDED["bar"], abilities.ABILITIES["bar"]


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    """A second of a face, to half a second of silence and half a second of noise."""
    folder = tmp_path_factory.mktemp("toy")
    noise = np.random.default_rng(0).normal(0, 0.2, RATE // 2).astype(np.float32)
    write_audio(folder / "a.wav", np.concatenate([np.zeros(RATE // 2, np.float32), noise]), RATE)
    (folder / "t.csv").write_text(f"id,video,audio\none,{demo_inputs / 'pan.mp4'},{folder / 'a.wav'}\n")
    return folder / "t.csv"


def dub(table, out, *words, engine="inline"):
    return lipsync_ray(
        "dub", table, "-o", out, "--model", "bar", "--crf", "0", "--segment", "0.4", *words, engine=engine
    )


@pytest.fixture(scope="module")
def made(added, table, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "out"
    assert dub(table, out) == 0
    return out


def bars(video):
    """(n,) white pixels of each frame."""
    info = probe_video(str(video))
    return np.array([(picture.y == 235).sum() for picture in decode.pictures(info, 0, info.frames)])


def test_it_is_short_and_the_page_on_models_shows_it_as_it_is():
    code = Path(toy_method.__file__).read_text()
    assert len(code.splitlines()) <= 80
    assert re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1] == code


def test_loud_sound_is_a_high_bar(made):
    (row,) = read_results(str(made))
    assert (row.status, row.model, row.frames, row.segments) == ("done", "bar", 25, 3)
    high = bars(made / "videos" / "one.mp4")
    assert high[15:].min() > 4 * high[:9].max()


@pytest.mark.nightly
def test_on_ray_it_draws_the_same(made, table, tmp_path, cluster):
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(toy_method)  # it lies in no package that a worker could import
    assert dub(table, tmp_path / "out", engine="ray") == 0
    assert frame_digests(tmp_path / "out/videos/one.mp4") == frame_digests(made / "videos/one.mp4")


def test_what_was_made_of_a_failed_dub_is_made_once(made, table, tmp_path, monkeypatch):
    whole = toy_method.Listen.__call__

    def fails_at_the_end(self, segment):
        if segment.start > 10:
            raise OSError("the machine is gone")
        return whole(self, segment)

    with monkeypatch.context() as patch:
        patch.setattr(toy_method.Listen, "__call__", fails_at_the_end)
        assert dub(table, tmp_path / "out") == 1
    parts = sorted((tmp_path / "out" / "parts" / "one").iterdir())
    assert len(parts) == 2
    parts[0].unlink()
    assert dub(table, tmp_path / "out") == 0
    (row,) = read_results(str(tmp_path / "out"))
    assert (row.status, row.segments, row.reused_segments) == ("done", 3, 1)
    assert frame_digests(tmp_path / "out/videos/one.mp4") == frame_digests(made / "videos/one.mp4")


def test_a_finished_dub_is_kept_until_its_code_changes(made, table, tmp_path, monkeypatch, capsys):
    assert dub(table, made) == 0
    assert "1 of 1 dubs were finished before" in capsys.readouterr().out
    other = replace(generators._ADDED["bar"], sha256="0" * 64)
    monkeypatch.setitem(generators._ADDED, "bar", other)
    (row,) = read_results(str(made))
    assert dub(table, made) == 0
    assert read_results(str(made))[0].fingerprint != row.fingerprint


def test_it_is_restored_scored_and_reported(made, table, tmp_path):
    network = random_gfpgan(tmp_path / "narrow.pth", 0.0625)
    assert dub(table, tmp_path / "out", "--restore", network) == 0
    (row,) = read_results(str(tmp_path / "out"))
    assert (row.model, row.restored_frames) == ("bar+narrow", 25)
    words = ["--scorer", "mini-sync", "--fid", "none", "--min-track", "10"]
    assert lipsync_ray("evaluate", tmp_path / "out", "-o", tmp_path / "scores", *words) == 0
    assert "shows where a mouth is" in (tmp_path / "scores" / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--reference", "closed"), "is shown no reference"),
        (("--blend", "jaw"), "takes feather or hard"),
        (("--steps", "6"), "has no use for them"),
        (("--bbox-shift", "3"), "musetalk-v1"),
    ],
)
def test_options_of_other_ways_to_draw_are_refused(added, table, tmp_path, words, said, capsys):
    assert dub(table, tmp_path / "x", *words) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_spec_and_its_method_have_one_name(added):
    spec = replace(generators._by_network("bar"), method="baar")
    with pytest.raises(ModelError, match="'baar', registered is 'bar'"):
        registry.register(spec, toy_method.BarMethod, Path(__file__))
    with pytest.raises(ModelError, match="expected one of paste, latent, warp, head"):
        registry.method_of(spec)

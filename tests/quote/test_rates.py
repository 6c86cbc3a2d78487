"""From what runs spent to what frames cost, and back."""

import json
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.errors import SettingsError, StorageError
from lipsync_ray.io.results import RESULTS, Result
from lipsync_ray.jobs.quote import rates
from lipsync_ray.jobs.quote.clips import write_clip
from lipsync_ray.jobs.quote.codecs import with_codecs
from lipsync_ray.jobs.quote.plan import kind_of
from lipsync_ray.jobs.quote.rates import Measurement, Rate, Rates, fitted
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.headers import Header

costs = st.floats(0.0001, 1)


@given(costs, costs, st.integers(10, 10_000), st.integers(10, 10_000), st.floats(0.05, 0.9), st.floats(1.5, 8))
def test_two_sizes_give_the_line_through_both(frame, megapixel, some, more, small, large):
    measured = [Measurement(n, size, n * (frame + megapixel * size)) for n, size in ((some, small), (more, large))]
    found = fitted(measured, 0.5)
    assert found.frame == pytest.approx(frame, rel=1e-6, abs=1e-9)
    assert found.megapixel == pytest.approx(megapixel, rel=1e-6)


@given(costs, st.floats(0.05, 8), st.floats(0, 1))
def test_one_size_gives_its_own_cost_back(cost, size, share):
    found = fitted([Measurement(100, size, 100 * cost)], share)
    assert found.cpu(100, size) == pytest.approx(100 * cost)
    square = fitted([Measurement(100, 512 * 512 / 1e6, 100 * cost)], share)
    assert square.frame == pytest.approx(cost * share)


def test_a_larger_frame_that_costs_less_costs_the_same():
    found = fitted([Measurement(100, 0.2, 1.0), Measurement(100, 2.0, 0.9)], 0.5)
    assert (found.frame, found.megapixel) == (0.01, 0)


def test_time_is_that_of_what_has_most_to_do():
    table = Rates("w", {}, start_s=10, busy=0.8)
    assert table.seconds(800, 0, 4, 0) == 10 + 250
    assert table.seconds(80, 600, 4, 2) == 10 + 300


@given(st.floats(0, 60), st.floats(0.5, 1), st.floats(1, 50), st.floats(2, 20))
def test_two_runs_tell_start_and_use(start, busy, work, times):
    runs = [(work, start + work / busy), (work * times, start + work * times / busy)]
    assert rates.line_through(runs, 0.9) == (pytest.approx(start, abs=1e-6), pytest.approx(busy))


def test_one_run_is_divided_as_usual():
    assert rates.line_through([(80, 130)], 0.8) == (30, 0.8)
    assert rates.line_through([(80, 20)], 0.8) == (0, 0.8)
    assert rates.line_through([(80, 100), (160, 100)], 0.8)[1] == 0.8


def test_what_a_run_spent():
    assert rates.work_of([{"cpu": {}}, {"cpu": {"a": 2.0, "b": 1.0}}, {"cpu": {"c": 4.0}}, {}]) == 7


def test_a_table_holds_several_ways_to_work(tmp_path):
    url = str(tmp_path / "deep" / "rates.json")
    codecs = {"coding": {"crf": 18.0}, "encode": {"av1, HDR": Rate(0.2, -0.1)}, "sizes": {"av1, HDR": Rate(0.0, 2.5)}}
    one, two = (
        Rates(name, {"s": Rate(0.1, 0.2, 0.3)}, {"vp9": 0.01}, 9.0, 0.7, 2.0, **codecs)
        for name in ("a on cpu", "b on cpu")
    )
    rates.save(url, one)
    rates.save(url, two)
    assert rates.load(url, "a on cpu") == one
    assert rates.load(url, "b on cpu") == two
    with pytest.raises(SettingsError, match="no measurement of 'c on cuda', only of a on cpu, b on cpu"):
        rates.load(url, "c on cuda")


@pytest.mark.parametrize("content", ["", "[]", '{"format": 0, "rates": {}}', '{"rates": {}}'])
def test_what_is_no_table_is_named(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(SettingsError, match="not a table of rates"):
        rates.load(str(tmp_path / "r.json"), "a")


def test_no_table_says_how_one_is_made(tmp_path):
    with pytest.raises(SettingsError, match="lipsync-ray calibrate"):
        rates.load(str(tmp_path / "none.json"), "a")


def test_a_table_of_an_earlier_version_is_of_h264(tmp_path):
    old = {"work": "a", "stages": {"s": {"frame": 0.1}}, "decode": {}, "start_s": 1.0, "busy": 0.8, "cpus": 2.0}
    (tmp_path / "r.json").write_text(json.dumps({"format": rates.FORMAT, "rates": {"a": old}}))
    found = rates.load(str(tmp_path / "r.json"), "a")
    assert found.coded(VideoCoding(), "8 bits") == Rate(0)
    assert found.coded(VideoCoding(codec="hevc"), "8 bits") is None
    assert found.frame_bytes(VideoCoding(), "8 bits") is None


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), StorageError("busy")])
def test_videos_that_cannot_be_looked_at_leave_bytes_unknown(tmp_path, monkeypatch, error):
    row = Result("a", "v.mp4", "a.wav", None, "done", output="a.mp4", frames=25, width=640, height=480)
    RESULTS.write_table(str(tmp_path), [row])
    monkeypatch.setattr(rates.storage, "size", mock.Mock(return_value=307_200))
    assert rates._frame_bytes(str(tmp_path)) == pytest.approx(307_200 / (25 * 0.3072))
    monkeypatch.setattr(rates.storage, "size", mock.Mock(side_effect=error))
    assert rates._frame_bytes(str(tmp_path)) is None


@pytest.mark.parametrize("kind", ["8 bits", "10 bits", "HDR"])
def test_a_run_tells_of_its_own_codec_and_preset_alone(kind):
    run = Rates("a", {}, coding={"crf": 20.0, "preset": "slow", "codec": "hevc"}, sizes={"hevc": Rate(0, 3000.0)})
    own = VideoCoding(20.0, "slow", "hevc")
    assert run.coded(own, kind) == Rate(0)
    assert run.frame_bytes(own, kind) == Rate(0, 3000.0)
    assert run.coded(replace(own, crf=30.0), kind) == Rate(0)  # costs about the same
    assert run.frame_bytes(replace(own, crf=30.0), kind) is None
    assert run.coded(VideoCoding(codec="hevc"), kind) is None
    assert run.coded(VideoCoding(), kind) is None


@pytest.mark.parametrize(
    ("header", "codec", "kind"),
    [
        (Header(pixel_format="yuv420p"), "hevc", "8 bits"),
        (Header(pixel_format="yuv420p10le"), "h264", "10 bits"),
        (Header(pixel_format="yuv422p"), "hevc", "10 bits"),
        (Header(pixel_format="yuv422p"), "h264", "8 bits"),
        (Header(pixel_format="yuvj444p", still=True), "hevc", "8 bits"),
        (Header(pixel_format="yuv420p10le", hdr=True), "h264", "HDR"),
        (Header(), "ffv1", "8 bits"),
    ],
)
def test_what_kind_of_pictures_an_output_has(header, codec, kind):
    assert kind_of(header, VideoCoding(codec=codec)) == kind


def test_codecs_are_compared_with_h264(tmp_path):
    pictures = np.random.default_rng(0).integers(40, 200, (4, 64, 64, 3), np.uint8)
    write_clip(tmp_path / "face.mp4", list(pictures), "libx264")
    found = with_codecs(Rates("a", {}), tmp_path / "face.mp4", tmp_path, ((64, 64), (96, 128)))
    kinds = ("8 bits", "10 bits", "HDR")
    sorts = {f"{codec}, {kind}" for codec in ("h264", "hevc", "av1", "prores", "ffv1") for kind in kinds}
    assert set(found.encode) == set(found.sizes) == sorts
    assert found.encode["h264, 8 bits"] == Rate(0)
    assert set(found.decode) >= {"10 bits", "HDR"}
    sizes = [found.sizes[sort].cpu(1, 96 * 128 / 1e6) for sort in ("ffv1, 10 bits", "ffv1, 8 bits", "h264, 8 bits")]
    assert sizes == sorted(sizes, reverse=True)

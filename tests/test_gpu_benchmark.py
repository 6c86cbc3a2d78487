"""What `benchmarks/gpu.py` decides: how time is shared, what limits a dub, what readings of cards mean."""

import sys
import time
import types
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import cards
import gpu
import gpu_dubs
from gpu_networks import Network


@pytest.mark.parametrize(
    ("given", "limit", "dub", "quick"),
    [([], None, 0.0, False), (["--all"], 600.0, 240.0, False), (["--short"], 180.0, 80.0, True), (["--short", "--limit", "60"], 60.0, 80.0, True)],
)  # fmt: skip
def test_a_set_has_its_limit_and_its_length_of_dubs(given, limit, dub, quick, monkeypatch):
    monkeypatch.delenv("OUT", raising=False)
    asked = gpu.parsed(given)
    assert (asked.limit, asked.dub, asked.quick, asked.json) == (limit, dub, quick, None)
    assert asked.all == bool(given)


def test_figures_go_to_out_unless_a_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("OUT", str(tmp_path))
    assert gpu.parsed(["--all"]).json == tmp_path / "gpu.json"
    assert gpu.parsed(["--all", "--json", "x.json"]).json == Path("x.json")


def test_shares_of_sections_are_all_of_the_limit():
    assert sum(gpu.SHARES.values()) == pytest.approx(1)


def test_a_section_inherits_the_time_that_earlier_ones_left():
    clock = gpu.Clock(100 + gpu.ENDING_S)
    clock.section("machine")
    assert clock.left_s == pytest.approx(100 * gpu.SHARES["machine"], abs=1)
    clock.section("networks")
    assert clock.left_s == pytest.approx(100 * (gpu.SHARES["machine"] + gpu.SHARES["networks"]), abs=1)


def test_what_fails_or_has_no_time_is_named_and_the_others_are_measured(monkeypatch):
    clock = gpu.Clock(None)
    clock.section("dubs")

    def fails():
        raise ValueError("no NVENC\nmore")

    assert list(clock.each("dubs", [("a", lambda: 1), ("b", fails), ("c", lambda: 3)])) == [1, 3]
    assert clock.left_out == ["dubs: b (ValueError: no NVENC)"]
    late = gpu.Clock(gpu.ENDING_S)
    late.section("dubs")
    assert list(late.each("dubs", [("a", lambda: 1)])) == []
    assert late.left_out == ["dubs: a (no time was left)"]


def test_what_takes_too_long_is_stopped_even_where_it_catches_exceptions(monkeypatch):
    clock = gpu.Clock(None)
    monkeypatch.setattr(gpu.Clock, "left_s", 1.0)

    def stuck():
        while True:
            try:
                time.sleep(30)
            except Exception:
                continue

    assert list(clock.each("networks", [("slow", stuck), ("next", lambda: 2)])) == [2]
    assert clock.left_out == ["networks: slow (stopped after 1 s)"]


def test_the_head_says_what_machine_it_is():
    about = {
        "measured_on": "CPU",
        "cards": [],
        "processor": "EPYC",
        "cpus": 2.0,
        "torch": "2",
        "cuda": None,
    }
    assert "the CPU, **not a GPU**; 2 cores of EPYC" in gpu.headline(about, small=False)
    assert "mean nothing" in gpu.headline(about, small=True)
    assert "2 × H200;" in gpu.headline(about | {"measured_on": "H200", "cards": ["H200", "H200"]}, small=False)


@pytest.mark.parametrize(
    ("count", "kept"), [(None, (16, 64, 128)), (0, (2,)), (1, (16,)), (2, (16, 128))]
)  # fmt: skip
def test_fewer_batches_where_time_is_short(count, kept):
    network = Network("any", lambda: None, lambda batch: (), (16, 64, 128))
    assert network.few(count).batches == kept


def test_the_limit_is_the_slowest_part():
    assert gpu_dubs.limiting({"network": 900.0, "decode": 700.0, "compose + encode": 640.0}) == (
        "compose + encode",
        640.0,
    )
    assert gpu_dubs.limiting({"decode": 700.0, "compose + encode": 800.0}) == ("decode", 700.0)


def test_networks_of_one_card_share_it_and_an_unmeasured_one_gives_no_floor(monkeypatch):
    monkeypatch.setattr(gpu_dubs, "together", lambda function, processes, *arguments: [50.0] * processes)
    monkeypatch.setattr(gpu_dubs, "whole_cpus", lambda: 4)
    monkeypatch.setattr(gpu_dubs.torch.cuda, "device_count", lambda: 2)
    inputs = types.SimpleNamespace(video="v.mp4")
    rates = [
        gpu_dubs.Rate("wav2lip", "frames", 128, 1000.0),
        gpu_dubs.Rate("wav2lip", "frames", 256, 9000.0),
        gpu_dubs.Rate("gfpgan", "faces", 16, 250.0),
    ]
    floors = gpu_dubs.Floors(inputs, rates, "cuda", 0.1)
    assert floors.of(gpu_dubs.Variant("wav2lip")) == {"network": 2000.0, "decode": 200.0, "compose + encode": 200.0}
    assert floors.of(gpu_dubs.Variant("wav2lip", restore=True))["network"] == pytest.approx(400.0)
    assert "network" not in floors.of(gpu_dubs.Variant("mini"))
    assert gpu_dubs.Floors(inputs, rates, "cpu", 0.1).of(gpu_dubs.Variant("wav2lip"))["network"] == 4000.0


def test_the_rate_is_that_of_the_second_half_of_segments():
    slow_start = [(10.0, 100), (11.0, 100), (12.0, 100), (13.0, 50)]
    assert gpu_dubs.steady(slow_start) == pytest.approx(75.0)
    assert gpu_dubs.steady(slow_start[:3]) is None


def test_ends_of_rows_are_counted_by_pass_until_it_is_left():
    from rich.console import Console

    from lipsync_ray.engine.progress import ProgressReporter

    before = ProgressReporter.advance
    with gpu_dubs.row_ends() as ends:
        reporter = ProgressReporter(Console(quiet=True), "lips", 2, 20)
        reporter.advance(10)
        reporter.advance(8, failed=True)
    assert [frames for _, frames in ends["lips"]] == [10, 8]
    assert reporter.state()["frames_done"] == 18
    assert ProgressReporter.advance is before


def test_without_cards_no_dub_needs_one():
    assert {str(one) for one in gpu_dubs.variants(False)} < {str(one) for one in gpu_dubs.variants(True)}
    assert all(one.decoder == "cpu" and "nvenc" not in one.encoder for one in gpu_dubs.variants(False))
    for both in ({one.decoder for one in gpu_dubs.variants(True)}, {one.restore for one in gpu_dubs.variants(False)}):
        assert len(both) == 2


def test_lines_of_nvidia_smi_are_the_mean_of_cards():
    busy, memory, decoder, encoder, gigabytes = cards.of_lines("90, 40, 10, [N/A], 10000\n70, 20, 30, [N/A], 0\n")
    assert (busy, memory, decoder) == (80.0, 30.0, 20.0)
    assert encoder != encoder
    assert gigabytes == pytest.approx(10000 * 2**20 / 2e9)
    with pytest.raises(ValueError, match="no card"):
        cards.of_lines("No devices were found\n")


def fake_nvml(count):
    class NVMLError(Exception): ...

    def refuses(card):
        raise NVMLError

    return types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUtilizationRates=lambda card: types.SimpleNamespace(gpu=60 + 20 * card, memory=5),
        nvmlDeviceGetMemoryInfo=lambda card: types.SimpleNamespace(used=2_000_000_000),
        nvmlDeviceGetDecoderUtilization=lambda card: (30, 1000),
        nvmlDeviceGetEncoderUtilization=refuses,
    )


def test_nvml_is_read_while_something_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(2))
    with cards.watched(every_s=0.01) as seen:
        until = time.monotonic() + 20
        while not seen.cards and time.monotonic() < until:
            time.sleep(0.01)
    assert (seen.source, seen.mean(0), seen.most(0), seen.mean(2), seen.most(4)) == ("NVML", 70.0, 70.0, 30.0, 2.0)
    assert seen.mean(3) is None  # a card without an encoder


def test_without_a_card_nothing_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(0))
    monkeypatch.setattr(cards, "NVML", ("pynvml", "no_such_package"))
    monkeypatch.setenv("PATH", "")
    assert cards.reader() == ("", None)
    assert cards.Watched().mean(0) is None


def test_busy_at_work_leaves_out_the_start():
    nan = float("nan")
    seen = cards.Watched("NVML", [(1.0, (0.0, nan)), (2.0, (80.0, nan)), (3.0, (100.0, nan))], [(1.0, 2.0), (3.0, 6.0)])
    assert (seen.mean(0), seen.mean(0, since=2.0), seen.most(0)) == (60.0, 90.0, 100.0)
    assert (seen.mean_cores(), seen.mean_cores(since=2.0), seen.mean(1)) == (4.0, 6.0, None)


@pytest.mark.skipif(cards.cpu_times() is None, reason="no /proc/stat here")
def test_cores_are_counted():
    busy, whole, cores = cards.cpu_times()
    assert 0 < busy <= whole
    assert cores >= 1

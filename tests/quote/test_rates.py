"""From what runs spent to what frames cost, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.errors import SettingsError
from lipsync_ray.jobs.quote import rates
from lipsync_ray.jobs.quote.rates import Measurement, Rate, Rates, fitted

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
    one, two = (
        Rates(name, {"s": Rate(0.1, 0.2, 0.3)}, {"vp9": 0.01}, 9.0, 0.7, 2.0) for name in ("a on cpu", "b on cpu")
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

"""A sample has of each language, model and source video its share; a larger one contains the smaller ones."""

from collections import Counter

import pytest

from lipsync_ray.errors import SettingsError
from lipsync_ray.jobs.evaluate.evaluation_input import EvaluationInput
from lipsync_ray.jobs.evaluate.sample import drawn, order, stratum_of
from lipsync_ray.jobs.evaluate.scores import Score
from lipsync_ray.jobs.evaluate.summary import groups, markdown, sample_note, stat, videos_of
from lipsync_ray.settings import SampleSettings

LANGUAGES = {"en": 60, "ko": 30, "es": 10}


def items(per=1, videos=5):
    return [
        EvaluationInput(f"{language}-{n}-{k}", "v.mp4", f"s{n % videos}.mp4", language, "warp")
        for language, count in LANGUAGES.items()
        for n in range(count)
        for k in range(per)
    ]


def sample(rows, asked, seed=None):
    return drawn(rows, SampleSettings(sample=asked, seed=seed))


def test_every_stratum_has_its_share():
    found = sample(items(), "40")
    languages = Counter(item.language for item in found.items)
    assert len(found.items) == 40
    assert all(abs(languages[name] - 40 * count / 100) <= 2 for name, count in LANGUAGES.items())
    assert {stratum_of(item) for item in found.items} == {stratum_of(item) for item in items()}


def test_a_few_rows_are_of_every_language_first():
    assert {item.language for item in sample(items(), "3").items} == set(LANGUAGES)
    assert len(sample(items(), "1").items) == 1


def test_a_larger_sample_contains_the_smaller_one():
    before: set[str] = set()
    for count in range(1, 101):
        now = {item.id for item in sample(items(), str(count)).items}
        assert len(now) == count
        assert before <= now
        before = now


def test_the_same_seed_draws_the_same_rows_in_any_order_of_the_table():
    first = {item.id for item in sample(items(), "20").items}
    assert {item.id for item in sample(items()[::-1], "20").items} == first
    assert {item.id for item in sample(items(), "20", 0).items} == first
    assert {item.id for item in sample(items(), "20", 1).items} != first


def test_rows_stay_in_the_order_of_the_table():
    rows = items()
    names = [item.id for item in sample(rows, "20").items]
    assert names == [item.id for item in rows if item.id in set(names)]


def test_weights_add_up_to_the_rows_of_a_language():
    rows = items()
    for asked in ("4", "17", "60%"):
        found = sample(rows, asked)
        for name, count in LANGUAGES.items():
            own = [found.weights[item.id] for item in found.items if item.language == name]
            assert not own or sum(own) == pytest.approx(count)


def test_a_weighted_mean_is_that_of_the_whole_table():
    rows = [EvaluationInput(f"big-{n}", "v", "a.mp4", "en", "m") for n in range(96)]
    rows += [EvaluationInput(f"small-{n}", "v", f"b{n}.mp4", "en", "m") for n in range(4)]
    found = sample(rows, "10")
    values = [1.0 if item.id.startswith("big") else 0.0 for item in found.items]
    assert sum(values) / 10 < 0.7  # each video has a row, however few it has
    assert stat(values, [found.weights[item.id] for item in found.items]).mean == pytest.approx(0.96)


@pytest.mark.parametrize(
    ("asked", "count"), [(None, 100), ("100", 100), ("250", 100), ("5%", 5), ("0.5%", 1), ("100%", 100)]
)
def test_how_many_are_drawn(asked, count):
    found = sample(items(), asked)
    assert (len(found.items), found.of) == (count, 100)
    assert bool(found.weights) == (count < 100)
    assert (found.record(SampleSettings(sample=asked)) is None) == (count == 100)


@pytest.mark.parametrize("asked", ["0", "0%", "101%", "-3", "many", "5 %", "", "1e3", "٣"])
def test_what_is_no_number_of_rows_is_refused(asked):
    with pytest.raises(SettingsError, match="--sample"):
        SampleSettings(sample=asked)


def test_a_seed_alone_is_refused():
    with pytest.raises(SettingsError, match="--seed 3: for --sample alone"):
        SampleSettings(seed=3)


def test_an_empty_table_has_an_order():
    assert order([], 0) == []


def scored(name, value, stands_for=None):
    return Score(name, "v.mp4", None, name[:2], "m", "scored", lse_c=value, stands_for=stands_for)


def test_tables_say_that_rows_are_of_a_sample():
    scores = [scored(f"en{n}", 1.0 + n, 20.0) for n in range(4)] + [scored(f"ko{n}", 5.0 + n, 5.0) for n in range(4)]
    english, korean, both = groups(scores, [])
    assert (english.of, korean.of, both.of) == (80, 20, 100)
    assert videos_of(english) == "4/4, drawn of 80"
    assert both.stats["lse_c"].mean == pytest.approx((2.5 * 80 + 6.5 * 20) / 100)
    assert both.stats["lse_c"].low < both.stats["lse_c"].mean < both.stats["lse_c"].high
    text = markdown(scores, [english, korean, both])
    assert "A sample was scored" in text
    assert "| en | m | 4/4, drawn of 80 |" in text


def test_without_a_sample_tables_have_no_note():
    rows = groups([scored(f"en{n}", 1.0 + n) for n in range(4)], [])
    assert (rows[0].of, videos_of(rows[0]), sample_note(rows)) == (None, "4/4", "")


def test_equal_weights_change_nothing():
    values = [1.0, 2.0, 5.0, 3.0]
    assert stat(values, [7.0] * 4) == stat(values)

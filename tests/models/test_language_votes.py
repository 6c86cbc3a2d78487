"""One language of places that need not agree."""

from lipsync_ray.models.language_votes import Languages

ENGLISH, KOREAN, UNSURE = {"en": 0.9, "ko": 0.1}, {"en": 0.1, "ko": 0.9}, {"cy": 0.4, "en": 0.3, "ko": 0.3}


def test_nothing_was_said():
    assert Languages().best() == (None, None)
    assert Languages().others() == ()


def test_the_whole_is_in_what_most_places_are_in():
    found = Languages()
    found.add([KOREAN])
    found.add([ENGLISH, ENGLISH, ENGLISH])
    language, probability = found.best()
    assert (language, round(probability, 2)) == ("en", 0.7)
    assert found.others() == ("ko",)


def test_a_part_is_in_its_own_where_that_is_sure():
    found = Languages()
    found.add([ENGLISH])
    assert found.of([KOREAN]) == "ko"
    assert found.of([UNSURE]) == "en"
    assert found.others() == ()

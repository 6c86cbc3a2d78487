"""Ids that nobody wrote: from the path, whatever the order of rows, and fast."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.io import names
from lipsync_ray.io.manifest import read_manifest
from lipsync_ray.io.names import Source, unique_ids

PART = st.text("abAB_-.éÉ日 !", min_size=1, max_size=4).filter(lambda t: t not in {".", ".."})
SOURCES = st.lists(
    st.builds(Source, st.lists(PART, min_size=1, max_size=4).map("/".join), st.tuples(PART), st.one_of(st.just(()), st.tuples(PART))),
    max_size=12,
)  # fmt: skip


@given(SOURCES, st.randoms(use_true_random=False))
def test_ids_are_safe_and_different_and_do_not_depend_on_the_order(sources, order):
    found = unique_ids(sources)
    assert all(names.is_safe(name) for name in found)
    assert len(set(map(names.folded, found))) == len(found)
    mixed = list(range(len(sources)))
    order.shuffle(mixed)
    again = unique_ids([sources[i] for i in mixed])
    by_source = {}
    for source, name in zip(sources, found, strict=True):
        by_source.setdefault(source, set()).add(name)
    for index, name in zip(mixed, again, strict=True):
        assert name in by_source[sources[index]]


@given(SOURCES, st.lists(st.sampled_from(["a", "b", "a-b", "é"]), unique=True, max_size=3))
def test_written_ids_stay_and_no_made_up_one_takes_theirs(sources, written):
    own = [None] * len(sources) + written
    found = unique_ids([*sources, *[Source("x")] * len(written)], own)
    assert found[len(sources) :] == written
    assert len(set(map(names.folded, found))) == len(found)


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (["x/a.mp4"], ["a-ko"]),
        (["x/a.mp4", "y/a.mp4"], ["x-a-ko", "y-a-ko"]),
        (["p/x/a.mp4", "q/x/a.mp4", "q/b.mp4"], ["p-x-a-ko", "q-x-a-ko", "b-ko"]),
        (["s3://k/日本/映画.mp4"], ["映画-ko"]),
        (["a/.mp4"], ["mp4-ko"]),
        (["a/…!.mp4"], ["ko"]),
    ],
)
def test_the_shortest_part_that_tells_them_apart(urls, expected):
    assert unique_ids([Source(url, ("ko",)) for url in urls]) == expected


@pytest.mark.parametrize(
    "name", ["CON", "nul", "Aux.x", "com1", "LPT9.tar.gz", "COM¹", "a.", "a b", "a ", ".a", "-a", "x" * 121, ""]
)
def test_what_cannot_name_a_file_everywhere(name):
    assert not names.is_safe(name)
    assert names.is_safe(names.safe(name))


@pytest.mark.parametrize("name", ["console", "com10", "nul-1", "CON_", "a.b", "日本", "x" * 120, "null", "COM"])
def test_what_can(name):
    assert names.is_safe(name)
    assert names.safe(name) == name


@pytest.mark.parametrize(("one", "other"), [("Anna", "anna"), ("É", "é"), ("e\u0301", "É"), ("ΣΑΣ", "σας")])
def test_names_that_are_one_file_where_case_does_not_count(one, other):
    assert names.folded(one) == names.folded(other)


def test_made_up_ids_differ_in_more_than_case():
    assert unique_ids([Source("x/Anna.mp4"), Source("y/anna.mp4")]) == ["x-Anna", "y-anna"]
    found = unique_ids([Source("x/Anna.mp4"), Source("x/anna.mp4"), Source("y/b.mp4")], [None, None, "ANNA"])
    assert len(set(map(names.folded, found))) == 3
    assert unique_ids([Source("x/con.mp4"), Source("x/nul.mp4", ("ko",))]) == ["con_", "nul-ko"]


def test_where_no_part_tells_them_apart_a_hash_does():
    first, second = unique_ids([Source("x/a b.mp4"), Source("x/a_b.mp4")])
    assert first != second
    assert {first[:4], second[:4]} == {"a_b-"}
    assert unique_ids([Source("x/a_b.mp4"), Source("x/a b.mp4")]) == [second, first]


def test_a_row_in_front_leaves_every_dub_its_own_name(tmp_path):
    """What was `video-ko` of one person is not another person's afterwards."""
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "video.mp4").write_bytes(b"x")
    (tmp_path / "ko.wav").write_bytes(b"x")

    def ids(*folders):
        table = tmp_path / "t.csv"
        table.write_text("video,audio,language\n" + "".join(f"{f}/video.mp4,ko.wav,ko\n" for f in folders))
        return {dub.video: dub.id for dub in read_manifest(str(table))}

    before, after = ids("one", "two"), ids("three", "one", "two")
    assert {video: after[video] for video in before} == before
    alone = ids("one")
    assert set(alone.values()).isdisjoint(ids("two", "three").values())


def test_a_hundred_thousand_names_are_told_apart_at_once():
    """Quadratic work would take hours, and the suite's own limit would end it."""
    sources = [Source(f"x/d{number}/video.mp4", ("ko",)) for number in range(100_000)]
    random.Random(0).shuffle(sources)
    assert len(set(unique_ids(sources))) == 100_000


@pytest.mark.parametrize("name", ["a", "Ä1", "日本.x_y-z", "0"])
def test_names_that_are_safe(name):
    assert names.is_safe(name)
    assert names.safe(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "_a", "a b", "a/b", "../a", "a\n", "x" * 121, "日" * 41, "a#b"])
def test_names_that_are_not(name):
    assert not names.is_safe(name)
    assert names.is_safe(names.safe(name))

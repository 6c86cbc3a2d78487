"""Reviews: what is read of a table, what is refused, and what holds when several decide."""

import pytest

from lipsync_ray.errors import ManifestError
from lipsync_ray.io.reviews import (
    FILE,
    Judgement,
    Reviewed,
    check_ids,
    commit_decisions,
    decided,
    read_decisions,
    read_review,
)

HEAD = "id,verdict,person,note,time\n"
T1, T2 = "2026-10-11T12:00:00.000Z", "2026-10-12T12:00:00.000Z"


@pytest.fixture
def read(tmp_path):
    def reading(text, name="review.csv"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return read_review(str(file))

    return reading


def test_every_verdict_is_read(read):
    found = read(f'{HEAD}a,accept,,,\nb,redo,,"mouth, late",{T1}\nc,wrong_person,person:2,,\nd,wrong_person,nobody,,\n')
    assert found == [
        Judgement("line 2", "a", "accept"),
        Judgement("line 3", "b", "redo", None, "mouth, late", T1),
        Judgement("line 4", "c", "wrong_person", "person:2"),
        Judgement("line 5", "d", "wrong_person", "nobody"),
    ]


@pytest.mark.parametrize("person", ["2", "person:2", "Person:2"])
def test_a_person_is_written_as_in_a_table_of_turns(read, person):
    assert read(f"id,verdict,person\na,wrong_person,{person}\n")[0].person == "person:2"


def test_nobody_is_read_in_any_case(read):
    assert read("id,verdict,person\na,wrong_person,Nobody\n")[0].person == "nobody"


def test_two_columns_are_enough_and_json_lines_are_read(read):
    assert read("id,verdict\na,redo\n") == [Judgement("line 2", "a", "redo")]
    assert read('{"id": "a", "verdict": "redo"}\n', "r.jsonl")[0].verdict == "redo"


@pytest.mark.parametrize("time", ["2026-10-11T12:00:00Z", "2026-10-11T14:00:00+02:00", "2026-10-11 12:00"])
def test_times_are_those_of_utc(read, time):
    assert read(f"{HEAD}a,redo,,,{time}\n")[0].time == T1


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("a,maybe,,,\n", "line 2, verdict: maybe; expected accept, redo, wrong_person"),
        ("a,,,,\n", "line 2, verdict: empty"),
        (",redo,,,\n", "line 2, id: empty"),
        ("a,wrong_person,,,\n", "line 2, person: empty; expected a number"),
        ("a,wrong_person,Anna,,\n", "line 2, person: Anna; expected a number"),
        ("a,redo,person:1,,\n", "line 2, person: person:1, but the verdict is redo"),
        ("a,redo,,,yesterday\n", "line 2, time: yesterday; expected a date"),
        ("a,redo,,,\nb,redo,,,\na,accept,,,\n", "line 4, id: a is judged in line 2, too"),
        ("", "no judgement in it"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_its_line(read, rows, told):
    with pytest.raises(ManifestError, match=told):
        read(HEAD + rows)


def test_all_problems_are_told_at_once(read):
    with pytest.raises(ManifestError) as error:
        read(f"{HEAD}a,maybe,,,\nb,wrong_person,,,\n")
    assert [problem.split(",")[0] for problem in error.value.problems] == ["line 2", "line 3"]


def test_unknown_columns_and_files_are_refused(read, tmp_path):
    with pytest.raises(ManifestError, match="column 'grade': unknown"):
        read("id,verdict,grade\na,redo,1\n")
    with pytest.raises(ManifestError, match="column 'verdict': missing"):
        read("id\na\n")
    with pytest.raises(ManifestError, match="no such file"):
        read_review(str(tmp_path / "none.csv"))
    with pytest.raises(ManifestError, match="unknown kind of table"):
        read_review(str(tmp_path / "review.txt"))


def test_ids_that_are_not_there_are_refused_with_their_line():
    check_ids("r.csv", [Judgement("line 2", "a", "redo")], ["a", "b"])
    with pytest.raises(ManifestError, match=r"line 3, id: 'c' is none of the dubs \(a, b\)"):
        check_ids("r.csv", [Judgement("line 3", "c", "redo")], ["a", "b"])


def test_judgements_become_decisions():
    rows = [Judgement("", "a", "accept", time=T1), Judgement("", "b", "redo", None, "late", T1)]
    rows += [Judgement("", "c", "wrong_person", "nobody", time=T1)]
    assert decided({}, rows) == {"b": Reviewed(T1, None, "late"), "c": Reviewed(T1, "nobody")}


def test_redo_keeps_the_person_of_an_earlier_review():
    before = {"a": Reviewed(T1, "person:1")}
    assert decided(before, [Judgement("", "a", "redo", time=T2)]) == {"a": Reviewed(T2, "person:1")}


def test_the_same_review_again_decides_the_same():
    for rows in ([Judgement("", "a", "redo", time=T1)], [Judgement("", "a", "wrong_person", "person:0", time=T1)]):
        once = decided({"a": Reviewed("", "person:3")}, rows)
        assert decided(once, rows) == once


def test_an_older_review_does_not_undo_a_later_one():
    before = {"a": Reviewed(T2, "person:1")}
    assert decided(before, [Judgement("", "a", "wrong_person", "person:0", time=T1)]) == {}
    assert decided(before, [Judgement("", "a", "wrong_person", "person:0")])["a"].person == "person:0"


def test_decisions_are_kept_in_the_folder(place):
    assert read_decisions(place) == {}
    made = {"a": Reviewed(T1, "person:1", "nöte"), "b": Reviewed()}
    commit_decisions(place, made)
    assert read_decisions(place) == made


def test_a_damaged_file_of_decisions_is_told(tmp_path):
    (tmp_path / FILE).write_text('{"a": {"verdict": 1}}')
    with pytest.raises(ManifestError, match=r"reviewed\.json.*(\n.*)*not as a run wrote it"):
        read_decisions(str(tmp_path))

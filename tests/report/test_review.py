"""The page of a dub run, without a browser: what it is told, and how long it is."""

import json
import re

import pytest

from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Voice
from lipsync_ray.io.results import RESULTS, Result, Summary
from lipsync_ray.io.reviews import Reviewed, commit_decisions, portrait_name
from lipsync_ray.io.spoken_lines import SpokenLine
from lipsync_ray.io.turns import Turn
from lipsync_ray.report.review import link_of, page_data, read_people, review_page, write_review_page

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
TABLE = f"/elsewhere/faces/v-{KEY}.parquet"


def result(name="a", status="done", **more):
    values = {
        "output": f"/before/videos/{name}.mp4",
        "face_table": TABLE,
        "model": "warp",
        "frames": 50,
        "hidden_frames": 0,
    }
    values |= {"warnings": ("dark",), "video": "/in/v.mp4", "audio": "/in/a.wav", "language": "es"}
    return Result(name, status=status, **(values | more))


def data_of(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("/run/out/inputs/v.mp4", "inputs/v.mp4"),
        ("/run/out/inputs/a b#1.mp4", "inputs/a%20b%231.mp4"),
        ("/run/outside/v.mp4", "file:///run/outside/v.mp4"),
        ("/in/ä ?.mp4", "file:///in/%C3%A4%20%3F.mp4"),
        ("s3://bucket/v.mp4", "s3://bucket/v.mp4"),
        ("https://host/v.mp4?id=3", "https://host/v.mp4?id=3"),
    ],
)
def test_links_are_relative_in_the_folder_and_addresses_elsewhere(url, link):
    assert link_of(url, "/run/out") == link
    assert link_of("s3://bucket/out/in/v.mp4", "s3://bucket/out") == "in/v.mp4"


def test_videos_are_linked_relative_wherever_the_folder_was():
    (dub,) = page_data([result(name="a")], "/now", {}, {})["dubs"]
    assert dub["dub"] == "videos/a.mp4"
    assert dub["hidden"] == 0
    assert dub["model"] == 0


def test_dubs_share_texts_models_and_people():
    rows = [result("a"), result("b"), result("c", face_table=f"x/faces/w-{OTHER}.parquet", model="mini", warnings=())]
    data = page_data(rows, "/now", {KEY: {0: "data:0", 1: "data:1"}, OTHER: {2: "data:2"}}, {})
    assert data["texts"] == ["dark"]
    assert data["models"] == ["warp", "mini"]
    assert data["people"] == [[[0, "data:0"], [1, "data:1"]], [[2, "data:2"]]]
    assert [(dub["model"], dub["video"], dub.get("warnings")) for dub in data["dubs"]] == [
        (0, 0, [0]),
        (0, 0, [0]),
        (1, 1, None),
    ]


def test_a_dub_without_pictures_has_no_people():
    (dub,) = page_data([result(face_table=None)], "/now", {KEY: {0: "data:0"}}, {})["dubs"]
    assert "video" not in dub


def test_a_failed_row_says_why_and_has_no_video():
    row = result("a", "failed", output=None, stage="probe", error="v.mp4: damaged")
    data = page_data([row], "/now", {}, {"a": Reviewed("", "person:1", "left")})
    (dub,) = data["dubs"]
    assert (dub["status"], dub["stage"], data["texts"][dub["error"]]) == ("failed", "probe", "v.mp4: damaged")
    assert "dub" not in dub
    assert dub["decision"]["person"] == "person:1"


def test_turns_are_seconds_and_a_person():
    (dub,) = page_data([result(turns=(Turn(0.0, 1.23456, 1, 0.9),))], "/now", {}, {})["dubs"]
    assert dub["turns"] == [[0.0, 1.23, 1]]


def test_lines_are_times_a_person_and_a_text():
    line = SpokenLine("line 2", 0.5, 2.0, "Anna", 1, "x" * 200, 1.0, 0.0, "as it is")
    (dub,) = page_data([result(lines=(line,))], "/now", {}, {})["dubs"]
    assert dub["lines"] == [[0.5, 2.0, 1, "x" * 80]]
    assert dub["several"]
    (dub,) = page_data([result(voices=(Voice("a.wav", "left"), Voice("b.wav", "right")))], "/now", {}, {})["dubs"]
    assert dub["several"]
    (dub,) = page_data([result()], "/now", {}, {})["dubs"]
    assert "several" not in dub


def test_pictures_are_shown_as_images():
    (dub,) = page_data([Result("a", "/in/p.JPG", "a.wav", None, "done")], "/now", {}, {})["dubs"]
    assert dub["still"]


def test_texts_cannot_end_the_script_nor_become_markup():
    evil = "</script><script>alert(1)</script><!--"
    page = review_page([result(name="a", warnings=(evil,), language=evil)], "/run/<b>out", {}, {})
    assert evil not in page
    assert "<b>out" not in page
    assert data_of(page)["texts"] == [evil]


def test_the_page_is_written_with_the_people_of_its_folder(place):
    storage.commit_bytes(storage.join(place, "faces", "people", portrait_name(KEY, 1)), b"jpeg")
    storage.commit_bytes(storage.join(place, "faces", "people", "mine.jpg"), b"mine")
    storage.commit_bytes(storage.join(place, "run.json"), b'{"job": "dub", "settings": {"loop": "restart"}}')
    commit_decisions(place, {"a": Reviewed("", None, "again")})
    summary = Summary([result("a")], RESULTS.write_table(place, [result("a")]), 1, 1.0)
    url = write_review_page(summary)
    assert url == f"{place}/index.html"
    data = data_of(storage.read_bytes(url).decode())
    assert read_people(place) == {KEY: {1: "data:image/jpeg;base64,anBlZw=="}}
    assert data["people"] == [[[1, "data:image/jpeg;base64,anBlZw=="]]]
    assert (data["loop"], data["dubs"][0]["decision"]["note"]) == ("restart", "again")


def test_a_dub_costs_less_than_a_kilobyte():
    def rows(count):
        return [
            result(
                f"corpus-video-{n:05}-pt-BR", fingerprint=KEY, faceless_frames=12, duration_s=61.23, width=1920, height=1080,
                video=f"/mnt/corpus/some/long/folder/names/video-{n:05}.mp4", turns=tuple(Turn(3.0 * k, 3.0 * k + 2.5, k % 2) for k in range(20)),
            )
            for n in range(count)
        ]  # fmt: skip

    few, many = (len(review_page(rows(count), "/out", {}, {}).encode()) for count in (100, 1100))
    assert (many - few) / 1000 < 1000
    assert few < 140_000

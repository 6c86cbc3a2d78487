"""A run is looked at in a real browser, judged, and made anew where the review says so."""

import csv
import os
import shutil

import av
import numpy as np
import pytest
from chromium import CHROMIUM, OPTIONS
from clips import write_audio, write_video
from commands import lipsync_ray

from lipsync_ray.io.results import RESULTS, Result, Summary, read_results
from lipsync_ray.io.reviews import PORTRAITS, portrait_name
from lipsync_ray.io.turns import Turn
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.report.review import review_page, write_review_page

HEAD = "id,verdict,person,note,time"


@pytest.fixture
def lasting_page(browser, tmp_path):
    """A page of a browser with a profile on disk: one in memory may lose what a page keeps when it is loaded again at once."""
    context = browser.browser_type.launch_persistent_context(
        str(tmp_path / "profile"), executable_path=CHROMIUM, args=OPTIONS
    )
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    context.close()


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    """Two people side by side, one alone, a picture, and a text that is no video; each with two seconds of speech."""
    folder = tmp_path_factory.mktemp("inputs")
    with av.open(str(demo_inputs / "en.ogg")) as container:
        samples = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)[0, : 2 * 48000]
    write_audio(folder / "short.wav", samples, 48000)
    sides = [
        [p.bgr()[..., ::-1] for p in decode.pictures(probe_video(str(demo_inputs / name)), 0, 50)]
        for name in ("pan.mp4", "sway.mp4")
    ]
    both = [np.concatenate([left, right[:, ::-1]], axis=1) for left, right in zip(*sides, strict=True)]
    write_video(folder / "both.mp4", both, options={"crf": "12"})
    for name in ("pan.mp4", "portrait.jpg"):
        shutil.copy(demo_inputs / name, folder / name)
    (folder / "bad.mp4").write_text("I am not a video.\n" * 50)
    with (folder / "t.csv").open("w", newline="") as file:
        rows = [
            ("both", "both.mp4", "es"),
            ("alone", "pan.mp4", "en"),
            ("still", "portrait.jpg", "en"),
            ("bad", "bad.mp4", "en"),
        ]
        csv.writer(file).writerows(
            [("id", "video", "audio", "language"), *((name, folder / video, folder / "short.wav", language) for name, video, language in rows)]
        )  # fmt: skip
    return folder / "t.csv"


def dub(table, out, *more):
    return lipsync_ray("dub", table, "-o", out, "--model", "mini", "--face", "left", *more)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    assert dub(table, out) == 1  # of the text that is no video
    return out


@pytest.fixture
def out(run, tmp_path):
    """A copy of the run."""
    return shutil.copytree(run, tmp_path / "out")


def rows_of(out):
    return {row.id: row for row in read_results(str(out))}


def videos(out):
    return {path.name: path.stat().st_mtime_ns for path in (out / "videos").iterdir()}


def changed(before, after):
    return {name for name, time in after.items() if before.get(name) != time}


def half(row):
    """Which halves of the picture of two were drawn into."""
    return {"left" if one.x + one.width / 2 < 384 else "right" for one in row.drawn}


def card(page, name):
    return page.locator(f'.dub[data-id="{name}"]')


def saved(page, folder):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save review").click()
    assert download.value.suggested_filename == "review.csv"
    download.value.save_as(folder / "review.csv")
    return folder / "review.csv"


def people_of(out, name):
    key = rows_of(out)[name].face_table.rpartition("-")[2].removesuffix(".parquet")
    return sorted(path.name for path in out.joinpath(*PORTRAITS).glob(f"{key}-*"))


def test_every_person_has_a_picture(run):
    assert len(people_of(run, "both")) == 2
    assert len(people_of(run, "alone")) == len(people_of(run, "still")) == 1


def test_the_page_is_whole(page, run):
    page.goto(f"file://{run}/index.html")
    assert page.complaints == []
    assert all(url.startswith(("file://", "data:", "blob:")) for url in page.asked)
    assert [card.get_attribute("data-id") for card in page.locator(".dub").all()] == ["bad", "both", "alone", "still"]
    assert "probe: " in card(page, "bad").inner_text()
    pictures = page.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth])")
    assert len(pictures) > 5
    assert all(complete and width > 8 for complete, width in pictures)
    card(page, "both").scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.querySelectorAll('[data-id=both] video')].every(video => video.readyState > 1)"
    )
    text = page.locator("main").inner_text()
    for word in ("None", "nan", "NaN", "undefined", "null"):
        assert word not in text.split()
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/review.png", full_page=True)


@pytest.mark.parametrize("width", [1300, 800, 400])
def test_it_fits_the_window(page, run, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"file://{run}/index.html")
    card(page, "both").locator("button.wrong_person").click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_source_and_dub_play_together_and_one_pair_at_a_time(page, run):
    page.goto(f"file://{run}/index.html")
    for name in ("both", "alone"):
        card(page, name).scroll_into_view_if_needed()
        card(page, name).locator("button.play").click()
        page.wait_for_function(
            "name => { const [source, made] = document.querySelectorAll(`[data-id=${name}] video`);"
            " return made.currentTime > .3 && Math.abs(source.currentTime - made.currentTime) < .3 && source.muted && !made.muted; }",
            arg=name,
        )
    assert page.evaluate("[...document.querySelectorAll('[data-id=both] video')].every(video => video.paused)")
    card(page, "alone").locator("button.ear").click()
    assert page.evaluate("[...document.querySelectorAll('[data-id=alone] video')].map(video => video.muted)") == [
        False,
        True,
    ]


def test_a_source_that_is_gone_is_told(page, out, table):
    text = (out / "index.html").read_text().replace('both.mp4"', 'gone.mp4"').replace("/portrait.jpg", "/gone.jpg")
    (out / "index.html").write_text(text.replace("videos/gone.mp4", "videos/both.mp4"))
    page.goto(f"file://{out}/index.html")
    for name in ("both", "still"):
        card(page, name).scroll_into_view_if_needed()
        card(page, name).get_by_text("source not reachable from here").wait_for()
    card(page, "both").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('[data-id=both] video')?.readyState > 1")  # the dub


def test_a_review_is_clicked_saved_and_obeyed(lasting_page, table, out, tmp_path, capsys):
    page = lasting_page
    page.goto(f"file://{out}/index.html")
    assert page.get_by_role("button", name="Save review").is_disabled()
    both = card(page, "both")
    both.locator("button.wrong_person").click()
    other = (
        both.locator(".choose button").nth(1) if half_of_first(out) == "left" else both.locator(".choose button").nth(0)
    )
    person = other.get_attribute("data-person")
    other.click()
    card(page, "alone").locator("button.accept").click()
    card(page, "still").locator("button.redo").click()
    card(page, "still").locator(".note").fill('mouth "late", twice')
    card(page, "still").locator(".note").blur()
    assert page.locator("#reviewed").inner_text() == "3"
    page.reload()  # the browser keeps it
    assert page.locator("#reviewed").inner_text() == "3"
    assert both.locator(f'.choose button[data-person="{person}"]').get_attribute("aria-pressed") == "true"
    page.locator("#verdict").select_option("redo")
    assert page.locator(".dub").count() == 1
    page.locator("#verdict").select_option("")
    review = saved(page, tmp_path)
    lines = list(csv.DictReader(review.open()))
    assert [(row["id"], row["verdict"], row["person"], row["note"]) for row in lines] == [
        ("both", "wrong_person", person, ""),
        ("alone", "accept", "", ""),
        ("still", "redo", "", 'mouth "late", twice'),
    ]
    assert "--redo review.csv" in page.locator("#said").inner_text()
    assert page.complaints == []

    before = videos(out)
    assert half(rows_of(out)["both"]) == {"left"}
    assert dub(table, out, "--redo", review) == 1
    assert changed(before, videos(out)) == {"both.mp4", "still.mp4"}
    assert half(rows_of(out)["both"]) == {"right"}
    assert rows_of(out)["still"].reused_segments == 0  # anew, though its parts would come out the same
    assert [turn.person for turn in rows_of(out)["both"].turns] == [int(person.removeprefix("person:"))]
    assert "1 of 4 dubs stay as they are" in capsys.readouterr().out  # alone; what had failed is tried again

    again = videos(out)
    for more in (("--redo", review), ()):  # the same command, and one that no longer names the review
        assert dub(table, out, *more) == 1
        assert videos(out) == again
    page.reload()  # what was made anew is not reviewed
    assert page.locator("#reviewed").inner_text() == "1"
    assert "after a review" in card(page, "still").inner_text()


def half_of_first(out):
    """In which half the person is whose picture comes first: person 0's."""
    from lipsync_ray.faces.table import read_table

    tracks = read_table(str(out / "faces" / rows_of(out)["both"].face_table.rpartition("/")[2]))
    first = int(people_of(out, "both")[0].rpartition("-")[2].removesuffix(".jpg"))
    return "left" if np.median(tracks.box[tracks.person == first, :1]) < 384 - 100 else "right"


def test_other_settings_are_for_what_the_review_names(table, out, tmp_path):
    review = tmp_path / "r.csv"
    review.write_text(f"{HEAD}\nalone,redo,,,2026-10-11T12:00:00Z\n")
    before = videos(out)
    assert dub(table, out, "--redo", review, "--crf", "30") == 1
    assert changed(before, videos(out)) == {"alone.mp4"}


def test_nobody_is_dubbed_where_a_review_says_so(table, out, tmp_path):
    review = tmp_path / "r.csv"
    review.write_text(f"{HEAD}\nboth,wrong_person,nobody,,\nbad,accept,,,\n")
    assert dub(table, out, "--redo", review) == 1
    row = rows_of(out)["both"]
    assert (row.status, row.output, row.error) == (
        "no_face",
        None,
        "a review says that nobody is to be dubbed. Nothing was written",
    )
    assert set(videos(out)) == {"alone.mp4", "still.mp4"}
    assert "nobody is to be dubbed" in (out / "index.html").read_text()
    made = RESULTS.read(str(out), ["both"])
    assert dub(table, out) == 1
    assert RESULTS.read(str(out), ["both"]) == made


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("nobody,redo,,,", "line 2, id"),
        ("both,again,,,", "line 2, verdict"),
        ("both,wrong_person,person:9,,", "person:9 is not seen"),
    ],
)
def test_a_review_that_cannot_be_obeyed_changes_nothing(table, out, tmp_path, capsys, row, told):
    review = tmp_path / "r.csv"
    review.write_text(f"{HEAD}\n{row}\n")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert dub(table, out, "--redo", review) == 2
    assert told in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_plan_counts_what_a_review_asks_for(table, out, tmp_path, capsys):
    review = tmp_path / "r.csv"
    review.write_text(f"{HEAD}\nalone,redo,,,\n")
    words = ("dub", table, "-o", out, "--model", "mini", "--face", "left", "--dry-run")
    assert lipsync_ray(*words) == 0
    assert lipsync_ray(*words, "--redo", review, "--crf", "30") == 0
    text = capsys.readouterr().out
    assert "0 dubs of 0 videos to make; 3 are done" in text
    assert "1 dubs of 1 videos to make; 2 are done" in text


def test_a_review_is_not_for_one_pair(table, tmp_path, capsys):
    folder = table.parent
    assert (
        lipsync_ray("dub", folder / "pan.mp4", folder / "short.wav", "-o", tmp_path / "o.mp4", "--redo", "r.csv") == 2
    )
    assert "--redo is for a table of dubs" in capsys.readouterr().err


def test_clean_knows_every_file_of_a_run(out, table, tmp_path, capsys):
    review = tmp_path / "r.csv"
    review.write_text(f"{HEAD}\nstill,redo,,,\n")
    assert dub(table, out, "--redo", review) == 1
    capsys.readouterr()
    assert lipsync_ray("clean", out, "--all-of-people") == 0
    text = capsys.readouterr().out
    assert "did not make" not in text
    assert not out.joinpath(*PORTRAITS).exists() or not list(out.joinpath(*PORTRAITS).iterdir())
    assert (out / "index.html").exists()
    assert (out / "reviewed.json").exists()


KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def large(tmp_path_factory, run):
    """The page of 2,000 dubs, whose pictures and videos are those of one."""
    out = tmp_path_factory.mktemp("large") / "out"
    picture = (run.joinpath(*PORTRAITS) / people_of(run, "alone")[0]).read_bytes()
    out.joinpath(*PORTRAITS).mkdir(parents=True)
    for person in (0, 1):
        (out.joinpath(*PORTRAITS) / portrait_name(KEY, person)).write_bytes(picture)
    rows = [
        Result(
            f"dub-{n}", "/none/v.mp4", "a.wav", ("en", "es", None)[n % 3], "failed" if n % 100 == 7 else "done",
            error="damaged" if n % 100 == 7 else None, stage="probe", output=None if n % 100 == 7 else f"videos/{n}.mp4", model="warp",
            frames=100, hidden_frames=n % 50, faceless_frames=0, duration_s=4.0, face_table=f"faces/v-{KEY}.parquet", fingerprint=KEY,
            warnings=("dark",) if n % 10 == 0 else (), turns=(Turn(0.0, 1.0, 0), Turn(1.0, 3.5, 1)),
        )
        for n in range(2000)
    ]  # fmt: skip
    write_review_page(Summary(rows, RESULTS.write_table(str(out), rows), 1, 1.0))
    return out


def test_a_page_of_two_thousand_dubs_is_usable(page, large):
    page.goto(f"file://{large}/index.html")
    assert (large / "index.html").stat().st_size < 2000 * 1000
    assert page.locator(".dub").count() <= 60
    assert page.locator("video").count() <= 12
    assert card(page, "dub-7").is_visible()  # what failed comes first
    page.locator("#status").select_option("failed")
    assert page.locator("#shown").inner_text() == "20 shown"
    page.locator("#status").select_option("")
    page.locator("#warned").select_option("some")
    assert page.locator("#shown").inner_text() == "200 shown"
    page.locator("#language").select_option("es")
    assert page.locator("#shown").inner_text() == "67 shown"
    for name in ("warned", "language"):
        page.locator(f"#{name}").select_option("")
    page.locator("#sort").select_option("hidden")
    assert page.locator(".dub").first.get_attribute("data-id") == "dub-49"
    page.locator("#find").fill("dub-1999")
    assert page.locator(".dub").count() == 1
    page.locator("#find").fill("")
    page.locator("#sort").select_option("table")
    while (count := page.locator(".dub").count()) <= 150:
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.wait_for_function("count => document.querySelectorAll('.dub').length > count", arg=count)
    page.wait_for_function(
        "document.querySelectorAll('video').length <= 16"
    )  # those far away have given their files back


def test_a_pair_that_is_far_away_gives_its_files_back(page, run):
    page.set_viewport_size({"width": 400, "height": 300})
    page.goto(f"file://{run}/index.html")
    card(page, "both").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('[data-id=both] video').length === 2")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("document.querySelectorAll('[data-id=both] video').length === 0")


def test_a_second_click_removes_a_verdict(page, run):
    page.goto(f"file://{run}/index.html")
    redo = card(page, "alone").locator("button.redo")
    redo.click()
    assert redo.get_attribute("aria-pressed") == "true"
    card(page, "alone").locator("button.accept").click()
    assert redo.get_attribute("aria-pressed") == "false"
    card(page, "alone").locator("button.accept").click()
    assert page.locator("#reviewed").inner_text() == "0"
    assert page.get_by_role("button", name="Save review").is_disabled()
    card(page, "alone").locator("button.wrong_person").click()
    assert page.locator("#reviewed").inner_text() == "0"  # nobody is named yet


def test_keys_do_what_buttons_do(page, run):
    page.goto(f"file://{run}/index.html")
    page.keyboard.press("a")  # nothing is chosen yet
    assert page.locator("#reviewed").inner_text() == "0"
    for key in "jja":
        page.keyboard.press(key)
    assert page.locator(".dub.current").get_attribute("data-id") == "both"
    assert card(page, "both").locator("button.accept").get_attribute("aria-pressed") == "true"
    page.keyboard.press("r")
    assert card(page, "both").locator("button.redo").get_attribute("aria-pressed") == "true"
    page.keyboard.press("w")
    assert card(page, "both").locator(".choose").is_visible()
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelectorAll('[data-id=both] video')[1].currentTime > .1")
    page.keyboard.press("k")
    assert page.locator(".dub.current").get_attribute("data-id") == "bad"
    card(page, "both").locator(".note").fill("jar")  # letters of a note are no keys
    card(page, "both").locator(".note").blur()
    assert page.locator(".dub.current").get_attribute("data-id") == "bad"
    assert page.locator("#reviewed").inner_text() == "1"


def test_a_run_in_a_bucket_has_a_page_and_obeys_a_review(table, s3_server, tmp_path):
    import s3fs

    from lipsync_ray.io import storage

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("reviewed", exist_ok=True)
    one = tmp_path / "one.csv"
    one.write_text(f"id,video,audio\nstill,{table.parent}/portrait.jpg,{table.parent}/short.wav\n")
    out = "s3://reviewed/out"
    assert dub(one, out) == 0
    text = storage.read_bytes(f"{out}/index.html").decode()
    assert '"dub":"videos/still.mp4"' in text
    assert f'"source":"file://{table.parent}/portrait.jpg"' in text
    assert "data:image/jpeg;base64," in text
    review = tmp_path / "r.csv"
    review.write_text(f"{HEAD}\nstill,redo,,,\n")
    before = RESULTS.read(out, ["still"])
    assert dub(one, out, "--redo", review) == 0
    after = RESULTS.read(out, ["still"])
    assert before != after
    for more in (("--redo", review), ()):
        assert dub(one, out, *more) == 0
        assert RESULTS.read(out, ["still"]) == after


def test_a_page_of_nothing_says_so(page, tmp_path):
    (tmp_path / "index.html").write_text(review_page([], str(tmp_path), {}, {}))
    page.goto(f"file://{tmp_path}/index.html")
    assert page.complaints == []
    assert "No dub fits" in page.locator("#end").inner_text()

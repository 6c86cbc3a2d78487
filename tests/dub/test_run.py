"""What a run's names say, and what its rows are made of; nothing is drawn."""

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import pytest
from rich.console import Console

from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.inputs.face_tables import key_of_pictures
from lipsync_ray.io.manifest import Dub
from lipsync_ray.jobs.dub import job
from lipsync_ray.jobs.dub.inputs import DubRun
from lipsync_ray.jobs.dub.methods.method import Networks
from lipsync_ray.jobs.dub.plan import rows
from lipsync_ray.jobs.dub.recipe import Recipe
from lipsync_ray.jobs.dub.state import DubState
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.picture import Colour
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models import generators
from lipsync_ray.models.weights import by_name
from lipsync_ray.restoration.compose import Composed
from lipsync_ray.settings import DubSettings, RestoreSettings, Workers

DUB = Dub("d", "v.mp4", "a.wav", None)
VIDEO = VideoInfo(
    "v.mp4",
    640,
    480,
    0,
    Fraction(25),
    1000,
    0,
    Fraction(1, 25),
    "h264",
    "yuv420p",
    False,
    False,
    Fraction(1),
    Colour(),
    True,
)


def run_of(tmp_path, restore=None, device="cpu", decoder="cpu", coding=None, deinterlace="estdif", **workers):
    settings = DubSettings(
        model="mini", restore=restore, decoder=decoder, coding=coding or VideoCoding(), deinterlace=deinterlace
    )
    asked = Workers(engine="inline", **workers)
    restoration = restore and SimpleNamespace(name="gfpgan", digest="d", files=None)
    mini = by_name("mini")
    console = Console(quiet=True)
    spec = generators.spec_of(mini)
    recipe = Recipe(settings, Networks(spec, mini, restoration), device, asked.batch)
    return DubRun([DUB], recipe, asked, str(tmp_path), console, InlineRunner())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_batch_is_part_of_every_name(tmp_path, device):
    default = run_of(tmp_path, device=device).recipe.fingerprinted()
    assert run_of(tmp_path, device=device, batch=3).recipe.fingerprinted() != default
    same = generators.GENERATORS[1].batch(None, device)
    assert run_of(tmp_path, device=device, batch=same).recipe.fingerprinted() == default


def test_one_file_of_several_languages_changes_no_name(tmp_path):
    recipe = run_of(tmp_path).recipe
    assert replace(recipe, settings=replace(recipe.settings, one_file=True)).fingerprinted() == recipe.fingerprinted()


def test_the_codec_is_part_of_every_name(tmp_path):
    default = run_of(tmp_path).recipe.fingerprinted()
    assert default["coding"] == {"crf": 18.0, "preset": "veryfast"}, (
        "dubs from before there was a choice keep their names"
    )
    found = [run_of(tmp_path, coding=VideoCoding(codec=name)).recipe.fingerprinted() for name in ("hevc", "ffv1")]
    assert len({str(one) for one in (default, *found)}) == 3


def test_rows_of_a_deep_source_carry_its_samples_where_the_codec_keeps_them(tmp_path):
    deep = replace(VIDEO, pixel_format="yuv422p10le")
    for codec, native, ending in (
        ("h264", "", ".mp4"),
        ("prores", "yuv422p10le", ".mov"),
        ("ffv1", "yuv422p10le", ".mkv"),
    ):
        run = run_of(tmp_path, coding=VideoCoding(codec=codec), batch=1)
        dub = DubState(DUB, info=deep, speech=SimpleNamespace(duration_s=Fraction(20)), frames=500)
        row = rows(run, dub)[0].faces[0]
        assert row.video.native == native
        assert row.url.endswith(ending)


def test_what_deinterlaces_is_part_of_every_name_and_of_tables_of_interlaced_videos(tmp_path):
    names = [run_of(tmp_path, deinterlace=how).recipe for how in ("estdif", "bwdif", "bwdif-fields")]
    assert len({recipe.digest for recipe in names}) == 3
    assert "deinterlace" not in names[0].fingerprinted()  # names of earlier versions stay
    fields = [replace(VIDEO, interlaced=True, deinterlace=how) for how in ("estdif", "bwdif", "bwdif-fields")]
    assert key_of_pictures("k", VIDEO) == key_of_pictures("k", fields[0]) == "k"
    assert len({key_of_pictures("k", video) for video in fields}) == 3


def test_what_decodes_is_part_of_every_name(tmp_path):
    default = run_of(tmp_path).recipe.fingerprinted()
    assert "decoder" not in default, "dubs that were made before there was a choice keep their names"
    by_gpu = run_of(tmp_path, decoder="cuda").recipe.fingerprinted()
    assert by_gpu == default | {"decoder": "cuda"}


def test_what_cannot_change_a_frame_is_not(tmp_path):
    default = run_of(tmp_path).recipe.fingerprinted()
    assert run_of(tmp_path, segment_s=9.0, actors=3, attempts=7).recipe.fingerprinted() == default


@pytest.mark.parametrize(
    ("restore", "asked", "seconds"), [(False, None, 4), (True, None, 1.6), (True, 4.0, 4), (True, 0.8, 0.8)]
)
def test_a_segment_is_as_long_as_asked(tmp_path, restore, asked, seconds):
    run = run_of(tmp_path, RestoreSettings() if restore else None, segment_s=asked, batch=1)
    dub = DubState(
        DUB,
        info=VIDEO,
        speech=SimpleNamespace(duration_s=Fraction(20)),
        frames=500,
    )
    first = rows(run, dub)[0]
    assert (first.stop - first.start) / 25 == pytest.approx(seconds, abs=0.05)


def test_a_batch_that_was_halved_is_a_warning_of_the_row(tmp_path):
    run, dub = run_of(tmp_path), DubState(DUB)
    job._take_segment(dub, Composed(10, 10, 0, ("no memory for 16",)))
    assert run.row_of(dub, "done").warnings == ("no memory for 16",)

"""Options of the command line are those of the settings: names, defaults, choices, and where each value goes."""

import json
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from types import SimpleNamespace
from typing import Annotated

import pytest
from typer.main import get_command

import lipsync_ray.api
from lipsync_ray import (
    AnalyzeSettings,
    DubSettings,
    EnhanceSettings,
    EvaluateSettings,
    HeadSettings,
    Pads,
    RestoreSettings,
    TrainSettings,
    Workers,
)
from lipsync_ray.cli import app
from lipsync_ray.cli.parameters import with_options
from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import range_of
from lipsync_ray.settings.options import Option, built, leaves_of

JOBS = {
    "dub": (DubSettings, "dub_table", ("t.csv",)),
    "enhance": (EnhanceSettings, "enhance", ("v.mp4",)),
    "evaluate": (EvaluateSettings, "evaluate", ("run",)),
    "analyze": (AnalyzeSettings, "analyze", ("v.mp4",)),
    "train": (TrainSettings, "train", ("pose", "clips")),
}


class CalledError(Exception):
    pass


@pytest.fixture
def called(monkeypatch):
    """Run a command up to its job; returns what the job was called with."""

    def call(job, *words):
        got = {}

        def stand_in(*arguments, **options):
            got.update(options)
            raise CalledError

        monkeypatch.setattr(lipsync_ray.api, JOBS[job][1], stand_in)
        with pytest.raises(CalledError):
            get_command(app.app)([job, *JOBS[job][2], "-o", "out", *words], standalone_mode=False)
        return SimpleNamespace(**got)

    return call


@pytest.mark.parametrize("job", JOBS)
def test_without_options_the_settings_are_their_defaults(job, called):
    got = called(job, *(("--engine", "ray")))
    assert got.settings == JOBS[job][0]()
    assert json.dumps(got.settings.record()) == json.dumps(JOBS[job][0]().record())
    assert got.workers == Workers()


SAID = [
    ("dub", "--model warp", "model", "warp"),
    ("dub", "--face left", "face", "left"),
    ("dub", "--pads 0 0.1 -0.05 0", "pads", Pads(0, 0.1, -0.05, 0)),
    ("dub", "--blend jaw", "blend", "jaw"),
    ("dub", "--bbox-shift -7", "bbox_shift", -7),
    ("dub", "--still-rate 30000/1001", "still_rate", Fraction(30000, 1001)),
    ("dub", "--still-rate 12.5", "still_rate", Fraction(25, 2)),
    ("dub", "--trim-silence", "trim_silence", True),
    ("dub", "--no-close-in-silence", "close_in_silence", False),
    ("dub", "--close-in-silence", "close_in_silence", True),
    ("dub", "--crf 20.5 --preset slow", "coding.crf", 20.5),
    ("dub", "--crf 20.5 --preset slow", "coding.preset", "slow"),
    ("dub", "--restore none", "restore", None),
    ("dub", "--restore gfpgan", "restore", RestoreSettings()),
    ("dub", "--restore x.pth --restore-mask parsing", "restore", RestoreSettings("x.pth", "parsing")),
    ("dub", "--seed 420", "head", HeadSettings()),
    ("dub", "--paste-back --head-side 256", "head", HeadSettings(side=256, paste_back=True)),
    ("dub", "--provenance none", "provenance.kind", "none"),
    ("dub", "--provenance c2pa --tsa http://t --consent-in-manifest clear", "provenance.consent", "clear"),
    ("dub", "--watermark --watermark-key k", "marks.watermark_key", "k"),
    ("dub", "--label auto --label-seconds all", "marks.label_seconds", None),
    ("dub", "--label auto --label-seconds 2", "marks.label_seconds", 2.0),
    ("enhance", "--restore-strength 0.5 --upscale 2", "restore.strength", 0.5),
    ("enhance", "--restore-detector retinaface", "detector", "retinaface"),
    ("enhance", "--face all --crf 0", "coding.crf", 0.0),
    ("evaluate", "--no-judges", "judges", False),
    ("evaluate", "--scorer mini-sync --min-face 7", "min_face", 7),
    ("analyze", "--whisper none --frames 3", "frames", 3),
    ("train", "--held-out 0.25", "held_out", 0.25),
]


@pytest.mark.parametrize(("job", "words", "path", "value"), SAID)
def test_an_option_goes_to_its_field(job, words, path, value, called):
    settings = called(job, *words.split()).settings
    found = reduce(getattr, path.split("."), settings)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("words", "workers"),
    [
        ("--segment 2 --batch 3 --engine inline", Workers(segment_s=2.0, batch=3, engine="inline")),
        ("--profile gpu", Workers(gpus_per_actor=0.5)),
        ("--profile spot --attempts 3", Workers(segment_s=2.0, attempts=3, placement="spot")),
        ("--address h:1 --actors 4", Workers(actors=4, address="h:1")),
    ],
)
def test_workers_are_those_of_the_profile_but_for_what_is_given(words, workers, called):
    assert called("dub", *words.split()).workers == workers


@pytest.mark.parametrize(("word", "count"), [("all", None), ("3", 3)])
def test_previews_are_a_number_or_all(word, count, called):
    assert called("evaluate", "--previews", word).previews == count


@pytest.mark.parametrize(
    ("job", "words", "message"),
    [
        ("dub", "--face tallest", "--face tallest: expected one of auto, speaking, largest, center, left, right, all"),
        ("dub", "--preset warp", "--preset warp: expected one of ultrafast, superfast"),
        ("dub", "--crf 60", "--crf 60: expected 0 to 51 for --codec h264"),
        ("dub", "--pads 0 0 0 3", "--pads 0.0 0.0 0.0 3.0: each is a part of the face's height"),
        ("dub", "--still-rate fast", "--still-rate fast: expected a number or a fraction"),
        ("dub", "--still-rate 1/0", "--still-rate 1/0: expected a number or a fraction"),
        ("dub", "--still-rate 500", "--still-rate 500: expected 1 to 120 frames/s"),
        ("dub", "--label x --label-seconds long", "--label-seconds long: expected a number of seconds, or all"),
        ("dub", "--label x --label-seconds 0", "--label-seconds 0.0: expected 0.1 to 86400 seconds, or all"),
        ("dub", "--restore-mask parsing", "--restore-mask is for --restore; add that, or leave the option out"),
        ("dub", "--restore-region face --restore-strength 0.5", "--restore-strength is for --restore"),
        ("dub", "--segment 0.1", "--segment 0.1: expected 0.2 to 600 seconds"),
        ("dub", "--engine fast", "--engine fast: expected one of auto, ray, inline"),
        ("dub", "--profile big", "--profile big: expected one of laptop, gpu, spot"),
        ("dub", "--cpus 0 --dry-run", "--cpus 0.0: expected at least 1"),
        ("dub", "--price-gpu 2", "--price-gpu is for --dry-run, which plans and does nothing"),
        ("dub", "--gpus 0", "--gpus is for --dry-run, which plans and does nothing"),
        ("evaluate", "--previews -1", "--previews -1: expected at least 0 videos, or all"),
        ("evaluate", "--previews some", "--previews some: expected a number of videos, or all"),
        ("evaluate", "--fid-every 0", "--fid-every 0: expected at least 1"),
        ("train", "--rate 0", "--rate 0.0: expected more than 0, at most 1"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_the_options_name(job, words, message, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["lipsync-ray", job, *JOBS[job][2], "-o", "out", *words.split()])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("job", JOBS)
def test_each_choice_is_named_in_the_help_and_completed(job):
    command = get_command(app.app).commands[job]
    leaves = {leaf.name: leaf for leaf in JOBS_LEAVES[job] if leaf.choices}
    assert leaves
    for parameter in command.params:
        if parameter.name in leaves:
            leaf = leaves[parameter.name]
            assert all(word in parameter.help for word in leaf.choices)
            with command.make_context(job, ["x"], resilient_parsing=True) as context:
                found = [item.value for item in parameter.shell_complete(context, leaf.choices[-1][:2])]
            assert leaf.choices[-1] in found


JOBS_LEAVES = {name: getattr(app, name).leaves for name in JOBS}


@pytest.mark.parametrize("kind", [kind for kind, *_ in JOBS.values()])
def test_a_place_in_python_is_one(kind):
    """What the options' table shows, with the defaults in place of the dots, is what the command line makes."""
    for leaf in leaves_of(kind):
        code = leaf.python.replace("=…", "=None")
        assert code.split("=")[0] == leaf.path[0]
        compile(f"f({code})", "options", "eval")
        names = [kind.__name__ for kind in leaf.kinds[1:]] + [type(leaf.default).__name__] * (leaf.hint is Pads)
        assert all(name in lipsync_ray.__all__ for name in names)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (Option("", least=1), "at least 1"),
        (Option("", above=0, most=1), "more than 0, at most 1"),
        (Option("", least=0, most=9, unit="pixels"), "0 to 9 pixels"),
        (Option("", least=1, unit="s", none="all"), "at least 1 s, or all"),
        (Option(""), ""),
    ],
)
def test_a_range_is_told_in_words(option, words):
    assert range_of(option) == words


def test_an_option_of_a_command_alone_needs_no_dataclass():
    got = []

    @dataclass(frozen=True)
    class Log:
        quiet: Annotated[bool, Option("No word.", short="-q")] = False

        def begin(self):
            got.append("begun")

    @dataclass(frozen=True)
    class Ink:
        depth: Annotated[int, Option("Of it.", least=1)] = 2

    @with_options
    def draw(ink: Ink, *, paper: Annotated[str, Option("What on.", python="draw(paper=…)")] = "white", log: Log):
        got.append((ink, paper, log))

    draw(depth=3, paper="blue", quiet=True)
    assert got == ["begun", (Ink(3), "blue", Log(True))]
    assert [leaf.option.flag for leaf in draw.leaves] == ["--depth", "--paper", "--quiet"]


def test_a_switched_off_dataclass_is_none_and_one_that_a_command_lacks_keeps_its_default():
    assert built(DubSettings, {("restore", "model"): None}) == DubSettings()
    assert built(DubSettings, {("restore", "model"): "gfpgan"}).restore == RestoreSettings()
    with pytest.raises(SettingsError, match="--restore-mask is for --restore"):
        built(DubSettings, {("restore", "model"): None, ("restore", "mask"): "parsing"})

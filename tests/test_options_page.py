"""docs/options.md shows the options that the commands have."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
spec = importlib.util.spec_from_file_location("make_options", DOCS / "make_options.py")
make_options = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_options)


def test_the_tables_are_those_that_the_script_makes():
    page = make_options.PAGE.read_text(encoding="utf-8")
    assert page == make_options.filled(page), "run: python docs/make_options.py"


@pytest.mark.parametrize("command", ["dub", "enhance", "evaluate", "analyze", "train", "calibrate", "report"])
def test_every_option_of_a_command_stands_in_a_table(command):
    shown = make_options.shown(make_options.PAGE.read_text(encoding="utf-8"))
    missing = {leaf.option.flag for leaf in make_options.leaves_of(command)} - shown[command]
    assert missing <= ({"--log-file", "--verbose"} if command == "calibrate" else set())


def test_a_table_is_made_of_its_commands_and_panels():
    page = "a\n<!-- options of analyze, train: Workers -->\nold\n<!-- end -->\nb\n"
    lines = make_options.filled(page).splitlines()
    assert lines[2] == "| option | of |  | default | in Python |"
    (profile,) = [line for line in lines if line.startswith("| `--profile` |")]
    assert profile.split(" | ")[1] == "analyze"
    (actors,) = [line for line in lines if line.startswith("| `--actors` |")]
    assert actors.split(" | ")[1] == "all"
    assert actors.endswith("| `workers=Workers(actors=…)` |")
    assert not [line for line in lines if "--batch" in line]
    assert (lines[0], lines[-1]) == ("a", "b")

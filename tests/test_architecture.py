"""Rules of the layout that a reader relies on."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "lipsync_ray"
MODULES = sorted(PACKAGE.rglob("*.py"))
# What each room may import of the others: one way, from the command line down to errors.
JOBS_USE = {
    "restoration",
    "inputs",
    "engine",
    "models",
    "metrics",
    "settings",
    "faces",
    "media",
    "io",
    "errors",
}
ALLOWED = {
    "io": {"io", "errors"},
    "media": {"media", "io", "errors"},
    "faces": {"faces", "media", "io", "devices", "errors"},
    "metrics": {"metrics", "faces", "media", "errors"},
    "models": {"models", "settings", "devices", "errors"},
    "engine": {"engine", "settings", "io", "errors"},
    "inputs": {"inputs", "engine", "faces", "media", "settings", "io", "errors"},
    "restoration": {"restoration", "inputs", "faces", "media", "models", "settings", "io", "errors"},
    "report": {"report", "evaluate", "metrics", "io", "errors"},
    "demo": set(),
    "dub": {"dub", *JOBS_USE},
    "evaluate": {"evaluate", *JOBS_USE},
    "enhance": {"enhance", *JOBS_USE},
    "analyze": {"analyze", *JOBS_USE},
}
MOST_LINES = 300


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    room = path.relative_to(PACKAGE).parts[0]
    found = set(imports(path))
    if room in ALLOWED:
        used = {name.split(".")[1] for name in found if name.startswith("lipsync_ray.")}
        assert used <= ALLOWED[room], used - ALLOWED[room]
    if room != "engine":
        assert not [name for name in found if name.split(".")[0] == "ray"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_say_what_they_are_and_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= MOST_LINES

"""Rules of the layout that a reader relies on."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "lipsync_ray"
MODULES = sorted(PACKAGE.rglob("*.py"))
# What each room may import of the others: one way, from the command line down to errors. Every room stands here.
LIBRARY = {
    "provenance",
    "inputs",
    "engine",
    "models",
    "metrics",
    "settings",
    "faces",
    "media",
    "io",
    "compute",
    "errors",
    "addresses",
}
JOBS = {f"jobs.{name}" for name in ("dub", "evaluate", "enhance", "analyze", "train")}
ALLOWED = {
    "addresses": set(),
    "compute": set(),
    "home": set(),
    "demo": set(),
    "errors": {"addresses"},
    "io": {"errors", "addresses"},
    "media": {"io", "errors"},
    "faces": {"media", "io", "compute", "errors"},
    "metrics": {"faces", "media", "errors"},
    "settings": {"faces", "media", "errors", "addresses"},
    "models": {"settings", "faces", "media", "compute", "home", "errors"},
    "engine": {"settings", "io", "compute", "home", "errors", "addresses"},
    "inputs": {"engine", "models", "faces", "media", "settings", "io", "compute", "errors"},
    "provenance": {"settings", "engine", "media", "io", "errors", "addresses"},
    "restoration": LIBRARY - {"metrics"},
    **{job: {"restoration", *LIBRARY} for job in JOBS},
    "report": {"jobs.evaluate", "metrics", "io", "errors"},
    "profiles": {"settings", "media", "compute", "errors"},
    "api": {"jobs", "report", "profiles", "models", "settings", "io", "errors", *JOBS},
    # Above the Python functions: a quote plans a whole run of the dub job, and calibrate makes one.
    "jobs.quote": {"api", "demo", "home", "profiles", "restoration", "jobs.dub", *LIBRARY},
    "cli": {"api", "demo", "jobs.quote", "report", "profiles", *LIBRARY, *JOBS},
    "jobs": set(),
    "__init__": {"api", "profiles", "jobs.quote", *LIBRARY, *JOBS},
    "__main__": {"cli"},
}
MOST_LINES = 300


def room_of(name):
    first, *rest = name.split(".")
    return f"jobs.{rest[0]}" if first == "jobs" and rest else first


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    room = room_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    found = set(imports(path))
    used = {room_of(name.removeprefix("lipsync_ray.")) for name in found if name.startswith("lipsync_ray.")}
    assert used <= {room, *ALLOWED[room]}, used - ALLOWED[room]
    if room != "engine":
        assert not [name for name in found if name.split(".")[0] == "ray"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_say_what_they_are_and_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= MOST_LINES


def test_a_public_class_has_a_name_of_its_own():
    bodies = {path: ast.parse(path.read_text(encoding="utf-8")).body for path in MODULES}
    places = defaultdict(list)
    for path, body in bodies.items():
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert not {name: found for name, found in places.items() if len(found) > 1}


# What knows which kind a model is: the ways to draw, and the networks with what they declare.
KNOWS_KINDS = ("jobs/dub/methods", "models")
KINDS = ("paste", "latent", "warp", "head")


def kinds_asked(tree, methods):
    """Lines of a module that ask how a model draws: what its spec declares, or what is drawn of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = ast.unparse(node.value).rpartition(".")[2]
            if owner in ("spec", "generator") and node.attr in ("method", "how"):
                yield node.lineno
        if isinstance(node, ast.Compare):
            sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
            asks = any(re.search(r"(method|spec|generator)(\.name|\.task)?$", side) for side in sides)
            if asks and any(re.search(f"['\"]({'|'.join(KINDS)})['\"]", side) for side in sides):
                yield node.lineno
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            kinds = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
            yield from [node.lineno] * bool(kinds & methods)
        if isinstance(node, ast.ImportFrom):
            room, _, name = (node.module or "").rpartition(".")
            yield from [node.lineno] * (room.endswith("jobs.dub.methods") and name not in ("method", "registry"))


def method_classes():
    files = (PACKAGE / "jobs/dub/methods").glob("*.py")
    bodies = [ast.parse(path.read_text(encoding="utf-8")).body for path in files]
    return {node.name for body in bodies for node in body if isinstance(node, ast.ClassDef)}


def test_nothing_asks_how_a_model_draws_but_the_ways_to_draw():
    methods, found = method_classes(), []
    for path in MODULES:
        place = path.relative_to(PACKAGE).as_posix()
        if not place.startswith(KNOWS_KINDS):
            found += [f"{place}:{line}" for line in kinds_asked(ast.parse(path.read_text(encoding="utf-8")), methods)]
    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "x = spec.how.steps",
        "run.generator.method",
        "if run.recipe.method.name == 'warp': pass",
        "if recipe.method.task in ('head',): pass",
        "isinstance(recipe.method, Head)",
        "isinstance(drawn, (Crops, MovedLips))",
        "from lipsync_ray.jobs.dub.methods.head import Head",
    ],
)
def test_a_line_that_asks_is_found(line):
    assert list(kinds_asked(ast.parse(line), method_classes()))


# What runs where no network does: on processes of their own beside a GPU, and in small tasks.
LIGHT = (
    "engine.ray_data",
    "engine.tasks",
    "inputs.audio_features",
    "inputs.face_tables",
    "inputs.probe",
    "inputs.speakers",
    "jobs.analyze.stages",
    "jobs.dub.assemble",
    "jobs.dub.methods.registry",
    "jobs.dub.stages",
    "jobs.enhance.assemble",
    "jobs.enhance.stages",
    "jobs.evaluate.assemble",
    "jobs.evaluate.face_tracks",
    "jobs.evaluate.fid",
    "jobs.evaluate.likeness",
    "jobs.evaluate.previews",
)


def test_a_worker_imports_no_library_that_its_stage_does_not_use():
    heavy = ("torch", "torchvision", "ray", "scipy", "pandas", "matplotlib", "whisper", "spandrel", "facexlib")
    code = "import sys\n" + "".join(f"import lipsync_ray.{name}\n" for name in LIGHT)
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"

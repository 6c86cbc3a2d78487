"""The notebooks, executed from the first cell to the last."""

import os
from pathlib import Path

import nbformat
import pytest
from material import random_gfpgan, random_whisper
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what starts the kernel


def executed(name, folder, **environment):
    """The outputs' text of a notebook, run in `folder`."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    client = NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, **environment})
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    return outputs


def text_of(outputs):
    return "\n".join(str(output.get("text", output.get("data", {}))) for output in outputs)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_they_are_kept_with_what_their_cells_gave(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/jpeg" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error"]
    assert "/tmp/" not in path.read_text()
    assert path.stat().st_size < 1_000_000


@pytest.mark.nightly
def test_evaluation(demo_run, tmp_path):
    outputs = executed(
        "04_evaluation.ipynb", tmp_path, LIPSYNC_RAY_RUN=str(demo_run), LIPSYNC_RAY_OUT=str(tmp_path / "scores")
    )
    said = text_of(outputs)
    assert "| en | warp | 2/2 |" in said
    assert "PSNR" in said
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert {"image/svg+xml", "image/jpeg", "text/markdown"} <= kinds
    assert (tmp_path / "scores" / "report" / "index.html").is_file()


@pytest.mark.nightly
def test_lipsync(tmp_path):
    outputs = executed("02_lipsync.ipynb", tmp_path, LIPSYNC_RAY_OUT=str(tmp_path / "models"))
    assert "models on this machine: warp, mini" in text_of(outputs)
    assert {"image/jpeg", "text/html"} <= {kind for output in outputs for kind in output.get("data", {})}


@pytest.mark.nightly
def test_enhancement(tmp_path):
    network = random_gfpgan(tmp_path / "narrow.pth", 0.0625)
    outputs = executed(
        "03_enhancement.ipynb", tmp_path, LIPSYNC_RAY_OUT=str(tmp_path / "out"), LIPSYNC_RAY_GFPGAN=str(network)
    )
    assert "done 100 of 100 frames restored" in text_of(outputs)
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) == 4


@pytest.mark.nightly
def test_analysis(tmp_path):
    network = random_whisper(tmp_path / "nonsense.pt")
    outputs = executed(
        "01_analysis.ipynb", tmp_path, LIPSYNC_RAY_OUT=str(tmp_path / "out"), LIPSYNC_RAY_WHISPER=str(network)
    )
    said = text_of(outputs)
    assert "pan good" in said
    assert "by ear (Whisper nonsense)" in said
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) == 2
    assert (tmp_path / "out" / "index.html").is_file()

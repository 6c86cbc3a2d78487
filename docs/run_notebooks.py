"""Execute the notebooks and keep their outputs: ``python docs/run_notebooks.py [02_lipsync]`` from the root of the repository.

Weights that are not on this machine are replaced by random ones for Whisper and GFPGAN, as the notebooks say.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks")]

from material import random_gfpgan  # noqa: E402


def clean(value: Any, folder: str) -> Any:
    """The outputs without the folder in which they were made."""
    if isinstance(value, str):
        return value.replace(f"{folder}/", "")
    if isinstance(value, list):
        return [clean(item, folder) for item in value]
    if isinstance(value, dict):
        return nbformat.from_dict({key: clean(item, folder) for key, item in value.items()})
    return value


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "*"
    with tempfile.TemporaryDirectory() as folder:
        network = random_gfpgan(Path(folder) / "random.pth", 0.0625)
        environment = os.environ | {"LIPSYNC_RAY_GFPGAN": str(network), "COLUMNS": "100"}
        for path in sorted((ROOT / "notebooks").glob(f"{wanted}.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            resources = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute(env=environment)
            for cell in notebook.cells:
                cell.metadata.pop("execution", None)
                if cell.cell_type == "code":
                    cell.outputs = clean(cell.outputs, folder)
            nbformat.write(notebook, path)
            print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()

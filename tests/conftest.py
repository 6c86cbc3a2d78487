"""Fixtures of the whole suite: one Ray, where the shared material is, clips to work on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Before Ray is imported anywhere: one authentication mode for the session and every process it starts.
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ.setdefault("RAY_DEDUP_LOGS", "0")

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(Path(__file__).parent))

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden outputs and real videos; tests that need it are skipped where it is not."""
    if not (SHARED / "golden").is_dir():
        pytest.skip(f"needs the project's shared material at {SHARED}, which is not part of the repository")
    return SHARED


@pytest.fixture(scope="session")
def corpus(shared: Path) -> Path:
    return shared / "corpus"


@pytest.fixture(scope="session")
def cluster():
    """One Ray for all tests of the session."""
    from lipsync_ray.engine.session import session

    with session("local") as found:
        yield found


@pytest.fixture(scope="session")
def demo_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's videos, portrait and speech."""
    from lipsync_ray.demo.corpus import make_corpus

    folder = tmp_path_factory.mktemp("demo")
    make_corpus(folder)
    return folder

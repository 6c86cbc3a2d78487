"""The table of a run's rows."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from lipsync_ray.io import storage
from lipsync_ray.io.records import Records


@dataclass(frozen=True)
class Kept:
    id: str
    status: str = "done"
    fingerprint: str | None = None
    stage: str | None = None
    score: float | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wider(Kept):
    frames: int = 0


ROWS = [Kept("a", score=0.5, warnings=("dark",)), Kept("b", "failed")]
TABLE = Records(Kept, "kept.parquet")


@pytest.fixture
def commits(monkeypatch):
    """URLs that were committed."""
    urls = []
    commit = storage.commit_bytes
    monkeypatch.setattr(storage, "commit_bytes", lambda url, data: (urls.append(url), commit(url, data)))
    return urls


def test_a_table_that_stands_there_is_not_written_again(tmp_path, commits):
    url = TABLE.write_table(str(tmp_path), ROWS)
    assert TABLE.write_table(str(tmp_path), iter(ROWS)) == url
    assert len(commits) == 1


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (TABLE, ROWS[:1]),
        (TABLE, ROWS[::-1]),
        (TABLE, [Kept("a", score=0.25, warnings=("dark",)), ROWS[1]]),
        (TABLE, []),
        (Records(Wider, "kept.parquet"), [Wider("a", score=0.5, warnings=("dark",)), Wider("b", "failed")]),
    ],
)
def test_another_one_is(tmp_path, commits, table, rows):
    TABLE.write_table(str(tmp_path), ROWS)
    table.write_table(str(tmp_path), rows)
    assert len(commits) == 2
    assert table.read_table(str(tmp_path)) == rows


def test_a_damaged_one_is_written_anew(tmp_path):
    url = TABLE.write_table(str(tmp_path), ROWS)
    storage.commit_bytes(url, b"PAR1 not")
    TABLE.write_table(str(tmp_path), ROWS)
    assert TABLE.read_table(str(tmp_path)) == ROWS


def test_a_table_is_read_without_pandas(tmp_path):
    """Which takes a good part of the start of a run that finds nothing to do."""
    url = TABLE.write_table(str(tmp_path), ROWS)
    code = f"import sys; from lipsync_ray.io.records import read_table; read_table({url!r}); sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

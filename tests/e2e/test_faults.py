"""A short campaign of faults (:mod:`faults`): a disk that is full, and a worker that is killed in a table with poison in it."""

import os
import shutil
import tempfile
from pathlib import Path

import faults
import pytest

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def campaign():
    folder = Path(tempfile.mkdtemp(prefix="f", dir="/tmp"))
    yield faults.Campaign(folder, widths=(512,))
    shutil.rmtree(folder)


def looked_at(blow):
    assert blow.struck
    assert blow.clean, blow


def test_a_full_disk_ends_rows_with_a_reason_and_room_lets_them_be_made(campaign):
    if os.geteuid():
        pytest.skip("needs the right to mount a small disk")
    blow = campaign.strike("disk", 1)
    looked_at(blow)
    assert blow.exits[-1] == 0


def test_a_worker_is_killed_beside_files_that_are_no_media(campaign):
    looked_at(campaign.strike("poison", 1))

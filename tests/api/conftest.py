"""What the tests of the edge share: a place for the file that a test writes and has read."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "given.csv"

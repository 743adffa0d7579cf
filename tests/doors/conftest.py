from __future__ import annotations

from pathlib import Path

import pytest

from tests.doors.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A folder with experiments, and an engine that answers as it is told."""
    return Project.at(tmp_path / "project")

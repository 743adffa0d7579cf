from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.project import Project
from tests.doors.rooms import CommandLine, Rooms


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> Iterator[None]:
    """Children that heed SIGINT, also where whoever started pytest had it ignored (`nohup`)."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A folder with experiments, and an engine that answers as it is told."""
    return Project.at(tmp_path / "project")


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    """Rooms that answer as they are told, in place of the real ones."""
    furnished = Rooms()
    furnished.furnish(monkeypatch)
    return furnished


@pytest.fixture
def sloproof(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], project: Project
) -> CommandLine:
    """The command line, in the project's folder and with a state folder of its own."""
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("SLOPROOF_STATE_DIR", str(project.path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("tempfile.tempdir", str(project.path))
    return CommandLine(monkeypatch, capsys)

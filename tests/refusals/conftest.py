"""A project as `sloproof init` writes it, and a look at what a refused command left of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from sloproof.doors.beginning import SKELETON
from tests.doors.rooms import CommandLine, Ended
from tests.refusals.real import MEASURED

BUILT_IN = Path(__file__).parents[2]
TRIAL = ["-m", "sloproof.run.load", "--try"]
"""What may be started to refuse something: the import of its load profiles."""


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


@dataclass(slots=True)
class Scene:
    """A project, the command line in it, and the processes that were started."""

    root: Path
    command_line: CommandLine
    started: list[list[str]] = field(default_factory=list)
    before: set[psutil.Process] = field(default_factory=_children)

    @property
    def state(self) -> Path:
        return self.root.parent / "state"

    def refused(self, *words: str) -> list[str]:
        """What a command says that must be refused, with nothing touched."""
        before = self.files()
        ended = self.command_line(*words)
        self._check(ended, before)
        said = ended.err.replace(str(self.root), "{root}").replace(str(BUILT_IN), "{sloproof}")
        return said.splitlines()

    def _check(self, ended: Ended, before: dict[str, object]) -> None:
        assert ended.status == 2, ended.err or ended.out
        assert "Traceback" not in ended.err
        assert ended.out == ""
        assert self.files() == before
        assert not self.state.exists()
        assert [argv[1:] for argv in self.started if argv[1:] != TRIAL] == []
        assert set(psutil.Process().children(recursive=True)) <= self.before

    def files(self) -> dict[str, object]:
        """Everything in the project's folder, with its content and its time."""
        return {
            str(path.relative_to(self.root)): (path.lstat().st_mtime_ns, path.lstat().st_size)
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }


@pytest.fixture
def scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Scene:
    root = tmp_path / "project"
    shutil.copytree(SKELETON, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("SLOPROOF_STATE_DIR", str(tmp_path / "state"))
    scene = Scene(root, CommandLine(monkeypatch, capsys))
    plain: Callable[..., None] = subprocess.Popen.__init__

    def note(process: Any, args: Any, *more: Any, **options: Any) -> None:
        scene.started.append([os.fspath(word) for word in args])
        # What isn't refused must not run either: here the engine would be the tests' own process.
        assert scene.started[-1][1:] == TRIAL or MEASURED in scene.started[-1]
        plain(process, args, *more, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", note)
    return scene

"""Where a target's own files are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloproof.model.clock import SystemClock
from sloproof.model.target import Entry, EventSource, Target, TraceSource
from sloproof.run.observing import TargetObserver


def test_relative_files_are_those_of_the_targets_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
    (project / "events.log").touch()
    (project / "calls.log").touch()
    monkeypatch.chdir(elsewhere)
    target = Target(
        name="shop",
        origin="shop.yaml",
        folder=str(project),
        platform="external",
        entry=Entry(url="http://127.0.0.1:1"),
        events=(EventSource(name="healer", file="events.log", roles={}),),
        traces=(TraceSource(format="json-lines", file="calls.log", source="a", to="b"),),
    )
    observer = TargetObserver(SystemClock(), 0)
    observer.prepare(target, 0)
    assert [there for _, _, there in observer.sources()] == [True, True]
    assert observer.calls() == []

"""The rooms behind the command line, answering as a test tells them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sloproof.model.verdict import Claim, Finding, Number, Outcome, Verdict
from sloproof.record.chain import ChainWriter
from sloproof.record.reader import Record
from sloproof.run.result import RunOptions, RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one experiment."""

    outcome: str = "PASS"
    how: str = "completed"
    reason: str = ""
    unreverted: tuple[str, ...] = ()
    raises: Exception | None = None
    judging_raises: Exception | None = None
    undecidable: str = ""


@dataclass(slots=True)
class Rooms:
    """Runs experiments by their `fates`; those without one pass."""

    fates: Mapping[str, Fate] = field(default_factory=dict)
    ran: list[tuple[str, RunOptions]] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)

    def furnish(self, patch: pytest.MonkeyPatch) -> None:
        """Put these in place of the real ones."""
        import sloproof.judge

        patch.setattr("sloproof.run.start.run_experiment", self.run)
        patch.setattr("sloproof.doors.outlook.refuse_profiles", lambda loaded: None)
        patch.setattr("sloproof.report.page.write_report", self.write_report)
        patch.setattr(sloproof.judge, "judge", self.judge, raising=False)
        patch.setattr(sloproof.judge, "adequacy", self.adequacy, raising=False)
        patch.setattr(sloproof.judge, "verdict_json", lambda verdict: '{"a": 1}\n', raising=False)

    def fate(self, experiment: str) -> Fate:
        return self.fates.get(experiment, Fate())

    def run(self, loaded: Any, options: RunOptions, signals: object, progress: object) -> RunResult:
        name = loaded.experiment.name
        fate = self.fate(name)
        self.ran.append((name, options))
        if fate.raises is not None:
            raise fate.raises
        record = begin_record(options.runs / f"run-{name}", name)
        return RunResult(f"run-{name}", record, fate.how, fate.reason, fate.unreverted)

    def judge(self, record: Record, *, objectives: object = None) -> Verdict:
        name = str(record.events[0].data["experiment"])
        fate = self.fate(name)
        if fate.judging_raises is not None:
            raise fate.judging_raises
        outcome = Outcome(fate.outcome)
        number = Number("good", 0.5, "ratio", 0.4, 0.6)
        finding = Finding(outcome, f"half was good: {bool(objectives)}", (number,), ("a note",))
        claim = Claim("slo:steady", "slo", "run", finding)
        return Verdict(record.run, name, outcome, f"{name} is {outcome}", (claim,))

    def adequacy(self, experiment: Any, objectives: object, target: object) -> Sequence[Adequate]:
        reason = self.fate(experiment.name).undecidable
        return [Adequate(line.id, 40, 10, ("requests",), reason) for line in experiment.verify]

    def write_report(self, record: Record, verdict: Verdict, path: Path, **given: object) -> None:
        path.write_text("<html>")
        self.reports.append(path)


def begin_record(folder: Path, experiment: str) -> Path:
    """The shortest record that can be opened."""
    folder.mkdir(parents=True)
    events = ChainWriter(folder / "events.jsonl")
    events.append(
        {"n": 0, "t": 0, "kind": "run.started", "run": folder.name, "experiment": experiment}
    )
    events.close()
    return folder


@dataclass(frozen=True, slots=True)
class Adequate:
    """What `adequacy` says of one claim."""

    id: str
    expected: int
    needed: int
    sources: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command line ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class CommandLine:
    """`sloproof` in this process."""

    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> Ended:
        from sloproof.cli import main

        self.patch.setattr(sys, "argv", ["sloproof", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        said = self.capture.readouterr()
        return Ended(int(str(left.value.code or 0)), said.out, said.err)

"""`run`: experiments one after the other, each judged and reported before the next begins."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sloproof.doors.ending import (
    BROKE,
    INTERRUPTED,
    STATUS,
    UNREVERTED,
    Ending,
    defect,
    gravest,
)
from sloproof.doors.judging import VERDICT, claim_body, judged, write_page
from sloproof.doors.loading import Wanted, load
from sloproof.doors.outlook import refuse_before_running
from sloproof.doors.planning import refuse_without_verdict
from sloproof.errors import HarnessError, Lacking, SloproofError

if TYPE_CHECKING:
    from sloproof.judge.drill import SuiteVerdict
    from sloproof.model.verdict import Verdict
    from sloproof.record.reader import Record
    from sloproof.record.suite import SuiteRecord
    from sloproof.run.holding import Hold
    from sloproof.run.result import RunOptions, RunResult
    from sloproof.run.watch import Signals
    from sloproof.spec import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to run, and what to write afterwards."""

    runs: Path
    seed: int | None = None
    load_workers: int = 1
    remote_workers: int = 0
    load_bind: str = "127.0.0.1:0"
    allow_inconclusive: bool = False
    report: bool = True
    junit: Path | None = None
    markdown: Path | None = None
    hold: Hold | None = None
    """The target that a suite holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one experiment came to. Without a record there is no verdict."""

    experiment: str
    how: str
    reason: str
    folder: Path | None = None
    record: Record | None = None
    run: str = ""
    verdict: Verdict | None = None
    unreverted: tuple[str, ...] = ()
    report: Path | None = None
    broke: int = 0
    lacking: bool = False
    """It failed for want of a capability of the platform or the host."""

    @property
    def status(self) -> int:
        """The exit status of this experiment alone."""
        if self.unreverted:
            return UNREVERTED
        if self.broke or self.verdict is None or self.how == "failed":
            return self.broke or BROKE
        status = STATUS[self.verdict.outcome]
        return status if status or self.how == "completed" else INTERRUPTED

    def body(self) -> dict[str, Any]:
        """The object that `--json` prints of it."""
        verdict = self.verdict
        return {
            "experiment": self.experiment,
            "run": self.run,
            "record": str(self.folder) if self.folder else None,
            "outcome": verdict.outcome.value if verdict else None,
            "exit_status": self.status,
            "sentence": verdict.sentence if verdict else "",
            "claims": [claim_body(claim) for claim in verdict.claims] if verdict else [],
            "how": self.how,
            "reason": self.reason,
            "lacking": self.lacking,
            "unreverted": list(self.unreverted),
            "report": str(self.report) if self.report else None,
        }

    def words(self) -> str:
        """What people are told of it."""
        from sloproof.report.summary import summary_text

        verdict = self.verdict
        if self.how == "failed" and (verdict is None or not _measured(verdict)):
            lines = [f"ERROR  {self.experiment}: {self.reason}"]
        else:
            lines = summary_text(verdict) if verdict else [self.experiment]
            if self.how != "completed" or self.reason:
                fate = "failed" if self.how == "failed" else f"was {self.how}"
                lines.append(f"  the run {fate}: {self.reason}")
        lines += [f"  NOT REVERTED: {each}" for each in self.unreverted]
        if self.unreverted:
            lines.append("  when the cause is gone: sloproof recover tries once more")
        if place := self.report or self.folder:
            lines.append(f"  {place}")
        return "\n".join(lines)


def _measured(verdict: Verdict) -> bool:
    """Whether the run came so far that anything was measured."""
    windows: Any = verdict.measures.get("windows", [])
    return any(each["end_s"] > 0 for each in windows)


def run(wanted: Wanted, settings: Settings) -> Ending:
    """Run all that is wanted. What can't be reverted or is interrupted ends the rest, too."""
    from sloproof.run.watch import Signals

    loaded = load(wanted)
    refuse_before_running(loaded, settings)
    if not settings.allow_inconclusive:
        refuse_without_verdict(loaded)
    with Signals().heeded() as signals:  # what a run came to is judged and said to its end
        ran = list(_one_after_the_other(loaded, settings, signals))
    unwritten = write_summaries(ran, settings)
    status = gravest([*(each.status for each in ran), *([BROKE] if unwritten else [])])
    words = ["\n\n".join(each.words() for each in ran)]
    words += [f"\n{_tally(ran, len(loaded))}"] if len(loaded) > 1 else []
    words += [f"! {why}" for why in unwritten]
    body = ran[0].body() if len(loaded) == 1 else {"runs": [each.body() for each in ran]}
    return Ending(status, with_unwritten(body, unwritten, status), "\n".join(words))


def with_unwritten(body: dict[str, Any], unwritten: Sequence[str], status: int) -> dict[str, Any]:
    """What `--json` prints, with the summaries that could not be written."""
    if not unwritten:
        return body
    own = {"exit_status": status} if "exit_status" in body else {}
    return {**body, **own, "unwritten": list(unwritten)}


def _one_after_the_other(
    loaded: Sequence[Loaded], settings: Settings, signals: Signals
) -> Iterator[Ran]:
    for each in loaded:
        ran = run_one(each, settings, signals)
        yield ran
        if ran.unreverted or ran.how == "interrupted" or signals.received:
            return


def run_one(loaded: Loaded, settings: Settings, signals: Signals) -> Ran:
    """Run one experiment, judge and report it; what goes wrong in that is told, not raised."""
    from sloproof.run.progress import progress_to
    from sloproof.run.start import run_experiment

    name, mask = loaded.experiment.name, loaded.secrets.mask
    progress = progress_to(sys.stderr)
    progress.say(f"{name}: starts")
    try:
        result = run_experiment(loaded, _options(settings), signals, progress)
    except SloproofError as error:
        return _not_run(name, error, mask)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a defect in one run must not hide the others
        return _not_run(name, defect(error, mask), mask)
    return _judge_one(loaded, result, settings)


def _options(settings: Settings) -> RunOptions:
    from sloproof.run.load.spec import Workers
    from sloproof.run.result import RunOptions
    from sloproof.run.state import state_dir

    return RunOptions(
        runs=settings.runs,
        state=state_dir(),
        seed=settings.seed,
        workers=Workers(settings.load_workers, settings.remote_workers, settings.load_bind),
        hold=settings.hold,
    )


def _not_run(name: str, error: SloproofError, mask: Callable[[str], str]) -> Ran:
    """An engine that could not even begin; what it says it left behind, it left behind."""
    reason = mask(str(error))
    unreverted = (reason,) if error.exit_status == UNREVERTED else ()
    return Ran(
        experiment=name,
        how="failed",
        reason=reason,
        unreverted=unreverted,
        broke=error.exit_status,
        lacking=isinstance(error, Lacking),
    )


def _judge_one(loaded: Loaded, result: RunResult, settings: Settings) -> Ran:
    ran = Ran(
        experiment=loaded.experiment.name,
        how=result.how,
        reason=result.reason,
        folder=result.record,
        run=result.run,
        unreverted=tuple(result.unreverted),
        lacking=result.lacking,
    )
    try:
        ran = _with_verdict(ran, result.record)
        return with_report(ran, loaded.project) if settings.report else ran
    except SloproofError as error:
        return _half_judged(ran, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a defect must not hide what was left behind
        return _half_judged(ran, defect(error))


def _with_verdict(ran: Ran, folder: Path) -> Ran:
    from sloproof.judge import verdict_json
    from sloproof.record.writer import write_beside

    record, verdict = judged(folder)
    ran = replace(ran, record=record, verdict=verdict)
    try:
        write_beside(folder / VERDICT, verdict_json(verdict))
    except HarnessError as error:  # it is said all the same
        return _half_judged(ran, error)
    return ran


def with_report(ran: Ran, project: Path) -> Ran:
    """The same with its report written, where there is something to report."""
    if ran.record is None or ran.verdict is None:
        return ran
    return replace(ran, report=write_page(ran.record, ran.verdict, project))


def _half_judged(ran: Ran, error: SloproofError) -> Ran:
    """A run that can't be judged or reported: the harness broke, whatever the error's status."""
    return replace(ran, reason="; ".join(filter(None, [ran.reason, str(error)])), broke=BROKE)


def write_summaries(
    ran: Sequence[Ran], settings: Settings, drill: tuple[SuiteRecord, SuiteVerdict] | None = None
) -> list[str]:
    """Write the files for CI that were asked for; gives what kept it from that."""
    judged_ones = [(each.record, each.verdict) for each in ran if each.record and each.verdict]

    def junit() -> str:
        from sloproof.report.junit import junit_xml

        return junit_xml(judged_ones, drill=drill)

    def page() -> str:
        from sloproof.report.markdown import drill_markdown, markdown

        whole = [drill_markdown(*drill)] if drill else []
        return "\n".join([*whole, *(markdown(*each) for each in judged_ones)])

    wanted = [(settings.junit, junit), (settings.markdown, page)]
    return [why for path, text in wanted if path is not None and (why := _unwritten(path, text))]


def _unwritten(path: Path, text: Callable[[], str]) -> str:
    """Write a summary; gives why that failed, or "": what a run came to is said all the same."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8")
    except OSError as error:
        return f"{path}: can't be written: {error.strerror}"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a defect must not hide what was left behind
        return f"{path}: {defect(error)}"
    return ""


def _tally(ran: Sequence[Ran], wanted: int) -> str:
    lines = [f"{each.body()['outcome'] or 'ERROR':<12} {each.experiment}" for each in ran]
    left = wanted - len(ran)
    return "\n".join([*lines, *([f"{left} not run"] if left else [])])

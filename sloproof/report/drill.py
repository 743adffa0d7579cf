"""The report of a suite: one page that tells a drill from its plan to its sign-off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sloproof import __version__
from sloproof.judge.drill import Correction, Loss, StepVerdict, SuiteVerdict
from sloproof.judge.suite import EXPERIMENT, GATE, MANUAL
from sloproof.model.verdict import Outcome
from sloproof.record.reader import Record, digest
from sloproof.record.suite import RECORDS, SEAL, SuiteRecord
from sloproof.report import sections, story, words
from sloproof.report.page import put
from sloproof.report.sections import Tile
from sloproof.report.templates import render
from sloproof.spec.suite import Suite

NEVER = "not begun"


@dataclass(frozen=True, slots=True)
class Moment:
    """A step on the drill's timeline: its place in per cent of the whole, and its times."""

    name: str
    about: str
    outcome: str
    began: str
    took: str
    left: float
    width: float
    reason: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a claim asked for and what was measured."""

    step: str
    claim: str
    about: str
    required: str
    measured: str
    bounds: str
    outcome: str
    reason: str
    rows: int
    """So many rows its claim has; 0 in those after the first, which need not say it again."""


@dataclass(frozen=True, slots=True)
class ManualRow:
    """What somebody was asked to do, and what became of it."""

    name: str
    do: str
    by: str
    when: str
    outcome: str
    note: str


@dataclass(frozen=True, slots=True)
class ActionRow:
    """What is to be corrected. `decided` says whether somebody did more than the file's default."""

    id: str
    outcome: str
    reason: str
    action: str
    owner: str
    retest: str
    decided: tuple[str, ...] = ()
    """Who decided so, when, and why."""


def write_suite_report(
    record: SuiteRecord,
    suite: Suite,
    verdict: SuiteVerdict,
    path: Path,
    *,
    templates: Path | None = None,
) -> None:
    """Write the report on a suite's record to `path`; raises `InvalidInput` as `write_report`."""
    html = render("drill.html", suite_context(record, suite, verdict), templates)
    put(path, html)


def suite_context(record: SuiteRecord, suite: Suite, verdict: SuiteVerdict) -> dict[str, Any]:
    """What `drill.html` is given, by name; documented in `reports/templates/README.md`."""
    wall = _wall(record)
    begun = [step for step in verdict.steps if step.begun_s is not None]
    signed = [_signed(event.data) for event in record.reviews if event.kind == "signed"]
    signers = {by.casefold() for by, *_ in signed}
    return {
        "verdict": verdict,
        "suite": suite,
        "sentence": words.sentence(verdict),
        "tiles": list(_tiles(verdict)),
        "evidence": verdict.evidence,
        "moments": moments(verdict.steps, record.events[-1].t / 1e9, wall),
        "targets": [row for step in begun for row in targets(step)],
        "across": sections.claim_rows(verdict.across),
        "losses": verdict.losses,
        "manual": [_manual(step, wall) for step in verdict.steps if step.kind == MANUAL],
        "deviations": [(_clock(wall, d.at_s), d.step, d.what) for d in verdict.deviations],
        "actions": list(_actions(record, verdict.corrections)),
        "signed": signed,
        "open": [each for each in suite.participants if each.name.casefold() not in signers],
        "review_head": record.review_head,
        "experiments": list(_experiments(record, begun)),
        "records": [
            (s.label, s.run, s.seal or "none", _link(record, s.run)) for s in begun if s.run
        ],
        "environment": [
            (sections.LABELS.get(name, words.spoken(name)), _shown(name, value))
            for name, value in record.environment.items()
            if name not in {"sloproof", "seed"}
        ],
        "provenance": _provenance(record, suite, wall),
    }


def targets(step: StepVerdict) -> Iterator[Target]:
    """Targets against actuals: a row for each figure that a claim of the step asked for."""
    for claim in step.claims:
        row, pairs = sections.claim_row(claim), words.pairs(claim)
        common = {"step": step.label, "claim": row.id, "outcome": claim.finding.outcome.value}
        common["reason"] = row.reason
        for n, (asked, seen) in enumerate(pairs):
            extra = words.apart((asked, seen))
            yield Target(
                **common,
                rows=0 if n else len(pairs),
                about=words.measure(seen.name),
                required=words.required(asked, extra),
                measured=words.number(seen, extra),
                bounds=words.bounds(seen),
            )
        if not pairs:
            yield Target(
                **common,
                rows=1,
                about=row.measure,
                required=row.required,
                measured=row.measured,
                bounds=row.bounds,
            )


def moments(steps: Sequence[StepVerdict], whole_s: float, wall: int | None) -> list[Moment]:
    """Every step in its place in time; those never begun at the end, without one."""
    scale = 100 / max(whole_s, 1e-9)
    return [_moment(step, whole_s, scale, wall) for step in steps]


def _moment(step: StepVerdict, whole_s: float, scale: float, wall: int | None) -> Moment:
    about = {EXPERIMENT: "experiment", MANUAL: "manual step", GATE: "gate"}[step.kind]
    if step.begun_s is None:
        return Moment(step.label, about, step.outcome.value, NEVER, "", 0, 0, step.reason)
    end = whole_s if step.ended_s is None else step.ended_s
    return Moment(
        name=step.label,
        about=about,
        outcome=step.outcome.value,
        began=_clock(wall, step.begun_s),
        took=words.seconds(end - step.begun_s),
        left=round(step.begun_s * scale, 2),
        width=round((end - step.begun_s) * scale, 2),
        reason=step.reason,
    )


def _tiles(verdict: SuiteVerdict) -> Iterator[Tile]:
    kinds = (("Runs passed", EXPERIMENT), ("Manual steps done", MANUAL), ("Gates opened", GATE))
    for label, kind in kinds:
        some = [step for step in verdict.steps if step.kind == kind]
        if some:
            passed = sum(step.outcome is Outcome.PASS for step in some)
            failed = any(step.outcome is Outcome.FAIL for step in some)
            yield Tile(label, f"{passed} of {len(some)}", "", "bad" if failed else "")
    if verdict.losses:
        yield _lost_tile(verdict.losses)
    if verdict.deviations:
        yield Tile("Deviations", str(len(verdict.deviations)))


def _lost_tile(losses: Sequence[Loss]) -> Tile:
    told = [loss for loss in losses if loss.lost is not None]
    bad = any(loss.lost and loss.outcome is Outcome.FAIL for loss in told)
    unknown = len(losses) - len(told)
    note = f"of {sum(loss.acknowledged or 0 for loss in told):,} acknowledged" if told else ""
    note += f"{', ' if note else ''}not told in {unknown} of {len(losses)}" if unknown else ""
    value = f"{sum(loss.lost or 0 for loss in told):,}" if told else words.NOTHING
    return Tile("Writes lost", value, note, "bad" if bad else "")


def _manual(step: StepVerdict, wall: int | None) -> ManualRow:
    if step.confirmed_ns is not None:
        when = _day_and_time(step.confirmed_ns)
    else:
        when = NEVER if step.begun_s is None else f"asked at {_clock(wall, step.begun_s)}"
    said = step.note or ("" if step.confirmed_ns is not None else step.reason)
    return ManualRow(step.name, step.do, step.by, when, step.outcome.value, said)


def _actions(record: SuiteRecord, found: Sequence[Correction]) -> Iterator[ActionRow]:
    """What did not pass, with what people decided about it; then what they decided besides."""
    decided: dict[str, dict[str, Any]] = {}
    for event in record.reviews:
        if event.kind == "action":
            claim = str(event.data.get("claim", ""))
            before = decided.get(claim, {})
            told = (*before.get("decided", ()), _decision(event.data))
            decided[claim] = {**before, **_given(event.data), "decided": told}
    for each in found:
        said = decided.pop(each.id, {}) if each.id else {}
        row = ActionRow(each.id, each.outcome.value, each.reason, "", each.owner, each.retest)
        yield replace(row, **said)
    for claim, said in decided.items():
        yield replace(ActionRow(claim, "", "", "", "", ""), **said)


def _given(data: dict[str, object]) -> dict[str, str]:
    return {key: str(data[key]) for key in ("action", "owner", "retest") if data.get(key)}


def _decision(data: dict[str, object]) -> str:
    by, _, when, note = _signed(data)
    return f"{by or 'not said'}, {when}{': ' if note else ''}{note}"


def _signed(data: dict[str, object]) -> tuple[str, str, str, str]:
    wall = data.get("wall_ns")
    when = _day_and_time(wall) if isinstance(wall, int) else ""
    return str(data.get("by", "")), str(data.get("role", "")), when, str(data.get("note", ""))


def _link(record: SuiteRecord, run: str) -> str:
    """Where a run's own report is, from the suite's folder; empty without one."""
    path = Path(RECORDS) / run / "report.html"
    plain = run not in ("", ".", "..") and "/" not in run
    return path.as_posix() if plain and (record.folder / path).is_file() else ""


def _experiments(
    record: SuiteRecord, begun: Sequence[StepVerdict]
) -> Iterator[tuple[str, str, str]]:
    """Each experiment that was run: its step, what was expected of it, and its target."""
    for step in begun:
        folder = record.folder / RECORDS / step.run
        if step.kind == EXPERIMENT and not step.repetition and step.run and folder.is_dir():
            told = story.declared(Record(folder))
            yield step.name, told.hypothesis, told.target


def _provenance(record: SuiteRecord, suite: Suite, wall: int | None) -> list[tuple[str, str]]:
    started = record.events[0].data
    rows: tuple[tuple[str, object], ...] = (
        ("Run", record.run),
        ("Suite", suite.origin),
        ("Started", _day_and_time(wall) if wall is not None else ""),
        ("Took", words.seconds(record.events[-1].t / 1e9)),
        ("Record", record.folder.name),
        ("Seal (SHA-256)", digest(record.folder / SEAL) if record.sealed else "none"),
        ("Run by", f"sloproof {started.get('version', '')}"),
        ("Report by", f"sloproof {__version__}"),
        ("Seed", record.environment.get("seed") or "each experiment's own"),
    )
    return [(term, words.plain(value)) for term, value in rows]


def _shown(name: str, value: object) -> str:
    if name.endswith("_bytes") and isinstance(value, int):
        return words.size(value)
    return words.plain(value)


def _wall(record: SuiteRecord) -> int | None:
    wall = record.events[0].data.get("wall_ns")
    return wall if isinstance(wall, int) else None


def _clock(wall: int | None, at_s: float) -> str:
    """The time of day, UTC; seconds from the start where no wall clock is known."""
    if wall is None:
        return words.seconds(at_s)
    began, then = (datetime.fromtimestamp(wall / 1e9 + t, UTC) for t in (0, at_s))
    return then.strftime("%H:%M:%S" if then.date() == began.date() else "%Y-%m-%d %H:%M:%S")


def _day_and_time(wall: int) -> str:
    return datetime.fromtimestamp(wall / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

"""The page's sections as values: what each template is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sloproof import __version__
from sloproof.model.verdict import Claim, Number, Outcome, Verdict
from sloproof.record.reader import Record, digest
from sloproof.record.schema import RequestOutcome
from sloproof.report import words
from sloproof.report.figures import Figures, RecoveryFigures
from sloproof.report.series import Traffic

MOST_NUMBERS = 8
FAILURES = {
    RequestOutcome.ERROR: "error",
    RequestOutcome.TIMEOUT: "time-out",
    RequestOutcome.NO_SLOT: "every slot was waiting",
    RequestOutcome.UNFINISHED: "still in flight at the end",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at a glance; `state` is empty, `good` or `bad`."""

    label: str
    value: str
    note: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """One line of `verify` as a row."""

    id: str
    about: str
    outcome: Outcome
    required: str
    measured: str
    measure: str
    bounds: str
    reason: str
    numbers: tuple[str, ...]
    notes: tuple[str, ...]
    unattributed: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One phase of a recovery: its place in per cent of the whole, and its times in words."""

    name: str
    left: float
    width: float
    when: str
    took: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """One recovery: its time, and its phases one below the other."""

    name: str
    rto: str
    censored: bool
    bars: tuple[Bar, ...]
    from_detection: str
    """The same by the other clock: from the system's own detection, where it told of one."""


def tiles(verdict: Verdict, shown: Figures, traffic: Traffic | None) -> list[Tile]:
    """What a hurried reader should know beside the sentence."""
    passed = sum(claim.finding.outcome is Outcome.PASS for claim in verdict.claims)
    failed = sum(claim.finding.outcome is Outcome.FAIL for claim in verdict.claims)
    total = len(verdict.claims)
    note = ", ".join(
        f"{count} {word}"
        for count, word in ((failed, "failed"), (total - passed - failed, "inconclusive"))
        if count
    )
    found = [Tile("Claims passed", f"{passed} of {total}", note, "bad" if failed else "")]
    if traffic is not None:
        bad, offered = traffic.whole.failed, traffic.whole.offered
        share = words.ratio(bad / max(offered, 1))
        found.append(Tile("Requests failed", share, f"{bad:,} of {offered:,}"))
    recoveries = [each for each in shown.recoveries if each.rto_s and each.rto_s[0] is not None]
    if recoveries:
        found.append(_longest(recoveries))
    if shown.faults:
        seen = sum(fault.witnessed is True for fault in shown.faults)
        text = f"{seen} of {len(shown.faults)}"
        found.append(Tile("Faults witnessed", text, "", "" if seen == len(shown.faults) else "bad"))
    return found


def _longest(recoveries: list[RecoveryFigures]) -> Tile:
    def key(recovery: RecoveryFigures) -> tuple[bool, float]:
        low, high = recovery.rto_s or (0, 0)
        endless = recovery.censored or high is None
        return endless, (low if endless else high) or 0

    longest = max(recoveries, key=key)
    low, high = longest.rto_s or (None, None)
    name = _recovery_name(longest)
    if (longest.censored or high is None) and not low:
        return Tile("Time to recovery", "not seen", name)
    if longest.censored or high is None:
        return Tile("Time to recovery, over", words.figure(low, "s", 1), name)
    return Tile("Time to recovery, at most", words.figure(high, "s", 1), name)


def _recovery_name(recovery: RecoveryFigures) -> str:
    after = " and ".join(words.clean(fault) for fault in recovery.faults)
    return f"{words.clean(recovery.name)}, after {after}" if after else words.clean(recovery.name)


def claim_rows(claims: Iterable[Claim]) -> list[ClaimRow]:
    """All claims as rows, what failed first and what passed last, else in their order."""
    first = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS)
    return [claim_row(c) for c in sorted(claims, key=lambda c: first.index(c.finding.outcome))]


def claim_row(claim: Claim) -> ClaimRow:
    """A claim in words; two figures that differ never look the same."""
    pair = words.asked_and_measured(claim)
    asked, seen = pair or ((), None)
    extra = words.apart(pair) if pair else 0
    kind, _, label = claim.id.partition(":")
    return ClaimRow(
        id=words.clean(label or kind),
        about=f"{words.check(claim.check)}, {words.window(claim.window)}",
        outcome=claim.finding.outcome,
        required=words.required(asked, extra),
        measured=words.number(seen, extra) if seen else words.NOTHING,
        measure=words.measure(seen.name) if seen else "",
        bounds=words.bounds(seen) if seen else "",
        reason=claim.finding.reason,
        numbers=tuple(_rest(claim, (*asked, seen)))[:MOST_NUMBERS],
        notes=claim.finding.notes,
        unattributed=claim.unattributed,
    )


def _rest(claim: Claim, shown: Sequence[Number | None]) -> Iterator[str]:
    """The figures that have no column of their own, each with what it has to meet."""
    asked_of = {seen.name: asked for asked, seen in words.pairs(claim)}
    asking = [each for asked in asked_of.values() for each in asked]
    for each in claim.finding.numbers:
        if each not in shown and each not in asking and not _told(claim, each):
            asked = asked_of.get(each.name)
            yield f"{_figure(each)}, required {words.required(asked)}" if asked else _figure(each)


def _told(claim: Claim, number: Number) -> bool:
    """Whether the reason says a number anyway, as those of objectives do with their counts."""
    counts = {"requests", "samples", "bad"}
    return claim.check in {"slo", "budget"} and number.name in counts


def _figure(number: Number) -> str:
    text = f"{words.measure(number.name)} {words.number(number)}"
    around = words.bounds(number)
    return f"{text} ({around})" if around else text


def waterfall(recovery: RecoveryFigures) -> Waterfall:
    """A recovery's phases, laid out between its first and last moment."""
    phases = [
        (phase.name, phase.begin_s, phase.end_s)
        for phase in recovery.phases
        if phase.begin_s is not None
    ]
    moments = [at for _, begin, end in phases for at in (begin, end) if at is not None]
    first, last = min(moments, default=0.0), max(moments, default=0.0)
    scale = 100 / max(last - first, 1e-9)
    return Waterfall(
        name=_recovery_name(recovery),
        rto=_took(recovery),
        censored=recovery.censored,
        from_detection=words.seconds(recovery.from_detection_s)
        if recovery.from_detection_s is not None
        else "",
        bars=tuple(
            Bar(
                name=name,
                left=round((begin - first) * scale, 2),
                width=round(((last if end is None else end) - begin) * scale, 2),
                when=words.moments(begin, end)
                if end is not None
                else f"from {words.seconds(begin)}, never reached its end",
                took=words.seconds(end - begin) if end is not None else words.NOTHING,
            )
            for name, begin, end in phases
        ),
    )


def _took(recovery: RecoveryFigures) -> str:
    low, high = recovery.rto_s or (None, None)
    if low is not None and (high is None or recovery.censored):
        return f"over {words.figure(low, 's', 1)}" if low else "not seen"
    if low == 0 and high is not None:
        return f"at most {words.figure(high, 's', 1)}"
    return words.interval(recovery.rto_s)


def failures(traffic: Traffic | None, most: int = 8) -> list[tuple[str, str, str]]:
    """How requests failed: the way, the error, how often."""
    found = traffic.failures if traffic else ()
    return [(FAILURES.get(how, how.name), error, f"{n:,}") for how, error, n in found[:most]]


LABELS = {
    "cpus": "CPUs",
    "memory_bytes": "Memory",
    "python": "Python",
    "root": "As root",
}


def environment(record: Record) -> list[tuple[str, str]]:
    """What the run happened on; without what the provenance says as well."""
    rows = []
    for name, value in record.environment.items():
        if name in {"seed", "sloproof"}:
            continue
        text = words.plain(value)
        if name.endswith("_bytes") and isinstance(value, int):
            text = words.size(value)
        rows.append((LABELS.get(name, words.spoken(name)), text))
    return rows


def provenance(record: Record, target: str) -> list[tuple[str, str]]:
    """Where this page comes from, so that it can be found and checked again."""
    started = record.events[0]
    wall = started.data.get("wall_ns")
    begun = datetime.fromtimestamp(wall / 1e9, UTC) if isinstance(wall, int) else None
    seal = digest(record.folder / "seal.json") if record.sealed else "none"
    rows: Iterable[tuple[str, object]] = (
        ("Run", record.run),
        ("Experiment", started.data.get("experiment")),
        ("Target", target),
        ("Started", begun.strftime("%Y-%m-%d %H:%M:%S UTC") if begun else ""),
        ("Took", words.seconds(record.events[-1].t / 1e9)),
        ("Record", record.folder.name),
        ("Seal (SHA-256)", seal),
        ("Run by", f"sloproof {started.data.get('version', '')}"),
        ("Report by", f"sloproof {__version__}"),
        ("Seed", started.data.get("seed")),
    )
    return [(term, words.plain(value)) for term, value in rows]

"""How far a verdict can be trusted: each piece of evidence with its state."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.model.verdict import Verdict
from sloproof.record.reader import Record
from sloproof.report.figures import Figures
from sloproof.report.states import witnesses
from sloproof.report.story import arrivals, not_put_back
from sloproof.report.words import clean, ratio, seconds


@dataclass(frozen=True, slots=True)
class Check:
    """One piece of evidence: `state` is `ok`, `bad` or `unsure`."""

    state: str
    title: str
    text: str
    notes: tuple[str, ...] = ()


def problems(record: Record, verdict: Verdict) -> list[Check]:
    """What weakens the verdict, and what was left behind: for the top of the page."""
    found = [Check("bad", "Left behind", text) for text in not_put_back(record)]
    found += [
        Check(
            "bad", "Harness error", f"{clean(event.data.get('where'))}: {event.data.get('error')}"
        )
        for event in record.of_kind("harness.error")[:5]
        if not any(str(event.data.get("error")) in text for text in verdict.attribution)
    ]
    found += [Check("bad", "Evidence", text) for text in verdict.evidence]
    found += [Check("unsure", "Attribution", text) for text in verdict.attribution]
    return found


def checks(record: Record, shown: Figures) -> list[Check]:
    """What the verdict rests on, whether or not anything is wrong with it."""
    own = witnesses(record)
    probes = [*_probes(shown, own), *_witnesses(shown, own)]
    return [_record(record), *_load(shown), *probes, *_faults(shown), _reverted(record)]


def _record(record: Record) -> Check:
    if record.sealed:
        return Check("ok", "Record", "sealed, and every file matches its hash")
    text = "not sealed: only its readable beginning could be judged"
    return Check("bad", "Record", f"{text}; its last event is torn" if record.torn else text)


def _load(shown: Figures) -> list[Check]:
    load = shown.load
    if load is None:
        return []
    state = {True: "ok", False: "bad", None: "unsure"}[load.adequate]
    facts = []
    if load.delivered is not None and load.planned is not None:
        facts.append(arrivals(load))
    if load.late is not None:
        share = f" ({ratio(load.late_ratio)})" if load.late_ratio is not None else ""
        facts.append(f"{load.late:,} started late although a slot was free{share}")
    if load.lateness_p99_s is not None:
        bound = f", {seconds(load.bound_s)} allowed" if load.bound_s is not None else ""
        facts.append(f"lateness p99 {seconds(load.lateness_p99_s)}{bound}")
    if load.no_slot:
        facts.append(f"{load.no_slot:,} found every slot waiting on the system")
    text = "; ".join(filter(None, facts)) or load.reason or "unknown"
    said = Check(state, "Load", text, load.notices)
    wrong = load.reason if load.adequate is False and load.reason != text else ""
    return [said, Check("bad", "Load", wrong)] if wrong else [said]


def _witnesses(shown: Figures, own: frozenset[str]) -> list[Check]:
    """The probes of the harness's own in one line: there may be many, and nobody named them."""
    seen = [probe for name, probe in shown.probes.items() if name in own]
    if not seen:
        return []
    samples, missed = (sum(getattr(each, what) for each in seen) for what in ("samples", "missed"))
    many = "1 probe of its own" if len(seen) == 1 else f"{len(seen)} probes of its own"
    text = f"{many}, {samples:,} samples, {missed:,} missed, saw the faults come and go"
    return [Check("unsure" if missed else "ok", "Witnesses", text)]


def _probes(shown: Figures, own: frozenset[str]) -> list[Check]:
    checks = []
    for name, probe in sorted(shown.probes.items()):
        if name in own:
            continue
        late = probe.lateness_p99_s
        text = f"“{clean(name)}” took {probe.samples:,} samples, {probe.missed:,} missed"
        text += f", lateness p99 {seconds(late)}" if late is not None else ""
        checks.append(Check("unsure" if probe.missed else "ok", "Probe", text))
    return checks


def _faults(shown: Figures) -> list[Check]:
    if not shown.faults:
        return []
    witnessed = sum(fault.witnessed is True for fault in shown.faults)
    text = f"{witnessed} of {len(shown.faults)} seen by a path other than the one that injected"
    return [Check("ok" if witnessed == len(shown.faults) else "unsure", "Faults", text)]


def _reverted(record: Record) -> Check:
    undone = {
        e.data.get("number")
        for e in [*record.events, *record.guardian]
        if e.kind in {"effect.undone", "effect.healed"}
    }
    applied = {event.data.get("number") for event in record.of_kind("effect.applied")}
    if not_put_back(record):
        return Check("bad", "Put back", "not everything, see above")
    if applied - undone:
        text = f"no word about {len(applied - undone)} of {len(applied)} changes"
        return Check("unsure", "Put back", text)
    by_guardian = any(event.kind == "effect.undone" for event in record.guardian)
    text = "everything that was changed was put back" if applied else "nothing was changed"
    return Check("ok", "Put back", f"{text}, by the guardian" if by_guardian else text)

"""The measures that no line of `verify` owns, as plain data; see docs/architecture.md.

Moments are seconds from the end of warm-up, as `at` in an experiment; lengths are seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from sloproof.judge.alerts import Fired, fired_alerts
from sloproof.judge.budget import Spending, spendings
from sloproof.judge.case import Case
from sloproof.judge.faults import Interval, ProvenFault
from sloproof.judge.ledger import Ledger, Mask
from sloproof.judge.load import LoadAdequacy
from sloproof.judge.losses import heaviest, losses, obstacles
from sloproof.judge.recovery import Recovery, recoveries
from sloproof.judge.sources import objectives_named
from sloproof.judge.wording import at, period
from sloproof.record.reader import Record
from sloproof.spec.objectives import RecoveryObjective, Slo


def measures(case: Case) -> dict[str, object]:
    """All measures of a record."""
    zero = case.run.begin
    slos, objectives = _named(case)
    ledger = Ledger.of(case.record)
    return {
        "load": None if case.load is None else _load(case.load, case.record),
        "probes": {
            probe.probe: {
                "samples": probe.samples,
                "missed": probe.missed,
                "lateness_p99_s": _length(probe.lateness_p99),
            }
            for probe in case.probes
        },
        "windows": [
            {"name": name, "begin_s": at(window.begin - zero), "end_s": at(window.end - zero)}
            for name, window in sorted(
                case.windows.items(), key=lambda item: (item[1].begin, -item[1].end, item[0])
            )
        ],
        "faults": [_fault(fault, zero) for fault in case.faults],
        "recoveries": [
            _recovery(each, zero)
            for objective in objectives
            for each in recoveries(case.record, objective, case.faults, case.run)
        ],
        "budget": [
            _budget(each)
            for slo in slos
            for each in spendings(case.record, case.requests, slo, case.run)
        ],
        "alerts": [
            _alert(fired, zero)
            for slo in slos
            for fired in fired_alerts(case.requests, slo, case.run)
        ],
        "ledger": [] if ledger is None else [_ledger(ledger, case.faults)],
    }


def _alert(fired: Fired, zero: int) -> dict[str, Any]:
    return {
        "slo": fired.slo,
        "alert": fired.alert,
        "at_s": at(fired.at - zero),
        "severity": fired.severity,
        "note": fired.note,
    }


def _named(case: Case) -> tuple[list[Slo], list[RecoveryObjective]]:
    """The objectives that the experiment's claims are about, by name."""
    known = dict(case.objectives)
    names = sorted(
        {n for line in case.experiment.verify for n in objectives_named(line.check, known)}
    )
    found = [known[name] for name in names]
    return (
        [each for each in found if isinstance(each, Slo)],
        [each for each in found if isinstance(each, RecoveryObjective)],
    )


def _load(load: LoadAdequacy, record: Record) -> dict[str, Any]:
    ends = record.of_kind("load.finished")
    notices = ends[-1].data.get("notices") if ends else None
    return {
        "planned": load.planned,
        "delivered": load.delivered,
        "late": load.late,
        "late_ratio": float(load.late_ratio),
        "lateness_p99_s": _length(load.lateness_p99),
        "bound_s": _length(load.bound),
        "no_slot": load.no_slot,
        "adequate": load.adequate,
        "reason": load.reason,
        "notices": [str(each) for each in notices] if isinstance(notices, list) else [],
    }


def _fault(fault: ProvenFault, zero: int) -> dict[str, Any]:
    facts = fault.facts
    plan = next((effect.witness for effect in facts.effects if effect.witness), None)
    return {
        "name": facts.fault,
        "occurrence": facts.number,
        "kind": facts.kind,
        "where": facts.where,
        "requested": facts.requested if plan is None or plan.expected is None else plan.expected,
        "measured": fault.measured,
        "unit": "" if plan is None else plan.unit,
        "tolerance": None if plan is None else plan.tolerance,
        "began_s": _moments(fault.began, zero),
        "ended_s": None if fault.ended is None else _moments(fault.ended, zero),
        "witnessed": fault.witnessed,
        "witness_reason": fault.reason,
        "kept_connections": fault.kept,
        "neighbours": fault.neighbours,
        "exposure": fault.exposure.count,
        "exposure_reason": fault.exposure.reason,
        "time_to_revert_s": _length(fault.time_to_revert),
        "healed_by": fault.healed_by,
    }


def _recovery(found: Recovery, zero: int) -> dict[str, Any]:
    """Its phases lie between milestones; each is named after the one that it ends with."""
    return {
        "name": found.objective,
        "faults": list(found.faults),
        "from": found.counted_from,
        "rto_s": [at(found.low), _length(found.high)],
        "censored": found.censored,
        "from_detection_s": _length(found.from_detection),
        "phases": [
            {"name": end.name, "begin_s": at(begin.time - zero), "end_s": at(end.time - zero)}
            for begin, end in pairwise(found.milestones)
        ],
    }


def _budget(found: Spending) -> dict[str, Any]:
    return {
        "slo": found.slo,
        "spent_ratio": None if found.spent is None else float(found.spent),
        "window": period(found.window.ns),
        "traffic": found.traffic,
        "note": found.note,
    }


def _ledger(ledger: Ledger, faults: Sequence[ProvenFault]) -> dict[str, Any]:
    """What is lost is what was seen to be; `reason` says why there may be more."""
    read = ledger.read and bool(ledger.copies)
    most = heaviest(losses(ledger, faults))
    from_fault = any(fault.facts.effects for fault in faults)
    return {
        "name": ledger.name,
        "writes": len(ledger.ids),
        "acknowledged": _many(ledger.acknowledged),
        "failed": _many(ledger.failed),
        "indeterminate": _many(ledger.indeterminate),
        "not_sent": _many(ledger.not_sent),
        "lost": _many(most.before) if read else None,
        "lost_after_fault": _many(most.after) if read else None,
        "duplicated": _many(ledger.duplicated) if read else None,
        "phantom": _many(ledger.phantom) if read else None,
        "stale": {copy.name: _many(ledger.stale(copy)) for copy in ledger.followers},
        "rpo_s": [at(most.age[0]), _length(most.age[1])] if read and from_fault else None,
        "reason": next(obstacles(ledger), ""),
    }


def _many(which: Mask) -> int:
    return int(np.count_nonzero(which))


def _moments(times: Interval, zero: int) -> list[float]:
    return [at(times[0] - zero), at(times[1] - zero)]


def _length(ns: int | None) -> float | None:
    return None if ns is None else at(ns)

"""Everything that judging one record starts from, read and measured once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sloproof.contracts import Window
from sloproof.judge.clock import Jump, jumps
from sloproof.judge.faults import ProvenFault, fault_windows, proven_faults
from sloproof.judge.load import Arrivals, LoadAdequacy, load_adequacy
from sloproof.judge.probing import ProbeAdequacy, probe_adequacy, signal_adequacy
from sloproof.judge.requests import Requests, read_requests
from sloproof.judge.study import Study
from sloproof.judge.windows import clipped, phase_windows
from sloproof.model.target import Role, Target, TargetProbe
from sloproof.record.reader import Record
from sloproof.spec.experiment import Experiment, FaultPlan, Line
from sloproof.spec.objectives import Objectives

HEALING: tuple[Role, ...] = ("action", "repaired")
"""The roles of events by which a system says that it brings something back."""


@dataclass(frozen=True, slots=True)
class Case:
    """A record with what was asked of it and what was measured in it."""

    record: Record
    experiment: Experiment
    objectives: Objectives
    windows: dict[str, Window]
    requests: Requests
    faults: tuple[ProvenFault, ...]
    load: LoadAdequacy | None
    probes: tuple[ProbeAdequacy, ...]
    signals: tuple[ProbeAdequacy, ...]
    jumps: tuple[Jump, ...]
    target: Target | None

    @classmethod
    def of(
        cls, record: Record, experiment: Experiment, target: Target | None, objectives: Objectives
    ) -> Case:
        """Read the record once, and measure what no single claim owns."""
        windows = phase_windows(record)
        run = windows["run"]
        arrivals = Arrivals(run)
        requests = read_requests(record, Arrivals.COLUMNS, arrivals.see)
        faults = proven_faults(record, requests, run)
        wanted = experiment.load
        intervals = _intervals(() if target is None else target.probes)
        sampled = _intervals(() if target is None else target.signals)
        return cls(
            record=record,
            experiment=experiment,
            objectives=objectives,
            windows={
                **windows,
                **_spikes(experiment.faults, run),
                **fault_windows(faults, run),
            },
            requests=requests,
            faults=faults,
            load=load_adequacy(
                record,
                arrivals,
                requests.count(run),
                bound=None if wanted is None else wanted.lateness.ns,
                wanted=wanted is not None,
            ),
            probes=probe_adequacy(record, run, intervals),
            signals=signal_adequacy(record, run, sampled),
            jumps=jumps(record),
            target=target,
        )

    @property
    def run(self) -> Window:
        """From the end of warm-up to the end of recovery."""
        return self.windows["run"]

    @property
    def own_probes(self) -> tuple[TargetProbe, ...]:
        """The probes that the target's file declares."""
        return () if self.target is None else self.target.probes

    @property
    def faulted(self) -> bool:
        """Whether a fault was in force at any time, a change of load included."""
        return bool(self.faults or self.experiment.faults)

    @property
    def first_fault(self) -> int:
        """When the first fault may have begun; one that never came should have after the baseline.

        The end of the run without any.
        """
        begins = [fault.began[0] for fault in self.faults]
        spikes = _spikes(self.experiment.faults, self.run).values()
        begins += [window.begin for window in spikes]
        if not begins and self.experiment.faults:
            return self.windows.get("baseline", Window("", 0, self.run.begin)).end
        return min(begins, default=self.run.end)

    def window_of(self, line: Line) -> Window | None:
        """The window that a line of `verify` is about; None where the run had no such."""
        home = str(getattr(line.check, "home", "run"))
        return self.windows.get(home if line.during == "run" else line.during)

    def study(self, line: Line, window: Window) -> Study:
        """The evidence for one line of `verify`."""
        tolerance: dict[str, Any] = dict(line.tolerance)
        return Study(
            record=self.record,
            window=window,
            windows=self.windows,
            general=not self.faulted if line.general is None else line.general,
            confidence=line.confidence.value,
            tolerance=tolerance,
            objectives=dict(self.objectives),
            requests=self.requests,
            faults=self.faults,
            healer_tells=_healer_tells(self.target),
        )


def changes_load(plan: FaultPlan) -> bool:
    """Whether a fault is a part of the arrivals, so that nothing is ever injected."""
    return plan.fault.points_at == "load"


def _intervals(probes: Iterable[TargetProbe]) -> dict[str, int]:
    return {probe.name: probe.every.ns for probe in probes}


def _healer_tells(target: Target | None) -> bool:
    sources = () if target is None else target.events
    return any(role in source.roles for source in sources for role in HEALING)


def _spikes(plans: tuple[FaultPlan, ...], run: Window) -> dict[str, Window]:
    """The windows of faults that are changes of the load: as planned, from the end of warm-up."""
    found = {}
    for plan in plans:
        if changes_load(plan) and plan.at is not None:
            begin = run.begin + plan.at.ns
            end = run.end if plan.for_ is None else begin + plan.for_.ns
            found[f"fault:{plan.name}"] = clipped(f"fault:{plan.name}", begin, end, run)
    return found

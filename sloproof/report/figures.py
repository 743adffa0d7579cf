"""`Verdict.measures` as typed figures. What a verdict leaves out has a value that says so."""

from __future__ import annotations

from dataclasses import dataclass, field

from sloproof.model.verdict import Verdict

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """Whether the generator did its part: arrivals planned, delivered, late; its own lateness."""

    planned: int | None = None
    delivered: int | None = None
    late: int | None = None
    late_ratio: float | None = None
    lateness_p99_s: float | None = None
    bound_s: float | None = None
    no_slot: int | None = None
    adequate: bool | None = None
    reason: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeFigures:
    """How well one probe kept its own time."""

    samples: int = 0
    missed: int = 0
    lateness_p99_s: float | None = None


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """A named stretch of the run, in seconds from the end of warm-up."""

    name: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class FaultFigures:
    """One occurrence of a fault: what was asked for, what was witnessed, whom it met."""

    name: str
    occurrence: int | None = None
    kind: str = ""
    where: object = ""
    requested: object = None
    measured: object = None
    unit: str = ""
    tolerance: object = None
    began_s: Bounds | None = None
    ended_s: Bounds | None = None
    witnessed: bool | None = None
    witness_reason: str = ""
    kept_connections: str = "unknown"
    neighbours: object = None
    exposure: object = None
    exposure_reason: str = ""
    time_to_revert_s: float | None = None
    healed_by: str = ""


@dataclass(frozen=True, slots=True)
class PhaseFigures:
    """A stretch of one recovery; None where it was never reached."""

    name: str
    begin_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class RecoveryFigures:
    """One recovery: its time as an interval; `censored` where the harness cut it short."""

    name: str
    faults: tuple[str, ...] = ()
    rto_s: Bounds | None = None
    censored: bool = False
    from_detection_s: float | None = None
    phases: tuple[PhaseFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """What share of an error budget such an incident spends."""

    slo: str
    spent_ratio: float | None = None
    window: object = ""
    traffic: object = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """An alert that would have fired, and when."""

    slo: str
    alert: str = ""
    at_s: float | None = None
    severity: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """What became of a ledger's writes; None where the copies were not read."""

    name: str
    writes: int = 0
    acknowledged: int = 0
    failed: int = 0
    indeterminate: int = 0
    not_sent: int = 0
    lost: int | None = None
    lost_after_fault: int | None = None
    duplicated: int | None = None
    phantom: int | None = None
    stale: dict[str, int] = field(default_factory=dict)
    rpo_s: Bounds | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """All of `Verdict.measures`; see docs/architecture.md."""

    load: LoadFigures | None = None
    probes: dict[str, ProbeFigures] = field(default_factory=dict)
    windows: tuple[WindowFigures, ...] = ()
    faults: tuple[FaultFigures, ...] = ()
    recoveries: tuple[RecoveryFigures, ...] = ()
    budget: tuple[BudgetFigures, ...] = ()
    alerts: tuple[AlertFigures, ...] = ()
    ledger: tuple[LedgerFigures, ...] = ()


def figures(verdict: Verdict) -> Figures:
    """The verdict's measures, checked.

    Raises pydantic's `ValidationError` where a figure is of the wrong type: a defect of judging.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(Figures).validate_python(verdict.measures)

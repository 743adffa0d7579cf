"""What the tests of judging ask of their hand-written records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from sloproof.contracts import Check, Duration, Fault, Rate, Ratio, Sense
from sloproof.judge import judge
from sloproof.model.target import Target
from sloproof.model.verdict import Claim, Verdict
from sloproof.record.reader import Record
from sloproof.spec.experiment import Experiment, FaultPlan, Line, Load, MixPart, Segment
from sloproof.spec.objectives import (
    Matcher,
    Objective,
    Objectives,
    QuantileIndicator,
    RatioIndicator,
    RecoveryObjective,
    Slo,
)
from sloproof.testing.record import RecordBuilder, WrittenFault

MONTH = Duration.parse("30d")


def slo(target: str = "99%", *, name: str = "availability", **more: Any) -> Slo:
    """Answers of 2xx among all requests."""
    given: dict[str, Any] = {
        "indicator": RatioIndicator(good=Matcher(status=("2xx",)), total=Matcher()),
        "objectives": (Objective(target=Ratio.parse(target)),),
        "window": MONTH,
    }
    return Slo(name=name, origin="slo.yaml", service="demo", **{**given, **more})


def latency_slo(quantile: str = "99%", limit: str = "500ms", **more: Any) -> Slo:
    """A quantile of the latency with a limit."""
    seconds = Fraction(Duration.parse(limit).ns, 1_000_000_000)
    indicator = QuantileIndicator(total=Matcher(), quantile=Ratio.parse(quantile), **more)
    objectives = (Objective(op="lte", limit=seconds),)
    return slo(name="latency", indicator=indicator, objectives=objectives)


def recovery_objective(rto: str = "5s", **more: Any) -> RecoveryObjective:
    """Back for two seconds as the probe `gate` sees it."""
    given: dict[str, Any] = {"probe": "gate", "rto": Duration.parse(rto)}
    return RecoveryObjective(name="back", origin="slo.yaml", **{**given, **more})


@dataclass(frozen=True)
class Asked:
    """What was asked of a hand-written run."""

    experiment: Experiment
    objectives: Objectives
    target: Target | None = None


class Nothing(Fault):
    """A fault that is only planned."""

    def plan(self, where: Any, on: Any) -> Any:
        return []


class MoreLoad(Nothing):
    """A fault that is a part of the arrivals."""

    points_at = "load"


def line(check: Check, **more: Any) -> Line:
    given = {"id": f"{check.kind}:{check.label()}", "confidence": Ratio.parse("95%"), **more}
    return Line(check=check, **given)


def load(rate: str = "100/s", **more: Any) -> Load:
    mix = (MixPart(share=Ratio.parse("100%"), profile="demo"),)
    return Load(mix=mix, arrivals=(Segment(rate=Rate.parse(rate)),), **more)


def planned(name: str, **more: Any) -> FaultPlan:
    given: dict[str, Any] = {"fault": Nothing(), "at": Duration.parse("5s")}
    return FaultPlan(name=name, **{**given, **more})


def asked(*lines: Line, objectives: tuple[Any, ...] = (), **more: Any) -> Asked:
    """An experiment with these claims; `faults` names the faults that it plans."""
    target = more.pop("target", None)
    plans = tuple(planned(f) if isinstance(f, str) else f for f in more.pop("faults", ()))
    experiment = Experiment(
        name="hand-written",
        origin="experiment.yaml",
        target="demo",
        verify=tuple(lines),
        faults=plans,
        **{"load": load(), **more},
    )
    return Asked(experiment, {each.name: each for each in objectives}, target)


def verdict(record: Record, *lines: Line, objectives: tuple[Any, ...] = (), **more: Any) -> Verdict:
    return judge(record, loaded=asked(*lines, objectives=objectives, **more))


def claim(record: Record, only: Line, objectives: tuple[Any, ...] = (), **more: Any) -> Claim:
    return verdict(record, only, objectives=objectives, **more).claims[0]


def calm(requests: str) -> RecordBuilder:
    """A run without faults: warm-up of 2 s, baseline until 5 s, end at 25 s."""
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, recovery=5, restore=25)
    builder.requests(requests)
    return builder


FAULT = WrittenFault(name="slow", at=7, until=12, sense=Sense.DELAY, size=0.8, tolerance=0.04)
GOOD = """
    at   every  count  took
    0s   10ms   700    10ms
    7s   10ms   500    810ms
    12s  10ms   1300   10ms
"""
"""Every answer is right; those that cross the fault are as late as it makes them."""


def faulted(requests: str = GOOD, *faults: WrittenFault) -> RecordBuilder:
    """A run with a fault: warm-up of 2 s, baseline until 7 s, fault until 12 s, end at 25 s."""
    builder = RecordBuilder()
    builder.phases(warmup=0, baseline=2, faults=7, recovery=12, restore=25)
    builder.requests(requests)
    for fault in faults or (FAULT,):
        builder.fault(fault)
    return builder


def built(builder: RecordBuilder, folder: Path, **more: bool) -> Record:
    return builder.build(folder / "record", **more)


def fault_measure(found: Verdict, place: int = 0) -> Mapping[str, Any]:
    faults: Any = found.measures["faults"]
    measured: Mapping[str, Any] = faults[place]
    return measured

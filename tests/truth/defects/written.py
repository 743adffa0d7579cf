"""Records written by hand: what no simulated crew writes down, but some crew may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from sloproof.contracts import Duration, Ratio
from sloproof.judge.checks.data_loss import DataLoss
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.model.target import Entry, Target, TargetProbe
from sloproof.model.verdict import Verdict
from sloproof.record.reader import Record
from sloproof.spec.objectives import Matcher, Objective, RatioIndicator, SignalIndicator
from sloproof.testing.ledger import WrittenCopy, WrittenLedger
from sloproof.testing.record import WrittenFault
from tests.judge.cases import (
    FAULT,
    GOOD,
    built,
    faulted,
    line,
    recovery_objective,
    slo,
    verdict,
)

TARGET = Target(
    name="demo",
    origin="t.yaml",
    folder=".",
    platform="local",
    entry=Entry(url="http://localhost"),
    probes=(TargetProbe(name="gate", kind="http", params={}, every=Duration.parse("100ms")),),
    signals=(TargetProbe(name="cpu", kind="prometheus", params={}, every=Duration.parse("500ms")),),
)
CPU = slo(
    name="cpu",
    indicator=SignalIndicator(signal="cpu"),
    objectives=(Objective(op="lt", limit=Fraction(1), target=Ratio.parse("90%")),),
)
LINES = {
    "availability": line(ServiceLevel(slo="availability")),
    "misspelt": line(ServiceLevel(slo="avialability")),
    "nobody": line(ServiceLevel(slo="nobody")),
    "never-fast": line(ServiceLevel(slo="never-fast")),
    "cpu": line(ServiceLevel(slo="cpu")),
    "back": line(RecoveryTime(objective="back")),
    "kept": line(DataLoss(rpo=Duration.parse("1s"))),
    "none": line(DataLoss()),
    "elsewhere": line(RecoveryTime(objective="elsewhere")),
}


def matching(name: str, **words: Any) -> Any:
    """Answers of 2xx among those requests that match."""
    indicator = RatioIndicator(good=Matcher(status=("2xx",)), total=Matcher(**words))
    return slo(name=name, indicator=indicator)


OBJECTIVES = (
    slo(),
    CPU,
    matching("nobody", path="/no/such/page"),
    matching("never-fast", within=Duration.parse("1ms")),
    recovery_objective(),
    replace(recovery_objective(probe="another"), name="elsewhere"),
)


STANDBY, PRIMARY = WrittenCopy(name="a", role="standby"), WrittenCopy(name="b")
LEDGER = WrittenLedger(
    writes="at count outcome\n2s 500 ack\n7s 100 open\n8s 1000 ack", copies=(STANDBY, PRIMARY)
)


@dataclass(frozen=True)
class Written:
    """What a run wrote down; as it stands here, all of it is well and every claim passes.

    `probe` and `signal` are rows of `from to …`: the signal's third word is its value.
    """

    requests: str = GOOD
    fault: WrittenFault = FAULT
    probe: str = "from to every\n0s 26s 100ms"
    signal: tuple[tuple[float, float, float], ...] = ((0, 26, 0.5),)
    signal_named: str = "cpu"
    ledger: WrittenLedger = LEDGER
    spoilt: Callable[[Path], None] | None = None
    """What is done to the record's folder after it was written."""

    def judged(self, folder: Path, *claims: str) -> Verdict:
        builder = faulted(self.requests, self.fault)
        builder.probe("gate", self.probe)
        for begin, end, value in self.signal:
            times = range(round(begin * 2), round(end * 2))
            builder.signal(self.signal_named, [(time / 2, value) for time in times])
        builder.ledger(self.ledger)
        lines = [LINES[claim] for claim in claims]
        record = built(builder, folder)
        if self.spoilt is not None:
            self.spoilt(record.folder)
            record = Record(record.folder)
        return verdict(record, *lines, objectives=OBJECTIVES, faults=("slow",), target=TARGET)


Change = Callable[[Written], Written]


def but(**changes: Any) -> Change:
    """The same record, but for these parts."""
    return lambda written: replace(written, **changes)


def kept(**changes: Any) -> Change:
    """The same record, but for these parts of its ledger."""
    return lambda written: replace(written, ledger=replace(written.ledger, **changes))

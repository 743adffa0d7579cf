"""`plan` says beforehand which ledgers could not show what is claimed of them."""

from __future__ import annotations

from typing import Any

import pytest

from sloproof.contracts import Duration, Rate
from sloproof.judge.adequacy import adequacy
from sloproof.judge.checks.data_loss import DataLoss
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.spec.experiment import Ledger
from tests.judge.cases import asked, line, planned, recovery_objective

RPO = Duration.parse("1s")
LEDGER = Ledger(name="orders", rate=Rate.parse("50/s"))
LOSS = line(DataLoss(rpo=RPO))


def reason(only: Any, at: str = "5s", **more: Any) -> str:
    wanted = {"ledger": LEDGER, "faults": (planned("kill", at=Duration.parse(at)),), "load": None}
    experiment = asked(only, **{**wanted, **more}).experiment
    back = recovery_objective(rpo=RPO)
    [found] = adequacy(experiment, {"back": back})
    return found.reason


@pytest.mark.parametrize(
    ("only", "more", "words"),
    [
        (LOSS, {}, ""),
        (line(DataLoss()), {}, ""),
        (line(DataLoss(ledger="orders")), {}, ""),
        (line(RecoveryTime(objective="back")), {}, ""),
        (LOSS, {"ledger": None}, "the experiment has no ledger"),
        (line(RecoveryTime(objective="back")), {"ledger": None}, "the experiment has no ledger"),
        (line(DataLoss(ledger="carts")), {}, "the experiment keeps orders"),
        (LOSS, {"at": "1s"}, "takes 1.2 s of writes"),
        (LOSS, {"at": "1.2s"}, "takes 1.2 s of writes"),
        (line(RecoveryTime(objective="back")), {"at": "1s"}, "takes 1.2 s of writes"),
        (LOSS, {"ledger": Ledger(name="orders", rate=Rate.parse("10/s"))}, "20/s would do"),
        (line(DataLoss(), tolerance={"rpo": Duration.parse("10s")}), {}, "takes 12 s of writes"),
        (LOSS, {"faults": ()}, "an RPO counts from a fault"),
    ],
)
def test_what_a_planned_ledger_can_show(only: Any, more: dict[str, Any], words: str) -> None:
    found = reason(only, **more)
    assert words in found
    assert bool(found) == bool(words)

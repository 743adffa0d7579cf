"""The claim that what was acknowledged is still there, or that little enough of it is lost."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from sloproof.contracts import Check, Duration, Evidence, Finding, Source
from sloproof.judge.loss_words import Limits, loss_finding
from sloproof.judge.study import faults_of


class DataLoss(Check):
    """Of the writes of the ledger that were acknowledged `at_most` are lost, and none by `rpo`.

    With `rpo` alone any number may be lost that is younger at the fault; without both none may.
    """

    kind = "data_loss"
    sources = (Source.WRITES,)
    windowed = False
    tolerances = MappingProxyType({"rpo": Duration})

    ledger: str = ""
    at_most: Annotated[int, Field(ge=0)] | None = None
    rpo: Duration | None = None

    def label(self) -> str:
        """The ledger's name, if it is given."""
        return self.ledger

    def judge(self, evidence: Evidence) -> Finding:
        """Exact about this run: each acknowledged write is in the primary or it is lost."""
        relaxed = evidence.tolerance.get("rpo")
        rpo = relaxed if isinstance(relaxed, Duration) else self.rpo
        at_most = 0 if self.at_most is None and rpo is None else self.at_most
        limits = Limits(at_most, None if rpo is None else rpo.ns)
        return loss_finding(evidence, faults_of(evidence), limits, self.ledger)

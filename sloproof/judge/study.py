"""The evidence as the built-in checks get it: with what was read once for all of them."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.contracts import Evidence
from sloproof.judge.faults import ProvenFault, proven_faults
from sloproof.judge.requests import Requests, read_requests
from sloproof.spec.objectives import RecoveryObjective, Slo


@dataclass(frozen=True, slots=True)
class Study(Evidence):
    """Evidence with the requests and the proven faults at hand.

    `healer_tells` says that the target's file declares events of what brings its copies back.
    """

    requests: Requests
    faults: tuple[ProvenFault, ...]
    healer_tells: bool = False


def requests_of(evidence: Evidence) -> Requests:
    """The requests at hand, or read from the record where a check is judged on its own."""
    return evidence.requests if isinstance(evidence, Study) else read_requests(evidence.record)


def faults_of(evidence: Evidence) -> tuple[ProvenFault, ...]:
    """The faults of the run, each with what is proven of it."""
    if isinstance(evidence, Study):
        return evidence.faults
    run = evidence.windows["run"]
    return proven_faults(evidence.record, requests_of(evidence), run)


def healer_tells(evidence: Evidence) -> bool:
    """Whether a healing that no event tells of is somebody else's."""
    return isinstance(evidence, Study) and evidence.healer_tells


def slo_named(evidence: Evidence, name: str) -> Slo | None:
    """The SLO of that name, if there is one."""
    found = evidence.objectives.get(name)
    return found if isinstance(found, Slo) else None


def recovery_objective_named(evidence: Evidence, name: str) -> RecoveryObjective | None:
    """The recovery objective of that name, if there is one."""
    found = evidence.objectives.get(name)
    return found if isinstance(found, RecoveryObjective) else None

"""What judging a suite says: each step's outcome, what was lost, what is to be corrected."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from sloproof.judge.writing import claim_json
from sloproof.model.verdict import Claim, Outcome, Verdict
from sloproof.record.reader import Record

SCHEMA = "sloproof/suite-verdict/v1"


@dataclass(frozen=True, slots=True)
class Judged:
    """The record of one run with its verdict."""

    record: Record
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class StepVerdict:
    """One thing that the suite did: a run of an experiment, a manual step, a gate.

    `begun_s` and `ended_s` count from the suite's start; both are None for a step that was never
    begun. `by` is who was asked or who confirmed, `seal` the hash of the run's seal.
    """

    name: str
    kind: str
    outcome: Outcome
    reason: str
    number: int = -1
    repetition: int = 0
    begun_s: float | None = None
    ended_s: float | None = None
    run: str = ""
    seal: str = ""
    claims: tuple[Claim, ...] = ()
    do: str = ""
    by: str = ""
    note: str = ""
    confirmed_ns: int | None = None

    @property
    def label(self) -> str:
        """Its name, with the number of the run where it is one of several."""
        return f"{self.name} ({self.repetition + 1})" if self.repetition else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What became of the writes of a run's ledger, each counted once.

    `claims` judge that ledger and `outcome` is the worst of theirs; `lost` of the `acknowledged`
    are gone, None where that could not be told. `counts` are others: doubled, made up, stale.
    """

    step: str
    run: str
    claims: tuple[str, ...]
    outcome: Outcome
    lost: int | None
    acknowledged: int | None
    counts: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Something that did not pass, who corrects it, and the day until which it is tried again."""

    id: str
    outcome: Outcome
    reason: str
    owner: str
    retest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """What went otherwise than the plan has it."""

    at_s: float
    step: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteVerdict:
    """The judgement of a suite. `claims` are those of all its steps, `STEP/ID`, the worst of each
    step's runs; `across` those about the system in general, with the run as the sample."""

    run: str
    suite: str
    outcome: Outcome
    sentence: str
    steps: tuple[StepVerdict, ...]
    claims: tuple[Claim, ...]
    across: tuple[Claim, ...]
    losses: tuple[Loss, ...]
    deviations: tuple[Deviation, ...]
    corrections: tuple[Correction, ...]
    evidence: tuple[str, ...]


def suite_verdict_json(verdict: SuiteVerdict) -> str:
    """The text of a suite's `verdict.json`: keys sorted, the same bytes for the same verdict."""
    return json.dumps(_body(verdict), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _body(verdict: SuiteVerdict) -> dict[str, Any]:
    plain = asdict(verdict)
    steps = [
        {**step, "claims": [claim_json(claim) for claim in each.claims]}
        for step, each in zip(plain["steps"], verdict.steps, strict=True)
    ]
    claims = {key: [claim_json(c) for c in getattr(verdict, key)] for key in ("claims", "across")}
    return {"schema": SCHEMA, **plain, "steps": steps, **claims}

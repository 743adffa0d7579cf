"""What judging says: an outcome with its reason and its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """Shown, observed otherwise, or neither."""

    PASS = "PASS"  # noqa: S105 - an outcome, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """FAIL if any is, else INCONCLUSIVE if any is or none was given, else PASS."""
    seen = set(outcomes)
    if Outcome.FAIL in seen:
        return Outcome.FAIL
    return Outcome.PASS if seen == {Outcome.PASS} else Outcome.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Number:
    """A figure behind a finding, with its unit and, where it is uncertain, its bounds.

    `value` is None where there is none (no samples) or where it is unbounded above; `unit` is one
    of `s`, `ratio`, `count`, `/s`, `B`, `B/s` or empty. A measurement names in `limits` the numbers
    of the same finding that say what it has to meet; one without is only told.
    """

    name: str
    value: float | int | None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: its outcome, one sentence why, and the numbers behind it."""

    outcome: Outcome
    reason: str
    numbers: tuple[Number, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of `verify`, judged. `unattributed` marks a FAIL whose fault wasn't proven."""

    id: str
    check: str
    window: str
    finding: Finding
    unattributed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one record.

    `evidence` and `attribution` list what was broken (empty when all is well); `measures` are the
    figures that no single line of `verify` owns (fidelity, exposure, load adequacy, phases).
    """

    run: str
    experiment: str
    outcome: Outcome
    sentence: str
    claims: tuple[Claim, ...]
    evidence: tuple[str, ...] = ()
    attribution: tuple[str, ...] = ()
    measures: dict[str, object] = field(default_factory=dict)

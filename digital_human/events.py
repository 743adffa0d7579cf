"""What the stability controller says about its work, for people, programs and files."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from digital_human.journal import Journal

KEPT = 1_000


class Kind(Enum):
    """The steps of handling a fault, in their order, and the ways in which it may end badly."""

    SUSPECTED = "suspected"
    DETECTED = "detected"
    CLASSIFIED = "classified"
    ASSESSED = "assessed"
    ALERTED = "alerted"
    LOCATED = "located"
    CONTAINED = "contained"
    REPAIRING = "repairing"
    FIXED = "fixed"
    RESTARTED = "restarted"
    VERIFIED = "verified"
    REPAIRED = "repaired"
    LESSON = "lesson"
    BACKED_UP = "backed_up"
    BACKUP_VERIFIED = "backup_verified"
    BACKUP_FAILED = "backup_failed"
    FAILED = "failed"
    GAVE_UP = "gave_up"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about: a problem of an instance."""

    problem: str
    instance: str


class Events:
    """Keeps the newest events in memory and all of them in a file."""

    def __init__(self, journal: Journal, registry: CollectorRegistry) -> None:
        self._journal = journal
        self._count = Counter(
            "controller_events_total",
            "Steps taken.",
            ("kind", "problem", "instance"),
            registry=registry,
        )
        self._newest: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def emit(self, kind: Kind, subject: Subject, detail: str, cause: str | None = None) -> None:
        """Record that a step was taken now."""
        event = {
            "kind": kind.value,
            "problem": subject.problem,
            "instance": subject.instance,
            "time_ns": time.monotonic_ns(),
            "wall_ns": time.time_ns(),
            "detail": detail,
            "cause": cause,
        }
        self._newest.append(event)
        self._journal.write(event)
        self._count.labels(kind.value, subject.problem, subject.instance).inc()

    def since(self, time_ns: int = 0) -> list[dict[str, Any]]:
        """The kept events that are later than `time_ns` on the monotonic clock."""
        return [event for event in self._newest if event["time_ns"] > time_ns]

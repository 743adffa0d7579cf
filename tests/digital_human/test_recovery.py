from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import ClassVar

import pytest
from prometheus_client import CollectorRegistry

from digital_human.events import Events, Kind
from digital_human.journal import Journal
from digital_human.recovery import AutoRecovery, Context, GaveUp, Recovery, RepairFailed
from digital_human.restart_budget import RestartBudget
from digital_human.settings import HealerSettings

UNTIL_LOCATED = "detected classified assessed alerted located"
CONTEXT = Context("dialogue-1", "refused", "critical: 0 of 1 left")


class Restart:
    """An action that answers as it is told to."""

    deed: ClassVar[Kind] = Kind.RESTARTED

    def __init__(
        self,
        *,
        verified: bool = True,
        done: str | None = "restarted",
        error: Exception | None = None,
    ) -> None:
        self.steps: list[str] = []
        self._verified = verified
        self._done = done
        self._error = error

    async def locate(self, context: Context) -> str:
        self.steps.append("locate")
        return "killed by SIGKILL"

    async def contain(self, context: Context) -> str | None:
        self.steps.append("contain")
        return None

    async def repair(self, context: Context) -> str | None:
        self.steps.append("repair")
        if self._error is not None:
            raise self._error
        return self._done

    async def verify(self, context: Context) -> bool:
        self.steps.append("verify")
        return self._verified


@pytest.mark.parametrize(
    ("action", "recovery", "kinds"),
    [
        (
            Restart(),
            Recovery.REPAIRED,
            f"{UNTIL_LOCATED} repairing restarted verified repaired lesson",
        ),
        (
            Restart(done=None),
            Recovery.REPAIRED,
            f"{UNTIL_LOCATED} repairing verified repaired lesson",
        ),
        (
            Restart(verified=False),
            Recovery.FAILED,
            f"{UNTIL_LOCATED} repairing restarted failed lesson",
        ),
        (
            Restart(error=RepairFailed("no")),
            Recovery.FAILED,
            f"{UNTIL_LOCATED} repairing failed lesson",
        ),
        (
            Restart(error=GaveUp("no more")),
            Recovery.GAVE_UP,
            f"{UNTIL_LOCATED} repairing gave_up lesson",
        ),
        (None, Recovery.UNKNOWN, "detected failed"),
    ],
)
def test_every_step_is_an_event_and_nothing_is_repaired_before_it_is_verified(
    action: Restart | None, recovery: Recovery, kinds: str, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "events.jsonl")
    events = Events(journal, CollectorRegistry())
    subject = AutoRecovery(events)
    if action is not None:
        subject.register_action("copy_dead", action)
    assert asyncio.run(subject.handle_problem("copy_dead", CONTEXT)) is recovery
    assert " ".join(event["kind"] for event in events.since()) == kinds
    written = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert written == events.since()
    journal.close()


def test_the_cause_is_in_every_event_after_it_was_located(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.jsonl")
    events = Events(journal, CollectorRegistry())
    subject = AutoRecovery(events)
    subject.register_action("copy_dead", Restart())
    asyncio.run(subject.handle_problem("copy_dead", CONTEXT))
    causes = [event["cause"] for event in events.since()]
    assert causes == [None] * 4 + ["killed by SIGKILL"] * 6
    assert {event["instance"] for event in events.since()} == {"dialogue-1"}
    journal.close()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_restarts_wait_longer_each_time_and_end() -> None:
    clock = Clock()
    settings = HealerSettings(max_restarts=5, restart_window=100, backoff=1, max_backoff=3)
    budget = RestartBudget(settings, clock)
    assert [budget.spend("a") for _ in range(7)] == [0, 1, 2, 3, 3, None, None]
    assert budget.spend("b") == 0


def test_a_restart_long_ago_does_not_count() -> None:
    clock = Clock()
    budget = RestartBudget(HealerSettings(max_restarts=1, restart_window=100), clock)
    assert budget.spend("a") == 0
    clock.now = 99
    assert budget.spend("a") is None
    clock.now = 101
    assert budget.spend("a") == 0

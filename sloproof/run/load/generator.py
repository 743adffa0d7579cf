"""The open loop: starts arrivals at their moments, however slow the system is. Load process only.

An arrival never waits for a user. One that finds none free is recorded as NO_SLOT; one that starts
late although a user was free is the generator's own fault and marked so.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import gevent
from locust.exception import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)

from sloproof.run.load.crowd import Crowds, Slot
from sloproof.run.load.recorder import VISIT, Recorder
from sloproof.run.load.spec import LoadSpec
from sloproof.run.load.tasks import choose, perform
from sloproof.run.load.visit import Visit

LONGEST_SLEEP = 20_000_000
"""How long the loop sleeps at most, so that it sees in time that it is to stop."""
BURST = 32
"""After so many arrivals without a pause, answers that came meanwhile are read."""


@dataclass(slots=True)
class Counts:
    """How the arrivals fared. `planned` are those whose time came before the end."""

    planned: int = 0
    started: int = 0
    late: int = 0
    no_slot: int = 0
    failed_tasks: int = 0
    in_flight: int = 0


class Generator:
    """Arrivals of one process: every `workers`-th from the `worker`-th on."""

    def __init__(
        self, spec: LoadSpec, crowds: Crowds, recorder: Recorder, worker: int, workers: int
    ) -> None:
        self._spec = spec
        self._crowds = crowds
        self._recorder = recorder
        self._share = (worker, workers)
        self._end: float = math.inf
        self._busy: dict[Slot, Visit] = {}
        self.counts = Counts()
        self.last_error = ""

    def stop(self, at: int) -> None:
        """No arrivals from `at` on."""
        self._end = min(self._end, at)

    def run(self, begin: int) -> None:
        """Start every arrival from `begin` to the stop, then wait for those under way.

        What is not done a time-out after the stop is recorded as unfinished.
        """
        burst = 0
        for arrival, offset in self._spec.schedule.arrivals(*self._share):
            due = begin + offset
            if not self._wait(due):
                break
            burst = self._pause(burst, due)
            self._arrive(arrival, due)
        while time.monotonic_ns() < self._end:
            gevent.sleep(LONGEST_SLEEP / 1e9)
        self._drain()

    def _wait(self, due: int) -> bool:
        """Sleep until `due`; False where the stop comes first."""
        while due < self._end:
            ahead = due - time.monotonic_ns()
            if ahead <= 0:
                return True
            gevent.sleep(min(ahead, LONGEST_SLEEP) / 1e9)
        return False

    def _pause(self, burst: int, due: int) -> int:
        """Let answers be read once in a while where arrivals come without a wait between them."""
        behind = time.monotonic_ns() - due > self._spec.lateness_ns
        if burst < (1 if behind else BURST):
            return burst + 1
        gevent.sleep(0)
        return 0

    def _arrive(self, arrival: int, due: int) -> None:
        crowd = self._crowds.of(arrival)
        task = choose(crowd.kind, self._spec.seed, arrival)
        visit = Visit(arrival, due, late=False, profile=crowd.profile, task=task)
        self.counts.planned += 1
        slot = crowd.take()
        if slot is None:
            self.counts.no_slot += 1
            # Slots that are taken because this process stood still are not the system's fault.
            visit.late = time.monotonic_ns() - due > self._spec.lateness_ns
            self.counts.late += visit.late
            self._recorder.no_slot(visit)
            return
        self.counts.started += 1
        slot.visit = self._busy[slot] = visit
        slot.greenlet = gevent.Greenlet(self._visit, slot, visit, crowd.free)
        slot.greenlet.spawn_tree_locals = {VISIT: visit}
        slot.greenlet.start()

    def _visit(self, slot: Slot, visit: Visit, free: list[Slot]) -> None:
        visit.late = time.monotonic_ns() - visit.intended > self._spec.lateness_ns
        self.counts.late += visit.late
        error: Exception | None = None
        try:
            if not slot.started:
                slot.start()
            perform(slot.user, visit.task, slot.sets)
        except (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately):
            pass
        except (StopUser, StopTest):
            slot.started = False
        except Exception as failure:  # noqa: BLE001 - a profile's code may raise anything
            error = failure
            self.counts.failed_tasks += 1
            self.last_error = f"{type(failure).__name__}: {failure}"
        self._recorder.lost(visit, error)
        slot.visit = None
        del self._busy[slot]
        free.append(slot)

    def _drain(self) -> None:
        """Wait until nothing is under way, a time-out and a little more at most."""
        left = [slot.greenlet for slot in self._busy]
        # Longer than the time-out: a request that reaches it is a time-out, not unfinished.
        gevent.joinall(left, timeout=(self._spec.timeout_ns + 250_000_000) / 1e9)
        busy = dict(self._busy)
        self.counts.in_flight = len(busy)
        for visit in busy.values():
            self._recorder.unfinished(visit)
            visit.flights.clear()
        gevent.killall([slot.greenlet for slot in busy], block=False)

    @property
    def under_way(self) -> int:
        """How many arrivals are at work now."""
        return len(self._busy)

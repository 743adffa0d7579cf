"""The open loop: starts arrivals at their moments, however slow the system is. Load process only.

An arrival never waits for a user. One that finds none free is recorded as NO_SLOT; one that starts
late although a user was free is the generator's own fault and marked so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
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
NOBODY = (0, math.inf)
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
        self._coming: Iterator[tuple[int, float]] = iter(())
        self._next: tuple[int, float] = NOBODY
        self.counts = Counts()
        self.last_error = ""

    def stop(self, at: int) -> None:
        """No arrivals from `at` on."""
        self._end = min(self._end, at)

    def run(self, begin: int) -> None:
        """Start every arrival from `begin` to the stop, then wait for those under way.

        What is not done a time-out after the stop is recorded as unfinished.
        """
        arrivals = self._spec.schedule.arrivals(*self._share)
        self._coming = ((number, begin + offset) for number, offset in arrivals)
        self._next = next(self._coming, NOBODY)
        burst = 0
        while self._wait():
            burst = self._pause(burst)
            self._start_next()
        self._drain()

    def _wait(self) -> bool:
        """Sleep until the next arrival is due; False where the stop comes first."""
        while (now := time.monotonic_ns()) < self._end or self._next[1] < self._end:
            ahead = min(self._next[1], self._end) - now
            if ahead <= 0:
                return True
            gevent.sleep(min(ahead, LONGEST_SLEEP) / 1e9)
        return False

    def _pause(self, burst: int) -> int:
        """Let answers be read once in a while where arrivals come without a wait between them."""
        behind = time.monotonic_ns() - self._next[1] > self._spec.lateness_ns
        if burst < (1 if behind else BURST):
            return burst + 1
        gevent.sleep(0)
        return 0

    def _start_next(self) -> None:
        visiting = self._admit()
        if visiting is not None:
            visiting[0].greenlet = gevent.spawn(self._visit, *visiting)

    def _is_due(self) -> bool:
        due = self._next[1]
        return due < self._end and due <= time.monotonic_ns()

    def _admit(self) -> tuple[Slot, Visit] | None:
        """The next arrival and its user, if it is due and finds one."""
        if not self._is_due():
            return None
        (arrival, due), self._next = self._next, next(self._coming, NOBODY)
        crowd = self._crowds.of(arrival)
        task = choose(crowd.kind, self._spec.seed, arrival)
        visit = Visit(arrival, int(due), late=False, crowd=crowd, task=task)
        self.counts.planned += 1
        slot = crowd.take()
        if slot is None:
            self.counts.no_slot += 1
            # Slots that are taken because this process stood still are not the system's fault.
            visit.late = time.monotonic_ns() - due > self._spec.lateness_ns
            self.counts.late += visit.late
            self._recorder.no_slot(visit)
            return None
        self.counts.started += 1
        slot.visit = self._busy[slot] = visit
        return slot, visit

    def _visit(self, slot: Slot, visit: Visit) -> None:
        """Do an arrival's work, and then at once that of others which have become due.

        When the system answers all that waited at one stroke, reading the answers takes the
        loop's whole time; who is done with one sees to the next arrival before the loop does.
        """
        self._work(slot, visit)
        for _ in range(BURST):
            visiting = self._admit()
            if visiting is None:
                return
            self._work(*visiting)

    def _work(self, slot: Slot, visit: Visit) -> None:
        slot.greenlet = gevent.getcurrent()
        slot.greenlet.spawn_tree_locals = {VISIT: visit}
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
        visit.crowd.free.append(slot)

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

"""Turns what Locust reports, and what never got that far, into rows. Only for the load process."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import gevent

from sloproof.record.schema import NEVER, RequestKind, RequestOutcome
from sloproof.run.load.naming import path_pattern, request_name
from sloproof.run.load.outcomes import outcome_of, words_of
from sloproof.run.load.rows import Row, RowWriter
from sloproof.run.load.visit import FLIGHT, Flight, Visit

VISIT = "sloproof.visit"
"""Where the greenlets of an arrival, and those they start, find it."""
_REMEMBERED = 4096


class Recorder:
    """Listens to Locust's `request` event; the generator tells it the rest."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows
        self._kinds: dict[tuple[str, str, str, str], int] = {}
        self._first: dict[object, Counter[int]] = {}

    def on_request(
        self,
        request_type: str,
        name: str,
        response_time: float,
        response_length: int | None,
        exception: BaseException | None = None,
        **more: Any,
    ) -> None:
        """Record a request that Locust reports; those outside arrivals (`on_start`) are left out.

        `response` and `context` may be missing where a profile reports requests of its own.
        """
        finished = time.monotonic_ns()
        flight = (more.get("context") or {}).get(FLIGHT)
        if isinstance(flight, Flight):
            visit = flight.visit
            if flight not in visit.flights:
                return
            visit.flights.remove(flight)
            sent, finished = flight.sent, flight.finished or finished
            url, first = flight.url, flight.first
        else:
            found = (getattr(gevent.getcurrent(), "spawn_tree_locals", None) or {}).get(VISIT)
            if found is None:
                return
            visit = found
            sent = finished - round((response_time or 0) * 1e6)
            url, first = more.get("url") or name, visit.requests == 0
            visit.requests += 1
        kind = self._kind(visit.profile, name, request_type, url)
        row = self._row(visit, kind, (sent, finished), first=first)
        response = more.get("response")
        row.status = int(getattr(response, "status_code", 0) or 0)
        row.size = response_length or 0
        if exception is None and response is not None and not row.status:
            # Whatever a profile makes of it: what was never answered is no success.
            exception = getattr(response, "error", None) or ConnectionError("no answer came")
        self._judge(row, exception)

    def lost(self, visit: Visit, exception: BaseException | None) -> None:
        """Record what a visit that has ended never reported: an error of its task."""
        now = time.monotonic_ns()
        error = exception or RuntimeError("its task never reported this request")
        for flight in visit.flights:
            row = self._of_flight(flight)
            row.finished = flight.finished or now
            self._judge(row, error)
        visit.flights.clear()
        if exception is not None and not visit.requests:
            row = self._without_request(visit)
            row.finished = now
            self._judge(row, exception)

    def unfinished(self, visit: Visit) -> None:
        """Record what a visit was still waiting for when the load ended."""
        for flight in visit.flights:
            row = self._of_flight(flight)
            row.outcome = RequestOutcome.UNFINISHED
            self._rows.write(row)
        if not visit.flights and not visit.requests:
            row = self._without_request(visit)
            row.outcome = RequestOutcome.UNFINISHED
            self._rows.write(row)

    def no_slot(self, visit: Visit) -> None:
        """Record an arrival that found every slot taken."""
        row = self._without_request(visit)
        row.outcome = RequestOutcome.NO_SLOT
        self._rows.write(row)

    def expected(self, task: object, profile: str) -> int:
        """The request that `task` makes first, as it mostly did; else what its profile mostly did.

        Before anything was seen: the profile's name and the path `*`.
        """
        seen = self._first.get(task) or self._first.get(profile)
        if seen:
            return seen.most_common(1)[0][0]
        return self._rows.kind(RequestKind(profile, profile, "", "*"))

    def _row(self, visit: Visit, kind: int, times: tuple[int, int], *, first: bool) -> Row:
        sent, finished = times
        if first and finished != NEVER:
            self._first.setdefault(visit.task, Counter())[kind] += 1
            self._first.setdefault(visit.profile, Counter())[kind] += 1
        return Row(
            intended=visit.intended if first else sent,
            sent=sent,
            finished=finished,
            arrival=visit.arrival,
            kind=kind,
            outcome=RequestOutcome.OK,
            late=first and visit.late,
            first=first,
        )

    def _of_flight(self, flight: Flight) -> Row:
        kind = self._kind(flight.visit.profile, flight.name, flight.method, flight.url)
        return self._row(flight.visit, kind, (flight.sent, NEVER), first=flight.first)

    def _without_request(self, visit: Visit) -> Row:
        kind = self.expected(visit.task, visit.profile)
        return self._row(visit, kind, (visit.intended, NEVER), first=True)

    def _judge(self, row: Row, exception: BaseException | None) -> None:
        if exception is not None:
            row.outcome = outcome_of(exception)
            row.error = self._rows.error(words_of(exception, row.status))
        self._rows.write(row)

    def _kind(self, profile: str, name: str, method: str, url: str) -> int:
        key = (profile, name, method, url)
        code = self._kinds.get(key)
        if code is None:
            kind = RequestKind(profile, request_name(name, url), method, path_pattern(url))
            code = self._rows.kind(kind)
            if len(self._kinds) >= _REMEMBERED:
                self._kinds.clear()
            self._kinds[key] = code
        return code

"""What is written at a run's end: requests, probes, signals, calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sloproof.record.writer import RecordWriter
from sloproof.run.crew import Crew


def write_tables(crew: Crew, record: RecordWriter, origin: int) -> Mapping[str, Any]:
    """Write every table of the record; gives what is known of the load, nothing without one.

    Raises `HarnessError` where a source can't be read.
    """
    facts = crew.load.write(record, origin) if crew.load is not None else {}
    crew.prober.write(record, origin)
    calls = crew.observer.calls()
    if calls is not None:
        record.calls(calls)
    return facts

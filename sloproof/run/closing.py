"""The end of a run's measuring: load and prober come to rest, what they saw is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sloproof.errors import SloproofError
from sloproof.record.writer import RecordWriter
from sloproof.run.crew import Crew

DRAIN = 10_000_000_000

Tell = Callable[..., None]
Until = Callable[[Callable[[], bool], int, str], None]


def drain(crew: Crew, *, loading: bool, until: Until, tell: Tell) -> None:
    """Let the load end, with what is in flight, and the prober take its last samples."""
    try:
        if crew.load is not None and loading:
            load = crew.load
            load.stop(crew.clock.now())
            until(lambda: load.state() == "done", DRAIN, "the load did not end")
        crew.prober.stop()
        until(lambda: crew.prober.state() == "done", DRAIN, "the prober did not end")
    except SloproofError as error:
        tell("harness.error", where="restore", error=str(error))


def collect(
    crew: Crew, record: RecordWriter, origin: int, *, tell: Tell, meanwhile: Callable[[], None]
) -> str:
    """Write every table while what was started still stands; gives what went wrong, or ""."""
    for of, name, found in crew.observer.sources():
        tell("source.read", of=of, name=name, found=found)
    try:
        facts = crew.aside(lambda: _write_tables(crew, record, origin), meanwhile)
    except (SloproofError, OSError, ValueError) as error:
        tell("harness.error", where="collect", error=str(error))
        return f"the record is incomplete: {error}"
    if facts:
        tell("load.finished", **facts)
    return ""


def _write_tables(crew: Crew, record: RecordWriter, origin: int) -> Mapping[str, Any]:
    """Write every table; gives what is known of the load, nothing without one."""
    facts = crew.load.write(record, origin) if crew.load is not None else {}
    crew.prober.write(record, origin)
    calls = crew.observer.calls()
    if calls is not None:
        record.calls(calls)
    return facts

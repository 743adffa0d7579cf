"""The end of a run's measuring: whoever measured comes to rest, what was seen is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sloproof.errors import HarnessError, SloproofError, said
from sloproof.record.writer import RecordWriter
from sloproof.run.crew import Crew
from sloproof.run.holding import Entries
from sloproof.run.injector import Injector
from sloproof.run.reversal import Reverted

DRAIN = 10_000_000_000

Tell = Callable[..., None]
Until = Callable[[Callable[[], bool], int, str], None]


def discard(crew: Crew) -> None:
    """Remove the raw files of whoever measured: the record's tables hold all that was in them."""
    attempt(crew.prober.discard)
    if crew.load is not None:
        attempt(crew.load.discard)
    if crew.ledger is not None:
        attempt(crew.ledger.discard)


def attempt(step: Callable[[], object]) -> str:
    """Take one step of the end; gives what went wrong, or ""."""
    try:
        step()
    except BaseException as error:  # noqa: BLE001 - no failure may keep the next step from being taken
        return said(error)
    return ""


def outcome(how: str, reason: str, troubles: Sequence[str]) -> tuple[str, str]:
    """How the run ended and why, after what went wrong at its end: the first reason stays."""
    found = [trouble for trouble in troubles if trouble]
    return ("failed", reason or found[0]) if found else (how, reason)


def restore_all(
    injector: Injector, journal: Entries, meanwhile: Callable[[], None]
) -> tuple[tuple[str, ...], str]:
    """Take back what is left; gives instructions for what could not be, and whether that is known.

    A journal that can't be read or closed is left, with its guardian, who tries once this process
    ends; the second value then says why.
    """
    failed: list[Reverted] = []
    unknown = attempt(lambda: failed.extend(injector.restore_all(meanwhile)))
    if failed or unknown:
        attempt(journal.release)
    else:
        unknown = attempt(journal.close)
    left = [f"{one.effect}: {one.error} → {one.remedy}" for one in failed]
    return (*left, *([f"{unknown} → sloproof recover"] if unknown else [])), unknown


def drain(crew: Crew, *, loading: bool, until: Until, tell: Tell) -> None:
    """Let the load end, with what is in flight, and the prober take its last samples."""
    try:
        if crew.load is not None and loading:
            load = crew.load
            load.stop(crew.clock.now())
            until(lambda: load.state() == "done", DRAIN, "the load did not end")
        if (ledger := crew.ledger) is not None:
            ledger.stop(crew.clock.now(), read=False)  # where it hasn't read the copies back by now
            until(lambda: ledger.state() == "done", DRAIN, "the ledger did not end")
        crew.prober.stop()
        until(lambda: crew.prober.state() == "done", DRAIN, "the prober did not end")
    except (SloproofError, OSError) as error:
        tell("harness.error", where="restore", error=str(error))


def collect(
    crew: Crew, record: RecordWriter, origin: int, *, tell: Tell, meanwhile: Callable[[], None]
) -> None:
    """Write every table while what was started still stands; raises `HarnessError`."""
    for of, name, found in crew.observer.sources():
        tell("source.read", of=of, name=name, found=found)
    try:
        facts = crew.aside(lambda: _write_tables(crew, record, origin), meanwhile)
        if crew.ledger is not None:
            _tell_ledger(crew.aside(lambda: _write_ledger(crew, record, origin), meanwhile), tell)
    except Exception as error:
        tell("harness.error", where="collect", error=str(error))
        raise HarnessError(f"the record is incomplete: {error}") from error
    if facts:
        tell("load.finished", **facts)


def _write_ledger(crew: Crew, record: RecordWriter, origin: int) -> Mapping[str, Any]:
    return crew.ledger.write(record, origin) if crew.ledger is not None else {}


def _tell_ledger(facts: Mapping[str, Any], tell: Tell) -> None:
    """Each look at a copy at its own moment, then how the ledger ended."""
    for look in facts["copies"]:
        shown = {key: value for key, value in look.items() if key != "at"}
        tell("ledger.copy", moment=look["at"], **shown)
    for look in facts.get("restored", ()):
        shown = {key: value for key, value in look.items() if key not in ("at", "role")}
        tell("ledger.restored", moment=look["at"], **shown)
    rest = {key: value for key, value in facts.items() if key not in ("copies", "restored")}
    tell("ledger.finished", **rest)


def _write_tables(crew: Crew, record: RecordWriter, origin: int) -> Mapping[str, Any]:
    """Write every table; gives what is known of the load, nothing without one."""
    facts = crew.load.write(record, origin) if crew.load is not None else {}
    crew.prober.write(record, origin)
    calls = crew.observer.calls()
    if calls is not None:
        record.calls(calls)
    return facts

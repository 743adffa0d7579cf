"""Every kind, field, key, default and exit status is described, and nothing that isn't there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, get_args

import pytest

from sloproof.doors.ending import GRAVEST_FIRST
from sloproof.extensions import Extensions
from sloproof.judge.ratio import least_samples
from sloproof.model.target import Role, TargetProbe
from sloproof.pytesting.telling import UNREVERTED
from sloproof.spec.experiment import (
    After,
    Ledger,
    Load,
    Pick,
    Repetition,
    Segment,
    Selector,
    Spike,
    StopCondition,
)
from sloproof.spec.objectives import Matcher
from sloproof.spec.plain import as_written
from sloproof.spec.shapes import keys_of
from sloproof.spec.suite import (
    Across,
    Corrective,
    Gate,
    Manual,
    Participant,
    Plan,
    StepEntry,
    SuiteSpec,
)
from sloproof.spec.target import (
    Allow,
    Discover,
    Entry,
    EventSource,
    Finder,
    LedgerSpec,
    Proxy,
    Service,
    SqlWrite,
    Store,
    StoreCopy,
    SwitchSpec,
    Target,
    TargetLink,
    TraceSource,
)
from sloproof.spec.written import ExperimentSpec, FaultEntry, RecoverySpec, Siblings
from tests.docs.pages import PAGES, ROOT, Row, code, tables

EXPERIMENTS, TARGETS, OBJECTIVES, DRILLS = (
    f"docs/{name}.md" for name in ("experiments", "targets", "objectives", "drills")
)
OF_THE_LOADER = {"origin", "folder", "name"}
"""Fields of models that no key of a file gives; `name` is the metadata's."""
NOWHERE: tuple[Any, ...] = ("", (), {}, None)

KINDS = {
    "faults": (EXPERIMENTS, "### Kinds"),
    "checks": (EXPERIMENTS, "## Claims"),
    "probes": (TARGETS, "## Probes"),
    "platforms": (TARGETS, "## Platform, start, stop"),
}
KEYS: list[tuple[str, Any]] = [
    *((EXPERIMENTS, each) for each in (ExperimentSpec, FaultEntry, Load, Ledger)),
    *((EXPERIMENTS, each) for each in (Segment, Spike)),
    *((EXPERIMENTS, each) for each in (After, Repetition, Selector, Pick, StopCondition, Siblings)),
    *((TARGETS, each) for each in (Target, Entry, Discover, Finder, Service, Proxy, TargetLink)),
    *((TARGETS, each) for each in (TargetProbe, TraceSource, EventSource, SwitchSpec, Allow)),
    *((TARGETS, each) for each in (LedgerSpec, SqlWrite, Store, StoreCopy)),
    *((OBJECTIVES, each) for each in (RecoverySpec, Matcher)),
    *((DRILLS, each) for each in (SuiteSpec, StepEntry, Manual, Gate, Across)),
    *((DRILLS, each) for each in (Plan, Participant, Corrective)),
]


def rows_of(room: str) -> Mapping[str, Row]:
    page, heading = KINDS[room]
    return {name: row for row in tables(page, heading)[0] for name in row.names}


def documented(cell: str) -> dict[str, str | None]:
    """The fields that a cell names, with what stands behind each in brackets, if anything does."""
    found = re.findall(r"`(\w+)`(?: \(([^()]*)\))?", re.sub(r"(?<=\()`|`(?=[);])", "", cell))
    return {name: brackets.partition(";")[0].strip("` ") or None for name, brackets in found}


@pytest.mark.parametrize("room", KINDS)
def test_the_kinds_are_those_that_are_described(room: str) -> None:
    assert set(rows_of(room)) == set(getattr(Extensions.of(), room))


FIELDS = [
    (room, kind)
    for room in ("faults", "checks", "probes")
    for kind in sorted(getattr(Extensions.of(), room))
]


@pytest.mark.parametrize(("room", "kind"), FIELDS)
def test_the_fields_of_a_kind_are_those_that_are_described(room: str, kind: str) -> None:
    shape = getattr(Extensions.of(), room)[kind]
    told = documented(rows_of(room)[kind].cells[1])
    assert list(told) == list(keys_of(shape))
    for key, default in defaults(shape).items():
        agree(told[key], default, f"{kind}.{key}")


BEFORE_THE_SPEC = {"metadata", "variables"}
"""What is read before the shape of a spec is."""
TOLD_IN_WORDS = {"recovery", "gate", "corrective"}
"""Mappings with several defaults."""
TABLES: list[tuple[str, str, Any]] = [
    (EXPERIMENTS, "## The frame", ExperimentSpec),
    (EXPERIMENTS, "## Load", Load),
    (EXPERIMENTS, "## Ledger", Ledger),
    (OBJECTIVES, "## Recovery objectives", RecoverySpec),
    (DRILLS, "## The frame", SuiteSpec),
    (DRILLS, "## Steps", StepEntry),
    (DRILLS, "## Gates", Gate),
]


@pytest.mark.parametrize(("page", "heading", "shape"), TABLES)
def test_a_table_of_keys_has_the_defaults_that_hold(page: str, heading: str, shape: Any) -> None:
    rows = {row.names[0].removeprefix("spec."): row.cells[-1] for row in tables(page, heading)[0]}
    before = BEFORE_THE_SPEC - set(keys_of(shape))
    assert set(rows) - before - {"description"} == set(keys_of(shape)) - {"description"}
    for key in set(rows) - before - TOLD_IN_WORDS:
        agree(rows[key].strip("`") or None, defaults(shape)[key], key)


def defaults(shape: Any) -> dict[str, Any]:
    """Each key's default; `MISSING` where it has to be given."""
    keys = zip(keys_of(shape), dataclasses.fields(shape), strict=True)
    return {
        key: each.default_factory()
        if each.default_factory is not dataclasses.MISSING
        else each.default
        for key, each in keys
    }


def agree(told: str | None, default: Any, what: str) -> None:
    """What is told as the default is it; of an empty one any words may tell what it means."""
    if default is dataclasses.MISSING:
        assert told in {None, "required"}, f"{what} has no default {told}"
    elif default not in NOWHERE:
        wanted = as_written(default)
        plain = f"[{', '.join(map(str, wanted))}]" if isinstance(wanted, list) else str(wanted)
        plain = plain.lower() if isinstance(default, bool) else plain
        assert told is not None, f"{what} doesn't tell its default {plain}"
        assert told == plain, f"{what} is {plain} by default, not {told}"


@pytest.mark.parametrize(("page", "shape"), KEYS)
def test_every_key_is_spoken_of(page: str, shape: Any) -> None:
    text = (ROOT / page).read_text()
    words = set(re.findall(r"[A-Za-z_]+", " ".join(code(text))))
    words |= set(re.findall(r"(\w+):", text))
    assert [key for key in keys_of(shape) if key not in words | OF_THE_LOADER] == []


def test_every_role_of_an_event_is_described() -> None:
    assert {row.names[0] for row in tables(TARGETS, "## Events")[0]} == set(get_args(Role))


@pytest.mark.parametrize(
    ("page", "heading"), [("README.md", "## Exit statuses"), (EXPERIMENTS, "## Exit statuses")]
)
def test_the_exit_statuses_are_those_that_there_are(page: str, heading: str) -> None:
    [table] = tables(page, heading)
    assert [int(row.cells[0]) for row in table] == sorted(GRAVEST_FIRST)


def test_pytests_own_status_is_told() -> None:
    for page in ("README.md", EXPERIMENTS):
        assert re.search(rf"\b{UNREVERTED}\b", (ROOT / page).read_text())


def test_what_is_said_beside_a_claim_is_valid() -> None:
    said = [word for page in PAGES for each in code(page.read_text()) for word in _scope(each)]
    assert said
    assert set(said) <= {"this-run", "general"}


def _scope(each: str) -> list[str]:
    return re.findall(r"^in: (\S+)$", each)


def test_the_numbers_of_requests_are_those_that_are_asked_for() -> None:
    [table] = tables(OBJECTIVES, "## How many requests it takes")
    for row in table:
        share = Fraction(row.cells[0].removesuffix(" %")) / 100
        for told, general in zip(row.cells[1:], (False, True), strict=True):
            needed = least_samples(share, general=general, confidence=Fraction(95, 100))
            assert int(told.replace(",", "")) == needed

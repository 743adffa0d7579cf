"""The faults of stores on a real primary and its standby: roles, laws, refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from sloproof.contracts import DelaysReplay, Effect, Repeat, Sense, Where
from sloproof.errors import PlatformError
from sloproof.extensions import Extensions
from sloproof.model.stores import Volume
from sloproof.model.units import Duration, Size
from sloproof.platforms.external import External
from sloproof.platforms.local import Local
from sloproof.run.selection import resolve, resolve_again
from sloproof.spec.experiment import FaultPlan, Selector
from sloproof.testing import check_effect, check_fault, check_platform
from tests.postgres import Pair, pair
from tests.stores import target_of

FAULTS: Mapping[str, Any] = Extensions.of(Path(__file__).parents[2]).faults
DB = Selector(store="db")
PRIMARY = Selector(store="db", role="primary")
DELAY = Duration.parse("400ms")


@pytest.fixture(scope="module")
def stores() -> Iterator[Pair]:
    with pair() as made:
        yield made


@pytest.fixture
def local(stores: Pair, tmp_path: Path) -> Local:
    return Local(target_of(stores, tmp_path), run="test", work=tmp_path)


@pytest.fixture
def external(stores: Pair, tmp_path: Path) -> External:
    return External(target_of(stores, tmp_path, "external"), run="test", work=tmp_path)


def where_of(kind: str, selector: Selector, on: Any, **fields: Any) -> Where:
    plan = FaultPlan(name="it", fault=FAULTS[kind](**fields), where=selector, at=Duration(0))
    return resolve(plan, on, 1, 1)


def test_the_platform_keeps_its_laws(local: Local) -> None:
    check_platform(local)


def test_each_copy_says_itself_what_it_is(local: Local) -> None:
    assert {copy.name: local.role(copy) for copy in local.instances()} == {
        "db-a": "primary",
        "db-b": "standby",
    }


def test_a_copy_that_is_not_there_has_no_role(local: Local, stores: Pair, tmp_path: Path) -> None:
    [store] = local.target.stores.values()
    nowhere = replace(store.copies[0], dsn="postgresql://postgres@127.0.0.1:1/x")
    target = replace(local.target, stores={"db": replace(store, copies=(nowhere,))})
    [copy, _] = local.instances()
    assert Local(target, run="test", work=tmp_path).role(copy) == ""


@pytest.mark.parametrize(
    ("kind", "fields", "selector", "struck"),
    [
        ("primary_kill", {}, DB, "db-a"),
        ("replication_lag", {"delay": DELAY}, DB, "db-b"),
        ("connection_exhaustion", {}, PRIMARY, "db-a"),
        ("connection_exhaustion", {"left": 3}, Selector(store="db", role="standby"), "db-b"),
    ],
)
def test_a_fault_strikes_the_copy_that_has_the_role(
    local: Local, kind: str, fields: dict[str, Any], selector: Selector, struck: str
) -> None:
    where = where_of(kind, selector, local, **fields)
    assert where.names == {struck}
    check_fault(FAULTS[kind](**fields), where, local)


@pytest.mark.parametrize(
    ("kind", "fields", "selector", "sense"),
    [
        ("replication_lag", {"delay": DELAY}, DB, Sense.DELAY),
        ("connection_exhaustion", {}, PRIMARY, Sense.STATUS),
    ],
)
def test_what_takes_sql_alone_keeps_the_laws_where_somebody_else_runs_it(
    external: External, kind: str, fields: dict[str, Any], selector: Selector, sense: Sense
) -> None:
    on = external
    where = where_of(kind, selector, on, **fields)
    [step] = FAULTS[kind](**fields).plan(where, on)
    assert isinstance(step, Effect)
    witness = step.witness()
    assert witness is not None
    assert witness.sense is sense
    check_effect(step)


def test_a_region_that_is_lost_takes_all_its_copies_with_it(local: Local) -> None:
    fault = FAULTS["region_loss"]()
    where = where_of("region_loss", Selector(region="a"), local)
    check_fault(fault, where, local)
    [step] = fault.plan(where, local)
    assert isinstance(step, Repeat)
    assert step.effect.concerns() == "db-a"
    assert fault.lasts()


def test_where_no_copy_is_the_primary_it_is_said_what_each_is(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"db-a": "", "db-b": "standby"}
    monkeypatch.setattr(Local, "role", lambda _, copy: said[copy.name])
    words = "no copy is a primary now: db-a doesn't say what it is, db-b is a standby"
    with pytest.raises(PlatformError, match=words):
        where_of("primary_kill", DB, local)


def test_a_region_without_links_cannot_be_cut_off(local: Local) -> None:
    where = where_of("region_loss", Selector(region="a"), local, how="cut")
    assert list(FAULTS["region_loss"](how="cut").plan(where, local)) == []
    with pytest.raises(PlatformError, match="nothing that lives now is in region c"):
        where_of("region_loss", Selector(region="c"), local)


def test_a_standby_is_late_by_whole_milliseconds(local: Local) -> None:
    [copy] = where_of("replication_lag", DB, local, delay=DELAY).instances
    for text in ("0s", "900us", "1500us"):
        with pytest.raises(PlatformError, match="late by whole milliseconds"):
            local.delay_replay(copy, Duration.parse(text))


def test_a_primary_is_no_standby_that_could_be_late(local: Local) -> None:
    [copy] = where_of("connection_exhaustion", PRIMARY, local).instances
    with pytest.raises(PlatformError, match="db-a is no standby that could be late: it is a prim"):
        local.delay_replay(copy, DELAY)


def test_a_fault_that_is_held_stays_with_the_copy_that_it_struck(local: Local) -> None:
    plan = FaultPlan(name="it", fault=FAULTS["primary_kill"](hold=True), where=DB, at=Duration(0))
    struck = resolve(plan, local, 1, 1)
    assert resolve_again(plan, local, struck).names == {"db-a"}
    nobody = Where(instances=(replace(struck.instances[0], name="db-c"),))
    with pytest.raises(PlatformError, match="none of what it struck lives now"):
        resolve_again(plan, local, nobody)


def test_the_copies_of_stores_are_asked_throughout(local: Local) -> None:
    roles = local.standing_probes(())
    assert [probe.name for probe in roles] == ["role:db:db-a", "role:db:db-b"]
    assert all(probe.params["found_by"] for probe in roles)
    names = [probe.name for probe in local.standing_probes({"db", "other"})]
    assert names == ["role:db:db-a", "role:db:db-b", "lag:db:db-a", "lag:db:db-b"]
    assert local.lacks(DelaysReplay) == ""


@pytest.mark.parametrize(
    ("said", "role", "words"),
    [
        ("primary", "primary", ""),
        ("primary", "standby", "no copy is a standby now: db-a is a primary"),
        ("", "primary", "no copy is a primary now: db-a doesn't say what it is"),
    ],
)
def test_a_volume_is_struck_while_its_holder_has_the_role(
    local: Local,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    role: Literal["primary", "standby"],
    words: str,
) -> None:
    """The experiment is about what the primary writes to, and a fail-over may have come before."""
    (tmp_path / "data").mkdir()
    volume = Volume(path=str(tmp_path / "data"), budget=Size(1 << 24), instance="db-a")
    on = Local(replace(local.target, volumes={"data": volume}), run="test", work=local.work)
    monkeypatch.setattr(Local, "role", lambda _, copy: said)
    with nullcontext() if not words else pytest.raises(PlatformError, match=words):
        where = where_of("disk_fill", Selector(volume="data", role=role), on, free=Size(0))
        assert where.volumes == ("data",)
        assert [copy.name for copy in where.instances] == ["db-a"]


def test_a_role_is_asked_of_whose_data_it_is_and_the_fault_met_by_who_works_there(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").mkdir()
    volume = Volume(path=str(tmp_path / "log"), budget=Size(1 << 24), instance="db-b", keeps="db-a")
    on = Local(replace(local.target, volumes={"log": volume}), run="test", work=local.work)
    roles = {"db-a": "primary", "db-b": "standby"}
    monkeypatch.setattr(Local, "role", lambda _, copy: roles[copy.name])
    where = where_of("disk_fill", Selector(volume="log", role="primary"), on, free=Size(0))
    assert [copy.name for copy in where.instances] == ["db-b"]

"""What the probes of stores say of a real primary and its standby."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from sloproof.contracts import Owner, Sample
from sloproof.effects.finder import Finder
from sloproof.effects.held_connections import HeldConnections
from sloproof.effects.replay_delay import ReplayDelay
from sloproof.run.probes.connections import Connections
from sloproof.run.probes.replication import Replication
from sloproof.run.probes.role import Role
from tests.postgres import Pair, pair

MINE = Owner("r", 1)
NOBODY = "postgresql://postgres@127.0.0.1:1/x"


@pytest.fixture
def stores() -> Iterator[Pair]:
    with pair() as made:
        yield made


async def samples_of(probe: Role | Replication | Connections, count: int = 1) -> list[Sample]:
    await probe.open()
    try:
        return await asyncio.gather(*(probe.sample() for _ in range(count)))
    finally:
        await probe.close()


def sample_of(probe: Role | Replication | Connections) -> Sample:
    return asyncio.run(samples_of(probe))[0]


def replication(stores: Pair) -> Replication:
    copies = (stores.primary.dsn, stores.standby.dsn)
    return Replication(copies=copies, standby=stores.standby.dsn)


def test_a_copy_is_known_by_its_role_and_its_life(stores: Pair) -> None:
    primary, standby = (sample_of(Role(dsn=each.dsn)) for each in (stores.primary, stores.standby))
    assert (primary.ok, primary.detail) == (True, "primary")
    assert (standby.ok, standby.detail) == (True, "standby")
    asyncio.run(stores.standby.promote())
    promoted = sample_of(Role(dsn=stores.standby.dsn))
    assert (promoted.detail, promoted.value) == ("primary", standby.value)
    stores.running.stop(stores.standby)
    stores.running.start(stores.standby)
    again = sample_of(Role(dsn=stores.standby.dsn))
    assert again.detail == "primary"
    assert again.value is not None
    assert standby.value is not None
    assert again.value > standby.value


def test_a_dead_copy_is_gone_only_where_its_process_can_be_looked_for(stores: Pair) -> None:
    found_by = Finder(listens=stores.primary.port).to_json()
    stores.kill_primary()
    assert sample_of(Role(dsn=stores.primary.dsn, found_by=found_by)).detail == "gone"
    assert sample_of(Role(dsn=stores.primary.dsn)).detail == "refused"
    living = Finder(listens=stores.standby.port).to_json()
    assert sample_of(Role(dsn=NOBODY, found_by=living)).detail == "refused"


def test_an_ended_connection_is_made_anew_in_the_same_sample(stores: Pair) -> None:
    async def act() -> list[str]:
        probe = Role(dsn=stores.standby.dsn)
        seen = [(await probe.sample()).detail]
        await asyncio.to_thread(stores.running.stop, stores.standby)
        await asyncio.to_thread(stores.running.start, stores.standby)
        seen.append((await probe.sample()).detail)
        await probe.close()
        return seen

    assert asyncio.run(act()) == ["standby", "standby"]


def test_the_way_of_a_write_is_measured_also_where_nobody_else_writes(stores: Pair) -> None:
    prompt = asyncio.run(samples_of(replication(stores), 5))
    assert all(each.ok for each in prompt), prompt
    effect = ReplayDelay(dsn=stores.standby.dsn, instance="b", delay_ms=800).bound(MINE)
    prior = effect.capture()
    effect.apply(prior)
    try:
        late = asyncio.run(samples_of(replication(stores), 5))
    finally:
        effect.undo(prior)
    assert all(each.value is not None and 0.75 <= each.value < 4 for each in late), late


def test_a_store_without_a_primary_and_a_standby_that_is_none_are_told(stores: Pair) -> None:
    probe = replication(stores)
    asyncio.run(stores.standby.promote())
    assert sample_of(probe).detail == "promoted"
    stores.kill_primary()
    assert sample_of(probe).detail == "no primary"


def test_who_can_connect_is_seen_by_ordinary_clients_and_by_privileged_ones(stores: Pair) -> None:
    before = sample_of(Connections(dsn=stores.primary.dsn))
    assert before.ok
    assert before.value is not None
    assert before.value > 40
    effect = HeldConnections(dsn=stores.primary.dsn, instance="a", left=0).bound(MINE)
    effect.apply({})
    try:
        for dsn in (stores.primary.dsn, stores.primary.client_dsn):
            full = sample_of(Connections(dsn=dsn))
            assert (full.ok, full.value, full.detail) == (False, 0.0, "status 53300")
    finally:
        effect.undo({})


def test_a_server_that_is_not_there_refuses(stores: Pair) -> None:
    for probe in (Role(dsn=NOBODY), Connections(dsn=NOBODY)):
        assert sample_of(probe) == Sample(ok=False, detail="refused")

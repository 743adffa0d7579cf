"""Fail-over and fail-back of the platform's database, with real servers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from digital_human.ports import LOOPBACK
from digital_human.postgres import failover, replication, sql
from digital_human.postgres.errors import FailoverError, Fenced, Unreachable
from digital_human.postgres.failover import Upstream
from digital_human.postgres.occupants import occupants
from digital_human.postgres.server import Server
from digital_human.processes import spawn
from tests.postgres import Pair, Running, pair, server, servers, until


@pytest.fixture
def both() -> Iterator[Pair]:
    with pair() as made:
        yield made


@pytest.fixture
def one() -> Iterator[tuple[Server, Running]]:
    with servers() as (folder, ports, running):
        made = server(folder, ports)
        asyncio.run(made.initialise())
        running.start(made)
        yield made, running


def notes(at: Server) -> set[str]:
    return {name for (name,) in asyncio.run(sql.rows(at.dsn, "select id from notes"))}


def write(at: Server, *names: str) -> None:
    for name in names:
        asyncio.run(sql.rows(at.dsn, "insert into notes (id, text) values (%s, '')", [name]))


def streams(primary: Server, standby: Server) -> None:
    asyncio.run(replication.streams(primary.dsn, standby.name, 20.0))


def disconnect(standby: Server) -> None:
    """Have the standby look for its primary where nobody is."""
    for order in ("alter system set primary_conninfo = 'port=1'", "select pg_reload_conf()"):
        asyncio.run(sql.rows(standby.dsn, order))
    query = "select count(*) from pg_stat_wal_receiver"
    until(lambda: asyncio.run(sql.value(standby.dsn, query)) == 0, "still connected")


def fail_over(both: Pair) -> None:
    asyncio.run(failover.fence(both.primary, "a test"))
    asyncio.run(failover.promote(both.standby))
    asyncio.run(failover.verify(both.standby.dsn))


def rejoin(old: Server, primary: Server) -> failover.Step:
    upstream = Upstream(LOOPBACK, primary.port, old.name)
    return asyncio.run(failover.rejoin(old, upstream))


@pytest.mark.parametrize("number", [None, signal.SIGSTOP, signal.SIGKILL])
def test_a_fenced_primary_is_dead_and_can_not_come_back_as_one(
    one: tuple[Server, Running], number: signal.Signals | None
) -> None:
    made, running = one
    if number is not None:
        os.kill(running.processes["a"].pid, number)

    step = asyncio.run(failover.fence(made, "it did not answer"))

    assert occupants(made.data) == []
    assert str(running.processes["a"].pid) in step.detail or number is signal.SIGKILL
    with pytest.raises(Fenced, match="it did not answer"):
        made.command()
    # Somebody starts it by hand all the same: it takes no write.
    made.mark.unlink()
    running.start(made)
    assert not asyncio.run(made.is_primary())
    with pytest.raises(FailoverError, match="25006"):
        asyncio.run(failover.verify(made.dsn))


def test_fencing_twice_is_fencing_once(one: tuple[Server, Running]) -> None:
    made, _ = one
    asyncio.run(failover.fence(made, "first"))
    assert "nothing ran" in asyncio.run(failover.fence(made, "second")).detail
    with pytest.raises(Fenced):
        made.command()


def test_a_server_whose_data_is_gone_is_fenced_by_its_mark(one: tuple[Server, Running]) -> None:
    made, _ = one
    made.volume.rename(made.folder / "lost")
    try:
        step = asyncio.run(failover.fence(made, "its disk is gone"))
    finally:
        (made.folder / "lost").rename(made.volume)
    assert "standby.signal" in step.detail
    with pytest.raises(Fenced, match="disk is gone"):
        made.command()


def test_a_server_that_can_not_be_marked_at_all_is_told(one: tuple[Server, Running]) -> None:
    made, _ = one
    nowhere = replace(made, folder=made.folder / "nowhere")
    with pytest.raises(FailoverError, match="nothing keeps it from coming back"):
        asyncio.run(failover.fence(nowhere, "a test"))


def test_fencing_leaves_the_other_server_alone(both: Pair) -> None:
    asyncio.run(failover.fence(both.primary, "a test"))
    assert asyncio.run(both.standby.ready())
    assert occupants(both.standby.data)


def test_a_standby_that_left_is_still_told_and_falls_behind(both: Pair) -> None:
    [connected] = asyncio.run(replication.lag(both.primary.dsn))
    assert (connected.standby, connected.state) == ("b", "streaming")
    assert connected.replay_seconds is not None

    both.running.kill(both.standby)
    until(
        lambda: asyncio.run(replication.lag(both.primary.dsn))[0].state == "disconnected",
        "the primary did not notice",
    )
    [before] = asyncio.run(replication.lag(both.primary.dsn))
    write(both.primary, "alone")
    [after] = asyncio.run(replication.lag(both.primary.dsn))

    assert (after.standby, after.replay_seconds) == ("b", None)
    assert after.replay_bytes > before.replay_bytes


def test_promoting_twice_is_promoting_once(both: Pair) -> None:
    fail_over(both)
    assert "already" in asyncio.run(failover.promote(both.standby)).detail


def test_a_dead_standby_is_not_promoted(both: Pair) -> None:
    both.running.kill(both.standby)
    with pytest.raises(FailoverError, match="b was not promoted"):
        asyncio.run(failover.promote(both.standby, within=1.0))


def test_a_crash_loses_what_was_not_replicated_and_nothing_else(both: Pair) -> None:
    write(both.primary, "copied 1", "copied 2")
    streams(both.primary, both.standby)
    disconnect(both.standby)
    write(both.primary, "alone 1", "alone 2")

    fail_over(both)

    assert notes(both.standby) == {"copied 1", "copied 2"}


def test_a_synchronous_primary_acknowledges_nothing_that_its_standby_lacks(both: Pair) -> None:
    asyncio.run(replication.wait_for(both.primary.dsn, ["b"]))
    write(both.primary, "acknowledged")
    disconnect(both.standby)
    with pytest.raises(Unreachable):
        write(both.primary, "in doubt")
    with pytest.raises(FailoverError):
        asyncio.run(failover.verify(both.primary.dsn, within=0.5))

    fail_over(both)

    assert notes(both.standby) == {"acknowledged"}


@pytest.mark.parametrize("synchronous", [False, True], ids=["asynchronous", "synchronous"])
def test_a_crash_under_writes_loses_at_most_the_last_of_them(synchronous: bool) -> None:
    acknowledged: list[str] = []
    enough = threading.Event()

    def keep_writing(dsn: str) -> None:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                for number in range(100_000):
                    connection.execute(
                        "insert into notes (id, text) values (%s, '')", [str(number)]
                    )
                    acknowledged.append(str(number))
                    if number == 200:
                        enough.set()
        except psycopg.OperationalError:
            pass

    with pair(synchronous=synchronous) as both:
        writer = threading.Thread(target=keep_writing, args=[both.primary.dsn])
        writer.start()
        assert enough.wait(30)
        fail_over(both)
        writer.join(30)
        found = notes(both.standby)

    lost = [name for name in acknowledged if name not in found]
    assert lost == acknowledged[len(acknowledged) - len(lost) :]
    # In doubt is at most the one write that was under way.
    assert len(found - set(acknowledged)) <= 1
    assert not synchronous or lost == []


def test_an_old_primary_that_went_its_own_way_is_rewound(both: Pair) -> None:
    write(both.primary, "both")
    streams(both.primary, both.standby)
    disconnect(both.standby)
    write(both.primary, "lost")
    fail_over(both)
    write(both.standby, "new")

    step = rejoin(both.primary, both.standby)

    assert step.detail == "rewound"
    both.running.start(both.primary)
    streams(both.standby, both.primary)
    assert notes(both.primary) == {"both", "new"}
    assert not asyncio.run(both.primary.is_primary())
    assert asyncio.run(replication.slots(both.primary.dsn)) == {}


def test_an_old_primary_that_came_back_as_a_standby_is_rewound_too(both: Pair) -> None:
    disconnect(both.standby)
    write(both.primary, "lost")
    fail_over(both)
    both.primary.mark.unlink()
    both.running.start(both.primary)
    both.running.kill(both.primary)

    assert rejoin(both.primary, both.standby).detail == "rewound"

    both.running.start(both.primary)
    streams(both.standby, both.primary)
    assert notes(both.primary) == set()


def test_an_old_primary_that_can_not_be_rewound_is_rebuilt(both: Pair) -> None:
    write(both.primary, "both")
    streams(both.primary, both.standby)
    fail_over(both)
    (both.primary.data / "global" / "pg_control").unlink()

    step = rejoin(both.primary, both.standby)

    assert step.detail.startswith("rebuilt")
    both.running.start(both.primary)
    streams(both.standby, both.primary)
    assert notes(both.primary) == {"both"}


def test_an_old_primary_on_a_new_disk_is_rebuilt(both: Pair) -> None:
    fail_over(both)
    shutil.rmtree(both.primary.volume)

    assert rejoin(both.primary, both.standby).detail.startswith("rebuilt")

    both.running.start(both.primary)
    streams(both.standby, both.primary)


def test_a_server_that_runs_does_not_rejoin(both: Pair) -> None:
    with pytest.raises(FailoverError, match="still runs"):
        rejoin(both.standby, both.primary)


def test_a_server_that_could_not_rejoin_stays_fenced(both: Pair) -> None:
    both.running.kill(both.standby)
    both.kill_primary()
    with pytest.raises(FailoverError, match="could not rejoin"):
        rejoin(both.standby, both.primary)
    with pytest.raises(Fenced, match="rejoining"):
        both.standby.command()
    assert (both.standby.data / "PG_VERSION").exists()


@pytest.mark.parametrize("synchronous", [False, True], ids=["asynchronous", "synchronous"])
def test_it_fails_over_and_back_again(both: Pair, synchronous: bool) -> None:
    a, b = both.primary, both.standby
    for old, new in ((a, b), (b, a)):
        asyncio.run(replication.wait_for(old.dsn, [new.name] if synchronous else []))
        write(old, f"on {old.name}")
        streams(old, new)
        asyncio.run(failover.fence(old, "a test"))
        asyncio.run(failover.promote(new))
        asyncio.run(failover.verify(new.dsn))
        assert rejoin(old, new).detail == "rewound"
        both.running.start(old)
        streams(new, old)
        assert asyncio.run(sql.value(new.dsn, "show synchronous_standby_names")) == ""
    assert notes(a) == notes(b) == {"on a", "on b"}


def test_one_that_died_while_it_caught_up_is_rebuilt_at_once(both: Pair) -> None:
    """Alone it would wait for ever for what only its new primary has."""
    old, new = both.primary, both.standby
    write(old, "both")
    disconnect(new)
    write(old, "lost")
    both.kill_primary()
    fail_over(both)
    write(new, "new")
    assert rejoin(old, new).detail == "rewound"
    old.follow(LOOPBACK, 1, old.name)
    both.running.processes[old.name] = spawn(old.command(), env=os.environ, log=old.log)
    until((old.data / "backup_label.old").exists, "it did not begin")
    both.running.kill(old)

    step = rejoin(old, new)

    assert "rebuilt" in step.detail
    assert "died before it had all of what it was copied from" in step.detail
    assert step.seconds < 20
    both.running.start(old)
    streams(new, old)
    assert notes(old) == {"both", "new"}

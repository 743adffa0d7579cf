"""Servers, standbys and shards of the platform's database, with real servers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from digital_human.postgres import place, replication, sql
from digital_human.postgres.binaries import find
from digital_human.postgres.errors import CommandFailed, SqlFailed, Unfit, Unreachable
from digital_human.postgres.server import Server
from digital_human.postgres.shards import schema_of, shard_of
from tests.postgres import Pair, below, own_folder, pair, server, servers, until, workers

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has another account run them")
KEYS = ["", "a", "b", "0190f0c0a1b2-00112233aabbccdd-0badcafe", "naïve ☃ 🧊", "x" * 4_000]


@pytest.fixture(scope="module")
def running() -> Iterator[Pair]:
    with pair() as made:
        yield made


def notes(dsn: str) -> set[str]:
    return {name for (name,) in asyncio.run(sql.rows(dsn, "select id from notes"))}


def write(dsn: str, name: str) -> None:
    asyncio.run(sql.rows(dsn, "insert into notes (id, text) values (%s, 'said')", [name]))


def test_the_standby_has_what_the_primary_took_and_takes_nothing_itself(running: Pair) -> None:
    write(running.primary.client_dsn, "copied")

    until(lambda: "copied" in notes(running.standby.client_dsn), "the note did not arrive")

    assert asyncio.run(running.primary.is_primary())
    assert not asyncio.run(running.standby.is_primary())
    with pytest.raises(SqlFailed, match="25006"):
        write(running.standby.client_dsn, "refused")


@pytest.mark.parametrize("key", KEYS)
def test_python_and_sql_put_a_row_into_the_same_shard(running: Pair, key: str) -> None:
    dsn = running.primary.dsn
    assert asyncio.run(sql.value(dsn, "select public.shard_of(%s)", [key])) == shard_of(key)


def test_a_note_without_a_shard_finds_its_own(running: Pair) -> None:
    dsn = running.primary.client_dsn
    for name in ("one", "two", "three", "four"):
        write(dsn, name)
        query = f"select id from {schema_of(name)}.notes where id = %s"  # noqa: S608 - a schema
        assert asyncio.run(sql.value(dsn, query, [name])) == name
    assert {schema_of(name) for name in ("one", "two", "three", "four")} == {"shard_0", "shard_1"}


def test_a_row_can_not_get_into_the_wrong_shard(running: Pair) -> None:
    wrong = "shard_0" if schema_of("one") == "shard_1" else "shard_1"
    query = f"insert into {wrong}.notes (id, text) values ('one', '')"  # noqa: S608 - a schema
    with pytest.raises(SqlFailed, match="23514"):
        asyncio.run(sql.rows(running.primary.dsn, query))


def test_replication_becomes_synchronous_and_asynchronous_again_while_it_runs(
    running: Pair,
) -> None:
    dsn = running.primary.dsn

    def synchronous() -> list[bool]:
        return [each.synchronous for each in asyncio.run(replication.lag(dsn))]

    asyncio.run(replication.wait_for(dsn, [running.standby.name]))
    until(lambda: synchronous() == [True], "never synchronous")
    asyncio.run(replication.wait_for(dsn, []))
    until(lambda: synchronous() == [False], "never asynchronous again")


def test_a_slot_is_made_once_and_dropped_once(running: Pair) -> None:
    dsn = running.primary.dsn
    assert [asyncio.run(replication.ensure_slot(dsn, "extra")) for _ in range(2)] == [True, False]
    assert asyncio.run(replication.slots(dsn)) == {"b": "reserved", "extra": "reserved"}
    assert [asyncio.run(replication.drop_slot(dsn, "extra")) for _ in range(2)] == [True, False]
    with pytest.raises(SqlFailed, match="active"):
        asyncio.run(replication.drop_slot(dsn, "b"))


def test_a_stopped_server_is_unreachable_in_the_time_given(running: Pair) -> None:
    process = running.running.processes[running.standby.name].pid
    stopped = [process, *(pid for pid in workers(running.standby) if pid != process)]

    async def ask() -> None:
        async with sql.connected(running.standby.dsn, 1.0) as connection:
            await connection.execute("select 1")
            for pid in stopped + [p for p in workers(running.standby) if p not in stopped]:
                os.kill(pid, signal.SIGSTOP)
            await connection.execute("select 2")

    began = time.monotonic()
    try:
        with pytest.raises(Unreachable):
            asyncio.run(ask())
        assert time.monotonic() - began < 3.0
        assert not asyncio.run(running.standby.ready(within=0.3))
    finally:
        for pid in workers(running.standby):
            os.kill(pid, signal.SIGCONT)
    until(lambda: asyncio.run(running.standby.ready()), "the standby did not come back")


def test_a_standby_takes_over_after_its_primary_was_killed() -> None:
    with pair() as made:
        write(made.primary.client_dsn, "before")
        until(lambda: "before" in notes(made.standby.client_dsn), "the note did not arrive")

        made.kill_primary()
        asyncio.run(made.standby.promote())

        assert asyncio.run(made.standby.is_primary())
        write(made.standby.client_dsn, "after")
        assert notes(made.standby.client_dsn) == {"before", "after"}
        assert not asyncio.run(made.primary.ready())


def test_a_pair_can_begin_synchronous() -> None:
    with pair(synchronous=True) as made:
        [lag] = asyncio.run(replication.lag(made.primary.dsn))
        assert (lag.standby, lag.synchronous) == ("b", True)


def test_a_server_that_has_data_is_not_made_anew(running: Pair) -> None:
    with pytest.raises(Unfit, match="exists already"):
        asyncio.run(running.primary.initialise())


def test_a_clone_of_nobody_fails_at_once_and_says_so() -> None:
    with servers() as (folder, ports, _):
        standby = server(folder, ports, "b")
        with pytest.raises(Unreachable, match="refused"):
            asyncio.run(standby.clone("127.0.0.1", ports.reserve(), "b"))


def test_a_program_that_is_late_is_killed() -> None:
    with own_folder() as folder, pytest.raises(CommandFailed, match=r"within 0\.2 s"):
        asyncio.run(find().run("pg_test_timing", "--duration=30", home=folder, within=0.2))


STARTS = """
import asyncio, os, sys, time
from pathlib import Path
from digital_human.postgres.server import Server
from digital_human.processes import spawn
server = Server("a", Path(sys.argv[1]), int(sys.argv[2]))
print(spawn(server.command(), env=os.environ, log=server.log).pid, flush=True)
time.sleep(60)
"""


def test_a_server_dies_with_the_process_that_started_it() -> None:
    with servers() as (folder, ports, _):
        made = server(folder, ports)
        asyncio.run(made.initialise())
        parent = subprocess.Popen(
            [sys.executable, "-c", STARTS, str(made.folder), str(made.port)], cwd=ROOT
        )
        try:
            until(lambda: asyncio.run(made.ready()), "the server did not start")
        finally:
            parent.kill()
            parent.wait()
        until(lambda: not below(folder), "the server outlived its parent")


@as_root
def test_nothing_runs_as_root_and_nobody_else_can_read_the_data(running: Pair) -> None:
    for each in (running.primary, running.standby):
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in workers(each)}
        assert owners == {find().account.uid}  # type: ignore[union-attr] # root has one
        assert each.volume.stat().st_mode & 0o777 == 0o700


@as_root
def test_a_folder_that_the_account_can_not_reach_is_refused_with_what_would_help(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unfit, match=r"nobody.*can't enter.*/var/tmp.*chmod o\+x"):
        asyncio.run(Server("a", closed / "a", 10_000).initialise())


@as_root
def test_an_unreachable_folder_is_stood_in_for_by_one_of_our_own(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    made = place.place(closed / "database", find())
    try:
        assert made == place.place(closed / "database", find()) != closed / "database"
        assert find().obstacle(made) is None
    finally:
        place.remove(closed / "database", find())
    assert not made.exists()


@as_root
def test_a_stand_in_that_somebody_else_put_there_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    made = place.place(closed / "database", find())
    try:
        find().own(made)
        with pytest.raises(Unfit, match="somebody else"):
            place.place(closed / "database", find())
    finally:
        place.remove(closed / "database", find())


def test_a_folder_that_can_be_reached_is_taken_as_it_is() -> None:
    with own_folder() as folder:
        assert place.place(folder / "database", find()) == folder / "database"


def test_the_owner_gets_in_when_the_clients_have_taken_every_connection(running: Pair) -> None:
    with ExitStack() as taken:

        def take_all() -> None:
            for _ in range(61):
                taken.enter_context(psycopg.connect(running.primary.client_dsn))

        with pytest.raises(psycopg.OperationalError, match="remaining connection slots"):
            take_all()
        assert asyncio.run(running.primary.ready())

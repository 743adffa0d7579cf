"""Replication over a link that is cut, stalled and healed, by a real Toxiproxy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from digital_human.ports import LOOPBACK
from digital_human.postgres import failover, replication, sql
from digital_human.postgres.failover import Upstream
from digital_human.postgres.server import Server
from digital_human.processes import spawn
from digital_human.toxiproxy import find_server
from tests.digital_human.system import http
from tests.postgres import Running, server, servers, until


@dataclass(frozen=True)
class Linked:
    """A pair whose replication, from `a` to `b`, passes the proxy `link`."""

    a: Server
    b: Server
    upstream: Upstream
    api: str
    running: Running

    def cut(self, cut: bool) -> None:
        answer = http("POST", f"{self.api}/proxies/link", {"enabled": not cut})
        assert answer.status == 200, answer

    def stall(self) -> None:
        toxic = {"name": "stall", "type": "timeout", "attributes": {"timeout": 0}}
        answer = http("POST", f"{self.api}/proxies/link/toxics", toxic)
        assert answer.status == 200, answer

    def heal(self) -> None:
        answer = http("DELETE", f"{self.api}/proxies/link/toxics/stall")
        assert answer.status == 204, answer

    def write(self, name: str) -> None:
        query = "insert into notes (id, text) values (%s, '')"
        asyncio.run(sql.rows(self.a.dsn, query, [name]))

    def lag(self) -> replication.Lag:
        [found] = asyncio.run(replication.lag(self.a.dsn))
        return found

    def catch_up(self) -> None:
        asyncio.run(replication.streams(self.a.dsn, "b", 20.0))


@contextmanager
def proxy(folder: Path, port: int) -> Iterator[str]:
    """A Toxiproxy server; gives the address of its API."""
    command = [str(find_server()), "-host", LOOPBACK, "-port", str(port)]
    process = spawn(command, env=os.environ, log=folder / "toxiproxy.log")
    api = f"http://{LOOPBACK}:{port}"

    def answers() -> bool:
        try:
            return http("GET", f"{api}/version").status == 200
        except OSError:
            return False

    try:
        until(answers, "Toxiproxy did not start")
        yield api
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def linked() -> Iterator[Linked]:
    with servers() as (folder, ports, running), proxy(folder, ports.reserve()) as api:
        a, b = server(folder, ports, "a"), server(folder, ports, "b")
        upstream = Upstream(LOOPBACK, ports.reserve(), "b")
        asyncio.run(a.initialise())
        running.start(a)
        link = {
            "name": "link",
            "listen": f"{LOOPBACK}:{upstream.port}",
            "upstream": f"{LOOPBACK}:{a.port}",
        }
        assert http("POST", f"{api}/proxies", link).status == 201
        asyncio.run(b.clone(upstream.host, upstream.port, upstream.slot))
        running.start(b)
        made = Linked(a, b, upstream, api, running)
        made.catch_up()
        yield made


def test_a_standby_catches_up_after_its_link_was_cut(linked: Linked) -> None:
    linked.cut(True)
    try:
        until(lambda: linked.lag().state == "disconnected", "the primary did not notice")
        linked.write("while cut")
        assert linked.lag().replay_bytes > 0
    finally:
        linked.cut(False)
    linked.catch_up()
    assert linked.lag().replay_bytes == 0


def test_both_ends_notice_a_link_that_swallows_everything_and_find_each_other_again(
    linked: Linked,
) -> None:
    query = "select count(*) from pg_stat_wal_receiver where status = 'streaming'"
    linked.stall()
    try:
        linked.write("while stalled")
        until(
            lambda: asyncio.run(sql.value(linked.b.dsn, query)) == 0, "the standby did not notice"
        )
    finally:
        linked.heal()
    linked.catch_up()


def test_a_standby_rejoins_over_its_link(linked: Linked) -> None:
    linked.running.kill(linked.b)
    step = asyncio.run(failover.rejoin(linked.b, linked.upstream))
    assert step.detail == "rewound"
    linked.running.start(linked.b)
    linked.write("after it rejoined")
    linked.catch_up()

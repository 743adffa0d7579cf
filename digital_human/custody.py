"""The controller's hands on the stores: who is the primary, and how everybody comes to know it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from digital_human.control import ControlError, ask
from digital_human.estate import Estate
from digital_human.loopback import request
from digital_human.postgres.replication import wait_for
from digital_human.postgres.server import Server
from digital_human.roles import Roles
from digital_human.settings import Settings

TELL_S = 1.0


class Custody:
    """What can be done to the stores of an estate. Belongs to one event loop."""

    def __init__(self, estate: Estate, folder: Path, settings: Settings) -> None:
        self.estate = estate
        self._folder = folder
        self._settings = settings

    @property
    def roles(self) -> Roles:
        """Who is the primary now."""
        return Roles.read(self.estate.roles)

    @property
    def primary(self) -> str:
        """The primary's name."""
        return self.roles.primary

    def others(self, name: str) -> list[str]:
        """The copies of the store but for that one."""
        return [each for each in self.estate.stores if each != name]

    def server(self, name: str) -> Server:
        """The server of that copy."""
        return self.estate.server(name)

    async def halt(self, name: str) -> None:
        """Have it killed. Raises `ControlError`."""
        await ask(self._folder, {"command": "halt", "instance": name})

    async def shut_down(self, name: str) -> None:
        """Have it end in good order. Raises `ControlError`."""
        await ask(self._folder, {"command": "shut-down", "instance": name})

    async def start(self, name: str) -> str:
        """Have it started, and say as which process. Raises `ControlError`."""
        process = await ask(self._folder, {"command": "restart", "instance": name})
        return f"started {name} as process {process['pid']}"

    async def runs(self, name: str) -> bool:
        """Whether its process lives; True where nobody can tell."""
        try:
            return bool((await self._process(name))["running"])
        except ControlError:
            return True

    async def ending(self, name: str) -> str:
        """What became of its process, as far as the supervisor can tell."""
        try:
            process = await self._process(name)
        except ControlError as error:
            return f"unknown: {error}"
        return "running, but not to be reached" if process["running"] else str(process["ending"])

    async def crown(self, name: str) -> list[str]:
        """Let everybody know the new primary, and give its region the traffic; what was done.

        Copies that can't be told read the roles when they are started again.
        """
        roles = self.roles.after(name)
        roles.write(self.estate.roles)
        ports = self._ports() if self._settings.repointing.enabled else []
        told = await asyncio.gather(*(self._tell(port, roles) for port in ports))
        repointed = f"repointed {sum(told)} of {len(self._ports())} dialogue copies to {name}"
        if not self._settings.shifting.enabled:
            return [repointed, "left traffic where it is"]
        region = self.estate.stores[name].region
        self.estate.traffic.shift(region)
        return [repointed, f"shifted traffic to region {region}"]

    async def await_standbys(self, primary: str, standbys: Sequence[str]) -> None:
        """In synchronous mode, have commits on `primary` wait for these from now on."""
        if self._settings.synchronous.enabled:
            await wait_for(self.server(primary).dsn, standbys)

    async def warm(self, region: str, count: int) -> int:
        """Have the region's cache filled again; how many entries it took."""
        body = json.dumps({"count": count}).encode()
        for user in self.estate.users.values():
            if user.region != region:
                continue
            try:
                answer = await request(user.port, "/warm", method="POST", body=body, within=5.0)
            except (OSError, TimeoutError, ValueError):
                continue
            if answer.status == 200:
                return int(json.loads(answer.body)["warmed"])
        return 0

    async def _process(self, name: str) -> Mapping[str, Any]:
        """What the supervisor knows of its process. Raises `ControlError`."""
        processes = (await ask(self._folder, {"command": "list"}, within=2.0))["processes"]
        found: Mapping[str, Any] = processes[name]
        return found

    def _ports(self) -> list[int]:
        return [user.port for user in self.estate.users.values()]

    async def _tell(self, port: int, roles: Roles) -> bool:
        body = json.dumps({"primary": roles.primary, "epoch": roles.epoch}).encode()
        try:
            answer = await request(port, "/roles", method="PUT", body=body, within=TELL_S)
        except (OSError, TimeoutError, ValueError):
            return False
        return answer.status == 200

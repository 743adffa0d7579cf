"""`role`: what a copy of a PostgreSQL store is now.

`ok` is that it answers. Then `detail` is `primary` or `standby`, and `value` is when its present
life began, in seconds since the epoch: a server that becomes a primary stays one for its life.
Where it doesn't answer, `gone` says that its process isn't there, which is asked where `found_by`
says how it is found. Other details say nothing of its role: `refused`, `timeout`, `reset`,
`closed`, `unreachable`, `unresolved`, `starting`, `too many` (connections), `denied`, `error`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from sloproof.contracts import Probe, Sample
from sloproof.effects.finder import Finder
from sloproof.errors import EffectError
from sloproof.run.probing.postgres import Kept, failed

ASKED = "select pg_is_in_recovery(), extract(epoch from pg_postmaster_start_time())"


@dataclass(frozen=True, kw_only=True)
class Role(Probe):
    """Asks the server at `dsn` whether it is in recovery, over a connection that it keeps."""

    kind: ClassVar[str] = "role"

    dsn: str
    found_by: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _server(self) -> Kept:
        return Kept(self.dsn)

    async def sample(self) -> Sample:
        """Ask; and where nobody answers, look whether anybody is there."""
        try:
            [(standing_by, began)] = await self._server.ask(ASKED)
        except (OSError, EOFError, EffectError) as error:
            if self.found_by and not await self._there():
                return Sample(ok=False, detail="gone")
            return failed(error)
        role = "standby" if standing_by == "t" else "primary"
        return Sample(ok=True, value=float(began or 0), detail=role)

    async def _there(self) -> bool:
        """Looking through all processes takes a while, which is nobody else's."""
        return await asyncio.to_thread(Finder.from_json(self.found_by).find) is not None

    async def close(self) -> None:
        """Hang up."""
        self._server.close()

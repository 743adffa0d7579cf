"""`connections`: can ordinary clients of a PostgreSQL server still connect.

Each sample connects anew. `value` is how many more connections ordinary clients can open; `ok` is
that they are more than `more_than`. `status 53300` says that they aren't, be it that the server
refused this very connection for that reason (that is its SQLSTATE), be it that it was one that only
its reserve for privileged users let in. Other details: `refused`, `timeout`, `reset`, `closed`,
`unreachable`, `unresolved`, `starting`, `denied`, `error`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sloproof.contracts import Probe, Sample
from sloproof.effects.connection_holder import FREE
from sloproof.effects.postgres_protocol import ServerError
from sloproof.errors import EffectError
from sloproof.run.probing.postgres import Server, failed

TOO_MANY = "53300"


@dataclass(frozen=True, kw_only=True)
class Connections(Probe):
    """Connects to the server at `dsn` and asks it how many slots are left."""

    kind: ClassVar[str] = "connections"
    overlaps: ClassVar[bool] = True

    dsn: str
    more_than: int = 0

    async def sample(self) -> Sample:
        """One connection."""
        try:
            server = await Server.at(self.dsn)
            try:
                [(free,)] = await server.ask(FREE)
            finally:
                server.close()
        except ServerError as error:
            exhausted = error.state == TOO_MANY
            return Sample(False, 0.0, f"status {TOO_MANY}") if exhausted else failed(error)
        except (OSError, EOFError, EffectError) as error:
            return failed(error)
        left = max(0, int(free or 0) + 1)  # this one is about to be given back
        good = left > self.more_than
        return Sample(good, float(left), "" if good else f"status {TOO_MANY}")

"""`tcp`: does something accept connections, and how fast.

`value` is how long connecting took, in seconds. Details: `refused`, `timeout`, `reset`,
`unreachable`, `unresolved`, `error`. A proxy accepts for a backend that is down: ask `link` there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic_ns
from typing import ClassVar

from sloproof.contracts import Probe, Sample


@dataclass(frozen=True, kw_only=True)
class Tcp(Probe):
    """Connects to `host` and `port` anew for each sample."""

    kind: ClassVar[str] = "tcp"
    overlaps: ClassVar[bool] = True

    host: str
    port: int

    async def sample(self) -> Sample:
        """Connect and hang up."""
        began = monotonic_ns()
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError as error:
            return Sample.failed(error)
        took = (monotonic_ns() - began) / 1e9
        writer.close()
        return Sample(ok=True, value=took)

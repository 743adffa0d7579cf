"""Reading back: which writes of this run each copy has, asked until two looks agree.

A write that timed out may still be on its way to a copy, and a standby may still be catching up:
all copies are looked at until two looks in a row found the same in each, or the time is over. What
a copy held at its last look is what counts; that it was still changing is said.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic_ns
from typing import Any

from sloproof.run.ledger.order import CopyAt, Order
from sloproof.run.sql import connect, hang_up, psycopg, rows, word

FILE = "copies.json"
BETWEEN_S = 0.5
"""From one look to the next: longer than a standby takes that is merely a few pages behind."""
LOOK_S = 5.0
"""How long one look at one copy may take, connecting included."""
AT_MOST_S = 15.0
"""How long all the looks may take."""
_ROLE = "select pg_is_in_recovery()"


@dataclass(frozen=True, slots=True)
class Look:
    """What one copy was seen to have: `ids` with how often each; `error` where nothing was seen.

    `at` is when the look was over, in CLOCK_MONOTONIC nanoseconds; `role` is `primary`, `standby`
    or "" where nobody can tell; `stable` says that the look before was the same.
    """

    copy: str
    at: int
    role: str = ""
    error: str = ""
    stable: bool = False
    ids: dict[str, int] = field(default_factory=dict)
    until: int = 0
    """For a copy that was restored: the moment it is of, give or take `error_ns`; else 0."""
    error_ns: int = 0
    failed: bool = False
    """For such a copy: the target's own command restored nothing, for the reason in `error`."""

    def agrees(self, other: Look) -> bool:
        """Whether both saw the same, be it that neither saw anything."""
        return (self.role, bool(self.error), self.ids) == (
            other.role,
            bool(other.error),
            other.ids,
        )


async def read_back(order: Order) -> list[Look]:
    """The last look at each copy, in the order of the target's file."""
    deadline = asyncio.get_running_loop().time() + AT_MOST_S
    before: list[Look] = []
    while True:
        looks = await asyncio.gather(*(look_at(order, copy) for copy in order.copies))
        seen = dict(zip((look.copy for look in before), before, strict=True))
        looks = [replace(look, stable=look.agrees(seen[look.copy])) if seen else look
                 for look in looks]  # fmt: skip
        settled = all(look.stable for look in looks)
        if settled or asyncio.get_running_loop().time() + BETWEEN_S > deadline:
            return looks
        before = looks
        await asyncio.sleep(BETWEEN_S)


async def look_at(order: Order, copy: CopyAt) -> Look:
    """One look at one copy; nothing is raised for what it does."""
    try:
        async with asyncio.timeout(LOOK_S):
            role, ids = await _asked(order, copy)
    except TimeoutError:
        return Look(copy.copy, monotonic_ns(), error="timeout")
    except (psycopg().Error, OSError) as error:
        return Look(copy.copy, monotonic_ns(), error=word(error))
    return Look(copy.copy, monotonic_ns(), role, ids=ids)


async def _asked(order: Order, copy: CopyAt) -> tuple[str, dict[str, int]]:
    connection = await connect(copy.dsn)
    try:
        [(recovering,)] = await rows(connection, _ROLE)
        found = await rows(connection, order.read, {"run": order.run})
        [(still,)] = await rows(connection, _ROLE)
    finally:
        hang_up(connection)
    ids = Counter(str(row[0]) for row in found)
    # One that was promoted between the two has no role that fits what was read.
    role = "" if recovering != still else "standby" if recovering else "primary"
    return role, dict(sorted(ids.items()))


def write_looks(folder: Path, looks: list[Look]) -> None:
    """Keep the looks for the engine, whole or not at all."""
    partial = folder / f"{FILE}.partial"
    partial.write_text(json.dumps([asdict(look) for look in looks]), encoding="utf-8")
    partial.rename(folder / FILE)


def read_looks(folder: Path) -> list[Look]:
    """The looks that were kept; none where the copies were not read back."""
    path = folder / FILE
    found: list[dict[str, Any]] = json.loads(path.read_bytes()) if path.is_file() else []
    return [Look(**each) for each in found]

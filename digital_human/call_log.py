"""One JSON line for each call that a copy makes, whatever is spoken on the way."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

from digital_human.journal import Journal
from digital_human.parent import PARENT

GOOD = 200


class CallLog:
    """The calls of one copy of `source`, appended to a file."""

    def __init__(self, source: str, instance: str, path: Path) -> None:
        self._who = {"from": source, "instance": instance}
        self._journal = Journal(path)

    def note(
        self, to: str, began_ns: int, outcome: str, *, address: str, until_ns: int | None = None
    ) -> None:
        """Write down a call to an address of the service `to` that ended now, or at `until_ns`.

        A good outcome has the status that HTTP has for it, for whoever reads them all alike.
        """
        self._journal.write(
            {
                **self._who,
                "to": to,
                "upstream": urlsplit(address).netloc.rpartition("@")[2],
                "parent": PARENT.get(),
                "attempt": 1,
                "sent_ns": began_ns,
                "finished_ns": time.monotonic_ns() if until_ns is None else until_ns,
                "status": GOOD * (outcome == "ok"),
                "outcome": outcome,
            }
        )

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

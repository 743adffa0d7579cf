"""One JSON line for each call that a copy makes, whatever is spoken on the way."""

from __future__ import annotations

import time
from pathlib import Path

from digital_human.copy_config import CopyConfig
from digital_human.journal import Journal
from digital_human.parent import PARENT

GOOD = 200


class CallLog:
    """The calls of one copy of `source`."""

    def __init__(self, source: str, config: CopyConfig) -> None:
        self._who = {"from": source, "instance": config.instance}
        self._journal = Journal(Path(config.files["calls"]))

    def note(
        self, to: str, began_ns: int, outcome: str, *, status: int | None = None, copy: str = ""
    ) -> None:
        """Write down a call that ended now; `copy` is the one that was called, where it is known.

        Without a `status` a good outcome has that of HTTP, for whoever reads them all alike.
        """
        told = status if status is not None else GOOD * (outcome == "ok")
        self._journal.write(
            {
                **self._who,
                "to": to,
                **({"to_instance": copy} if copy else {}),
                "parent": PARENT.get(),
                "attempt": 1,
                "sent_ns": began_ns,
                "finished_ns": time.monotonic_ns(),
                "status": told,
                "outcome": outcome,
            }
        )

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

"""How a run ended, and why it may end early."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sloproof.run.load.spec import ALONE, Workers

if TYPE_CHECKING:
    from sloproof.run.holding import Hold


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the caller decides: where records and state go, the seed, who makes the load.

    `hold` is the target that the caller holds, where it stays up from run to run.
    """

    runs: Path
    state: Path
    seed: int | None = None
    workers: Workers = ALONE
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """The record, how the run ended (`completed`, `stopped`, `interrupted`, `failed`) and why.

    `unreverted` says for each effect that is left what it is and how to undo it by hand.
    `lacking` means that it failed for want of a capability of the platform or the host.
    """

    run: str
    record: Path
    how: str
    reason: str = ""
    unreverted: tuple[str, ...] = ()
    lacking: bool = False


class EndEarly(Exception):
    """The faults end now; nothing more is injected."""

    def __init__(self, how: str, reason: str) -> None:
        super().__init__(reason)
        self.how = how
        self.reason = reason

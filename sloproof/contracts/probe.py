"""Probes: one sample of the world at a time, and what a witness reads from the samples."""

from __future__ import annotations

import errno
import re
import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from sloproof.model.units import Duration

Params = dict[str, object]
BUSY = "busy"
"""The detail of what stands in the place of a sample that was due while another was under way."""
UNFINISHED = "unfinished"
"""The detail of a sample that waited still when its probe ended."""


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """A probe as plain data, for the prober's process.

    `kind` names the probe's class (`http`, `tcp`, `prometheus`, `process`, `command`, …), `params`
    are its fields, `every` the interval between samples, `timeout` each sample's own limit.
    """

    name: str
    kind: str
    params: Params = field(default_factory=dict)
    every: Duration = Duration(200_000_000)
    timeout: Duration = Duration(1_000_000_000)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one sample saw: whether it was good, a figure if it measures one, a word if not good.

    `detail` is one short word of a closed set per probe kind (`refused`, `reset`, `timeout`,
    `status 503`, `gone`, `stopped`, …).
    """

    ok: bool
    value: float | None = None
    detail: str = ""

    @classmethod
    def failed(cls, error: Exception) -> Sample:
        """The sample of a connection that ended in `error`, with the word that all probes use.

        `timeout`, `refused`, `reset`, `closed` (ended without a reset), `unreachable` (no route),
        `unresolved` (no such name), or `error` for what is none of these.
        """
        return cls(ok=False, detail=_word(error))


_WORDS = {
    errno.ETIMEDOUT: "timeout",
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "closed",
    errno.ECONNABORTED: "closed",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
}


def _word(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "unresolved"
    if isinstance(error, EOFError):
        return "closed"
    if isinstance(error, TimeoutError):
        return "timeout"
    number = getattr(error, "errno", None)
    if number is None and (numbers := re.findall(r"\[Errno (\d+)\]", str(error))):
        # asyncio joins the errors of a name's several addresses into the text of one.
        number = int(numbers[-1])
    if number is None and isinstance(error, ConnectionError):
        return "closed"
    return _WORDS.get(number or 0, "error")


class Probe(ABC):
    """One kind of probe; a frozen dataclass whose fields are its parameters.

    The prober makes one object per spec, awaits `open` once, `sample` at each interval, and `close`
    at the end. Where `overlaps` is true, `sample` is awaited anew at each interval even while
    earlier ones wait for their answers. Elsewhere never two at a time on one object: an interval
    that finds the one before still running is a sample that isn't ok, with the detail `busy`.
    Where `waits` is true, what a sample finds out is how long it waits: one that still does when
    the probe ends is a sample, too, that isn't ok, with the detail `unfinished`. Elsewhere it is
    dropped.

    What `open` or `__post_init__` raises makes the spec a broken one. A sample that outlives its
    time-out is cancelled.
    """

    kind: ClassVar[str]
    overlaps: ClassVar[bool] = False
    waits: ClassVar[bool] = False

    async def open(self) -> None:
        """Prepare what all samples share; nothing by default."""
        return

    @abstractmethod
    async def sample(self) -> Sample:
        """Take one sample; a failure of the thing probed is a sample that isn't ok."""

    async def close(self) -> None:
        """Release what `open` took; nothing by default."""
        return


class Sense(StrEnum):
    """How a witness's samples tell a present fault from an absent one."""

    DELAY = "delay"
    """`value` is a round trip in seconds; present when it exceeds the median before the fault by
    half of the requested size or more; measured size: median difference."""
    THROUGHPUT = "throughput"
    """`value` is bytes per second; present when below twice the requested one."""
    LEVEL = "level"
    """`value` is a level (processors, bytes, seconds of a clock); present when it is away from the
    median before by half of the requested change or more, which may be negative; measured size:
    median difference. A sample with the detail `limited` is what the limit left of it: too little
    in it says nothing."""
    REFUSED = "refused"
    """Present when a connection is refused or reset before an answer."""
    BLACKHOLE = "blackhole"
    """Present when a connection's bytes get no answer within the probe's time-out."""
    RESET = "reset"
    """Present when the connection is reset."""
    GONE = "gone"
    """Present when the incarnation no longer exists."""
    STOPPED = "stopped"
    """Present when the incarnation is stopped."""
    STATUS = "status"
    """Present when answers are errors; measured size: the share of errors."""
    LOSS = "loss"
    """Each sample is one packet, lost where it timed out; measured size: the share that was."""
    FREE = "free"
    """`value` is how many bytes or files are free; present when nearer to the expected than to the
    median before the fault; measured size: the median."""
    SCARCE = "scarce"
    """As `free`, but the system may go on and use what is left: the measured size may be smaller
    than the expected one."""
    FAILING = "failing"
    """Present when reading or writing fails with an input/output error."""
    OBSERVED = "observed"
    """Present when the probe says so: `ok` false; but `busy` and `timeout` say nothing."""


@dataclass(frozen=True, slots=True)
class Witness:
    """How to see an effect by a path independent of the one that injected it.

    `probes` sample one thing in one or more ways (over a new connection, over one older than the
    fault). `expected` is the size asked for, in `unit` (`s`, `B/s`, `B`, `files`, `cores`,
    `ratio`), or None where the sense is a yes or no. `tolerance` is how far the measured size may
    be off, in the same unit.
    """

    sense: Sense
    probes: tuple[ProbeSpec, ...]
    expected: float | None = None
    unit: str = ""
    tolerance: float | None = None
    of: str = ""
    """The link or instance that a neighbour's witness looks at: another fault may strike that."""

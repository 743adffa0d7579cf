"""One probe's samples: launched at their intended times, bounded in number and in time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from time import monotonic_ns

from sloproof.contracts import Probe, ProbeSpec, Sample
from sloproof.contracts.probe import BUSY, UNFINISHED
from sloproof.run.probing.samples import SampleWriter

GRACE_S = 1.0
"""How long samples under way may take once no more are launched."""

_GOLDEN = (math.sqrt(5) - 1) / 2

Report = Callable[[str, str], None]


class Series:
    """Samples one probe open loop: the world's slowness delays no sample but its own."""

    def __init__(self, spec: ProbeSpec, probe: Probe, writer: SampleWriter, report: Report) -> None:
        self._spec = spec
        self._probe = probe
        self._writer = writer
        self._report = report
        self._most = math.ceil(spec.timeout.ns / spec.every.ns) + 1 if probe.overlaps else 1
        self._under_way: set[asyncio.Task[None]] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._reported = False

    def begin(self, number: int) -> None:
        """Launch the first sample within one interval; probes of other numbers at other moments.

        Multiples of the golden ratio lie far apart whatever their count, so samples of several
        probes don't wait for each other in this process.
        """
        phase = number * _GOLDEN % 1
        origin = monotonic_ns() + round(self._spec.every.ns * phase)
        self._ticking = asyncio.get_running_loop().create_task(self._tick(origin))

    async def end(self) -> None:
        """Launch no more, give those under way `GRACE_S`, end the rest, close the probe."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=GRACE_S)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        try:
            await self._probe.close()
        except Exception as error:  # noqa: BLE001 - a probe's defect must not end the others
            self._complain(error)

    async def _tick(self, origin: int) -> None:
        every = self._spec.every.ns
        intended = origin
        while True:
            await asyncio.sleep(max(0, intended - monotonic_ns()) / 1e9)
            self._launch(intended)
            intended += every
            # After a stall of this process, one late sample tells of it; the rest were missed.
            overdue = monotonic_ns() - intended
            if overdue >= every:
                intended += overdue // every * every

    def _launch(self, intended: int) -> None:
        if len(self._under_way) >= self._most:
            now = monotonic_ns()
            self._writer.add(self._spec.name, (intended, now, now), Sample(ok=False, detail=BUSY))
            return
        task = asyncio.get_running_loop().create_task(self._take(intended))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _take(self, intended: int) -> None:
        await self._sample(intended)
        if task := asyncio.current_task():
            # At once: the callback comes a turn later, when the next sample may have been due.
            self._under_way.discard(task)

    async def _sample(self, intended: int) -> None:
        sent = monotonic_ns()
        try:
            async with asyncio.timeout(self._spec.timeout.seconds):
                sample = await self._probe.sample()
        except asyncio.CancelledError:
            if self._probe.waits:
                sample = Sample(ok=False, detail=UNFINISHED)
                self._writer.add(self._spec.name, (intended, sent, monotonic_ns()), sample)
            raise
        except OSError as error:
            sample = Sample.failed(error)
        except Exception as error:  # noqa: BLE001 - a probe's defect must not pass for an outage
            self._complain(error)
            return
        finished = monotonic_ns()
        if sample.value is not None and not math.isfinite(sample.value):
            sample = Sample(ok=False, detail="nan")
        self._writer.add(self._spec.name, (intended, sent, finished), sample)

    def _complain(self, error: Exception) -> None:
        """Say once that samples are missing, and why."""
        if not self._reported:
            self._reported = True
            kind = type(error).__name__
            self._report(self._spec.name, f"probe {self._spec.name} failed: {kind}: {error}")

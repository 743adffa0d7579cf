"""`cgroup`: what the kernel accounts to a control group.

`measure: cpu`: `value` is the processors in use since the sample before (so the first has none).
Where the group met its quota meanwhile, the sample is good with the detail `limited`: it used as
much as it may. `measure: memory`: `value` is the resident anonymous memory in bytes, without the
file pages that come and go as the kernel likes. Detail of what isn't good: `gone`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import monotonic_ns
from typing import ClassVar, Literal

from sloproof.contracts import Probe, Sample


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read at a moment: nanoseconds of processor time, and how often the quota was met."""

    at: int
    used: int
    limited: int


@dataclass(slots=True)
class Meter:
    """The reading before, if there is one."""

    before: Reading | None = None


@dataclass(frozen=True, kw_only=True)
class Cgroup(Probe):
    """Reads the group whose folder is `folder`, of either version.

    `limiter` is the folder with the quota's counts where version 1 mounts that apart.
    """

    kind: ClassVar[str] = "cgroup"

    folder: str
    measure: Literal["cpu", "memory"] = "cpu"
    limiter: str = ""

    @cached_property
    def _meter(self) -> Meter:
        return Meter()

    async def sample(self) -> Sample:
        """Read it; it answers from memory and never waits."""
        try:
            return self._memory() if self.measure == "memory" else self._cpu()
        except OSError:
            return Sample(ok=False, detail="gone")

    def _memory(self) -> Sample:
        stat = _figures(Path(self.folder, "memory.stat"))
        # Version 1 counts without its descendants unless asked for the total.
        return Sample(ok=True, value=float(stat["total_rss" if "total_rss" in stat else "anon"]))

    def _cpu(self) -> Sample:
        now = Reading(monotonic_ns(), *self._used())
        before, self._meter.before = self._meter.before, now
        if before is None or now.at <= before.at:
            return Sample(ok=True)
        value = (now.used - before.used) / (now.at - before.at)
        word = "limited" if now.limited > before.limited else ""
        return Sample(ok=True, value=value, detail=word)

    def _used(self) -> tuple[int, int]:
        total = Path(self.folder, "cpuacct.usage")
        stat = _figures(Path(self.limiter or self.folder, "cpu.stat"))
        limited = stat.get("nr_throttled", 0)
        if total.exists():
            return int(total.read_text(encoding="ascii")), limited
        return _figures(Path(self.folder, "cpu.stat"))["usage_usec"] * 1000, limited


def _figures(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}

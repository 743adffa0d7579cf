"""What a fill leaves free against what it was to leave; how fast disk errors come and go."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.figure import Bench, Figure, Goal, Result, Row, row
from benchmarks.machine import ROOT
from sloproof.contracts import Owner
from sloproof.effects.broken_volume import BrokenVolume
from sloproof.effects.fill import Fill
from sloproof.effects.place import Place, namespace_of

MIB = 1 << 20
SIZE = 64
REPEAT = 20
WITHIN = 30.0
MINE = Owner("bench", 1)


@dataclass(frozen=True, slots=True)
class Room:
    """A volume, and how much is free on it as the measuring process sees it."""

    name: str
    place: Place
    budget: int = 0

    def free(self) -> int:
        folder = self.place.reached
        if self.budget:
            return self.budget - sum(each.stat().st_size for each in Path(folder).iterdir())
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def off(self, free: int) -> float:
        """By how many MiB a fill misses what it was to leave."""
        effect = Fill(
            volume=self.name,
            path=self.place.path,
            namespace=self.place.namespace,
            device=Path(self.place.reached).stat().st_dev,
            free=free,
            budget=self.budget,
        ).bound(MINE)
        prior = effect.capture()
        effect.apply(prior)
        left = self.free()
        effect.undo(prior)
        return abs(left - free) / MIB


def measure(bench: Bench) -> Result:
    repetitions, chance = bench.times(REPEAT, 5), random.Random(1)
    sizes = [chance.randrange(0, SIZE // 2 * MIB) for _ in range(repetitions)]
    folder = bench.folder / "budget"
    folder.mkdir()
    rooms = [Room("folder with a budget", Place(str(folder)), SIZE * MIB)]
    if os.geteuid() != 0:
        rows = [_accuracy(room, sizes) for room in rooms]
        return Result(rows=tuple(rows), missing=("ext4 and tmpfs: mounting them needs root",))
    with _mounted(bench.folder) as namespace:
        ext4 = Place(str(bench.folder / "ext4"), namespace)
        rooms += [Room("ext4", ext4), Room("tmpfs", Place(str(bench.folder / "tmpfs"), namespace))]
        bench.say(f"{repetitions} fills of each of {len(rooms)} volumes")
        rows = [_accuracy(room, sizes) for room in rooms]
        apply, heal = zip(*(_broken(ext4) for _ in range(repetitions)), strict=True)
    rows += [row("disk errors, until they are there", apply, "ms")]
    rows += [row("disk errors, until the volume is mounted anew", heal, "ms")]
    return Result(rows=tuple(rows))


def _accuracy(room: Room, sizes: list[int]) -> Row:
    off = [room.off(size) for size in sizes]
    return Row(
        what=f"{room.name}: off what was to be left",
        value=max(off),
        unit="MiB",
        statistic="greatest",
        repetitions=len(off),
        low=min(off),
        high=max(off),
        goal=Goal(at_most=1.0),
    )


def _broken(place: Place) -> tuple[float, float]:
    """Milliseconds until every access fails, and until it is well again; a file is open."""
    effect = BrokenVolume(volume="ext4", path=place.path, namespace=place.namespace).bound(MINE)
    prior = effect.capture()
    with Path(place.reached, "open").open("wb"):
        times = [time.perf_counter()]
        effect.apply(prior)
        times.append(time.perf_counter())
        effect.undo(prior)
        times.append(time.perf_counter())
    apply, heal = ((end - begin) * 1000 for begin, end in pairwise(times))
    return apply, heal


@contextmanager
def _mounted(folder: Path) -> Iterator[str]:
    """A process in whose eyes there are an ext4 and a tmpfs; gives their namespace."""
    sizes = [f"--disk={folder / 'ext4'}={SIZE}MiB", f"--tmpfs={folder / 'tmpfs'}={SIZE}MiB"]
    argv = [sys.executable, "-m", "sloproof", "arm", "--no-shim", *sizes, "--", "cat"]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE) as process:  # ends with us
        try:
            deadline = time.monotonic() + WITHIN
            while Path(f"/proc/{process.pid}/comm").read_text().strip() != "cat":
                assert time.monotonic() < deadline, "the volumes were not mounted"
                time.sleep(0.01)
            yield namespace_of(process.pid)
        finally:
            process.kill()


FIGURE = Figure(
    name="disk-fill",
    place=17,
    title="Disk fill",
    goal="within 1 MiB of what was asked for",
    method=(
        "Fills of volumes of 64 MiB that are to leave 0 to 32 MiB, the sizes by chance with a "
        "fixed seed; what is left is asked of the file system by the measuring process, or summed "
        "over the files of the folder. Disk errors on the ext4, a file of it being open."
    ),
    measure=measure,
)

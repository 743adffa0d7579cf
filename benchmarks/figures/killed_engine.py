"""Killed, hung, and killed with its guardian: what the harness leaves behind, and for how long."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from functools import partial

from benchmarks.figure import Bench, Figure, Goal, Result, Row, row
from benchmarks.proxied import PATIENCE_S, Aftermath, Harness, Proxied, standing

SEED = 20261125
EARLY = ("", "prepare", "ready")
IN_THE_WORLD_S = 0.9
"""Baseline 100 ms, fault 400 ms, recovery 100 to 200 ms, and a little for the end."""
LONG = "--set=lasts=60s"


def measure(bench: Bench) -> Result:
    """Three ways to end, each many times, against one Toxiproxy with one proxy."""
    chance = random.Random(SEED)
    with standing(bench.folder) as world:
        lasts = sorted(world.whole_run() for _ in range(3))[1]
        bench.say(f"a whole run takes {lasts:.2f} s")
        killed = _repeat(bench, world, bench.times(1000, 50), partial(_kill, chance, lasts))
        hung = _repeat(bench, world, bench.times(50, 5), partial(_hang, chance))
        both = _repeat(bench, world, bench.times(50, 5), partial(_kill_both, chance, lasts))
    struck = [each for each in killed if each.present]
    return Result(
        rows=(
            _left("engine killed: runs that left something", killed),
            *_times("engine killed", struck, Goal(at_most=1)),
            _left("engine hung: runs that left something", hung),
            *_times("engine hung", hung, Goal(at_most=4)),
            _left("engine and guardian killed, then `recover`: runs that left something", both),
        ),
        notes=(
            *_journals("engine killed", killed),
            *_journals("engine hung", hung),
            (
                f"{len(struck):,} of {len(killed):,} engines were killed while a toxic was in the "
                "world; times to revert are theirs."
            ),
            f"So were {sum(e.present for e in both):,} of {len(both):,} engines with guardians.",
        ),
    )


def _repeat(
    bench: Bench, world: Proxied, times: int, blow: Callable[[Proxied], Aftermath]
) -> list[Aftermath]:
    found: list[Aftermath] = []
    for number in range(times):
        if number % 25 == 0:
            bench.say(f"{number:,} of {times:,}")
        found.append(blow(world))
    return found


def _kill(chance: random.Random, lasts: float, world: Proxied) -> Aftermath:
    """SIGKILL at a random moment of its life."""
    with world.running() as harness:
        _wait(chance, harness, lasts)
        harness.strike(signal.SIGKILL)
        return world.aftermath(harness)


def _wait(chance: random.Random, harness: Harness, lasts: float) -> None:
    """Until a random moment: of the whole life of the process, or of its life in the world.

    Most of a short run is the start of Python; so every other blow waits for the baseline, and
    falls at any moment from shortly before the injection until shortly after the end.
    """
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0, lasts))
        return
    _until(lambda: harness.phase() not in EARLY or harness.process.poll() is not None)
    time.sleep(chance.uniform(0, IN_THE_WORLD_S))


def _hang(chance: random.Random, world: Proxied) -> Aftermath:
    """SIGSTOP at a random moment while the toxic is in the world."""
    with world.running(LONG) as harness:
        _until(world.toxics)
        time.sleep(chance.uniform(0, 1))
        harness.strike(signal.SIGSTOP)
        return world.aftermath(harness)


def _kill_both(chance: random.Random, lasts: float, world: Proxied) -> Aftermath:
    """SIGKILL of engine and guardian at a random moment of the guardian's life; then recover."""
    began = time.monotonic()
    with world.running() as harness:
        guardian = _until(harness.guardian)
        _wait(chance, harness, max(0.0, lasts - (time.monotonic() - began)))
        harness.strike(signal.SIGKILL, guardian)
        found = world.aftermath(harness, settled=harness.recover)
        assert harness.status == 0, f"recover ended with {harness.status}"
        return found


def _until(condition: Callable[[], object]) -> int:
    """Wait for something; gives it where it is a number."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError("what was to be ended did not begin")
        time.sleep(0.005)
    return found if isinstance(found, int) else 0


def _journals(what: str, found: list[Aftermath]) -> list[str]:
    """What a killed run left for `recover` though nothing was left in the world."""
    count = sum(each.journals > 0 for each in found)
    return [f"{what}: {count:,} of {len(found):,} runs left a journal on disk."] if count else []


def _left(what: str, found: list[Aftermath]) -> Row:
    return Row(
        what=what,
        value=sum(each.left > 0 for each in found),
        unit="runs",
        statistic="count",
        repetitions=len(found),
        goal=Goal(at_most=0),
    )


def _times(what: str, found: list[Aftermath], goal: Goal) -> list[Row]:
    """How long an effect outlived the blow: the longest time has the goal."""
    if not found:
        return []
    times = sorted(each.revert_s for each in found)
    greatest = Row(
        what=f"{what}: longest time to revert",
        value=times[-1],
        unit="s",
        statistic="greatest",
        repetitions=len(times),
        goal=goal,
    )
    p99 = Row(
        what=f"{what}: p99 of the time to revert",
        value=times[-(-99 * len(times) // 100) - 1],
        unit="s",
        statistic="p99",
        repetitions=len(times),
    )
    return [greatest, p99, row(f"{what}: time to revert", times, "s")]


FIGURE = Figure(
    name="killed-engine",
    place=6,
    title="Engine killed, hung, and killed with its guardian",
    goal="0 effects left; reverted ≤ 1 s, of a hung engine ≤ 4 s",
    method=(
        "`sloproof run` delays a link of a Toxiproxy for 400 ms. Killed: SIGKILL to the engine at "
        "a seeded moment, half of them uniform over the whole life of its process, half from "
        "shortly before the injection to shortly after the end. Hung: SIGSTOP while the toxic is "
        "there. Both: SIGKILL to engine and guardian at once, then `sloproof recover`. Left is "
        "what is still there 200 ms after the last process has gone, 15 s later at most: toxics, "
        "a disabled proxy, processes. Time to revert goes to the last moment at which the proxy "
        "still had the toxic, asked each 3 ms."
    ),
    measure=measure,
)

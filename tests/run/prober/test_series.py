"""One probe's samples: open loop, bounded, and honest about what went wrong."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from sloproof.contracts import Duration, Probe, ProbeSpec, Sample
from sloproof.run.probing.samples import SampleWriter, Taken, read_samples
from sloproof.run.probing.series import GRACE_S, Series

EVERY = Duration(10_000_000)


@dataclass(frozen=True)
class Stuck(Probe):
    """Its samples wait until `free` is set."""

    kind: ClassVar[str] = "stuck"
    free: asyncio.Event = field(default_factory=asyncio.Event)

    async def sample(self) -> Sample:
        await self.free.wait()
        return Sample(ok=True)


class Endless(Stuck):
    overlaps: ClassVar[bool] = True


class Waiting(Endless):
    waits: ClassVar[bool] = True


@dataclass(frozen=True)
class Crowd(Probe):
    """Its samples wait until ten of them wait."""

    kind: ClassVar[str] = "crowd"
    overlaps: ClassVar[bool] = True
    full: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(10))

    async def sample(self) -> Sample:
        await self.full.wait()
        return Sample(ok=True)


@dataclass(frozen=True)
class Giving(Probe):
    """Its samples are what `give` returns or raises."""

    kind: ClassVar[str] = "giving"
    give: Callable[[], Sample]

    async def sample(self) -> Sample:
        return self.give()


@dataclass(frozen=True)
class Run:
    samples: list[Taken]
    errors: list[str]


def run(
    tmp_path: Path, probe: Probe, until: int, *, timeout_s: float = 20.0, free_at: int = 0
) -> Run:
    """Sample until there are `until` samples; set a stuck probe free at the sample `free_at`."""
    errors: list[str] = []
    path = tmp_path / "samples.jsonl"

    async def sampling() -> None:
        writer = SampleWriter(path)
        spec = ProbeSpec("p", "any", every=EVERY, timeout=Duration.of(timeout_s))
        series = Series(spec, probe, writer, report=lambda _, error: errors.append(error))
        series.begin(0)
        while writer.count + len(errors) < until:
            if isinstance(probe, Stuck) and writer.count >= free_at > 0:
                probe.free.set()
            await asyncio.sleep(0.001)
        await series.end()
        writer.close()

    asyncio.run(asyncio.wait_for(sampling(), 30))
    return Run(list(read_samples(path)), errors)


def test_samples_are_intended_at_multiples_of_the_interval(tmp_path: Path) -> None:
    found = run(tmp_path, Giving(lambda: Sample(ok=True)), 30).samples
    assert {(b.intended - a.intended) % EVERY.ns for a, b in pairwise(found)} == {0}
    assert all(taken.sent >= taken.intended - 1_000 for taken in found)
    assert all(taken.finished >= taken.sent for taken in found)


def test_samples_that_may_overlap_are_not_held_up_by_slow_ones(tmp_path: Path) -> None:
    samples = run(tmp_path, Crowd(), 10).samples
    first_finished = min(taken.finished for taken in samples)
    assert sum(taken.sent < first_finished for taken in samples) >= 10


def test_no_more_samples_overlap_than_the_time_out_allows(tmp_path: Path) -> None:
    found = run(tmp_path, Endless(), 40, timeout_s=0.05).samples
    assert {taken.detail for taken in found} <= {"timeout", "busy"}
    for taken in found:
        under_way = [each for each in found if each.sent <= taken.sent < each.finished]
        assert len(under_way) <= 6


def test_one_that_may_not_overlap_is_busy_until_it_is_done(tmp_path: Path) -> None:
    found = run(tmp_path, Stuck(), 8, free_at=5).samples
    assert [taken.detail for taken in found[:5]] == ["busy"] * 5
    assert not any(taken.ok for taken in found[:5])
    freed = next(taken for taken in found if taken.ok)
    assert freed.intended < found[0].intended
    assert freed.finished > found[4].finished


def test_each_sample_has_its_own_time_out(tmp_path: Path) -> None:
    found = run(tmp_path, Endless(), 5, timeout_s=0.05).samples
    assert {(taken.ok, taken.detail) for taken in found} == {(False, "timeout")}
    assert all(taken.finished - taken.sent >= 50_000_000 for taken in found)
    assert found[1].sent < found[0].finished


@pytest.mark.parametrize(("kind", "details"), [(Endless, set()), (Waiting, {"unfinished"})])
def test_what_is_still_awaited_at_the_end_counts_where_waiting_is_the_figure(
    tmp_path: Path, kind: type[Probe], details: set[str]
) -> None:
    path = tmp_path / "samples.jsonl"

    async def sampling() -> None:
        writer = SampleWriter(path)
        spec = ProbeSpec("p", "any", every=EVERY, timeout=Duration.of(20.0))
        series = Series(spec, kind(), writer, report=lambda *_: None)
        series.begin(0)
        await asyncio.sleep(20 * EVERY.seconds)
        await series.end()
        writer.close()

    asyncio.run(asyncio.wait_for(sampling(), 30))
    found = list(read_samples(path))
    assert {taken.detail for taken in found} == details
    assert not any(taken.ok for taken in found)
    assert all(taken.finished - taken.sent >= GRACE_S * 1e9 for taken in found)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_none_is_not_recorded_as_one(tmp_path: Path, value: float) -> None:
    taken = run(tmp_path, Giving(lambda: Sample(ok=True, value=value)), 1).samples[0]
    assert (taken.ok, taken.value, taken.detail) == (False, None, "nan")


def test_an_error_of_the_world_is_a_bad_sample(tmp_path: Path) -> None:
    def refuse() -> Sample:
        raise ConnectionRefusedError(111, "refused")

    taken = run(tmp_path, Giving(refuse), 1).samples[0]
    assert (taken.ok, taken.detail) == (False, "refused")


def test_a_defect_of_the_probe_is_no_sample_but_is_told_once(tmp_path: Path) -> None:
    count = iter(range(100))

    def break_at_first() -> Sample:
        if next(count) < 3:
            raise KeyError("oops")
        return Sample(ok=True)

    found = run(tmp_path, Giving(break_at_first), 3)
    assert all(taken.ok for taken in found.samples)
    assert found.errors == ["probe p failed: KeyError: 'oops'"]

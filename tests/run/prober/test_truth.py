"""What the prober says against what is known: outages, and how late it is on a busy machine."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sloproof.contracts import Duration, ProbeSpec
from sloproof.run.probing.samples import Taken, read_samples
from sloproof.testing import Act, Happened, How, ScriptedServer
from tests.run.prober.stage import (
    EVERY_10_MS,
    Stage,
    answer,
    answering,
    probing,
    stopped,
    until,
)

OUTAGES = 10


def outages(seed: int) -> list[Act]:
    """The port is closed ten times for 100 to 300 ms."""
    chance = random.Random(seed)
    acts, at = [], 0.0
    for _ in range(OUTAGES):
        begin = at + chance.uniform(0.15, 0.25)
        at = begin + chance.uniform(0.1, 0.3)
        acts.append(Act(begin=Duration.of(begin), end=Duration.of(at), how=How.REFUSE))
    return acts


def near(samples: list[Taken], outage: Happened) -> str:
    """The samples around the end of an outage, in ms from it, for a failure's message."""
    end = outage.ended[0]
    return "\n".join(
        f"{(taken.intended - end) / 1e6:.1f} {(taken.sent - end) / 1e6:.1f} "
        f"{(taken.finished - end) / 1e6:.1f} {taken.detail or taken.ok}"
        for taken in samples
        if abs(taken.sent - end) < 400_000_000
    )


def recovered(samples: list[Taken], outage: Happened) -> tuple[int, int]:
    """Where its end lies: between the sending of the last bad sample and the first good answer."""
    middle = (outage.began[1] + outage.ended[0]) // 2
    by_sent = sorted(samples, key=lambda taken: taken.sent)
    first_good = next(taken for taken in by_sent if taken.sent > middle and taken.ok)
    last_bad = [taken for taken in by_sent if not taken.ok and taken.sent < first_good.sent][-1]
    return last_bad.sent, first_good.finished


@pytest.mark.truth
@pytest.mark.parametrize("kind", ["http", "link", "tcp", "kept"])
def test_the_end_of_an_outage_lies_where_the_samples_say(
    tmp_path: Path, kind: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with ScriptedServer(*outages(seed=7)) as server:
        params: dict[str, object] = {"host": "127.0.0.1", "port": server.port}
        if kind == "http":
            params = {"url": server.url}
        prefix = kind
        if kind == "kept":
            kind, params = "link", {**params, "kept": True}
        spec = ProbeSpec("p", kind, params, EVERY_10_MS)
        with probing(tmp_path, spec) as (prober, process):
            server.begin(time.monotonic_ns())
            until(lambda: len(server.happened()) == OUTAGES)
            opened = server.happened()[-1].ended[1]
            until(lambda: any(each.ok for each in prober.tail.recent("p", opened)))
            stopped(prober, process)
        seen = server.happened()
    samples = list(read_samples(tmp_path / "samples.jsonl"))
    assert len(seen) == OUTAGES
    widths = []
    for outage in seen:
        low, high = recovered(samples, outage)
        assert low <= outage.ended[1], near(samples, outage)
        assert outage.ended[0] <= high, near(samples, outage)
        widths.append((high - low) / 1e6)
    record_testsuite_property(f"{prefix}_interval_ms_mean", round(sum(widths) / len(widths), 2))
    record_testsuite_property(f"{prefix}_interval_ms_max", round(max(widths), 2))


@pytest.fixture
def busy() -> Iterator[None]:
    """As many processes as there are cores, each wanting a whole one."""
    spin = "while True: pass"
    burning = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(os.cpu_count() or 1)]
    yield
    for process in burning:
        process.kill()
        process.wait()


@pytest.mark.truth
@pytest.mark.usefixtures("busy")
def test_at_100_hz_beside_busy_cores_samples_go_out_in_time(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with Stage() as stage:
        port = stage.serve(answering(answer()))
        specs = [
            ProbeSpec("http", "http", {"url": f"http://127.0.0.1:{port}/"}, EVERY_10_MS),
            ProbeSpec("tcp", "tcp", {"host": "127.0.0.1", "port": port}, EVERY_10_MS),
        ]
        with probing(tmp_path, *specs) as (prober, process):
            until(lambda: len(prober.tail.recent("http")) >= 300)
            stopped(prober, process)
    late = sorted(t.sent - t.intended for t in read_samples(tmp_path / "samples.jsonl"))
    p99_ms = late[len(late) * 99 // 100] / 1e6
    record_testsuite_property("lateness_p99_ms", round(p99_ms, 2))
    assert p99_ms < 100

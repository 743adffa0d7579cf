"""Processor time and memory taken inside of control groups, and seen by the kernel's accounts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from digital_human import cgroups
from digital_human.cgroups import Limits
from sloproof.contracts import Effect, Ratio, Sample, Size, Undone
from sloproof.effects import effect_to_json
from sloproof.effects.tagged import tagged
from sloproof.errors import PlatformError
from sloproof.run.probing.specs import make_probe
from sloproof.testing import check_effect
from tests.effects.conftest import wait_for
from tests.resources.conftest import FAULTS, KINDS, MEBIBYTE, OWNER, Serve, local, planned, probe_of

ROOMY = Limits(cpu=1.0, memory=160 * MEBIBYTE)


def mean(probe: Any, seconds: float) -> float:
    """What the probe sees on average in so long, every fifth of a second, as the prober asks it."""
    asyncio.run(probe.sample())
    found, begin = [], time.monotonic()
    while time.monotonic() < begin + seconds:
        time.sleep(0.2)
        found.append(value(probe))
    return sum(found) / len(found)


def value(probe: Any) -> float:
    sample: Sample = asyncio.run(probe.sample())
    assert sample.value is not None
    return sample.value


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("cpu_stress", {"cores": 1, "load": Ratio.parse("40%")}),
        ("memory_pressure", {"size": Size.parse("32MiB")}),
    ],
)
def test_faults_and_effects_keep_the_laws(
    serve: Serve, tmp_path: Path, kind: str, fields: dict[str, object]
) -> None:
    check_effect(planned(local(tmp_path, web=serve("web", ROOMY)), kind, "web", **fields))


@pytest.mark.root
@pytest.mark.parametrize(("cores", "load"), [(1, "10%"), (1, "60%"), (2, "20%")])
def test_the_load_is_what_was_asked_for(
    serve: Serve, tmp_path: Path, cores: int, load: str
) -> None:
    platform = local(tmp_path, web=serve("web", ROOMY))
    effect = planned(platform, "cpu_stress", "web", cores=cores, load=Ratio.parse(load))
    probe = probe_of(effect)
    idle = mean(probe, 0.6)
    effect.apply({})
    try:
        began, before = time.monotonic(), schedule()
        seen = mean(probe, 2.0) - idle
        took, after = time.monotonic() - began, schedule()
    finally:
        effect.undo({})
    used, waited = ((late - early) / took for early, late in zip(before, after, strict=True))
    wanted = cores * float(Ratio.parse(load))
    # On a busy host it may have to wait for others, which shows; more than asked it never takes.
    assert used < wanted + 0.03
    assert used + waited > wanted - 0.03
    assert seen == pytest.approx(used, abs=0.05)
    assert mean(probe, 0.6) < idle + 0.1


def schedule() -> tuple[float, float]:
    """Seconds that the stressor ran, and that it was ready but had to wait for a processor."""
    lines = [Path(f"/proc/{life.pid}/schedstat").read_text().split() for life in tagged(OWNER)]
    return sum(int(ran) for ran, _, _ in lines) / 1e9, sum(int(w) for _, w, _ in lines) / 1e9


@pytest.mark.root
@pytest.mark.parametrize("size", ["8MiB", "64MiB", "100MiB"])
def test_the_memory_is_what_was_asked_for(serve: Serve, tmp_path: Path, size: str) -> None:
    platform = local(tmp_path, web=serve("web", ROOMY))
    effect = planned(platform, "memory_pressure", "web", size=Size.parse(size))
    probe = probe_of(effect)
    idle = value(probe)
    effect.apply({})
    try:
        wait_for(lambda: within(value(probe) - idle, effect))
    finally:
        effect.undo({})
    wait_for(lambda: value(probe) < idle + MEBIBYTE)


def within(change: float, effect: Effect) -> bool:
    seen = effect.witness()
    assert seen is not None
    assert seen.expected is not None
    return abs(change - seen.expected) <= (seen.tolerance or 0)


@pytest.mark.root
def test_a_stressor_dies_with_whoever_started_it(serve: Serve, tmp_path: Path) -> None:
    served = serve("web", ROOMY)
    effect = planned(
        local(tmp_path, web=served), "cpu_stress", "web", cores=2, load=Ratio.parse("5%")
    )
    script = (
        "import json, sys, time; from sloproof.effects import effect_from_json as load; "
        "load(json.loads(sys.argv[1])).apply({}); print(flush=True); time.sleep(60)"
    )
    words = json.dumps(effect_to_json(effect))
    with subprocess.Popen([sys.executable, "-c", script, words], stdout=subprocess.PIPE) as engine:
        assert engine.stdout
        engine.stdout.readline()
        assert effect.present({})
        engine.kill()
    wait_for(lambda: not effect.present({}))
    members = served.groups[0] / "cgroup.procs"  # which lists what dies until it is quite dead
    wait_for(lambda: members.read_text().split() == [str(served.process.pid)])


@pytest.mark.root
def test_a_copy_that_outgrows_its_limit_loses_the_pressure_and_lives(
    serve: Serve, tmp_path: Path
) -> None:
    """The kernel ends our process first, and then the pressure is seen to be gone."""
    served = serve("web", ROOMY)
    effect = planned(
        local(tmp_path, web=served), "memory_pressure", "web", size=Size.parse("100MiB")
    )
    effect.apply({})
    grown = subprocess.Popen(
        [sys.executable, "-c", "import time; held = b'x' * (100 << 20); time.sleep(60)"],
        preexec_fn=lambda: cgroups.enter(served.groups),  # noqa: PLW1509 - it dies with the test
    )
    try:
        wait_for(lambda: not effect.present({}))
        assert grown.poll() is None
        assert served.process.poll() is None
        assert effect.undo({}) is Undone.ABSENT
    finally:
        grown.kill()
        grown.wait()


REFUSED = [
    ("cpu_stress", {"cores": 2, "load": Ratio.parse("60%")}, "may use 1 processors: 1.2 can't"),
    ("memory_pressure", {"size": Size.parse("1GiB")}, "would kill what is in there"),
    ("memory_pressure", {"size": Size.parse("150MiB")}, "left to take beside 16MiB for itself"),
]


@pytest.mark.root
@pytest.mark.parametrize(("kind", "fields", "reason"), REFUSED)
def test_what_the_limit_does_not_give_is_refused(
    serve: Serve, tmp_path: Path, kind: str, fields: dict[str, object], reason: str
) -> None:
    platform = local(tmp_path, web=serve("web", ROOMY))
    with pytest.raises(PlatformError, match=reason):
        planned(platform, kind, "web", **fields)


@pytest.mark.root
def test_copies_in_one_group_are_refused(serve: Serve, tmp_path: Path) -> None:
    one, two = serve("web", ROOMY), serve("web", ROOMY)
    platform = local(tmp_path, web_1=one, web_2=two)
    with pytest.raises(PlatformError, match="web_1 and web_2 share the cpu cgroup"):
        planned(platform, "cpu_stress", "web_1")


@pytest.mark.root
def test_a_group_without_a_limit_is_refused(serve: Serve, tmp_path: Path) -> None:
    served = serve("web", ROOMY)
    for place in served.groups:
        for name in ("cpu.cfs_quota_us", "memory.limit_in_bytes"):
            if (place / name).exists():
                (place / name).write_text("-1")
        for name in ("cpu.max", "memory.max"):
            if (place / name).exists():
                (place / name).write_text("max")
    platform = local(tmp_path, web=served)
    with pytest.raises(PlatformError, match=r"web has no CPU quota, .*: set cpu"):
        planned(platform, "cpu_stress", "web")
    with pytest.raises(PlatformError, match=r"web has no memory limit, .*: set memory"):
        planned(platform, "memory_pressure", "web", size=Size.parse("1MiB"))


@pytest.mark.root
def test_a_quota_of_the_whole_machine_is_refused(serve: Serve, tmp_path: Path) -> None:
    everything = Limits(cpu=os.cpu_count() or 1, memory=ROOMY.memory)
    platform = local(tmp_path, web=serve("web", everything))
    with pytest.raises(PlatformError, match=r"leaves the harness less than 0\.5: lower its quota"):
        planned(platform, "cpu_stress", "web")


def test_a_copy_in_the_harness_s_own_group_is_refused(serve: Serve, tmp_path: Path) -> None:
    platform = local(tmp_path, web=serve("web"))
    with pytest.raises(PlatformError, match="where the harness is, too: start it in one of its"):
        planned(platform, "memory_pressure", "web", size=Size.parse("1MiB"))


@pytest.mark.root
def test_neighbours_in_groups_of_their_own_feel_nothing(serve: Serve, tmp_path: Path) -> None:
    platform = local(tmp_path, web_1=serve("web_1", ROOMY), web_2=serve("web_2", ROOMY))
    effect = planned(platform, "memory_pressure", "web_1", size=Size.parse("32MiB"))
    [beside] = platform.neighbours(effect, {"web_1"})
    probe = make_probe(beside.probes[0], KINDS)
    idle = value(probe)
    effect.apply({})
    try:
        assert value(probe) < idle + MEBIBYTE
    finally:
        effect.undo({})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("cores", 0, "cores: 0 is not at least 1"),
        ("load", Ratio.parse("0%"), "load: 0% is none at all"),
    ],
)
def test_a_load_that_is_none_is_refused(field: str, value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FAULTS["cpu_stress"](**{field: value})

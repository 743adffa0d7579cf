"""Control groups of both versions as the harness reads them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sloproof.effects.cgroups import Group, group_of
from sloproof.run.probes.cgroup import Cgroup
from tests.effects.conftest import wait_for

GIB = 1 << 30
UNIFIED = {
    "copy/cpu.max": "50000 100000",
    "copy/memory.max": "max",
    "copy/memory.current": "5000",
    "cpu.max": "max 100000",
    "memory.max": str(GIB),
    "memory.current": "9000",
    "memory.stat": "anon 1\ninactive_file 1000\n",
}
SEPARATE = {
    "copy/cpu.cfs_quota_us": "50000",
    "copy/cpu.cfs_period_us": "100000",
    "copy/memory.limit_in_bytes": "9223372036854771712",
    "copy/memory.usage_in_bytes": "5000",
    "cpu.cfs_quota_us": "-1",
    "cpu.cfs_period_us": "100000",
    "memory.limit_in_bytes": str(GIB),
    "memory.usage_in_bytes": "9000",
    "memory.stat": "inactive_file 7\ntotal_inactive_file 1000\n",
}


def group(folder: Path, *, unified: bool, own: str = "us") -> Group:
    """The group `site/copy` below a hierarchy's root; the harness is in `own`."""
    for name, content in (UNIFIED if unified else SEPARATE).items():
        file = folder / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    return Group(folder / "site" / "copy", folder, unified, folder / own)


@pytest.mark.parametrize("unified", [True, False])
def test_limits_are_the_tightest_of_a_group_and_those_above(tmp_path: Path, unified: bool) -> None:
    found = group(tmp_path, unified=unified)
    assert found.cpu_limit() == 0.5
    assert found.memory_limit() == GIB
    assert found.memory_left() == GIB - 8000


@pytest.mark.parametrize("unified", [True, False])
def test_a_limit_that_the_harness_shares_is_none(tmp_path: Path, unified: bool) -> None:
    found = group(tmp_path, unified=unified, own="site/us")
    assert found.cpu_limit() == 0.5
    assert found.memory_limit() is None


@pytest.mark.parametrize(
    ("own", "shared"),
    [("us", False), ("site/us", False), ("site/copy", True), ("site/copy/inner", True)],
)
def test_a_group_is_shared_if_the_harness_is_anywhere_in_it(
    tmp_path: Path, own: str, shared: bool
) -> None:
    assert group(tmp_path, unified=True, own=own).shared is shared


def test_the_root_is_everybodys(tmp_path: Path) -> None:
    assert Group(tmp_path, tmp_path, True, tmp_path / "us").shared


@pytest.mark.parametrize("controller", ["cpu", "cpuacct", "memory"])
def test_our_own_group_is_found_where_the_kernel_has_it(controller: str) -> None:
    found = group_of(os.getpid(), controller)
    assert found.shared
    assert str(os.getpid()) in found.members.read_text().split()


@pytest.fixture
def unified() -> Iterator[Path]:
    """A real group of version 2; even without controllers it accounts processors."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    place = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
    if os.geteuid() or place is None:
        pytest.skip("a group of version 2 needs root and a host that mounts it")
    made = place / f"sloproof-test-{os.getpid()}"
    made.mkdir()
    try:
        yield made
    finally:
        wait_for(lambda: not (made / "cgroup.procs").read_text())
        made.rmdir()


@pytest.mark.root
def test_processors_of_a_real_group_of_version_2_are_read(unified: Path) -> None:
    probe = Cgroup(folder=str(unified))
    asyncio.run(probe.sample())
    script = "import time\nwhile time.process_time() < 0.2: pass"
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-S", "-c", script],
        check=True,
        preexec_fn=lambda: (unified / "cgroup.procs").write_text("0"),
    )
    sample = asyncio.run(probe.sample())
    took = time.monotonic() - began
    assert sample.value is not None
    assert 0.2 <= sample.value * took < 0.4

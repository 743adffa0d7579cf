"""Every built-in fault on the real reference system: the laws of faults and of their effects."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import (
    Effect,
    Fault,
    LoadChange,
    Owner,
    Platform,
    Ratio,
    Throughput,
    Undone,
    Where,
)
from sloproof.errors import PlatformError
from sloproof.extensions import Extensions
from sloproof.model.units import Duration
from sloproof.platforms.external import External
from sloproof.platforms.local import Local
from sloproof.run.selection import resolve
from sloproof.spec import Loaded
from sloproof.spec.experiment import FaultPlan, Pick, Selector
from sloproof.testing import check_effect, check_fault

FAULTS: Mapping[str, Any] = Extensions.of(Path(__file__).parents[2]).faults
OF_STORES = {"primary_kill", "replication_lag", "connection_exhaustion"}
"""Those of `test_store_faults.py`."""
ON_DISKS = ("disk_fill", "disk_error", "io_delay")
"""Those that `test_disks.py` tries."""
SPEECH = Selector(source="dialogue", to="speech")
COPY = Selector(service="dialogue", pick=Pick(count=1))

REVERSIBLE = [
    ("latency", {"delay": Duration.parse("80ms"), "jitter": Duration.parse("5ms")}, SPEECH),
    ("bandwidth", {"rate": Throughput.parse("20kB/s")}, SPEECH),
    ("connection_reset", {}, SPEECH),
    ("partition", {"mode": "refused"}, SPEECH),
    ("partition", {"mode": "blackhole"}, SPEECH),
    ("pod_pause", {}, COPY),
    ("http_error", {"share": Ratio.parse("50%")}, Selector(service="speech")),
]

RESOURCES = {"cpu_stress", "memory_pressure", "clock_skew", "dns_failure"}
"""Faults that need more than the reference system offers; `tests/resources` has them."""
IN_A_NETWORK = {"packet_loss", "packet_delay"}
"""Tried in `test_packets.py`, since this host's own network is not to be touched."""


def where_of(fault: Fault, selector: Selector, on: Platform) -> Where:
    plan = FaultPlan(name="it", fault=fault, where=selector, at=Duration(0))
    return resolve(plan, on, 1, 1)


@pytest.mark.parametrize(("kind", "fields", "selector"), REVERSIBLE)
def test_a_fault_and_its_effects_keep_the_laws(
    platform: Local, kind: str, fields: dict[str, object], selector: Selector
) -> None:
    fault = FAULTS[kind](**fields)
    where = where_of(fault, selector, platform)
    check_fault(fault, where, platform)
    for step in fault.plan(where, platform):
        assert isinstance(step, Effect)
        check_effect(step)


def test_a_kill_keeps_the_laws_and_the_platform_heals_it(platform: Local) -> None:
    fault = FAULTS["pod_kill"]()
    where = where_of(fault, COPY, platform)
    check_fault(fault, where, platform)
    [step] = fault.plan(where, platform)
    assert isinstance(step, Effect)
    check_effect(step)
    step.undo({})
    [copy] = where.instances
    again = {one.name: one.incarnation for one in platform.instances()}
    assert again[copy.name] != copy.incarnation


@pytest.fixture
def regions(platform: Local) -> Local:
    """The system with its speech in a region of its own."""
    services = dict(platform.target.services)
    services["speech"] = replace(services["speech"], region="a")
    platform.attach(replace(platform.target, services=services))
    return platform


@pytest.mark.parametrize("how", ["kill", "cut"])
def test_a_region_that_is_lost_is_all_that_stands_in_it(regions: Local, how: str) -> None:
    fault = FAULTS["region_loss"](how=how)
    where = where_of(fault, Selector(region="a"), regions)
    assert where.names == {"speech-1", "dialogue-1-speech", "dialogue-2-speech"}
    check_fault(fault, where, regions)
    steps = list(fault.plan(where, regions))
    assert len(steps) == (1 if how == "kill" else 2)


def test_the_links_of_a_region_are_cut_and_come_back(regions: Local) -> None:
    fault = FAULTS["region_loss"](how="cut")
    for step in fault.plan(where_of(fault, Selector(region="a"), regions), regions):
        assert isinstance(step, Effect)
        check_effect(step)


def test_commands_keep_the_laws(platform: Local, tmp_path: Path) -> None:
    flag = str(tmp_path / "flag")
    fault = FAULTS["command"](
        apply=("touch", flag), undo=("rm", flag), observe=("test", "-e", flag)
    )
    check_fault(fault, Where(), platform)


def test_a_spike_changes_the_load_and_nothing_else(platform: Local) -> None:
    [step] = FAULTS["load_spike"](factor=4.0).plan(Where(), platform)
    assert step == LoadChange(factor=4.0)


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.0, -1.0])
def test_a_spike_of_nothing_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=r"factor: .* brings no more arrivals than planned"):
        FAULTS["load_spike"](factor=factor)


def test_files_run_out_of_one_copy(platform: Local) -> None:
    """The effect's own laws are tried on a process that is quiet; this one opens and closes."""
    fault = FAULTS["fd_exhaustion"](left=5)
    where = where_of(fault, COPY, platform)
    check_fault(fault, where, platform)
    [step] = fault.plan(where, platform)
    assert isinstance(step, Effect)
    effect = step.bound(Owner("r", 1))
    prior = effect.capture()
    effect.apply(prior)
    assert effect.present(prior)
    assert effect.undo(prior) is Undone.REVERTED


def test_every_built_in_fault_is_tested_here() -> None:
    tested = {kind for kind, _, _ in REVERSIBLE} | {"pod_kill", "command", "load_spike"}
    elsewhere = OF_STORES | set(ON_DISKS) | RESOURCES | IN_A_NETWORK
    assert set(FAULTS) == tested | elsewhere | {"region_loss", "fd_exhaustion"}


def test_an_external_target_has_no_processes_to_touch(loaded: Loaded, tmp_path: Path) -> None:
    external = External(loaded.target, run="test", work=tmp_path)
    assert external.start() == ()
    kinds = {kind for kind in FAULTS if not any(map(external.lacks, FAULTS[kind].needs))}
    killing = {"pod_kill", "pod_pause", "primary_kill", "region_loss", "fd_exhaustion"}
    everything = set(FAULTS) - killing - set(ON_DISKS) - RESOURCES - IN_A_NETWORK
    assert kinds == everything
    reasons = [external.lacks(need) for need in FAULTS["pod_kill"].needs]
    assert reasons[0].startswith("the platform external has no Kills; use `platform: local`")


def test_an_external_target_that_is_not_up_is_told(loaded: Loaded, tmp_path: Path) -> None:
    target = loaded.target
    assert not External(target, run="test", work=tmp_path).ready()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        down = replace(target, entry=replace(target.entry, url=url))
        found = External(down, run="test", work=tmp_path).ready()
    assert found == f"nobody answers at {url} (its entry)"


def test_an_external_targets_links_can_be_cut(loaded: Loaded, tmp_path: Path) -> None:
    external = External(loaded.target, run="test", work=tmp_path)
    fault = FAULTS["partition"]()
    where = where_of(fault, SPEECH, external)
    for step in fault.plan(where, external):
        assert isinstance(step, Effect)
        check_effect(step)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        (Selector(service="dialogue", pick=Pick(all=True)), {"dialogue-1", "dialogue-2"}),
        (Selector(service="dialogue", pick=Pick(percent=Ratio.parse("50%"))), {"dialogue-1"}),
        (Selector(instance="dialogue-2"), {"dialogue-2"}),
        (Selector(service="speech"), {"speech-1"}),
    ],
)
def test_selectors_pick_what_they_say(platform: Local, selector: Selector, names: set[str]) -> None:
    found = where_of(FAULTS["pod_pause"](), selector, platform).names
    assert len(found) == len(names)
    assert found == names or selector.pick is not None


def test_a_delay_that_would_be_none_is_refused(platform: Local) -> None:
    fault = FAULTS["latency"](delay=Duration.parse("900us"))
    with pytest.raises(PlatformError, match="whole milliseconds: delay 900us"):
        list(fault.plan(where_of(fault, SPEECH, platform), platform))

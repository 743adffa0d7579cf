"""Disk faults on real volumes: their laws, their witnesses, and what they refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Effect, Owner, Repeat, Sample, Size, Witness
from sloproof.errors import PlatformError
from sloproof.extensions import Extensions
from sloproof.model.stores import Volume
from sloproof.model.units import Ratio
from sloproof.platforms.local import Local
from sloproof.run.probing.specs import make_probe, probe_kinds
from sloproof.run.selection import resolve
from sloproof.spec.experiment import FaultPlan, Selector
from sloproof.testing import check_effect, check_fault, check_platform
from tests.volumes import MIB, Mounted, local, mounted, with_slow_volumes, with_volumes

FAULTS: Mapping[str, Any] = Extensions.of(Path(__file__).parents[2]).faults
PROBES = probe_kinds()
MINE = Owner("r", 1)
BUDGET = Size.parse("16MiB")


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Mounted]:
    with mounted(tmp_path) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Local:
    """A target with a plain folder that may hold 16 MiB."""
    (tmp_path / "data").mkdir()
    return local(tmp_path, {"data": Volume(path="data", budget=BUDGET)})


def steps(on: Local, kind: str, volume: str, **fields: object) -> list[Any]:
    fault = FAULTS[kind](**fields)
    plan = FaultPlan(name="it", fault=fault, where=Selector(volume=volume), at=Duration(0))
    where = resolve(plan, on, 1, 1)
    found = list(fault.plan(where, on))
    check_fault(fault, where, on)
    return found


def effect_of(on: Local, kind: str, volume: str, **fields: object) -> Effect:
    [step] = steps(on, kind, volume, **fields)
    effect = step.effect if isinstance(step, Repeat) else step
    assert isinstance(effect, Effect)
    return effect


def seen(witness: Witness | None) -> Sample:
    """What the prober would see now."""
    assert witness is not None
    [probe] = witness.probes
    return asyncio.run(make_probe(probe, PROBES).sample())


@with_volumes
@pytest.mark.parametrize(
    ("kind", "volume", "fields"),
    [
        ("disk_fill", "ext4", {"used": Ratio.parse("95%")}),
        ("disk_fill", "ext4", {"free": Size.parse("2MiB"), "hold": True}),
        ("disk_fill", "tmpfs", {"free": Size.parse("2MiB")}),
        ("disk_error", "ext4", {}),
    ],
)
def test_a_fault_of_a_volume_and_its_effects_keep_the_laws(
    volumes: Mounted, kind: str, volume: str, fields: dict[str, object]
) -> None:
    check_effect(effect_of(volumes.platform(), kind, volume, **fields))


@with_slow_volumes
def test_a_delay_keeps_the_laws_and_is_seen_twice_in_a_write_and_a_read(tmp_path: Path) -> None:
    with mounted(tmp_path, slow=True) as volumes:
        delay = Duration.parse("40ms")
        effect = effect_of(volumes.platform(), "io_delay", "slow", delay=delay).bound(MINE)
        witness = effect.witness()
        assert witness is not None
        assert witness.expected == 2 * delay.seconds
        prior = effect.capture()
        effect.apply(prior)
        took = seen(witness).value
        effect.undo(prior)
        assert took is not None
        assert took >= witness.expected
        check_platform(volumes.platform())
        with pytest.raises(PlatformError, match="was not armed for slow I/O"):
            effect_of(volumes.platform(), "io_delay", "ext4", delay=delay)


def test_a_fill_of_a_folder_keeps_the_laws(folder: Local) -> None:
    check_effect(effect_of(folder, "disk_fill", "data", used=Ratio.parse("50%")))


@with_volumes
def test_a_platform_with_mounted_volumes_keeps_the_laws(volumes: Mounted) -> None:
    check_platform(volumes.platform())


@with_volumes
def test_the_share_in_use_is_as_df_counts(volumes: Mounted) -> None:
    effect = effect_of(volumes.platform(), "disk_fill", "tmpfs", used=Ratio.parse("75%"))
    bound = effect.bound(MINE)
    prior = bound.capture()
    bound.apply(prior)
    assert abs(volumes.free("tmpfs") - 8 * MIB) <= 8192
    bound.undo(prior)


@with_volumes
@pytest.mark.parametrize("volume", ["ext4", "tmpfs"])
def test_a_fill_is_seen_with_its_size_by_another_path(volumes: Mounted, volume: str) -> None:
    effect = effect_of(volumes.platform(), "disk_fill", volume, free=Size(3 * MIB))
    check_seen(effect.bound(MINE))


def test_a_fill_of_a_folder_is_seen_with_its_size(folder: Local) -> None:
    check_seen(effect_of(folder, "disk_fill", "data", free=Size(3 * MIB)).bound(MINE))


def check_seen(effect: Effect) -> None:
    witness = effect.witness()
    assert witness is not None
    assert (witness.expected, witness.unit, witness.tolerance) == (3 * MIB, "B", MIB)
    before = seen(witness).value
    assert before is not None
    assert before > 10 * MIB
    prior = effect.capture()
    effect.apply(prior)
    during = seen(witness).value
    effect.undo(prior)
    assert during == pytest.approx(3 * MIB, abs=16384)
    assert seen(witness).value == pytest.approx(before, abs=16384)


@with_volumes
def test_failing_is_seen_by_another_path(volumes: Mounted) -> None:
    effect = effect_of(volumes.platform(), "disk_error", "ext4").bound(MINE)
    assert seen(effect.witness()).ok
    prior = effect.capture()
    effect.apply(prior)
    assert seen(effect.witness()) == Sample(ok=False, detail="failing")
    effect.undo(prior)
    assert seen(effect.witness()).ok


@with_volumes
def test_the_probe_says_that_a_volume_is_full(volumes: Mounted) -> None:
    effect = effect_of(volumes.platform(), "disk_fill", "ext4", free=Size(0)).bound(MINE)
    witness = effect_of(volumes.platform(), "disk_error", "ext4").witness()
    prior = effect.capture()
    effect.apply(prior)
    assert seen(witness) == Sample(ok=False, detail="full")
    effect.undo(prior)
    assert seen(witness).ok


@with_volumes
def test_the_other_volume_is_the_neighbour(volumes: Mounted) -> None:
    on = volumes.platform()
    effect = effect_of(on, "disk_fill", "ext4", free=Size(MIB))
    [neighbour] = on.neighbours(effect, {"ext4", "store"})
    assert [probe.name for probe in neighbour.probes] == ["neighbour:scarce:tmpfs"]


REFUSED: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "data": ("disk_error", {}, "is a plain folder with a budget: it can't fail"),
    "plain": ("disk_fill", {"free": Size(0)}, "nothing is mounted at"),
    "root": ("disk_fill", {"free": Size(0)}, "holds /: that is never filled nor broken"),
    "above": ("disk_fill", {"free": Size(0)}, "that is never filled"),
    "absent": ("disk_fill", {"free": Size(0)}, "No such file or directory"),
    "large": ("disk_fill", {"free": BUDGET}, "leaving 16 MiB fills nothing"),
}


@pytest.mark.parametrize("volume", REFUSED)
def test_what_is_no_volume_of_its_own_is_refused(folder: Local, volume: str) -> None:
    kind, fields, why = REFUSED[volume]
    (Path(folder.target.folder) / "plain").mkdir()
    target = replace(
        folder.target,
        volumes={
            **folder.target.volumes,
            "plain": Volume(path="plain"),
            "root": Volume(path="/"),
            "above": Volume(path="/", budget=BUDGET),
            "absent": Volume(path="absent"),
            "large": Volume(path="data", budget=BUDGET),
        },
    )
    on = Local(target, run="test", work=folder.work)
    with pytest.raises(PlatformError, match=why):
        steps(on, kind, volume, **fields)


@with_volumes
def test_a_tmpfs_can_not_fail(volumes: Mounted) -> None:
    with pytest.raises(PlatformError, match="only an ext4 on a loop device"):
        steps(volumes.platform(), "disk_error", "tmpfs")


@with_volumes
def test_what_the_harness_writes_to_is_never_filled(volumes: Mounted, tmp_path: Path) -> None:
    on = volumes.platform()
    state = volumes.path("tmpfs") / "state"
    state.mkdir()
    mine = Local(on.target, run="test", work=state)
    with pytest.raises(PlatformError, match="that is never filled nor broken"):
        steps(mine, "disk_fill", "tmpfs", free=Size(0))


def test_an_unknown_volume_is_told_with_those_there_are(folder: Local) -> None:
    with pytest.raises(PlatformError, match="no volume dta; it declares: data"):
        folder.fill("dta", None, Size(0), False)
    with pytest.raises(PlatformError, match="has no volume dta"):
        steps(folder, "disk_fill", "dta", free=Size(0))

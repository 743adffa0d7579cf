"""The engine on a simulated clock: phases, faults, healing, and every early end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Fault, Platform, Ratio, Repeat, Size, Step, Where
from sloproof.errors import HarnessError
from sloproof.extensions import Extensions
from sloproof.run.injector import HOLD
from sloproof.spec.experiment import Above, After, Repetition, Selector, StopCondition
from sloproof.testing.world import Change
from tests.run.simulation import Simulation, experiment, planned, seconds

FAULTS: Mapping[str, Any] = Extensions.of(Path(__file__).parents[2]).faults
LINK = Selector(source="gateway", to="web")
WEB = Selector(instance="web-1")


def latency(delay: float = 0.8) -> Fault:
    fault: Fault = FAULTS["latency"](delay=seconds(delay))
    return fault


def times(simulation: Simulation, kind: str) -> list[float]:
    return [event.t / 1e9 for event in simulation.record.of_kind(kind)]


@pytest.fixture
def simulation(tmp_path: Path) -> Simulation:
    return Simulation(tmp_path)


def test_a_target_that_is_not_there_is_one_trouble_and_no_wait(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(simulation.platform), "ready", lambda _: "nobody listens")
    monkeypatch.setattr(type(simulation.platform), "start", lambda _: ())
    began = simulation.clock.now()
    result = simulation.run(experiment(planned(latency(), LINK, at=seconds(5), for_=seconds(5))))
    reason = "the target is not there and not ours to start: nobody listens"
    assert (result.how, result.reason) == ("failed", reason)
    errors = [event for event in simulation.record.events if event.kind == "harness.error"]
    assert [event.data["error"] for event in errors] == [reason]
    assert simulation.clock.now() - began < 1e9


def test_an_hours_drill_runs_in_a_moment(simulation: Simulation) -> None:
    began = time.monotonic()
    plan = planned(latency(), LINK, at=seconds(10), for_=seconds(600))
    result = simulation.run(experiment(plan))
    assert result.how == "completed"
    assert simulation.record.events[-1].t > 600e9
    assert time.monotonic() - began < 30


def test_phases_follow_each_other_and_the_record_is_sealed(simulation: Simulation) -> None:
    plan = planned(latency(), LINK, at=seconds(6), for_=seconds(4))
    result = simulation.run(experiment(plan))
    phases = [event.data["phase"] for event in simulation.record.of_kind("phase")]
    assert (result.how, result.unreverted) == ("completed", ())
    assert phases == ["ready", "warmup", "baseline", "faults", "recovery", "restore", "seal"]
    assert simulation.record.sealed
    assert simulation.guard.dismissed


def test_a_fault_is_in_force_when_and_as_long_as_it_should_be(simulation: Simulation) -> None:
    plan = planned(latency(), LINK, at=seconds(6), for_=seconds(4))
    simulation.run(experiment(plan))
    record = simulation.record
    zero = next(e.t for e in record.of_kind("phase") if e.data["phase"] == "baseline")
    [applied], [undone] = record.of_kind("effect.applied"), record.of_kind("effect.undone")
    assert applied.t - zero == pytest.approx(6e9, abs=2e7)
    assert undone.t - applied.t == pytest.approx(4e9, abs=5e7)
    assert simulation.platform.world.changes() == {"gateway-web": {}}


def test_the_witness_has_looked_before_the_fault_and_sees_it(simulation: Simulation) -> None:
    plan = planned(latency(), LINK, at=seconds(6), for_=seconds(4))
    simulation.run(experiment(plan))
    seen = simulation.record.probe("witness:delay:gateway-web")
    assert seen is not None
    assert min(seen.value) == pytest.approx(0.001)
    assert max(seen.value) == pytest.approx(0.801)


def test_a_killed_copy_is_healed_by_the_system(simulation: Simulation) -> None:
    plan = planned(FAULTS["pod_kill"](), WEB, at=seconds(6))
    simulation.run(experiment(plan))
    [applied] = times(simulation, "effect.applied")
    [healed] = times(simulation, "effect.healed")
    assert healed - applied == pytest.approx(2.0, abs=0.3)
    assert [e.data["outcome"] for e in simulation.record.of_kind("effect.undone")] == ["absent"]


def test_what_nobody_heals_the_harness_restores_at_the_end(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, heals_after=None)
    plan = planned(FAULTS["pod_kill"](), WEB, at=seconds(6))
    simulation.run(experiment(plan, at_most=8))
    assert not simulation.record.of_kind("effect.healed")
    [undone] = simulation.record.of_kind("effect.undone")
    assert undone.data["outcome"] == "reverted"
    assert simulation.platform.world.changes() == {"web-1": {}}


def test_a_held_kill_strikes_replacements_too(simulation: Simulation) -> None:
    plan = planned(FAULTS["pod_kill"](hold=True), WEB, at=seconds(6), for_=seconds(10))
    simulation.run(experiment(plan))
    assert len(simulation.record.of_kind("effect.applied")) >= 4
    first, *later = (e.data for e in simulation.record.of_kind("effect.planned"))
    assert "again" not in first
    assert all(blow["again"] for blow in later)
    witnesses: list[Any] = [blow["witness"] for blow in later]
    probes = [probe for witness in witnesses for probe in witness["probes"]]
    assert all(simulation.record.probe(probe) is not None for probe in probes)


class HeldPause(Fault):
    """A pause that is held."""

    points_at = "instances"

    def plan(self, where: Where, on: Platform) -> list[Step]:
        return [Repeat(on.pause(copy), seconds(0.2)) for copy in where.instances]


class Leaver(Fault):
    """Its plan ends the process, or would: with the status of a PASS."""

    points_at = "instances"

    def plan(self, where: Where, on: Platform) -> list[Step]:
        raise SystemExit(0)


def test_a_fault_that_would_end_the_process_ends_the_run(simulation: Simulation) -> None:
    plan = planned(Leaver(), WEB, at=seconds(5), for_=seconds(5))
    result = simulation.run(experiment(plan))
    assert (result.how, result.reason) == ("failed", "SystemExit: 0")
    assert simulation.record.sealed
    assert simulation.guard.dismissed


def test_what_is_held_is_kept_at_its_size_while_it_lasts(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    clock = simulation.clock
    monkeypatch.setattr(Change, "keep", lambda effect, prior: kept.append(clock.now()))
    plan = planned(HeldPause(), WEB, at=seconds(6), for_=seconds(4))
    simulation.run(experiment(plan))
    assert len(simulation.record.of_kind("effect.applied")) == 1, "the same effect goes on"
    assert len(kept) == pytest.approx(4e9 / HOLD, abs=2)
    assert kept[-1] - kept[0] <= 4e9


def test_a_repeated_fault_happens_as_often_as_it_says(simulation: Simulation) -> None:
    again = Repetition(every=seconds(5), times=3)
    plan = planned(FAULTS["pod_kill"](), WEB, at=seconds(6), repeat=again)
    simulation.run(experiment(plan))
    applied = times(simulation, "effect.applied")
    assert len(applied) == 3
    assert applied[2] - applied[0] == pytest.approx(10, abs=0.2)


def test_a_fault_after_detection_waits_for_it(simulation: Simulation) -> None:
    kill = planned(FAULTS["pod_kill"](), WEB, at=seconds(6))
    after = After(detected="pod_kill", plus=seconds(1))
    slow = planned(latency(), LINK, after=after, for_=seconds(2))
    simulation.run(experiment(kill, slow))
    first, second = times(simulation, "effect.applied")
    assert second - first == pytest.approx(3, abs=0.3)


def test_a_fault_whose_moment_never_comes_is_missed_and_said_so(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, heals_after=None)
    kill = planned(FAULTS["pod_kill"](), WEB, at=seconds(6))
    after = After(detected="pod_kill", within=seconds(5))
    slow = planned(latency(), LINK, after=after, for_=seconds(2))
    simulation.run(experiment(kill, slow, at_most=5))
    assert [e.data["fault"] for e in simulation.record.of_kind("fault.missed")] == ["latency"]


def test_a_stop_condition_ends_the_faults_at_once(simulation: Simulation) -> None:
    limit = StopCondition(for_=seconds(2), error_rate=Above(above=Ratio(Fraction(1, 2))))
    plan = planned(FAULTS["partition"](), LINK, at=seconds(6), for_=seconds(60))
    result = simulation.run(experiment(plan, stop=(limit,)))
    [applied], [undone] = times(simulation, "effect.applied"), times(simulation, "effect.undone")
    assert result.how == "stopped"
    assert undone - applied < 4
    assert simulation.platform.world.changes() == {"gateway-web": {}}


@pytest.mark.parametrize("way", ["signal", "stop"])
@pytest.mark.parametrize("moment", [0.5, 3, 8, 14])
def test_whoever_ends_a_run_at_any_phase_leaves_nothing_behind(
    simulation: Simulation, moment: float, way: str
) -> None:
    def end() -> None:
        if way == "signal":
            simulation.signals.received = "SIGINT"
        else:
            (simulation.folder / "state" / "stop").touch()

    simulation.at(moment, end)
    plan = planned(latency(), LINK, at=seconds(6), for_=seconds(4))
    result = simulation.run(experiment(plan))
    assert result.how == "interrupted"
    assert simulation.platform.world.changes() in ({}, {"gateway-web": {}})
    assert not (simulation.folder / "state" / "journal").exists()
    assert simulation.record.sealed


def test_a_fault_that_finds_nothing_to_strike_fails_the_run(simulation: Simulation) -> None:
    plan = planned(FAULTS["pod_kill"](), Selector(instance="web-9"), at=seconds(6))
    result = simulation.run(experiment(plan))
    assert result.how == "failed"
    assert "nothing that lives now matches" in result.reason
    assert not result.lacking


def test_a_platform_that_lacks_what_a_fault_needs_says_so(simulation: Simulation) -> None:
    plan = planned(FAULTS["connection_reset"](), LINK, at=seconds(6), for_=seconds(1))
    result = simulation.run(experiment(plan))
    assert result.how == "failed"
    assert "memory has no ResetsLinks" in result.reason
    assert result.lacking


def test_a_lost_guardian_ends_the_run(simulation: Simulation) -> None:
    def lose() -> None:
        def beat(due: int) -> None:
            raise HarnessError("the guardian died")

        simulation.guard.beat = beat  # type: ignore[method-assign]

    simulation.at(8, lose)
    plan = planned(latency(), LINK, at=seconds(6), for_=seconds(600))
    result = simulation.run(experiment(plan))
    assert (result.how, result.reason) == ("failed", "the guardian died")
    assert simulation.platform.world.changes() == {"gateway-web": {}}


def test_units_print_as_people_write_them() -> None:
    assert [str(Duration.parse("800ms")), str(Size.parse("64MiB"))] == ["800ms", "64MiB"]

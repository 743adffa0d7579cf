"""The conductor of suites, on a simulated clock: what is done in which order, and what ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sloproof.contracts import Duration, KillMode
from sloproof.judge import judge
from sloproof.judge.drill import Judged, SuiteVerdict
from sloproof.judge.suite import judge_suite
from sloproof.model.target import Entry, Target, TargetProbe
from sloproof.record.reader import Record
from sloproof.record.suite import SuiteRecord, SuiteWriter
from sloproof.run.asking import ANSWER, Desk
from sloproof.run.conductor import Conductor, Crew, Held, Perform, Performed, SuiteResult
from sloproof.run.control import Bulletin, Status
from sloproof.run.progress import Silent
from sloproof.run.watch import Signals
from sloproof.spec.experiment import Experiment, Pick, Selector
from sloproof.spec.loaded import Loaded
from sloproof.spec.loaded_suite import LoadedSuite
from sloproof.spec.places import Document
from sloproof.spec.suite import Gate, Manual, Step, Suite
from sloproof.testing.clock import SimClock
from tests.run import simulation

MINUTE = 60.0
NOTHING = Document("test", {}, {})


def loaded(name: str, target: str = "world") -> Loaded:
    experiment = Experiment(name=name, origin="test", target=target, verify=())
    return Loaded(experiment, a_target(target), {}, (NOTHING, NOTHING))


def a_target(name: str) -> Target:
    return Target(
        name=name,
        origin="test",
        folder=".",
        platform="memory",
        entry=Entry(url="http://127.0.0.1"),
        probes=(TargetProbe(name="entry", kind="http", params={}),),
    )


def manual(name: str, within: float = 2 * MINUTE) -> Step:
    return Step(name=name, manual=Manual(do="Look.", by="operator", within=Duration.of(within)))


@dataclass(slots=True)
class Hold:
    """A held target that remembers."""

    step: str = ""
    left: tuple[str, ...] = ()
    lost: str = ""


@dataclass(slots=True)
class Drill:
    """A suite of `steps` on a simulated clock; runs come to what `fates` says, else they pass."""

    folder: Path
    steps: Sequence[Step | Loaded]
    fates: dict[str, Performed] = field(default_factory=dict)
    clock: SimClock = field(default_factory=SimClock)
    signals: Signals = field(default_factory=Signals)
    done: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    seeds: list[int | None] = field(default_factory=list)
    left: tuple[str, ...] = ()
    times: int = 1
    gate: Gate = field(default_factory=Gate)
    on_failure: str = "stop"
    keep: bool = True
    seed: int | None = None
    performs: Perform | None = None

    @property
    def suite(self) -> Suite:
        steps = tuple(
            Step(name=each.experiment.name, experiment=each.experiment.name, times=self.times)
            if isinstance(each, Loaded)
            else each
            for each in self.steps
        )
        return Suite(
            name="drill",
            origin="test",
            steps=steps,
            gate=self.gate,
            keep_target=self.keep,
            on_failure="stop" if self.on_failure == "stop" else "continue",
        )

    @property
    def record(self) -> SuiteRecord:
        return SuiteRecord(self.folder / "suite")

    def conduct(self) -> SuiteResult:
        writer = SuiteWriter(self.folder / "suite")
        writer.event(0, "suite.started", run="drill", suite="drill", wall_ns=self.clock.wall())
        experiments = tuple(e if isinstance(e, Loaded) else None for e in self.steps)
        suite = LoadedSuite(self.suite, experiments, NOTHING, self.folder)
        state = self.folder / "desk"
        state.mkdir(exist_ok=True)
        crew = Crew(
            clock=self.clock,
            perform=self.perform,
            hold=self.hold,
            desk=Desk(state),
            bulletin=Bulletin(state),
            signals=self.signals,
            progress=Silent(),
        )
        card = Status("drill", "drill", "world", "", "", 0, (), "", "", suite="drill")
        return Conductor(suite, crew, writer, card, self.clock.now(), self.seed).run()

    @contextmanager
    def hold(self, first: Loaded) -> Iterator[Held]:
        self.done.append(f"hold {first.target.name}")
        held = Hold()
        try:
            yield held
        finally:
            held.left = self.left
            self.done.append("release")

    def perform(self, each: Loaded, seed: int | None, held: Held) -> Performed:
        if self.performs is not None:
            return self.performs(each, seed, held)
        self.clock.sleep(30_000_000_000)
        name = each.experiment.name
        self.done.append(name)
        self.shown.append(held.step)
        self.seeds.append(seed)
        return self.fates.get(name, performed(name))

    def says(self, after: float, **answer: object) -> None:
        """Somebody answers so many seconds from now."""
        at = self.clock.now() + after * 1e9
        said: list[bool] = []
        body = {"by": "Ada", "note": "", "failed": False, "wall_ns": 7, **answer}

        def listen(before: int, now: int) -> None:
            if now >= at and not said:
                said.append(True)
                (self.folder / "desk" / ANSWER).write_text(json.dumps(body))

        self.clock.on_advance(listen)

    def verdict(self) -> SuiteVerdict:
        return judge_suite(self.record, self.suite, {})

    def events(self, kind: str) -> list[dict[str, object]]:
        return [event.data for event in self.record.events if event.kind == kind]


def performed(name: str, outcome: str = "PASS", **more: object) -> Performed:
    given = Performed(run=name, how="completed", reason="", outcome=outcome)
    return replace(given, **more)  # type: ignore[arg-type]  # a table's values


@pytest.fixture
def drill(tmp_path: Path) -> Drill:
    return Drill(tmp_path, [loaded("a"), manual("look"), loaded("b")])


def test_steps_come_in_order_with_a_gate_before_each_experiment_and_at_the_end(
    drill: Drill,
) -> None:
    drill.says(100, step="look")
    assert drill.conduct() == SuiteResult("completed")
    gates = ["gate-a", "gate-b", "gate-at-end"]
    assert drill.done == ["hold world", gates[0], "a", gates[1], "b", gates[2], "release"]
    assert drill.shown == ["gate before a", "a", "gate before b", "b", "gate at the end"]
    assert drill.record.sealed


def test_what_somebody_said_is_written_down(drill: Drill) -> None:
    drill.says(100, step="look", note="all is well")
    drill.conduct()
    (said,) = drill.events("manual.confirmed")
    assert (said["by"], said["note"], said["wall_ns"]) == ("Ada", "all is well", 7)
    (step,) = [each for each in drill.verdict().steps if each.kind == "manual"]
    assert (step.outcome, step.by, step.note) == ("PASS", "Ada", "all is well")


def test_what_nobody_confirms_in_time_is_missed_and_undecided(drill: Drill) -> None:
    began = drill.clock.now()
    assert drill.conduct().how == "completed"
    assert drill.clock.now() - began >= 2 * MINUTE * 1e9
    assert [each["what"] for each in drill.events("deviation")] == [
        "nobody confirmed it within 120s"
    ]
    assert drill.verdict().outcome == "INCONCLUSIVE"
    assert "b" in drill.done


def test_an_answer_about_another_step_is_no_answer(drill: Drill) -> None:
    drill.says(100, step="elsewhere")
    drill.conduct()
    assert drill.events("manual.confirmed") == []
    assert drill.events("manual.missed") != []


def test_a_manual_step_that_failed_fails_the_suite_and_stops_it(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill.says(100, step="look", failed=True)
    told: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda self, line: told.append(line))
    assert drill.conduct() == SuiteResult("stopped", "look failed")
    assert told[-1] == "look: failed, says Ada"
    assert drill.done[-2:] == ["a", "release"]
    verdict = drill.verdict()
    assert verdict.outcome == "FAIL"
    assert [each.id for each in verdict.corrections if each.outcome == "FAIL"] == ["look/manual"]


ENDS = {
    "a failed run": (performed("a", "FAIL"), "stopped", ["a"]),
    "an undecided run": (performed("a", "INCONCLUSIVE"), "completed", ["a", "b"]),
    "a broken run": (performed("a", "", how="failed", broke="no load"), "stopped", ["a"]),
    "an interrupted run": (performed("a", how="interrupted"), "interrupted", ["a"]),
    "a run that left something": (performed("a", unreverted=("x",)), "failed", ["a"]),
}


@pytest.mark.parametrize(("fate", "how", "ran"), ENDS.values(), ids=ENDS)
def test_what_a_run_comes_to_decides_what_follows(
    tmp_path: Path, fate: Performed, how: str, ran: list[str]
) -> None:
    drill = Drill(tmp_path, [loaded("a"), loaded("b")], {"a": fate})
    assert drill.conduct().how == how
    assert [each for each in drill.done if each in ("a", "b")] == ran
    assert drill.done[-1] == "release"
    skipped = [each["step"] for each in drill.events("step.skipped")]
    assert skipped == [name for name in ("a", "b") if name not in ran]


def test_a_suite_may_go_on_after_a_failure(tmp_path: Path) -> None:
    fates = {"a": performed("a", "FAIL")}
    drill = Drill(tmp_path, [loaded("a"), loaded("b")], fates, on_failure="continue")
    assert drill.conduct().how == "completed"
    assert drill.done[-3:] == ["b", "gate-at-end", "release"]


@pytest.mark.parametrize("shut", ["gate-a", "gate-b", "gate-at-end"])
def test_a_gate_that_stays_shut_stops_the_suite(tmp_path: Path, shut: str) -> None:
    drill = Drill(tmp_path, [loaded("a"), loaded("b")], {shut: performed(shut, "FAIL")})
    result = drill.conduct()
    assert result.how == "stopped"
    assert "not in its steady state" in result.reason
    assert drill.done[-2:] == [shut, "release"]
    assert drill.verdict().outcome == "INCONCLUSIVE"  # a gate is no claim about the system


def test_no_gate_where_none_is_asked_for(tmp_path: Path) -> None:
    drill = Drill(tmp_path, [loaded("a")], gate=Gate(probes=()))
    drill.conduct()
    assert drill.done == ["hold world", "a", "release"]


@pytest.mark.parametrize("wish", ["signal", "stop"])
def test_a_wish_to_end_is_heeded_while_people_are_waited_for(drill: Drill, wish: str) -> None:
    at = drill.clock.now() + 100_000_000_000  # while the second step waits

    def listen(before: int, now: int) -> None:
        if now >= at and wish == "signal":
            drill.signals.received = "SIGINT"
        elif now >= at:
            (drill.folder / "desk" / "stop").touch()

    drill.clock.on_advance(listen)
    said = {"signal": "SIGINT", "stop": "sloproof stop"}[wish]
    assert drill.conduct() == SuiteResult("interrupted", said)
    assert drill.done[-2:] == ["a", "release"]
    assert drill.record.sealed
    assert [each["step"] for each in drill.events("step.skipped")] == ["b"]
    assert drill.verdict().outcome == "INCONCLUSIVE"


def test_what_could_not_be_reverted_at_the_end_is_told(drill: Drill) -> None:
    drill.left = ("start world: hangs → end it",)
    result = drill.conduct()
    assert (result.how, result.unreverted) == ("failed", drill.left)


def test_a_target_is_held_as_long_as_it_stays_the_same(tmp_path: Path) -> None:
    steps: list[Step | Loaded] = [
        loaded("a"),
        manual("look"),
        loaded("b"),
        loaded("c", "other"),
    ]
    drill = Drill(tmp_path, steps, gate=Gate(probes=()))
    drill.conduct()
    assert drill.done == ["hold world", "a", "b", "release", "hold other", "c", "release"]


def test_a_target_that_is_not_kept_is_held_for_each_experiment(tmp_path: Path) -> None:
    drill = Drill(tmp_path, [loaded("a"), loaded("b")], gate=Gate(probes=()), keep=False)
    drill.conduct()
    assert drill.done == ["hold world", "a", "release", "hold world", "b", "release"]


def test_repetitions_have_seeds_of_their_own(tmp_path: Path) -> None:
    drill = Drill(tmp_path, [loaded("a")], times=3, gate=Gate(probes=()), seed=7)
    drill.conduct()
    assert drill.seeds == [7, 8, 9]
    (deviation,) = drill.events("deviation")
    assert deviation["what"] == "seed 7 instead of the experiment's own 1"


def test_a_whole_drill_in_the_simulated_world_passes(tmp_path: Path) -> None:
    """More than an hour of it: kill, wait for people, kill again; the healer does its work."""
    from fault_injectors.pod_kill import PodKill

    sim = simulation.Simulation(tmp_path)
    kill = simulation.planned(
        PodKill(mode=KillMode.CRASH),
        Selector(service="web", pick=Pick(count=1)),
        at=simulation.seconds(6),
    )
    each = replace(loaded("kill"), experiment=replace(simulation.experiment(kill), name="kill"))
    again = replace(each, experiment=replace(each.experiment, name="again"))
    drill = Drill(tmp_path, [each, manual("look", 90 * MINUTE), again], clock=sim.clock)
    runs: dict[str, Judged] = {}

    def perform(wanted: Loaded, seed: int | None, held: Held) -> Performed:
        run = f"{len(runs)}-{wanted.experiment.name}"
        sim.run(wanted.experiment, wanted.objectives, f"suite/records/{run}")
        record = Record(tmp_path / "suite" / "records" / run)
        verdict = judge(record, loaded=wanted)
        runs[run] = Judged(record, verdict)
        outcome = verdict.outcome.value if verdict.claims else "PASS"
        return Performed(run=run, how="completed", reason="", outcome=outcome)

    drill.performs = perform
    drill.says(62 * MINUTE, step="look")
    assert drill.conduct() == SuiteResult("completed")
    assert sim.clock.now() - SimClock().now() > 60 * MINUTE * 1e9
    gates = [one for one in runs.values() if one.verdict.experiment.startswith("gate")]
    assert [one.verdict.outcome for one in gates] == ["PASS"] * 3
    assert set(drill.record.seals) == set(runs)
    assert all(drill.record.seals.values())

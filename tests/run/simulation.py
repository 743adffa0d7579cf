"""Whole experiments on a simulated clock, for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sloproof.contracts import Duration, Fault
from sloproof.model.target import Entry, Target, TargetProbe
from sloproof.record.reader import Record
from sloproof.record.writer import RecordWriter
from sloproof.run.control import Bulletin, Status
from sloproof.run.crew import Crew
from sloproof.run.engine import Engine
from sloproof.run.journal import Journal
from sloproof.run.progress import Silent
from sloproof.run.result import RunResult
from sloproof.run.stopping import StopWatch
from sloproof.run.watch import Signals, Watch
from sloproof.spec.experiment import (
    Experiment,
    FaultPlan,
    Load,
    MixPart,
    Recovery,
    Segment,
    Selector,
    StopCondition,
)
from sloproof.spec.objectives import Objectives
from sloproof.testing.clock import SimClock
from sloproof.testing.crew import SimGuard, SimHealer, SimLoad, SimProber, SimServer
from sloproof.testing.world import Memory, World

RATE = 100


def seconds(number: float) -> Duration:
    return Duration.of(number)


def planned(fault: Fault, where: Selector, **when: object) -> FaultPlan:
    return FaultPlan(name=fault.kind, fault=fault, where=where, **when)  # type: ignore[arg-type]


def experiment(
    *faults: FaultPlan, stop: tuple[StopCondition, ...] = (), at_most: float = 20
) -> Experiment:
    from sloproof.contracts import Ratio

    load = Load(
        mix=(MixPart(share=Ratio.parse("100%"), profile="sim"),),
        arrivals=(Segment(),),
        warmup=seconds(1),
    )
    return Experiment(
        name="simulated",
        origin="test",
        target="world",
        verify=(),
        load=load,
        baseline=seconds(5),
        faults=faults,
        recovery=Recovery(at_least=seconds(3), at_most=seconds(at_most)),
        stop=stop,
    )


@dataclass(slots=True)
class Simulation:
    """One simulated run and all that took part in it."""

    folder: Path
    heals_after: float | None = 2.0
    clock: SimClock = field(default_factory=SimClock)
    platform: Memory = field(init=False)
    guard: SimGuard = field(default_factory=SimGuard)
    bulletin: Bulletin = field(init=False)
    signals: Signals = field(default_factory=Signals)

    def __post_init__(self) -> None:
        world = World(self.folder / "world.json")
        self.platform = Memory(world, {"web": 2, "db": 1}, [("gateway", "web"), ("web", "db")])
        (self.folder / "state").mkdir()
        self.bulletin = Bulletin(self.folder / "state")

    @property
    def record(self) -> Record:
        return Record(self.folder / "record")

    def at(self, moment: float, act: Callable[[], None]) -> None:
        """Do something once the clock has come to `moment` seconds from the start."""
        begin = self.clock.now()
        done: list[bool] = []

        def listen(before: int, after: int) -> None:
            if not done and after - begin >= moment * 1e9:
                done.append(True)
                act()

        self.clock.on_advance(listen)

    def run(
        self, experiment: Experiment, objectives: Objectives | None = None, run: str = "sim"
    ) -> RunResult:
        """One run; its record is called `record` unless the run has another name than `sim`."""
        origin = self.clock.now()
        record = RecordWriter(self.folder / ("record" if run == "sim" else run))
        record.event(0, "run.started", run=run, experiment=experiment.name)
        crew = self._crew(origin)
        if experiment.load is None:
            crew = replace(crew, load=None)
        engine = Engine(
            experiment,
            objectives or {},
            crew,
            run=run,
            seed=1,
            record=record,
            journal=Journal.create(self.folder / "state" / "journal", {"run": "sim"}),
            watch=self._watch(crew, experiment, record, origin),
            origin=origin,
        )
        return engine.run()

    def _crew(self, origin: int) -> Crew:
        server = SimServer(self.platform, "web")
        target = Target(
            name="world",
            origin="test",
            folder=".",
            platform="memory",
            entry=Entry(url="http://127.0.0.1"),
            probes=(TargetProbe(name="entry", kind="http", params={}),),
        )
        healing = None if self.heals_after is None else int(self.heals_after * 1e9)
        return Crew(
            clock=self.clock,
            platform=self.platform,
            prober=SimProber(self.clock, server),
            load=SimLoad(self.clock, server, RATE, 20_000_000),
            observer=SimHealer(self.clock, self.platform, healing, origin),
            guard=self.guard,
            complete=lambda found: target,
            resolved=lambda target: "{}\n",
            aside=lambda work, meanwhile: work(),
        )

    def _watch(
        self, crew: Crew, experiment: Experiment, record: RecordWriter, origin: int
    ) -> Watch:
        return Watch(
            clock=self.clock,
            guard=self.guard,
            load=crew.load,
            prober=crew.prober,
            stops=StopWatch(experiment.stop, {}, crew.load),
            signals=self.signals,
            bulletin=self.bulletin,
            progress=Silent(),
            card=Status("sim", "simulated", "world", "", "", 0, (), "", ""),
            start_within=10_000_000_000,
            anchor=self.clock.wall() - origin,
        )

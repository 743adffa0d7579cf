"""Whole simulated experiments that pass, with a handle on each of their parts to break it by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sloproof.contracts import Fault
from sloproof.extensions import Extensions
from sloproof.judge import judge
from sloproof.judge.checks.recovery import RecoveryTime
from sloproof.judge.checks.self_healing import SelfHealing
from sloproof.judge.checks.slo import ServiceLevel
from sloproof.model.target import Entry, EventSource, Target, TargetProbe
from sloproof.model.verdict import Verdict
from sloproof.record.schema import NEVER, Call, RequestOutcome
from sloproof.run.crew import Crew
from sloproof.spec.experiment import Experiment, Line, Selector
from sloproof.testing.crew import SimHealer, SimLoad, SimProber, SimServer
from tests.judge.cases import Asked, line, recovery_objective, slo
from tests.run.simulation import RATE, Simulation, experiment, planned, seconds

FAULTS: Mapping[str, Any] = Extensions.of(Path(__file__).parents[3]).faults
DOOR = "http://127.0.0.1:80"
TARGET = Target(
    name="world",
    origin="test",
    folder=".",
    platform="memory",
    entry=Entry(url=DOOR),
    probes=(TargetProbe(name="entry", kind="http", params={"url": f"{DOOR}/health"}),),
    events=(EventSource(name="healer", file="healer", roles={"repaired": ("repaired",)}),),
)
OBJECTIVES = {"availability": slo("90%"), "most": slo("50%", name="most")}
OBJECTIVES |= {"back": recovery_objective("5s", probe="entry")}  # type: ignore[dict-item]  # both kinds
AVAILABLE, BACK = line(ServiceLevel(slo="availability")), line(RecoveryTime(objective="back"))
MOST = line(ServiceLevel(slo="most"))
HEALED = line(SelfHealing(service="web"))
ENTRY_LINK, INNER_LINK = Selector(source="gateway", to="web"), Selector(source="web", to="db")
WEB_1, ALL_WEB = Selector(instance="web-1"), Selector(service="web")

Wrap = Callable[[Any], Any]


class TracedServer(SimServer):
    """A server that writes down which copy each call went to."""

    def __init__(self, drill: Drill) -> None:
        super().__init__(drill.platform, "web")
        self.drill = drill
        self.calls: list[Call] = []

    def answer(self) -> tuple[RequestOutcome, int]:
        outcome, takes = super().answer()
        copies = [one.name for one in self.platform.instances() if one.service == "web"]
        if copies and outcome is not RequestOutcome.ERROR:
            sent = self.drill.clock.now() - self.drill.origin
            copy = copies[self._turn % len(copies)]
            self.calls.append(_call("gateway-1", copy, sent, takes))
            if takes != NEVER:
                self.calls.append(_call(copy, "db-1", sent, takes))
        return outcome, takes


def _call(caller: str, called: str, sent: int, takes: int) -> Call:
    lost = takes == NEVER
    return Call(
        source=caller.partition("-")[0],
        target=called.partition("-")[0],
        source_instance=caller,
        target_instance=called,
        parent="",
        attempt=1,
        sent=sent,
        finished=sent + (1_000_000_000 if lost else takes),
        status=0 if lost else 200,
        outcome="timeout" if lost else "ok",
        breaker="",
        origin="simulated",
        error_ns=0,
    )


class Observer(SimHealer):
    """What the healer tells, and the calls that the server wrote down."""

    def __init__(self, drill: Drill, server: TracedServer, heals_after: int | None) -> None:
        super().__init__(drill.clock, drill.platform, heals_after, drill.origin)
        self.server = server

    def sources(self) -> Sequence[tuple[str, str, bool]]:
        return [("system-events", "healer", True), ("calls", "gateway.log", True)]

    def calls(self) -> Sequence[Call] | None:
        return self.server.calls


class Drill(Simulation):
    """A simulation whose crew can be broken: `wrap` replaces a part by what is made of it."""

    origin: int
    wrap: dict[str, Wrap]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.wrap = {}

    def breaks(self, part: str, wrap: Wrap) -> None:
        """Let `wrap` make another of `part`: of `prober`, `load`, `observer` or `platform`."""
        self.wrap[part] = wrap

    def _crew(self, origin: int) -> Crew:
        self.origin = origin
        server = TracedServer(self)
        healing = None if self.heals_after is None else int(self.heals_after * 1e9)
        crew = Crew(
            clock=self.clock,
            platform=self.platform,
            prober=SimProber(self.clock, server),
            load=SimLoad(self.clock, server, RATE, 20_000_000),
            observer=Observer(self, server, healing),
            guard=self.guard,
            complete=lambda found: TARGET,
            resolved=lambda target: "{}\n",
            aside=lambda work, meanwhile: work(),
        )
        broken = {part: wrap(getattr(crew, part)) for part, wrap in self.wrap.items()}
        return replace(crew, **broken)


def fault(kind: str, **fields: object) -> Fault:
    made: Fault = FAULTS[kind](**fields)
    return made


def slow(where: Selector = ENTRY_LINK) -> Experiment:
    delay = fault("latency", delay=seconds(0.8))
    return experiment(planned(delay, where, at=seconds(6), for_=seconds(4)), at_most=8)


def slow_within() -> Experiment:
    return slow(INNER_LINK)


def cut() -> Experiment:
    return experiment(planned(fault("partition"), ENTRY_LINK, at=seconds(6), for_=seconds(4)))


def kill(at: float = 6) -> Experiment:
    return experiment(planned(fault("pod_kill"), WEB_1, at=seconds(at)), at_most=8)


def hang() -> Experiment:
    return experiment(planned(fault("pod_pause"), ALL_WEB, at=seconds(6), for_=seconds(4)))


def calm() -> Experiment:
    return replace(experiment(), recovery=replace(experiment().recovery, at_least=seconds(10)))


def rehearse(
    folder: Path,
    what: Callable[[], Experiment],
    claims: Iterable[Line],
    broken: Callable[[Drill], None] | None,
) -> Verdict:
    """Run an experiment on a crew that may be broken, and judge what it left."""
    drill = Drill(folder)
    if broken is not None:
        broken(drill)
    asked = what()
    drill.run(asked)
    return verdict_of(drill, asked, claims)


def verdict_of(drill: Drill, asked: Experiment, claims: Iterable[Line]) -> Verdict:
    wanted = replace(asked, verify=tuple(claims))
    return judge(drill.record, loaded=Asked(wanted, dict(OBJECTIVES), TARGET))

"""The catalogue of seeded defects: what is broken, and what has to come of it.

Each row breaks one thing in a run that passes otherwise. `claim` is the claim that would be
falsely green, `outcome` what becomes of it (`refused`: the record is not judged at all), `words`
stand in its reason. What breaks real processes is in `test_real_defects.py`, in rows of the same
kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.judge.cases import FAULT
from tests.truth.defects import breaking as b
from tests.truth.defects import drill as d
from tests.truth.defects import spoiling as s
from tests.truth.defects.written import PRIMARY, STANDBY, but, kept

FAIL, INCONCLUSIVE, REFUSED = "FAIL", "INCONCLUSIVE", "refused"
SLO, MOST, BACK, HEALED = "slo:availability", "slo:most", "recovery:back", "self_healing:web"
KEPT = "data_loss:"
MISSING = float("nan")


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect. `where` is the run that it is seeded into, `how` what breaks that run."""

    name: str
    where: str
    how: Callable[..., Any]
    claim: str
    outcome: str
    words: str

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


SCENES = {
    "slow": (d.slow, (d.AVAILABLE, d.BACK)),
    "slow within": (d.slow_within, (d.AVAILABLE, d.BACK)),
    "cut": (d.cut, (d.MOST, d.BACK)),
    "kill": (d.kill, (d.AVAILABLE, d.BACK, d.HEALED)),
    "hang": (d.hang, (d.MOST, d.BACK)),
    "calm": (d.calm, (d.AVAILABLE,)),
}
"""The simulated runs: an experiment and its claims, all of which pass on a whole crew."""

# fmt: off
SIMULATED = (
    # the prober
    Defect("dead prober", "slow", b.prober(b.silent),
           BACK, INCONCLUSIVE, "the record has no probes"),
    Defect("prober that dies halfway", "slow", b.prober(b.dead_halfway),
           BACK, INCONCLUSIVE, "probe entry missed"),
    Defect("prober that answers from a cache", "cut", b.prober(b.remembering),
           BACK, INCONCLUSIVE, "or it answers from a cache"),
    Defect("prober that replays its first sample", "cut", b.prober(b.replaying),
           BACK, INCONCLUSIVE, "can't have been taken when they say"),
    Defect("prober that is late", "slow", b.prober(b.half_a_second_late),
           BACK, INCONCLUSIVE, "late at the 99th percentile"),
    Defect("witness that takes no sample", "slow", b.prober(b.blind),
           SLO, INCONCLUSIVE, "took no sample"),
    Defect("witness that answers from a cache", "slow", b.prober(b.remembering_witness),
           SLO, INCONCLUSIVE, "never saw it"),
    # the load
    Defect("no load", "slow", b.load(b.none),
           SLO, INCONCLUSIVE, "0 arrivals were delivered of"),
    Defect("half the load", "slow", b.load(b.half),
           SLO, INCONCLUSIVE, "arrivals were delivered of"),
    Defect("generator late although slots were free", "slow", b.load(b.late_with_free_slots),
           SLO, INCONCLUSIVE, "started late although a slot was free"),
    Defect("generator late at the 99th percentile", "calm", b.load(b.late_in_general),
           SLO, INCONCLUSIVE, "late at the 99th percentile"),
    Defect("generator that was lost", "calm", b.load(b.as_it_was, exit="lost"),
           SLO, INCONCLUSIVE, "ended with status lost"),
    Defect("time-outs counted as successes", "hang", b.load(b.timeouts_are_good),
           MOST, INCONCLUSIVE, "good without ever being answered"),
    Defect("hung system whose arrivals are not counted", "hang", b.load(b.only_what_is_answered),
           MOST, INCONCLUSIVE, "arrivals were delivered of"),
    # the fault
    Defect("fault that reports success and does nothing", "slow", b.platform(b.Idle),
           SLO, INCONCLUSIVE, "never saw it"),
    Defect("fault on the wrong link", "slow", b.platform(b.Astray, subject="web-db"),
           SLO, INCONCLUSIVE, "never saw it"),
    Defect("fault on the wrong copy", "kill", b.platform(b.AstrayDeath, subject="web-2"),
           SLO, INCONCLUSIVE, "never saw it"),
    Defect("fault that spills over to its neighbour", "slow", b.platform(b.Spilling),
           SLO, INCONCLUSIVE, "what stands beside it was affected too"),
    Defect("fault that nobody crossed", "slow within", b.traces(b.answered_by_its_own_cache),
           SLO, INCONCLUSIVE, "met nobody"),
    Defect("fault reverted too early", "slow", b.meanwhile(8.5, "gateway-web", "delay", None),
           SLO, INCONCLUSIVE, "while it should be there"),
    Defect("fault that stays when it is reverted", "slow",
           b.meanwhile(11.5, "gateway-web", "delay", 0.8),
           SLO, INCONCLUSIVE, "after it was undone"),
    Defect("fault that was there before", "slow", b.from_the_start("gateway-web", "delay", 0.8),
           SLO, INCONCLUSIVE, "never saw it"),
    # the system, and somebody else in it
    Defect("target unhealthy before", "slow",
           b.both(b.meanwhile(3, "gateway-web", "cut", "refused"),
                  b.meanwhile(4.2, "gateway-web", "cut", None)),
           SLO, INCONCLUSIVE, "the baseline was not well"),
    Defect("target restarted by somebody else", "slow", b.restarted("web-2", 9),
           SLO, INCONCLUSIVE, "somebody else may have restarted it"),
    Defect("killed copy revived by somebody else", "kill",
           b.both(b.no_healer, b.restarted("web-1", 9)),
           HEALED, INCONCLUSIVE, "no event of the system says that it did so"),
    Defect("target restored by the harness and counted as healed", "kill", b.no_healer,
           HEALED, FAIL, "then the harness restored it"),
    Defect("dead copy called recovered until the harness restores it", "kill", b.no_healer,
           BACK, INCONCLUSIVE, "web-1 was not brought back by the system"),
    Defect("half the copies dead and called recovered", "slow",
           b.both(b.no_healer, b.meanwhile(8, "web-2", "dead", 1)),
           BACK, INCONCLUSIVE, "web-2 was not brought back by the system"),
    Defect("half the copies dead and called healed", "kill",
           b.both(b.only_heals("web-1"), b.meanwhile(8, "web-2", "dead", 1)),
           HEALED, INCONCLUSIVE, "web-2 lived before the faults and not after them"),
    # what else the run has to tell
    Defect("missing trace source", "kill", b.traces(b.no_trace),
           SLO, INCONCLUSIVE, "no calls were recorded"),
    Defect("clock jump", "calm", b.clock_jump,
           SLO, INCONCLUSIVE, "clock jumped"),
    Defect("guardian that dies", "slow", b.guardian_dies,
           SLO, INCONCLUSIVE, "the guardian died"),
    Defect("run that was interrupted", "slow", b.interrupted,
           SLO, INCONCLUSIVE, "SIGINT"),
)

WRITTEN = (
    Defect("wrong SLO name", "misspelt", but(),
           "slo:avialability", INCONCLUSIVE, "there is no SLO named avialability"),
    Defect("SLO that matches no request", "nobody", but(),
           "slo:nobody", INCONCLUSIVE, "no request that counts"),
    Defect("all requests filtered out", "never-fast", but(),
           "slo:never-fast", INCONCLUSIVE, "no request that counts"),
    Defect("all requests in the warm-up", "availability",
           but(requests="at every count\n0s 10ms 190"),
           SLO, INCONCLUSIVE, "no request that counts"),
    Defect("NaN signals", "cpu", but(signal=((0, 26, MISSING),)),
           "slo:cpu", FAIL, "0% of 46 samples met the bound"),
    Defect("missing metric", "cpu", but(signal_named="memory"),
           "slo:cpu", INCONCLUSIVE, "cpu has no sample"),
    Defect("no signal at all", "cpu", but(signal=()),
           "slo:cpu", INCONCLUSIVE, "the record has no signals"),
    Defect("signal that stops halfway", "cpu", but(signal=((0, 13, 0.5),)),
           "slo:cpu", INCONCLUSIVE, "and none for"),
    Defect("recovery from a fault that neither load nor probe crossed", "back",
           but(requests="at every count\n0s 10ms 600\n13s 10ms 1200"),
           BACK, INCONCLUSIVE, "met nobody"),
    Defect("recovery seen by a probe that is not there", "elsewhere", but(),
           "recovery:elsewhere", INCONCLUSIVE, "probe another took no sample"),
    Defect("service that was back for a while, then gone", "back",
           but(probe="from to every ok\n0s 12s 100ms yes\n12s 13s 100ms no\n"
                     "13s 17s 100ms yes\n17s 26s 100ms no"),
           BACK, FAIL, "not seen back to stay"),
    Defect("service that was back and failed once more", "back",
           but(probe="from to every ok\n0s 12s 100ms yes\n12s 13s 100ms no\n"
                     "13s 17s 100ms yes\n17s 18s 100ms no\n18s 26s 100ms yes"),
           BACK, INCONCLUSIVE, "it was not back to stay"),
    Defect("recovery of what was down before", "back",
           but(probe="from to every ok\n0s 3s 100ms yes\n3s 6s 100ms no\n6s 26s 100ms yes"),
           BACK, INCONCLUSIVE, "the baseline was not well: probe gate was good 20 times of 50"),
    Defect("answers that say they come from a cache", "back",
           but(probe="from to every detail\n0s 26s 100ms cached"),
           BACK, INCONCLUSIVE, "came from a cache"),
    Defect("load that goes another way than the faulty link", "availability",
           but(requests="at every count\n0s 10ms 2500"),
           SLO, INCONCLUSIVE, "felt it on its way through"),
    Defect("fault that somebody else changed meanwhile", "availability",
           but(fault=replace(FAULT, outcome="foreign")),
           SLO, INCONCLUSIVE, "was changed by somebody else"),
    # the ledger
    Defect("ledger too short for its RPO", "kept",
           kept(writes="at count outcome\n5.9s 110 ack\n8s 100 ack"),
           KEPT, INCONCLUSIVE, "where an RPO of 1 s takes 1.2 s"),
    Defect("ledger too thin for its RPO", "kept",
           kept(writes="at every count outcome\n2s 110ms 45 ack\n8s 10ms 100 ack"),
           KEPT, INCONCLUSIVE, "allows gaps of 100 ms"),
    Defect("store that acknowledges what it never writes", "kept",
           kept(copies=(replace(STANDBY, lacks=range(300, 500)),
                        replace(PRIMARY, lacks=range(300, 500)))),
           KEPT, FAIL, "200 acknowledged writes lost"),
    Defect("copy that can't be read", "none",
           kept(copies=(replace(STANDBY, error="refused"), PRIMARY)),
           KEPT, INCONCLUSIVE, "copy a could not be read: refused"),
    Defect("copies that were never asked", "none", kept(copies=(), read=False),
           KEPT, INCONCLUSIVE, "the copies were not read back"),
    Defect("copies asked after the harness had restored them", "none",
           kept(copies=(replace(STANDBY, at=25.5), replace(PRIMARY, at=25.5))),
           KEPT, INCONCLUSIVE, "after things had been put right"),
    Defect("nobody left to be the primary", "none",
           kept(copies=(STANDBY, replace(PRIMARY, role="standby"))),
           KEPT, INCONCLUSIVE, "no copy is the primary"),
    Defect("two primaries, one of which has all", "none",
           kept(copies=(replace(STANDBY, role="primary"), replace(PRIMARY, lacks=[499]))),
           KEPT, INCONCLUSIVE, "are primaries"),
    Defect("ledger's process that was lost", "none", kept(exit="lost"),
           KEPT, INCONCLUSIVE, "process was lost"),
    Defect("ledger that kept half of its rows", "none", kept(planned=3200),
           KEPT, INCONCLUSIVE, "of 3,200 that were due"),
    Defect("writes cut short without the seal", "none", but(spoilt=s.writes_cut_short),
           KEPT, INCONCLUSIVE, "what became of the others is unknown"),
    Defect("what a copy has cut short without the seal", "none", but(spoilt=s.copies_cut_short),
           KEPT, INCONCLUSIVE, "was not recorded whole"),
    Defect("writes of a store that nobody kept a ledger of", "none", but(spoilt=s.without_writes),
           KEPT, INCONCLUSIVE, "the record has no writes"),
)

SPOILT = (
    Defect("empty record", "kill", s.emptied,
           "", REFUSED, "not a record"),
    Defect("record without events", "kill", s.without_events,
           "", REFUSED, "do not begin with run.started"),
    Defect("truncated record", "kill", s.cut_short,
           "", REFUSED, "differs from what was sealed"),
    Defect("truncated record without its seal", "kill", s.cut_short_without_seal,
           SLO, INCONCLUSIVE, "no seal"),
    Defect("torn record", "kill", s.torn,
           SLO, INCONCLUSIVE, "torn"),
    Defect("truncated table", "kill", s.table_cut_short,
           "", REFUSED, "unreadable"),
    Defect("edited table", "kill", s.better_requests,
           "", REFUSED, "differs from what was sealed"),
    Defect("edited event", "kill", s.earlier_healing,
           "", REFUSED, "the chain of hashes is broken"),
    Defect("event taken out", "kill", s.taken_out,
           "", REFUSED, "the chain of hashes is broken"),
    Defect("edited objective", "kill", s.easier_objective,
           "", REFUSED, "differs from what was sealed"),
    Defect("requests of another run", "kill", s.from_other("requests.parquet"),
           "", REFUSED, "differs from what was sealed"),
    Defect("events of another run", "kill", s.from_other("events.jsonl"),
           "", REFUSED, "differs from what was sealed"),
    Defect("seal of another run", "kill", s.from_other("seal.json"),
           "", REFUSED, "differs from what was sealed"),
    Defect("table that is gone", "kill", s.removed("probes.parquet"),
           "", REFUSED, "is missing since"),
    Defect("table that came later", "kill", s.added,
           "", REFUSED, "was added after"),
    Defect("seal that is gone", "kill", s.removed("seal.json"),
           SLO, INCONCLUSIVE, "no seal"),
)
# fmt: on

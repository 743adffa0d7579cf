"""The source of a small project's faults, checks and probe, each by its kind."""

FAULTS = {
    "latency": """
from sloproof.contracts import Direction, Duration, Fault

class Latency(Fault):
    delay: Duration
    jitter: Duration = Duration(0)
    direction: Direction = Direction.DOWNSTREAM

    def plan(self, where, on):
        return []
""",
    "pod_kill": """
from sloproof.contracts import Duration, Fault, KillMode

class PodKill(Fault):
    points_at = "instances"
    mode: KillMode = KillMode.CRASH
    hold: bool = False

    def plan(self, where, on):
        return []

    def lasts(self):
        return self.hold
""",
    "load_spike": """
from sloproof.contracts import Fault, LoadChange

class LoadSpike(Fault):
    points_at = "load"
    factor: float = 2.0

    def plan(self, where, on):
        return [LoadChange(factor=self.factor)]
""",
    "disk_fill": """
from sloproof.contracts import Fault, Ratio

class DiskFill(Fault):
    points_at = "volumes"
    used: Ratio

    def plan(self, where, on):
        return []
""",
    "disk_error": """
from sloproof.contracts import BreaksVolumes, Fault

class DiskError(Fault):
    needs = (BreaksVolumes,)
    points_at = "volumes"

    def plan(self, where, on):
        return []
""",
}

CHECKS = {
    "slo": """
from sloproof.contracts import Check, Duration, Ratio, SloName

class Slo(Check):
    kind = "slo"
    tolerances = {"target": Ratio, "limit": Duration}
    slo: SloName

    def label(self):
        return self.slo

    def judge(self, evidence):
        raise NotImplementedError
""",
    "recovery": """
from sloproof.contracts import Check, RecoveryName

class Recovery(Check):
    kind = "recovery"
    windowed = False
    recovery: RecoveryName

    def label(self):
        return self.recovery

    def judge(self, evidence):
        raise NotImplementedError
""",
    "circuit_breaker": """
from typing import Annotated
from pydantic import Field
from sloproof.contracts import Check, Duration, ServiceName

class CircuitBreaker(Check):
    kind = "circuit_breaker"
    source: Annotated[ServiceName, Field(alias="from")]
    to: ServiceName
    failure_threshold: int = 5
    recovery_timeout: Duration = Duration(60_000_000_000)

    def label(self):
        return f"{self.source} -> {self.to}"

    def judge(self, evidence):
        raise NotImplementedError
""",
    "self_healing": """
from sloproof.contracts import Check, InstanceName, ServiceName

class SelfHealing(Check):
    kind = "self_healing"
    service: ServiceName = ""
    instance: InstanceName = ""

    def judge(self, evidence):
        raise NotImplementedError
""",
    "no_data_loss": """
from sloproof.contracts import Check

class NoDataLoss(Check):
    kind = "no_data_loss"

    def judge(self, evidence):
        raise NotImplementedError
""",
}

PROBES = {
    "http": """
from dataclasses import dataclass
from sloproof.contracts import Probe, Sample

@dataclass(frozen=True)
class Http(Probe):
    kind = "http"
    url: str = ""

    async def sample(self):
        return Sample(ok=True)
""",
}

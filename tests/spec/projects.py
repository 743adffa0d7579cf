"""A small project to load experiments from: its own fault, checks, probe, platform and files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sloproof.contracts import Check, Effect, Fault, Platform, Probe
from sloproof.extensions import Effects, Extensions, Folder, Kinds

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
from sloproof.contracts import Fault

class LoadSpike(Fault):
    points_at = "load"
    factor: float = 3.0

    def plan(self, where, on):
        return []
""",
    "disk_fill": """
from sloproof.contracts import Fault, Ratio

class DiskFill(Fault):
    points_at = "volumes"
    used: Ratio

    def plan(self, where, on):
        return []
""",
}

CHECKS = {
    "slo": """
from sloproof.contracts import Check, SloName

class Slo(Check):
    kind = "slo"
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
from sloproof.contracts import Check, Duration

class CircuitBreaker(Check):
    kind = "circuit_breaker"
    source: Annotated[str, Field(alias="from")]
    to: str
    failure_threshold: int = 5
    recovery_timeout: Duration = Duration(60_000_000_000)

    def label(self):
        return f"{self.source} -> {self.to}"

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

EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata:
  name: slow-speech
  labels: {tier: ci, drill: monthly}
  annotations: {change: CHG0012345}
spec:
  hypothesis: When speech is slow the breaker opens and people still get their answer as text.
  target: shop
  variables: {delay: 800ms}
  load:
    warmup: 5s
    mix: [{profile: orders, share: 80%}, {locustfile: perf/locustfile.py, share: 20%}]
    arrivals:
      - {from: 20/s, to: 100/s, for: 5s}
      - {rate: 100/s}
  baseline: 8s
  faults:
    - name: slow
      inject: latency
      where: {from: dialogue, to: speech}
      with: {delay: $(delay), jitter: 50ms, direction: downstream}
      at: 10s
      for: 12s
    - inject: pod_kill
      where: {service: dialogue, pick: {count: 1}}
      after: {detected: slow, plus: 2s}
  recovery: {at_least: 10s, at_most: 60s}
  stop:
    - error_rate: {above: 50%}
      for: 5s
    - {slo: shop-availability, for: 5s}
  verify:
    - slo: shop-availability
    - slo: shop-latency
      name: latency-while-slow
      during: {fault: slow}
      tolerance: {target: 95%}
    - recovery: shop-recovery
    - circuit_breaker: {from: dialogue, to: speech, failure_threshold: 5, recovery_timeout: 2s}
    - no_data_loss:
"""

TARGET = """\
apiVersion: sloproof/v1
kind: Target
metadata: {name: shop}
spec:
  platform: local
  variables: {recovery: 2s}
  start: {command: [$(python), -m, shop, --recovery, $(recovery)], within: 30s}
  stop: {command: [$(python), -m, shop, --stop]}
  discover: {file: run/ports.json}
  entry:
    url: http://127.0.0.1:$(found.ports.gateway)
    headers: {x-client: sloproof}
  services:
    dialogue:
      region: a
      instances:
        - {name: dialogue-1, listens: $(found.ports.dialogue-1), labels: {shard: one}}
        - {name: dialogue-2, listens: 8002}
    speech:
      region: a
      instances: [{name: speech-1, pid_file: run/speech.pid}]
    store:
      region: b
      instances: [{name: store-1, command_line: [postgres, -D]}]
  links:
    - {from: client, to: dialogue, entry: true}
    - from: dialogue
      to: speech
      proxy: {server: "http://127.0.0.1:8474", name: dialogue-speech}
    - {from: dialogue, to: store, source_instance: dialogue-1}
    - {from: dialogue, to: store, source_instance: dialogue-2}
  probes:
    - {name: entry, kind: http, params: {url: "$(found.entry)"}, every: 10ms}
  signals:
    - {name: cpu, kind: http, params: {}, every: 1s}
  events:
    - {name: healer, file: run/events.jsonl, roles: {detected: [alert], breaker: [open]}}
  switches:
    slow:
      service: speech
      read: {method: GET, url: "http://localhost:9000/switch"}
      set: {command: [touch, "{path}"]}
      reset: {command: [rm, run/slow]}
  allow: {hosts: [store.example], max_rate: 200/s}
"""

SLOS = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
spec: {}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: shop-availability
  annotations: {sloproof/traffic: 40/s}
spec:
  service: shop
  indicator:
    metadata: {name: good-orders}
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource: {type: sloproof, spec: {status: [2xx], within: 2s}}
        total:
          metricSource: {type: sloproof, spec: {method: POST, path: /orders/*}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: Good, target: 0.99}]
  alertPolicies: [{alertPolicyRef: fast-burn}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: shop-latency}
spec:
  service: shop
  indicatorRef: slow-orders
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{op: lte, value: 0.5}]
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: slow-orders}
spec:
  thresholdMetric:
    metricSource:
      type: sloproof
      spec: {method: POST, path: /orders/*, quantile: 99%, latencyOf: good}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: fast-burn}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: fast}]
  notificationTargets: []
---
apiVersion: openslo/v1
kind: AlertCondition
metadata:
  name: fast
  annotations: {sloproof/short-window: 5m}
spec:
  severity: page
  condition: {kind: burnrate, threshold: 14.4, lookbackWindow: 1h, alertAfter: 0m}
"""

RECOVERY = """\
apiVersion: sloproof/v1
kind: RecoveryObjective
metadata: {name: shop-recovery}
spec:
  probe: entry
  rto: 5s
  rpo: 1s
  from: fault
"""

FOUND = {"ports": {"gateway": 8080, "dialogue-1": 8001}, "entry": "http://127.0.0.1:8080/health"}


class Project:
    """A project in a folder, with extensions of its own that stand for the built-in ones."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self._builtin = folder / "builtin"
        for group, files in (("faults", FAULTS), ("checks", CHECKS), ("probes", PROBES)):
            for name, text in files.items():
                write(self._builtin / group / f"{name}.py", text)
        write(self._builtin / "platforms" / "local.py", "")
        write(self._builtin / "platforms" / "external.py", "")
        self.write("experiments/slow.yaml", EXPERIMENT)
        self.write("experiments/targets/shop.yaml", TARGET)
        self.write("slo/shop.yaml", SLOS)
        self.write("slo/recovery.yaml", RECOVERY)
        self.write("load_profiles/orders.py", "")
        self.write("perf/locustfile.py", "")

    @property
    def experiment(self) -> Path:
        return self.root / "experiments" / "slow.yaml"

    def write(self, name: str, text: str) -> Path:
        return write(self.root / name, text)

    def change(self, name: str, changes: Mapping[str, str]) -> None:
        """Replace text in one of the project's files; each must be there."""
        file = self.root / name
        text = file.read_text()
        for before, after in changes.items():
            assert before in text, f"{before!r} is not in {name}"
            text = text.replace(before, after, 1)
        file.write_text(text)

    def extensions(self) -> Extensions:
        def folders(group: str) -> tuple[Folder, ...]:
            return (Folder(self._builtin / group),)

        return Extensions(
            faults=Kinds(Fault, "fault", folders("faults")),
            checks=Kinds(Check, "check", folders("checks")),
            probes=Kinds(Probe, "probe", folders("probes")),
            platforms=Kinds(Platform, "platform", folders("platforms")),
            effects=Effects(Effect, "effect", ()),
        )


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path

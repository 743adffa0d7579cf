"""Small projects on disk: an experiment, its target and its objectives, as a user writes them."""

from __future__ import annotations

from pathlib import Path

from sloproof.spec import Loaded, load_experiment

EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {{name: {name}}}
spec:
  target: system
{spec}
"""
TARGET = """\
apiVersion: sloproof/v1
kind: Target
metadata: {{name: system}}
spec:
{spec}
"""
AVAILABILITY = """\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: availability}}
spec:
  service: system
  indicator:
    metadata: {{name: answered}}
    spec:
      ratioMetric:
        counter: true
        good: {{metricSource: {{type: sloproof, spec: {{status: [2xx]}}}}}}
        total: {{metricSource: {{type: sloproof, spec: {{}}}}}}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{displayName: answered, target: {target}}}]
"""
LATENCY = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: latency}
spec:
  service: system
  indicator:
    metadata: {name: p99}
    spec:
      thresholdMetric: {metricSource: {type: sloproof, spec: {quantile: 99%}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: p99, op: lte, value: 0.5}]
"""
WATCHED = """\
  platform: external
  entry: {{url: "http://127.0.0.1:{port}"}}
  probes:
    - {{name: door, kind: http, params: {{url: "http://127.0.0.1:{port}/"}}, every: 10ms}}
"""
RECOVERY = """\
apiVersion: sloproof/v1
kind: RecoveryObjective
metadata: {{name: back}}
spec: {{probe: door, rto: 10s, stable_for: 300ms, successes: 3, good_ratio: {good}}}
"""
NOTHING_THERE = """\
  platform: local
  entry: {url: "http://127.0.0.1:8080"}
"""
LOAD = """\
  load: {mix: [{locustfile: load.py, share: 100%}], arrivals: [{rate: 200/s}]}
"""


def project(
    folder: Path,
    spec: str,
    *,
    target: str = NOTHING_THERE,
    objectives: str = AVAILABILITY.format(target=0.99),
    profile: str = "",
    name: str = "bench",
) -> Path:
    """Write one; gives the experiment's file. `spec` and `target` are indented YAML."""
    for inside in ("experiments/targets", "slo"):
        (folder / inside).mkdir(parents=True, exist_ok=True)
    (folder / "slo" / "objectives.yaml").write_text(objectives)
    (folder / "experiments" / "targets" / "system.yaml").write_text(TARGET.format(spec=target))
    if profile:
        (folder / "load.py").write_text(profile)
    file = folder / "experiments" / f"{name}.yaml"
    file.write_text(EXPERIMENT.format(name=name, spec=spec))
    return file


def loaded(
    folder: Path, spec: str, objectives: str, *, target: str = NOTHING_THERE, load: bool = True
) -> Loaded:
    """An experiment that nobody runs: what a record is judged by; with a load of 200/s."""
    from benchmarks.loading import GETTER

    whole = LOAD + spec if load else spec
    file = project(folder, whole, target=target, objectives=objectives, profile=GETTER)
    return load_experiment(file, project=folder)

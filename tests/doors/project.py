"""Small projects on disk, and pytest run in them as its users run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENGINE = Path(__file__).with_name("fake_engine.py")
STATUS = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}
PLUGIN = "sloproof.pytest_plugin"

EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {{name: {name}, labels: {labels}}}
spec:
  target: {target}
  fixtures: {fixtures}
  variables: {variables}
  baseline: 1s
  recovery: {{at_least: 1s, at_most: 2s}}
  load:
    mix: [{{locustfile: load.py, users: [Visitor], share: 100%}}]
    arrivals: [{{rate: 10/s}}]
  verify:
{verify}
"""
TARGET = """\
apiVersion: sloproof/v1
kind: Target
metadata: {{name: {name}}}
spec:
  platform: external
  entry: {{url: "http://127.0.0.1:8080"}}
"""
SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: shop
  indicator:
    metadata: {{name: {name}}}
    spec:
      ratioMetric:
        counter: true
        good: {{metricSource: {{type: sloproof, spec: {{status: [2xx]}}}}}}
        total: {{metricSource: {{type: sloproof, spec: {{}}}}}}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  budgetingMethod: Occurrences
  objectives: [{{displayName: good, target: 0.9}}]
"""
LOAD = """\
from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def visit(self) -> None:
        self.client.get("/")
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A user's project."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Project:
        for folder in ("experiments/targets", "slo"):
            (path / folder).mkdir(parents=True)
        project = cls(path)
        command = f"{sys.executable} -S {ENGINE}"
        project.write("pytest.ini", f"[pytest]\nsloproof_command = {command}\n")
        project.write("load.py", LOAD)
        return project

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def experiment(
        self,
        name: str = "slow",
        *,
        claims: Mapping[str, str] = {"steady": "PASS"},
        target: str = "shop",
        labels: str = "{}",
        fixtures: str = "[]",
        variables: str = "{}",
        **answer: Any,
    ) -> Path:
        """An experiment with a line of `verify` a claim, and what its run will answer."""
        for claim in claims:
            self.write(f"slo/{claim}.yaml", SLO.format(name=claim))
        self.write(f"experiments/targets/{target}.yaml", TARGET.format(name=target))
        file = self.write(
            f"experiments/{name}.yaml",
            EXPERIMENT.format(
                name=name,
                target=target,
                labels=labels,
                fixtures=fixtures,
                variables=variables,
                verify="\n".join(f"    - slo: {claim}" for claim in claims),
            ),
        )
        self.answer(file, claims, **answer)
        return file

    def answer(self, file: Path, claims: Mapping[str, str], **given: Any) -> None:
        """What the fake engine says when it runs `file`."""
        worst = next((o for o in ("FAIL", "INCONCLUSIVE") if o in claims.values()), "PASS")
        body = {
            "experiment": file.stem,
            "run": "r1",
            "record": f"runs/{file.stem}",
            "outcome": worst,
            "sentence": f"{file.stem} ended {worst}",
            "claims": [_claim(f"slo:{name}", outcome) for name, outcome in claims.items()],
            "how": "completed",
            "reason": "",
            "lacking": False,
            "unreverted": [],
            "report": f"runs/{file.stem}/report.html",
        }
        answer = {
            "status": given.pop("status", STATUS[worst]),
            "takes": given.pop("takes", 0),
            "reverts_for": given.pop("reverts_for", 0),
            "stdout": given.pop("stdout", ""),
            "body": {**body, **given.pop("body", {}), **given},
        }
        Path(f"{file}.answer.json").write_text(json.dumps(answer), encoding="utf-8")

    def pytest(self, *arguments: str, plugins: Sequence[str] = (), timeout: float = 100) -> Ended:
        """Pytest in this project, with our plug-in and the named others only."""
        done = subprocess.run(
            self.command(*arguments, plugins=plugins),
            cwd=self.path,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def command(self, *arguments: str, plugins: Sequence[str] = ()) -> list[str]:
        named = [word for plugin in (PLUGIN, *plugins) for word in ("-p", plugin)]
        return [sys.executable, "-m", "pytest", *named, *arguments]

    def environment(self) -> dict[str, str]:
        own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
        return {**os.environ, **own}

    def calls(self) -> list[dict[str, Any]]:
        """How the engine was called, call by call."""
        return self._lines("calls.jsonl")

    def ends(self) -> list[dict[str, Any]]:
        return self._lines("ends.jsonl")

    def signals(self) -> list[str]:
        """The signals the engine got."""
        path = self.path / "experiments" / "signals"
        return path.read_text().split() if path.exists() else []

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.path / "experiments" / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass(frozen=True, slots=True)
class Ended:
    """How a pytest run ended."""

    status: int
    out: str
    err: str

    def has(self, **counts: int) -> bool:
        """Whether the last line counts exactly these: `passed=1, errors=2`."""
        last = self.out.strip().splitlines()[-1]
        found = re.findall(r"(\d+) (passed|failed|error|skipped|deselected)", last)
        return {name: int(number) for number, name in found} == counts


def _claim(name: str, outcome: str) -> dict[str, Any]:
    number = {"name": "good", "value": 0.5, "unit": "ratio", "low": 0.4, "high": 0.6}
    return {
        "id": name,
        "check": "slo",
        "window": "run",
        "outcome": outcome,
        "reason": f"half of it was good, so {outcome}",
        "numbers": [number],
        "notes": ["seen twice"],
        "unattributed": False,
    }


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that other processes bring about."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came about"
        time.sleep(0.02)


def install(site: Path, name: str, point: str, module: str) -> None:
    """A folder that looks like an installed distribution with one pytest plug-in."""
    info = site / f"{name}-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{point} = {module}\n")

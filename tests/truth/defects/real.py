"""A small project run for real: Toxiproxy, prober, Locust and engine, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sloproof.effects.incarnation import Incarnation
from sloproof.testing import Answer, ScriptedServer
from tests.testing.proxy import Toxiproxy, toxiproxy

ROOT = Path(__file__).parents[3]
PATIENCE = 100
STANDSTILL = 1.5
EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: late}
spec:
  hypothesis: When its door is slow the shop still answers.
  target: shop
  load:
    warmup: 500ms
    mix: [{profile: visitor, share: 100%}]
    arrivals: [{rate: 60/s}]
    lateness: 500ms
  baseline: 1s
  faults:
    - name: slow
      inject: latency
      where: {from: client, to: shop}
      with: {delay: 400ms}
      at: 1s
      for: 2500ms
  recovery: {at_least: 1500ms, at_most: 3s}
  verify:
    - slo: availability
    - recovery: back
"""
TARGET = """\
apiVersion: sloproof/v1
kind: Target
metadata: {{name: shop}}
spec:
  platform: local
  entry: {{url: "http://127.0.0.1:{door}"}}
  services:
    shop: {{instances: [{{name: worker-1, pid_file: "{pid_file}"}}]}}
  links:
    - {{from: client, to: shop, entry: true, proxy: {{server: "{toxiproxy}", name: {proxy}}}}}
  probes:
    - name: entry
      kind: http
      params: {{url: "http://127.0.0.1:{door}/health"}}
      every: 250ms
"""
OBJECTIVES = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  indicator:
    metadata: {name: availability}
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: sloproof, spec: {status: [2xx]}}}
        total: {metricSource: {type: sloproof, spec: {}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: good, target: 0.9}]
---
apiVersion: sloproof/v1
kind: RecoveryObjective
metadata: {name: back}
spec: {probe: entry, rto: 2s, stable_for: 500ms, successes: 2}
"""
VISITOR = """\
from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    @task
    def visit(self):
        self.client.get("/")
"""


@dataclass
class Shop:
    """The project, and the things of its run that somebody can lay hands on.

    `proxy` is the one that the target's file names; the load goes through `door`.
    """

    folder: Path
    server: ScriptedServer
    proxies: Toxiproxy
    worker: subprocess.Popen[bytes]
    proxy: str = "door"
    saboteurs: list[threading.Thread] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def pid_file(self) -> Path:
        return self.folder / "worker.pid"

    def meanwhile(self, act: Callable[[], None]) -> None:
        """Once the fault is in the world, act beside it."""
        self.saboteurs.append(threading.Thread(target=self._once_faulty, args=(act,)))

    def run(self) -> dict[str, Any]:
        """What `sloproof run --json` says."""
        self._write()
        for each in self.saboteurs:
            each.start()
        runs = f"--runs={self.folder / 'runs'}"
        argv = ["run", "experiments/late.yaml", runs, "--json", "--no-report"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "sloproof", *argv],
                cwd=self.folder / "project",
                env={**os.environ, "SLOPROOF_STATE_DIR": str(self.folder / "state")},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        finally:
            self.done.set()
            for each in self.saboteurs:
                each.join()
        assert done.stdout, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        assert "claims" in said, said
        return said

    def helper(self, module: str) -> Incarnation:
        """The process of this run that works as `module`."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if module in words and any(str(self.folder) in word for word in words):
                life = Incarnation.of(int(folder.name))
                assert life is not None
                return life
        raise AssertionError(f"no {module} of this run lives")

    def toxics(self) -> list[str]:
        """The toxics on the proxy that the target's file names."""
        found: list[dict[str, str]] = self.proxies.server.state(self.proxy)["toxics"]
        return [toxic["name"] for toxic in found]

    def _once_faulty(self, act: Callable[[], None]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.toxics() and not self.done.is_set() and time.monotonic() < deadline:
            time.sleep(0.02)
        # A moment later its witness has seen it; without it, there was no fault to act beside.
        if not self.done.wait(0.6):
            act()

    def _write(self) -> None:
        project = self.folder / "project"
        target = TARGET.format(
            door=self.proxies.ports["door"],
            pid_file=self.pid_file,
            toxiproxy=self.proxies.url,
            proxy=self.proxy,
        )
        for name, text in {
            "experiments/late.yaml": EXPERIMENT,
            "experiments/targets/shop.yaml": target,
            "slo/shop.yaml": OBJECTIVES,
            "load_profiles/visitor.py": VISITOR,
        }.items():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(text)


@contextmanager
def shop(folder: Path) -> Iterator[Shop]:
    """A shop that is well, with a worker beside it."""
    worker = subprocess.Popen(["sleep", "120"])
    try:
        with (
            ScriptedServer() as server,
            toxiproxy(folder, "door", "other", upstream=server.port) as proxies,
        ):
            made = Shop(folder, server, proxies, worker)
            made.pid_file.write_text(str(worker.pid))
            yield made
            worker = made.worker
    finally:
        worker.kill()
        worker.wait()


# -- what can be wrong with it


def goes_another_way(made: Shop) -> None:
    """The target's file names a proxy through which nobody comes."""
    made.proxy = "other"


def toxics_removed(made: Shop) -> None:
    def remove() -> None:
        for toxic in made.toxics():
            made.proxies.server.remove_toxic(made.proxy, toxic)

    made.meanwhile(remove)


def answers_from_a_cache(made: Shop) -> None:
    made.server.change(Answer(headers={"age": "30"}))


def stands_still(module: str) -> Callable[[Shop], None]:
    """A helper that doesn't run for a while, and goes on as if nothing had been."""

    def sabotage(made: Shop) -> None:
        def stop() -> None:
            life = made.helper(module)
            life.send(signal.SIGSTOP)
            made.done.wait(STANDSTILL)
            life.send(signal.SIGCONT)

        made.meanwhile(stop)

    return sabotage


def dies(module: str) -> Callable[[Shop], None]:
    return lambda made: made.meanwhile(lambda: _killed(made.helper(module)))


def _killed(life: Incarnation) -> None:
    life.send(signal.SIGKILL)


def worker_restarted(made: Shop) -> None:
    """Somebody restarts a copy; nothing in the system says so."""

    def restart() -> None:
        made.worker.kill()
        made.worker.wait()
        made.worker = subprocess.Popen(["sleep", "120"])
        made.pid_file.write_text(str(made.worker.pid))

    made.meanwhile(restart)


def worker_killed(made: Shop) -> None:
    """A copy dies and stays dead, while the door answers as ever."""

    def kill() -> None:
        made.worker.kill()
        made.worker.wait()

    made.meanwhile(kill)

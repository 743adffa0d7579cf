"""A whole run on a system that somebody else runs: a region of it is cut off at its proxies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sloproof.testing import ScriptedServer
from tests.system.running import LONGEST
from tests.testing.proxy import Toxiproxy, toxiproxy

TARGET = """
apiVersion: sloproof/v1
kind: Target
metadata: {{name: shop}}
spec:
  platform: external
  entry: {{url: "http://127.0.0.1:{door}"}}
  services:
    web: {{region: a, instances: [{{name: web-1}}]}}
  links:
    - {{from: client, to: web, entry: true, proxy: {{server: "{server}", name: client-web}}}}
  probes:
    - {{name: front, kind: http, params: {{url: "http://127.0.0.1:{door}/"}}, every: 50ms}}
"""
EXPERIMENT = """
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: region-cut}
spec:
  target: shop
  load:
    warmup: 1s
    mix: [{profile: customer, share: 100%}]
    arrivals: [{rate: 30/s}]
  baseline: 2s
  faults:
    - {name: cut, inject: region_loss, where: {region: a}, with: {how: cut}, at: 2s, for: 3s}
  recovery: {at_least: 2s, at_most: 10s}
  verify: [{recovery: back}]
"""
OBJECTIVE = """
apiVersion: sloproof/v1
kind: RecoveryObjective
metadata: {name: back}
spec: {probe: front, rto: 3s, from: fault_end, stable_for: 500ms}
"""
PROFILE = """
from locust import FastHttpUser, task

class Customer(FastHttpUser):
    @task
    def look(self):
        self.client.get("/")
"""


@pytest.fixture
def proxies(tmp_path: Path) -> Iterator[Toxiproxy]:
    """A shop behind a Toxiproxy, and a project that knows it by its addresses alone."""
    with (
        ScriptedServer() as shop,
        toxiproxy(tmp_path, "client-web", upstream=shop.port) as found,
    ):
        for name, text in {
            "experiments/region-cut.yaml": EXPERIMENT,
            "experiments/targets/shop.yaml": TARGET.format(
                door=found.ports["client-web"], server=found.url
            ),
            "load_profiles/customer.py": PROFILE,
            "slo/back.yaml": OBJECTIVE,
        }.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        yield found


def sloproof(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sloproof", *argv, "experiments/region-cut.yaml", "--json"],
        cwd=folder,
        env={**os.environ, "SLOPROOF_STATE_DIR": str(folder / "state")},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )


def test_a_region_is_cut_off_where_nobody_may_kill(tmp_path: Path, proxies: Toxiproxy) -> None:
    ended = sloproof(tmp_path, "run")
    said: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode, said["outcome"]) == (0, "PASS"), ended.stdout + ended.stderr
    verdict = json.loads(Path(tmp_path, said["record"], "verdict.json").read_text())
    [fault] = verdict["measures"]["faults"]
    assert (fault["witnessed"], fault["witness_reason"]) == (True, "")
    assert fault["exposure"] >= 80, fault["exposure_reason"]
    assert fault["time_to_revert_s"] is not None
    assert proxies.server.state("client-web")["enabled"]


def test_its_copies_are_not_for_anybody_else_to_kill(tmp_path: Path, proxies: Toxiproxy) -> None:
    file = tmp_path / "experiments" / "region-cut.yaml"
    file.write_text(file.read_text().replace("how: cut", "how: kill"))
    refused = sloproof(tmp_path, "plan")
    assert refused.returncode == 2
    [lack] = json.loads(refused.stdout)["plans"][0]["lacks"]
    assert lack == (
        "region-cut: fault cut: the platform external has no Kills; "
        "use `platform: local` where the target's processes are in reach"
    )

"""Whole runs with disk faults on a little shop of its own, and harnesses that die during them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.running import ROOT, soon
from tests.volumes import with_slow_volumes, with_volumes

EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata: {{name: disk}}
spec:
  target: orders
  load:
    warmup: 1s
    mix: [{{profile: customer, share: 100%}}]
    arrivals: [{{rate: 30/s}}]
  baseline: 2s
  faults:
    - {{name: ill, inject: {kind}, where: {{volume: data}}, with: {fields}, at: 2s, for: {lasts}}}
  recovery: {{at_least: 3s, at_most: 10s}}
  verify:
    - disk: {{volume: data, refuses: {refuses}, serves: 20%, recovers_within: 1s}}
"""
TARGET = """\
apiVersion: sloproof/v1
kind: Target
metadata: {{name: orders}}
spec:
  platform: local
  start: {{command: {command}}}
  entry: {{url: "http://127.0.0.1:{port}"}}
  services:
    orders: {{instances: [{{name: orders-1, listens: {port}}}]}}
  links:
    - {{from: client, to: orders, entry: true}}
  probes:
    - {{name: front, kind: http, params: {{url: "http://127.0.0.1:{port}/"}}, every: 100ms}}
  volumes:
    data: {{path: run/data, instance: orders-1{budget}}}
  arms: [slow-io]
"""
PROFILE = """\
from locust import FastHttpUser, task

class Customer(FastHttpUser):
    @task
    def look(self):
        self.client.get("/")

    @task
    def order(self):
        self.client.post("/", data=b"order")
"""
MIB = 1 << 20
FILL = ("disk_fill", "{free: 0B, hold: true}")


@dataclass(frozen=True, slots=True)
class Shop:
    """A project with a shop and one experiment on it."""

    folder: Path

    def write(self, volume: str, kind: str, fields: str, lasts: str = "3s") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        serve = ["$(python)", "-m", "tests.system.orders", str(port), "run/data"]
        arm = ["$(python)", "-m", "sloproof", "arm", f"--{volume}", "run/data=16MiB", "--"]
        budget = ""
        if volume == "budget":
            arm, budget = [], ", budget: 16MiB"
            serve.append(str(16 * MIB))
        for name, text in {
            "experiments/disk.yaml": EXPERIMENT.format(
                kind=kind,
                fields=fields,
                lasts=lasts,
                refuses="[]" if kind == "io_delay" else "[507]",
            ),
            "experiments/targets/orders.yaml": TARGET.format(
                command=json.dumps([*arm, *serve]), port=port, budget=budget
            ),
            "load_profiles/customer.py": PROFILE,
            "slo/.keep": "",
        }.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def start(self, **environment: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "sloproof", "run", "experiments/disk.yaml", "--json"]
        state = {"SLOPROOF_STATE_DIR": str(self.folder / "state"), "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            argv,
            cwd=self.folder,
            env={**os.environ, **state, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **environment: str) -> dict[str, Any]:
        process = self.start(**environment)
        out, words = process.communicate(timeout=180)
        assert out, words
        found: dict[str, Any] = json.loads(out)
        return found

    def files(self) -> list[str]:
        """The harness's own files on the volume, whoever sees it."""
        return [
            str(each)
            for root in ("/", *(f"/proc/{pid}/root/" for pid in self.processes()))
            for each in Path(root, str(self.folder)[1:], "run/data").glob(".sloproof-*")
        ]

    def processes(self) -> list[int]:
        """What lives and works in this project's folder."""
        found = []
        for each in Path("/proc").glob("[0-9]*"):
            try:
                if (each / "cwd").readlink().is_relative_to(self.folder):
                    found.append(int(each.name))
            except OSError:
                continue
        return found

    def devices(self) -> list[str]:
        """Loop devices over an image in this project's folder."""
        backing = Path("/sys/block").glob("loop*/loop/backing_file")
        return [str(each) for each in backing if str(self.folder) in read(each)]


def read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


BUDGET = pytest.param("budget", *FILL, id="budget filled")
TMPFS = pytest.param("tmpfs", *FILL, id="tmpfs filled", marks=with_volumes)
EXT4 = pytest.param("disk", *FILL, id="ext4 filled", marks=with_volumes)
FAILING = pytest.param("disk", "disk_error", "{}", id="ext4 failing", marks=with_volumes)
SLOW = pytest.param(
    "slow-disk", "io_delay", "{delay: 50ms}", id="ext4 slowed", marks=with_slow_volumes
)


@pytest.mark.parametrize(("volume", "kind", "fields"), [BUDGET, EXT4, FAILING, SLOW])
def test_a_shop_that_serves_or_refuses_passes(
    shop: Shop, volume: str, kind: str, fields: str
) -> None:
    shop.write(volume, kind, fields)
    said = shop.run()
    assert said["outcome"] == "PASS", said
    assert not shop.processes()
    assert not shop.files()
    soon(lambda: not shop.devices(), 20, "the end of its loop devices")


def test_a_shop_that_fails_instead_does_not(shop: Shop) -> None:
    shop.write("budget", *FILL)
    said = shop.run(STUBBORN="1")
    assert said["outcome"] == "FAIL", said
    [claim] = said["claims"]
    assert "with status 500" in claim["reason"]


@pytest.mark.parametrize(("volume", "kind", "fields"), [BUDGET, TMPFS, FAILING, SLOW])
def test_an_engine_killed_meanwhile_leaves_nothing(
    shop: Shop, volume: str, kind: str, fields: str
) -> None:
    shop.write(volume, kind, fields, lasts="60s")
    process = shop.start()
    try:
        soon(lambda: applied(shop), 60, "the fault")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    soon(lambda: not shop.processes(), 20, "the end of all processes")
    assert not shop.files()
    soon(lambda: not shop.devices(), 20, "the end of its loop devices")
    assert str(shop.folder) not in Path("/proc/self/mountinfo").read_text()


def applied(shop: Shop) -> bool:
    """Whether the record says that the fault is in force."""
    events = [read(each) for each in shop.folder.glob("**/events.jsonl")]
    return any(
        '"fault.injecting"' in text and '"effect.applied"' in text.partition('"fault.injecting"')[2]
        for text in events
    )

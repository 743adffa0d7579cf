"""Whole runs on a real primary and its standby: what is lost is counted, and none of us stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sloproof.record.reader import Record
from sloproof.record.schema import WriteOutcome
from tests.truth.bench import ROOT, Bench, soon

TARGET = """
apiVersion: sloproof/v1
kind: Target
metadata: {name: store}
spec:
  platform: local
  variables: {state: state.json}
  discover: {file: $(state)}
  entry: {url: $(found.control)}
  services:
    store:
      instances:
        - {name: a, listens: $(found.ports.a)}
        - {name: b, listens: $(found.ports.b)}
      restore:
        command: [$(python), -S, SCRIPT, "$(found.control)/restart/{instance}"]
        within: 30s
  probes:
    - name: writable
      kind: sql
      params: {dsn: $(found.anywhere), query: "select 1 where not pg_is_in_recovery()", expect: 1}
      every: 50ms
  stores:
    notes:
      copies:
        - {instance: a, dsn: $(found.dsns.a)}
        - {instance: b, dsn: $(found.dsns.b)}
  ledgers:
    notes:
      store: notes
      sql:
        dsn: $(found.anywhere)
        statement: insert into ledger values (%(id)s, %(run)s, %(sequence)s)
      read: select id from ledger where run = %(run)s
"""
LOST = ("lost", "lost though acknowledged after the fault")
EXPERIMENT = """
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: primary-kill}
spec:
  target: store
  variables: {state: state.json}
  ledger: {name: notes, rate: 50/s}
  baseline: 5500ms
  faults:
    FAULTS
    - {name: kill, inject: pod_kill, where: {instance: a}, WHEN}
  recovery: {at_least: 2s, at_most: 3s}
  verify:
    - data_loss: {at_most: 0}
      name: count
    - data_loss: {rpo: 4s}
      name: age
    - data_loss: {rpo: 500ms}
      name: young
"""
LAG = """- name: lag
      inject: command
      with:
        apply: [$(python), -S, SCRIPT, "$(control)/hold"]
        undo: [$(python), -S, SCRIPT, "$(control)/release"]
        observe: [$(python), -S, SCRIPT, "$(control)/held", look]
      at: 5500ms
      for: 4s"""
ASK = """
import sys, urllib.error, urllib.request as u
method = "GET" if sys.argv[2:] == ["look"] else "POST"
try:
    u.urlopen(u.Request(sys.argv[1], method=method), timeout=25)
except urllib.error.HTTPError:
    sys.exit(1)
"""


RESTORE = """
      read: select id from ledger where run = %(run)s
      restore:
        command: [$(python), -S, -c, "raise SystemExit('no base backup')", "{until}"]
        within: 20s
"""
BACKUP = """
apiVersion: sloproof/v1
kind: Experiment
metadata: {name: backup}
spec:
  target: store
  ledger: {name: notes, rate: 50/s, restore: 1s}
  baseline: 2s
  recovery: {at_least: 1s, at_most: 1s}
  verify: [{backup: restored}]
"""


@dataclass(slots=True)
class StoreBench(Bench):
    """A store that runs, and a project to break it by."""

    @property
    def file(self) -> Path:
        return self.folder / "state.json"

    def start_store(self, *, synchronous: bool) -> None:
        argv = [sys.executable, "-m", "tests.system.little_store", str(self.file)]
        argv += ["synchronous"] * synchronous
        self.system = subprocess.Popen(argv, cwd=ROOT, env=self.environment)
        soon(self.file.exists, 60, "the store")
        self._write_project(lagging=not synchronous)

    def _write_project(self, *, lagging: bool) -> None:
        script = self.folder / "ask.py"
        script.write_text(ASK)
        lag = LAG.replace("SCRIPT", str(script)).replace("$(control)", self.found["control"])
        when = "after: {injected: lag, plus: 1s}" if lagging else "at: 5500ms"
        text = EXPERIMENT.replace("FAULTS", lag if lagging else "").replace("WHEN", when)
        text = text.replace("  variables: {state: state.json}\n", "")
        targets = self.folder / "experiments" / "targets"
        targets.mkdir(parents=True)
        (targets / "store.yaml").write_text(TARGET.replace("SCRIPT", str(script)))
        (self.folder / "experiments" / "primary-kill.yaml").write_text(text)

    def argv(self, experiment: str = "primary-kill", **more: object) -> list[str]:
        file = self.folder / "experiments" / f"{experiment}.yaml"
        runs = f"--runs={self.folder / 'runs'}"
        return ["run", str(file), runs, f"--set=state={self.file}", "--json", "--no-report"]

    def ways(self) -> list[str]:
        """None: what its users need, the next run shows."""
        return []

    def left(self) -> list[str]:
        """Every process of a run; the gate that was closed."""
        return self.processes()

    def ids(self, copy: str) -> set[str]:
        """What stands in a copy, asked by nobody but this test."""
        with psycopg.connect(self.found["dsns"][copy]) as connection:
            return {name for (name,) in connection.execute("select id from ledger").fetchall()}

    def record(self) -> Record:
        return Record(self.records[-1])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[StoreBench]:
    found = StoreBench(tmp_path)
    yield found
    if found.system is not None:
        found.system.terminate()  # in good order: its folder goes with it
        found.system.wait(30)
    found.stop()


def outcomes(said: Any) -> dict[str, str]:
    return {claim["id"].partition(":")[2]: claim["outcome"] for claim in said["claims"]}


def acknowledged(record: Record) -> set[str]:
    table = record.table("writes")
    return set(table["id"][table["outcome"] == WriteOutcome.ACKNOWLEDGED])


@pytest.mark.slow
def test_the_writes_that_a_killed_primary_took_along_are_counted_exactly(
    bench: StoreBench,
) -> None:
    bench.start_store(synchronous=False)
    ended = bench.sloproof(*bench.argv())
    assert ended.status == 1, ended.words + ended.out
    assert outcomes(ended.said) == {"count": "FAIL", "age": "PASS", "young": "FAIL"}, ended.out
    told = acknowledged(bench.record())
    # The harness has restored the old primary by now: its disk has all that it acknowledged.
    lost = told & (bench.ids("a") - bench.ids("b"))
    assert len(lost) >= 25, "replication was held for a second before the kill"
    assert told <= bench.ids("a") | bench.ids("b")
    [count] = [c for c in ended.said["claims"] if c["id"].endswith(":count")]
    numbers = {number["name"]: number["value"] for number in count["numbers"]}
    assert numbers["lost"] + numbers["lost after the fault"] == len(lost)
    assert set(_named(count)) == lost
    bench.nothing_is_left(10)


@pytest.mark.slow
def test_with_synchronous_replication_nothing_acknowledged_is_lost(bench: StoreBench) -> None:
    bench.start_store(synchronous=True)
    ended = bench.sloproof(*bench.argv())
    found = outcomes(ended.said)
    assert (found["count"], found["age"]) == ("PASS", "PASS"), ended.out
    assert acknowledged(bench.record()) <= bench.ids("b")


@pytest.mark.slow
def test_an_engine_killed_while_writes_are_made_leaves_nothing(bench: StoreBench) -> None:
    bench.start_store(synchronous=False)
    process = bench.begin(*bench.argv())
    soon(lambda: bench.events("effect.applied"), 60, "the fault")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    bench.nothing_is_left(20)


@pytest.mark.slow
def test_a_backup_that_its_own_command_cannot_restore_is_of_no_use(bench: StoreBench) -> None:
    bench.start_store(synchronous=True)
    experiments = bench.folder / "experiments"
    target = experiments / "targets" / "store.yaml"
    head, found, _ = target.read_text().partition("\n      read: ")
    assert found
    target.write_text(head + RESTORE)
    (experiments / "backup.yaml").write_text(BACKUP)
    ended = bench.sloproof(*bench.argv("backup"))
    assert outcomes(ended.said) == {"restored": "FAIL"}, ended.words + ended.out
    [claim] = ended.said["claims"]
    assert claim["reason"].endswith(": exit status 1: no base backup"), claim["reason"]
    assert ended.status == 1


def _named(claim: Any) -> Iterator[str]:
    """Every id that the claim names as lost; those in a row are named by the first and the last."""
    notes = [str(note).partition(": ") for note in claim["notes"]]
    told = [rows for words, _, rows in notes if words in LOST]
    for row in ", ".join(told).split(", "):
        first, _, last = row.partition(" to ")
        prefix, _, low = first.rpartition("-")
        high = (last or first).rpartition("-")[2]
        yield from (f"{prefix}-{number:06d}" for number in range(int(low), int(high) + 1))

"""A small project around a real primary and its standby, with a healer that fails over.

The healer is as bad as it can be: it looks whether the primary accepts connections, and where it
doesn't, or where it is made blind, it promotes the standby and fences nobody.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from digital_human.ports import LOOPBACK
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.postgres import Connection
from sloproof.effects.replay_delay import IN_USE
from sloproof.record.reader import Record
from sloproof.record.schema import WriteOutcome
from tests.postgres import Pair, pair
from tests.system.running import LONGEST, Ran
from tests.truth.bench import Bench, Ended

LOOK_S = 0.02
LOOKS = 5
"""So many in a row have to find nobody."""
TARGET = """
apiVersion: sloproof/v1
kind: Target
metadata: {{name: pair}}
spec:
  platform: local
  entry: {{url: "http://127.0.0.1:{a.port}"}}
  services:
    db-a:
      region: a
      instances: [{{name: db-a, listens: {a.port}}}]
      restore: {{command: [touch, rejoin], within: 30s}}
    db-b:
      region: b
      instances: [{{name: db-b, listens: {b.port}}}]
  stores:
    db:
      copies:
        - {{instance: db-a, dsn: "{a.dsn}"}}
        - {{instance: db-b, dsn: "{b.dsn}"}}
  ledgers:
    rows:
      store: db
      sql:
        dsn: "postgresql://postgres@127.0.0.1:{a.port},127.0.0.1:{b.port}/digital_human?target_session_attrs=read-write"
        statement: "insert into drill values (%(id)s, %(run)s)"
      read: "select id from drill where run = %(run)s"
"""
EXPERIMENT = """
apiVersion: sloproof/v1
kind: Experiment
metadata: {{name: drill}}
spec:
  hypothesis: The standby takes over.
  target: pair
  baseline: {baseline}
  recovery: {recovery}
"""
SHORT = "{at_least: 500ms, at_most: 2s}"
"""A `recovery` where nothing is to recover."""
PATIENCE = 120.0
"""Seconds for anything that a run comes to: the machine may be busy with others."""
CALM = """
  ledger: {name: rows, rate: 50/s}
  verify: [{data_loss: {}}]
"""
HELD = "select count(*) from pg_stat_activity where application_name like 'sloproof-2%'"
"""The connections that a fault holds."""


class Healer(threading.Thread):
    """Looks after the pair until `end`; what it starts dies with it."""

    def __init__(self, stores: Pair, folder: Path) -> None:
        super().__init__()
        self._stores = stores
        self._folder = folder
        self._ended = threading.Event()
        self._missed = 0
        self._promoted = False

    def run(self) -> None:
        while not self._ended.wait(LOOK_S):
            blind = (self._folder / "blind").exists()
            self._missed = self._missed + 1 if blind or self._nobody() else 0
            if self._missed >= LOOKS and not self._promoted:
                asyncio.run(self._stores.standby.promote())
                self._promoted = True
            if self._promoted and (self._folder / "rejoin").exists():
                self._rejoin()
                (self._folder / "rejoin").unlink()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _nobody(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self._stores.primary.port), 0.5).close()
        except OSError:
            return True
        return False

    def _rejoin(self) -> None:
        """The old primary begins anew, as a standby of the new one."""
        old, new = self._stores.primary, self._stores.standby
        self._stores.running.processes[old.name].wait()
        asyncio.run(old.clone(LOOPBACK, new.port, "a"))
        self._stores.running.start(old)


@dataclass(frozen=True, slots=True)
class Drill:
    """The project's folder, and the pair that it describes."""

    folder: Path
    stores: Pair

    def write(
        self,
        experiment: str,
        *,
        baseline: str = "2s",
        recovery: str = "{at_least: 3s, at_most: 5s}",
    ) -> None:
        """The experiment; what it says comes after its `recovery`."""
        file = self.folder / "experiments" / "drill.yaml"
        file.write_text(EXPERIMENT.format(baseline=baseline, recovery=recovery) + experiment)

    def amend_target(self, words: str, by: str) -> None:
        """Say something else in the target's file."""
        file = self.folder / "experiments" / "targets" / "pair.yaml"
        assert file.read_text().count(words) == 1
        file.write_text(file.read_text().replace(words, by))

    def argv(self) -> list[str]:
        return [sys.executable, "-m", "sloproof", "run", "experiments/drill.yaml", "--json"]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLOPROOF_STATE_DIR": str(self.folder / "state")}

    def run(self) -> Ran:
        done = subprocess.run(
            self.argv(),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        assert done.stdout, done.stderr
        return Ran(done.returncode, json.loads(done.stdout), done.stderr)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.argv(),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def verdict(self, ran: Ran) -> Any:
        return json.loads(Path(self.folder, ran.said["record"], "verdict.json").read_text())


@dataclass(slots=True, kw_only=True)
class DrillBench(Bench):
    """A place for runs of a drill. The records may go elsewhere than the drill's own files."""

    drill: Drill

    @property
    def state(self) -> Path:
        return self.drill.folder / "state"

    def argv(self, experiment: str = "drill", **more: object) -> list[str]:
        file = self.drill.folder / "experiments" / f"{experiment}.yaml"
        return ["run", str(file), f"--runs={self.folder / 'runs'}", "--json", "--no-report"]

    def ways(self) -> list[str]:
        """None: what its users need, the next run shows."""
        return []

    def left(self) -> list[str]:
        """Every process of a run; what its faults did to the servers."""
        primary = self.drill.stores.primary.dsn
        late = ["the standby is late"] if self.late() else []
        held = ["connections are held"] if said(primary, HELD) != "0" else []
        return [*self.processes(), *late, *held]

    def late(self) -> bool:
        """Whether the standby applies late what it has received."""
        return said(self.drill.stores.standby.dsn, IN_USE) != "0"

    def ledger(self) -> Incarnation:
        """Who writes for the run that lives."""
        [line] = [line for line in self.processes() if "-m sloproof.run.ledger" in line]
        life = Incarnation.of(int(line.partition(":")[0]))
        assert life is not None
        return life

    def next_run_works(self) -> None:
        """A run that breaks nothing writes to the store, and finds again what it wrote."""
        self.drill.write(CALM, baseline="500ms", recovery="{at_least: 100ms, at_most: 1s}")
        ended = self.sloproof(*self.argv())
        assert (ended.status, ended.said["outcome"]) == (0, "PASS"), ended.words
        self.nothing_is_left(LONGEST)


def claims(ended: Ended) -> dict[str, tuple[str, str]]:
    """The outcome of each claim, and its reason."""
    return {each["id"]: (each["outcome"], each["reason"]) for each in ended.said["claims"]}


def said(dsn: str, statement: str) -> str:
    """What a server answers."""
    with Connection(dsn) as server:
        return server.value(statement)


@contextmanager
def drill(folder: Path, *, healed: bool = True) -> Iterator[Drill]:
    """The pair, with its healer or without, and a project that describes it.

    All is gone at the end.
    """
    with pair() as stores:
        with Connection(stores.primary.dsn) as server:
            server.ask("create table drill (id text, run text)")
        (folder / "experiments" / "targets").mkdir(parents=True)
        text = TARGET.format(a=stores.primary, b=stores.standby)
        (folder / "experiments" / "targets" / "pair.yaml").write_text(text)
        healer = Healer(stores, folder)
        if healed:
            healer.start()
        try:
            yield Drill(folder, stores)
        finally:
            if healed:
                healer.end()


def ids(dsn: str) -> set[str]:
    """What stands in a copy, asked by nobody but this test."""
    with psycopg.connect(dsn) as connection:
        return {name for (name,) in connection.execute("select id from drill").fetchall()}


def written(record: Record, outcome: WriteOutcome) -> set[str]:
    """The ids of the writes that ended so, as the ledger noted them."""
    table = record.table("writes")
    return set(table["id"][table["outcome"] == outcome])

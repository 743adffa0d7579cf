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

from digital_human.ports import LOOPBACK
from sloproof.effects.postgres import Connection
from tests.postgres import Pair, pair
from tests.system.running import LONGEST, Ran

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
  baseline: 2s
  recovery: {{at_least: 3s, at_most: 5s}}
"""


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
            if (self._folder / "rejoin").exists():
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

    def write(self, experiment: str) -> None:
        """The experiment, from `baseline` on."""
        file = self.folder / "experiments" / "drill.yaml"
        file.write_text(EXPERIMENT.format() + experiment)

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


@contextmanager
def drill(folder: Path) -> Iterator[Drill]:
    """The pair with its healer, and a project that describes it; all is gone at the end."""
    with pair() as stores:
        with Connection(stores.primary.dsn) as server:
            server.ask("create table drill (id text, run text)")
        (folder / "experiments" / "targets").mkdir(parents=True)
        text = TARGET.format(a=stores.primary, b=stores.standby)
        (folder / "experiments" / "targets" / "pair.yaml").write_text(text)
        healer = Healer(stores, folder)
        healer.start()
        try:
            yield Drill(folder, stores)
        finally:
            healer.end()

"""A little system, runs of sloproof on it, and what is left in the world afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sloproof.effects.http_json import ask
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.tagged import OWNER
from sloproof.effects.toxiproxy import Server
from sloproof.errors import EffectError
from sloproof.run.journal import read_journal

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "tests" / "truth" / "project" / "experiments"
PYTHON = sys.executable
LONGEST = 160.0
"""Seconds for one run: load and prober get two minutes to be ready, for workers may be far away."""

STANDSTILL = 5.0
"""Seconds: no condition that is waited for takes as long as this to be looked at."""


def soon(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for a condition; gives how long that took, fails after `seconds`.

    Time in which this process itself stood still (a machine that was paused) is not held against
    whoever is waited for: they stood still as well.
    """
    began = last = time.monotonic()
    stood_still = 0.0
    while not condition():
        now = time.monotonic()
        stood_still += max(0.0, now - last - STANDSTILL)
        last = now
        waited = now - began - stood_still
        assert waited < seconds, f"{what} did not come within {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - began


@dataclass(slots=True)
class Ended:
    """How a run ended: its status (negative: by that signal), its JSON, its words."""

    status: int
    out: str
    words: str

    @property
    def said(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.out)
        return body


@dataclass(slots=True)
class Bench:
    """A place for runs: records, state, and a little system that runs there if `start` was called.

    Where it wasn't, the harness starts the system itself.
    """

    folder: Path
    prefix: tuple[str, ...] = ()
    """The words before each command, where all of it is to run in another network."""
    system: subprocess.Popen[bytes] | None = None
    runs: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "little.json"

    @property
    def found(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def flag(self) -> Path:
        """What the experiments' own commands make and remove."""
        return self.folder / "flag"

    @property
    def environment(self) -> dict[str, str]:
        here = {"SLOPROOF_STATE_DIR": str(self.state), "PYTHONPATH": str(ROOT)}
        return {**os.environ, **here}

    def start(self) -> None:
        """Run the system, so that it isn't the harness's to start."""
        argv = [*self.prefix, PYTHON, "-m", "tests.truth.little_system", str(self.file)]
        self.system = subprocess.Popen(argv, cwd=ROOT, env=self.environment)
        system = self.system
        soon(lambda: self.file.exists() or system.poll() is not None, 30, "the little system")
        assert self.file.exists(), f"the little system ended at once: status {system.returncode}"

    def stop(self) -> None:
        """End the system and every run that still lives."""
        every: list[subprocess.Popen[Any]] = [*self.runs, *([self.system] if self.system else [])]
        for process in every:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()

    def argv(self, experiment: str, **more: object) -> list[str]:
        given = {"state": self.file, **more}
        return [
            "run",
            str(EXPERIMENTS / f"{experiment}.yaml"),
            f"--runs={self.folder / 'runs'}",
            "--json",
            "--no-report",
            "--allow-inconclusive",
            *(f"--set={name}={value}" for name, value in given.items()),
        ]

    def begin(
        self, *argv: str, module: str = "sloproof", **environment: str
    ) -> subprocess.Popen[str]:
        """Begin a command; its output is read when it has ended."""
        process = subprocess.Popen(
            [*self.prefix, PYTHON, "-m", module, *argv],
            cwd=ROOT,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.runs.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> Ended:
        out, words = process.communicate(timeout=LONGEST)
        return Ended(process.returncode, out, words)

    def sloproof(self, *argv: str) -> Ended:
        return self.end(self.begin(*argv))

    def struck(
        self, witness: Path, step: str, number: str, victim: str = "engine", of: str = "everything"
    ) -> Ended:
        """A run in which a signal struck at one step; see `tests.truth.dying`."""
        argv = [step, number, victim, str(witness), *self.argv(of, flag=self.flag)]
        ended = self.end(self.begin(*argv, module="tests.truth.dying"))
        assert witness.exists(), f"{step} was never reached: {ended.words}"
        return ended

    def nothing_is_left(self, seconds: float) -> None:
        """No journal, no process of a run, no effect; fails where that takes longer."""
        soon(lambda: not self.journals, seconds, "the journal's end")
        soon(lambda: not self.processes(), seconds, "the helpers' end")
        soon(self._answers, seconds, "an answer by every way")
        assert self.left() == []
        assert list((self.state / "runs").glob("*")) == []

    def events(self, kind: str, file: str = "events.jsonl") -> list[dict[str, Any]]:
        """The events of one kind that stand in the newest record so far."""
        found: list[dict[str, Any]] = []
        for record in self.records[-1:]:
            with contextlib.suppress(OSError):
                whole = (record / file).read_text().splitlines()
                found += [json.loads(line) for line in whole if f'"kind":"{kind}"' in line]
        return [event for event in found if event["kind"] == kind]

    # -- what is in the world

    @property
    def records(self) -> list[Path]:
        return sorted((self.folder / "runs").glob("*"))

    @property
    def journals(self) -> list[Path]:
        return list((self.state / "runs").glob("*/journal"))

    @property
    def guardian(self) -> Incarnation:
        """Who watches over the run that lives."""
        (journal,) = self.journals
        return Incarnation.parse(read_journal(journal).header["guardian"])

    def left(self) -> list[str]:
        """Every effect that is in the world now, and every process of a run."""
        return [*self._proxies(), *self._copies(), *self._flag(), *self.processes()]

    def _proxies(self) -> list[str]:
        proxies = Server(self.found["toxiproxy"]["url"]).ask("GET", "/proxies").body
        toxics = [f"toxic {toxic['name']}" for p in proxies.values() for toxic in p["toxics"]]
        return toxics + [f"{name} is disabled" for name, p in proxies.items() if not p["enabled"]]

    def ways(self) -> list[str]:
        """What answers, by the way that users take, once all is put back."""
        ports = [self.found["ports"][name] for name in ("entry_web_1", "entry_web_2")]
        return [f"http://127.0.0.1:{port}/health" for port in ports]

    def _answers(self) -> bool:
        try:
            return all(ask("GET", way, timeout=1).good for way in self.ways())
        except EffectError:
            return False

    def _copies(self) -> list[str]:
        found: list[str] = []
        for name in ("web_1", "web_2"):
            address = f"http://127.0.0.1:{self.found['ports'][name]}/control"
            try:
                failing = ask("GET", address, timeout=1).body["failing"]
            except Exception as error:  # noqa: BLE001 - dead, stopped: whatever, it is left so
                found.append(f"{name}: {error}")
                continue
            found += [f"{name} fails"] if failing else []
        return found

    def _flag(self) -> list[str]:
        return ["flag"] if self.flag.exists() else []

    def processes(self) -> list[str]:
        """The living processes that carry a tag of a run here, or work in its record."""
        runs = [f"{OWNER}=sloproof-{record.name}-".encode() for record in self.records]
        here = str(self.folder / "runs").encode()
        found: list[str] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            ours = here in words or any(run in environment for run in runs)
            if ours and Incarnation.of(int(folder.name)):
                found.append(f"{folder.name}: {words.decode(errors='replace')}")
        return found

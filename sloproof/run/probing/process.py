"""The engine's end of the prober: its folder, its commands, what it says, and its samples."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sloproof.contracts import ProbeSpec
from sloproof.effects.incarnation import Incarnation
from sloproof.model.secrets import NO_SECRETS, Secrets
from sloproof.run.mailbox import Inbox, Message, Outbox
from sloproof.run.probing.samples import (
    Columns,
    Tail,
    probe_columns,
    read_samples,
    signal_columns,
    without,
)
from sloproof.run.probing.specs import spec_to_json


class Phase(StrEnum):
    """How far the prober has come."""

    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class State:
    """What the prober said last about itself; `error` is why it failed.

    One that was killed says nothing; that its process is gone is seen all the same.
    """

    phase: Phase
    error: str = ""


@dataclass(frozen=True, slots=True)
class ProbeError:
    """Why a probe takes no samples, or not all: the prober goes on with the others."""

    probe: str
    error: str


class ProberProcess:
    """Drives a prober through the files of `folder`; starts nothing and waits for nothing."""

    def __init__(
        self, folder: Path, project: Path | None = None, secrets: Secrets = NO_SECRETS
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._secrets = secrets
        self._project = project
        self._commands = Outbox(folder / "control.jsonl")
        self._inbox = Inbox(folder / "status.jsonl")
        self._state = State(Phase.STARTING)
        self._life: Incarnation | None = None
        self._errors: list[ProbeError] = []
        self._sampling: set[str] = set()
        self.tail = Tail(self._samples)

    @property
    def _samples(self) -> Path:
        return self.folder / "samples.jsonl"

    def argv(self) -> list[str]:
        """The command that runs the prober, for whoever starts processes.

        It has to set PR_SET_PDEATHSIG, so that the prober dies with the engine at once; the
        prober itself notices only after a moment.
        """
        return [sys.executable, "-m", "sloproof.run.prober", str(self.folder)]

    def write_spec(self, probes: Sequence[ProbeSpec]) -> None:
        """Write what to probe from the start on; to be called before the process is started."""
        hidden, references = self._secrets.referring([spec_to_json(probe) for probe in probes])
        spec: dict[str, Any] = {"probes": hidden, "secrets": references}
        if self._project is not None:
            spec["project"] = str(self._project)
        text = json.dumps(spec, indent=2)
        (self.folder / "spec.json").write_text(text, encoding="utf-8")

    def state(self) -> State:
        """How far the prober has come, by what it has said until now."""
        alive = self._life is None or self._life.alive()
        self._listen()
        if not alive and self._state.phase is Phase.READY:
            self._state = State(Phase.FAILED, "its process died")
        return self._state

    def errors(self) -> list[ProbeError]:
        """The troubles of single probes that came since the last call."""
        self._listen()
        found, self._errors = self._errors, []
        return found

    def sampling(self) -> frozenset[str]:
        """The probes that are being sampled now, those added during the run included."""
        self._listen()
        return frozenset(self._sampling)

    def add(self, probe: ProbeSpec) -> None:
        """Start another probe; `sampling` names it once it runs, `errors` why it doesn't."""
        hidden, references = self._secrets.referring(spec_to_json(probe))
        self._commands.send({"do": "add", "probe": hidden, "secrets": references})

    def remove(self, name: str) -> None:
        """Start no more samples of this probe; those under way are still recorded."""
        self._commands.send({"do": "remove", "name": name})

    def stop(self) -> None:
        """End: no more samples; those under way have a second to finish."""
        self._commands.send({"do": "stop"})

    def samples(self, origin_ns: int, *, leaving_out: Collection[str] = ()) -> Columns:
        """The columns of `probes.parquet`, but for the probes `leaving_out` (the signals)."""
        return probe_columns(without(read_samples(self._samples), leaving_out), origin_ns)

    def signals(self, origin_ns: int, signals: Mapping[str, Mapping[str, str]]) -> Columns:
        """The columns of `signals.parquet`; `signals` gives each signal's labels by its name."""
        return signal_columns(read_samples(self._samples), origin_ns, signals)

    def close(self) -> None:
        """Close the file of commands; what the prober wrote can still be read."""
        self._commands.close()

    def _listen(self) -> None:
        for message in self._inbox.receive():
            self._hear(message)

    def _hear(self, message: Message) -> None:
        match message["is"]:
            case "sampling":
                self._sampling.add(message["probe"])
            case "removed":
                self._sampling.discard(message["probe"])
            case "error":
                self._errors.append(ProbeError(message["probe"], message["error"]))
            case "ready":
                self._state = State(Phase.READY)
                self._life = Incarnation.of(message["pid"])
            case said:
                self._state = State(Phase(said), message.get("error", ""))
                if self._state.phase in (Phase.DONE, Phase.FAILED):
                    self._sampling.clear()

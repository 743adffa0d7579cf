"""The prober's process: `python -m sloproof.run.prober FOLDER`.

Samples are launched at their intended times, `origin + k · every`, whatever became of the earlier
ones. The folder holds `spec.json`, `control.jsonl` and, from this process, `status.jsonl` and
`samples.jsonl` (see `docs/architecture.md`). It ends by `{"do": "stop"}`, by SIGTERM, when its
parent is gone or its folder vanishes. SIGINT is the engine's to answer: faults are still to be
seen ending.

Said in `status.jsonl` beyond `ready`, `done` and `failed`: `{"is": "sampling", "probe"}` when a
probe's first sample is due, `{"is": "removed", "probe"}`, and `{"is": "error", "probe", "error"}`
where one can't be added or fails by a defect of its own; the others go on.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any

from sloproof.contracts import Probe, ProbeSpec
from sloproof.errors import ProberError
from sloproof.model.secrets import known_here, resolved
from sloproof.run.mailbox import Inbox, Message, Outbox
from sloproof.run.precedence import take_precedence
from sloproof.run.probing.samples import SampleWriter
from sloproof.run.probing.series import Series
from sloproof.run.probing.specs import make_probe, probe_kinds, spec_from_json

POLL_S = 0.02
POLLS_PER_FLUSH = 4  # a kill costs the samples of the last 80 ms, or a little more


class Prober:
    """Samples what the folder's spec and commands say, until it is told to stop."""

    def __init__(self, folder: Path, status: Outbox) -> None:
        self._folder = folder
        self._status = status
        self._inbox = Inbox(folder / "control.jsonl")
        self._writer = SampleWriter(folder / "samples.jsonl")
        self._kinds: Mapping[str, type[Probe]] = {}
        self._series: dict[str, Series] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._parent = os.getppid()

    async def run(self) -> None:
        """Open all probes, sample until the end, close. Raises `ProberError` for a broken spec."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop)
        spec = self._read_spec()
        self._kinds = probe_kinds(Path(spec["project"]) if spec.get("project") else None)
        probes = self._with_secrets(spec.get("probes", []), spec.get("secrets", {}))
        specs = [spec_from_json(probe) for probe in probes]
        if twice := _twice(probe.name for probe in specs):
            raise ProberError(f"probe {twice}: there are two of this name")
        opened = await asyncio.gather(*(self._open(probe) for probe in specs))
        # What lives now lives to the end; collections need not look at it, and so stay short.
        gc.freeze()
        self._status.send({"is": "ready", "pid": os.getpid(), "scheduling": take_precedence()})
        for probe_spec, probe in zip(specs, opened, strict=True):
            self._begin(probe_spec, probe)
        await self._obey()
        await self._end()

    def _with_secrets(self, data: Any, references: Mapping[str, str]) -> Any:
        """What is meant by references to secrets; from now on nothing said here shows them."""
        found = resolved(data, references)
        self._status.hide(known_here(references))
        return found

    def _read_spec(self) -> dict[str, Any]:
        path = self._folder / "spec.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ProberError(f"{path}: {error}") from error
        return found

    async def _open(self, spec: ProbeSpec) -> Probe:
        probe = make_probe(spec, self._kinds)
        try:
            async with asyncio.timeout(spec.timeout.seconds):
                await probe.open()
        except TimeoutError:
            raise ProberError(f"probe {spec.name}: can't be opened within {spec.timeout}") from None
        except Exception as error:
            raise ProberError(f"probe {spec.name} ({spec.kind}): {error}") from error
        return probe

    def _begin(self, spec: ProbeSpec, probe: Probe) -> None:
        series = Series(spec, probe, self._writer, report=self._report)
        self._series[spec.name] = series
        series.begin(len(self._series))
        self._status.send({"is": "sampling", "probe": spec.name})

    def _report(self, probe: str, error: str) -> None:
        self._status.send({"is": "error", "probe": probe, "error": error})

    async def _obey(self) -> None:
        """Follow the commands and flush in their pauses, until there is a reason to end."""
        polls = 0
        while not self._stopping:
            for message in self._inbox.receive():
                self._do(message)
            polls += 1
            if polls % POLLS_PER_FLUSH == 0:
                self._writer.flush()
                if os.getppid() != self._parent or not self._folder.exists():
                    return
            await asyncio.sleep(POLL_S)

    def _do(self, message: Message) -> None:
        match message["do"]:
            case "add":
                references = message.get("secrets", {})
                self._later(self._add(self._with_secrets(message["probe"], references)))
            case "remove":
                self._later(self._remove(message["name"]))
            case "stop":
                self._stop()
            case other:
                raise ProberError(f"{self._folder}/control.jsonl: no such command: {other}")

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _add(self, data: dict[str, Any]) -> None:
        name = str(data.get("name", "without a name"))
        try:
            spec = spec_from_json(data)
            if spec.name in self._series:
                raise ProberError(f"probe {spec.name}: there is one of this name")
            self._begin(spec, await self._open(spec))
        except ProberError as error:
            self._report(name, str(error))

    async def _remove(self, name: str) -> None:
        series = self._series.pop(name, None)
        if series is None:
            self._report(name, f"probe {name}: there is none of this name to remove")
            return
        await series.end()
        self._status.send({"is": "removed", "probe": name})

    def _stop(self) -> None:
        self._stopping = True

    async def _end(self) -> None:
        await asyncio.gather(*self._ending)
        await asyncio.gather(*(series.end() for series in self._series.values()))
        self._writer.close()
        self._status.send({"is": "done", "samples": self._writer.count})


def _twice(names: Iterable[str]) -> str:
    """A name that comes twice, or ""."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def main(arguments: list[str]) -> int:
    """Run the prober of a folder; the exit status is 0, or 4 where it failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(arguments[0])
    status = Outbox(folder / "status.jsonl")
    try:
        asyncio.run(Prober(folder, status).run())
    except Exception as error:  # noqa: BLE001 - the process's edge: the engine must be told
        status.send({"is": "failed", "error": str(error) or repr(error)})
        return ProberError.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

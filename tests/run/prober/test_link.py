"""The witness of links: over new connections, and over one that is older than the fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sloproof.contracts import ProbeSpec, Sample
from sloproof.run.probing.specs import make_probe, probe_kinds
from tests.run.prober.stage import answer, answering, free_port, reset, serving, silent

KINDS = probe_kinds()


def link(port: int, **params: object) -> Any:
    return make_probe(ProbeSpec("p", "link", {"host": "127.0.0.1", "port": port, **params}), KINDS)


class Proxy:
    """A server whose connections can be counted, broken while idle, and made silent."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.headers = ""
        self.speaks = True

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            if self.speaks:
                writer.write(answer(headers=self.headers))


@asynccontextmanager
async def kept(proxy: Proxy, port: int = 0) -> AsyncIterator[tuple[Any, int]]:
    async with serving(proxy, port) as found:
        probe = link(found, kept=True)
        await probe.open()
        try:
            yield probe, found
        finally:
            await probe.close()


def detail(sample: Sample) -> tuple[bool, str]:
    return sample.ok, sample.detail


def test_a_kept_connection_is_one_for_all_samples() -> None:
    async def script() -> None:
        proxy = Proxy()
        async with kept(proxy) as (probe, _):
            for _ in range(3):
                assert detail(await probe.sample()) == (True, "")
        assert len(proxy.writers) == 1

    asyncio.run(script())


def close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(("end", "word"), [(close, "closed"), (reset, "reset")])
def test_a_kept_connection_that_breaks_is_told_and_then_made_anew(
    end: Callable[[asyncio.StreamWriter], None], word: str
) -> None:
    async def script() -> None:
        proxy = Proxy()
        async with kept(proxy) as (probe, _):
            assert (await probe.sample()).ok
            end(proxy.writers[0])
            await proxy.writers[0].wait_closed()
            await asyncio.sleep(0)
            assert detail(await probe.sample()) == (False, word)
            assert detail(await probe.sample()) == (True, "reopened")
            assert detail(await probe.sample()) == (True, "")
        assert len(proxy.writers) == 2

    asyncio.run(script())


def test_an_end_that_was_announced_is_no_failure() -> None:
    async def script() -> None:
        proxy = Proxy()
        proxy.headers = "connection: close\r\n"
        async with kept(proxy) as (probe, _):
            assert detail(await probe.sample()) == (True, "")
            assert detail(await probe.sample()) == (True, "reopened")

    asyncio.run(script())


def test_after_a_time_out_no_late_answer_is_taken_for_another() -> None:
    async def script() -> None:
        proxy = Proxy()
        async with kept(proxy) as (probe, _):
            proxy.speaks = False
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(probe.sample(), 0.05)
            proxy.speaks = True
            proxy.writers[0].write(answer(503))
            assert detail(await probe.sample()) == (True, "reopened")

    asyncio.run(script())


def test_a_target_that_comes_up_later_is_met_later() -> None:
    async def script() -> None:
        port = free_port()
        probe = link(port, kept=True)
        await probe.open()
        assert detail(await probe.sample()) == (False, "refused")
        async with serving(Proxy(), port):
            assert detail(await probe.sample()) == (True, "reopened")
            assert detail(await probe.sample()) == (True, "")
            await probe.close()

    asyncio.run(script())


def test_only_new_connections_overlap() -> None:
    assert link(1).overlaps
    assert not link(1, kept=True).overlaps


@pytest.mark.parametrize(("padding", "body"), [(0, 20_000), (20_000, 10)])
def test_throughput_is_bytes_per_second_of_the_way_that_has_more(padding: int, body: int) -> None:
    async def script() -> tuple[Sample, int, int]:
        heard = []

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            await asyncio.sleep(0.1)
            writer.write(answer(body=b"x" * body))

        async with serving(slow) as port:
            probe = link(port, measure="throughput", padding=padding)
            sample = await probe.sample()
        return sample, len(heard[0]), len(answer(body=b"x" * body))

    sample, up, down = asyncio.run(script())
    size = max(up, down)
    assert size > 20_000
    assert sample.value is not None
    assert size / 1.0 < sample.value <= size / 0.1


def test_a_status_of_400_or_more_is_not_good_but_has_a_round_trip() -> None:
    async def script() -> Sample:
        async with serving(answering(answer(404))) as port:
            found: Sample = await link(port).sample()
            return found

    sample = asyncio.run(script())
    assert detail(sample) == (False, "status 404")
    assert sample.value is not None


def test_a_link_whose_bytes_vanish_gives_no_answer() -> None:
    async def script() -> None:
        async with serving(silent) as port:
            await asyncio.wait_for(link(port).sample(), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(script())


NO_ANSWER = b""


@pytest.mark.parametrize(
    ("speaks", "question", "said", "detail"),
    [
        ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f", b"N", ""),
        ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f", b"S", ""),
        ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f", b"HTTP/1.1 400", "garbled"),
        ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f", NO_ANSWER, "closed"),
        ("redis", b"PING\r\n", b"+PONG\r\n", ""),
        ("redis", b"PING\r\n", b"-NOAUTH Authentication required.\r\n", ""),
        ("redis", b"PING\r\n", b"-ERR\r\n", "garbled"),
        ("redis", b"PING\r\n", b"+PO", "closed"),
    ],
)
def test_other_languages_are_asked_what_costs_least(
    speaks: str, question: bytes, said: bytes, detail: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(question)) == question
        writer.write(said)
        writer.close()

    async def ask() -> Sample:
        async with serving(serve) as found:
            sample: Sample = await link(found, speaks=speaks).sample()
            return sample

    sample = asyncio.run(ask())
    assert (sample.ok, sample.detail) == (not detail, detail)

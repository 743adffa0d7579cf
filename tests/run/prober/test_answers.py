"""HTTP answers off a connection: every way in which they end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloproof.run.probing.answers import Answer, Garbled, read_answer

HEAD = b"HTTP/1.1 200 OK\r\n"


def read(*pieces: bytes, closed: bool = False) -> Answer:
    async def reading() -> Answer:
        reader = asyncio.StreamReader()
        answer = asyncio.ensure_future(read_answer(reader))
        for piece in pieces:
            reader.feed_data(piece)
            await asyncio.sleep(0)
        if closed:
            reader.feed_eof()
        return await asyncio.wait_for(answer, 10)

    return asyncio.run(reading())


@pytest.mark.parametrize(
    ("text", "status", "reusable"),
    [
        (HEAD + b"content-length: 2\r\n\r\nok", 200, True),
        (HEAD + b"Content-Length: 0\r\nConnection: Close\r\n\r\n", 200, False),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, True),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nt: 1\r\n\r\n", 200, True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", 503, True),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", 200, False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n", 200, True),
        (b"HTTP/1.1 404\r\ncontent-length: 0\r\n\r\n", 404, True),
    ],
)
def test_an_answer_is_read_to_its_end(text: bytes, status: int, reusable: bool) -> None:
    found = read(text)
    assert (found.status, found.reusable) == (status, reusable)


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    text = HEAD + b"\r\n" + b"x" * 70_000
    assert read(text, closed=True) == Answer(200, len(text), reusable=False)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        HEAD + b"content-length: 3\r\n\r\nok",
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
    ],
)
def test_a_connection_that_ends_too_early_is_told(text: bytes) -> None:
    with pytest.raises(EOFError):
        read(text, closed=True)


@pytest.mark.parametrize(
    "text",
    [
        b"-ERR unknown command\r\n\r\n",
        HEAD + b"content-length: some\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"x" * 200_000,
    ],
)
def test_what_is_not_http_is_garbled(text: bytes) -> None:
    with pytest.raises(Garbled):
        read(text)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 30))
def test_however_an_answer_is_cut_into_packets_it_is_the_same(
    chunks: list[bytes], packet: int
) -> None:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    text = HEAD + b"transfer-encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
    pieces = [text[i : i + packet] for i in range(0, len(text), packet)]
    assert read(*pieces) == read(text)

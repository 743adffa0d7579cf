"""The wire client against a real server: logins, rows, refusals, and who doesn't answer."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from digital_human.postgres.server import Server
from sloproof.effects.postgres import Connection
from sloproof.effects.postgres_login import Login
from sloproof.effects.postgres_protocol import Place, ServerError
from sloproof.errors import EffectError
from sloproof.testing import Answer, ScriptedServer
from tests.postgres import server, servers

WORD = "séc@ret/½"
WAYS = {"md5": "md5", "scram-sha-256": "scram-sha-256", "password": "scram-sha-256"}


@pytest.fixture(scope="module")
def single() -> Iterator[Server]:
    """A server with one user for each way to log in, called after it."""
    with servers() as (folder, ports, running):
        made = server(folder, ports)
        asyncio.run(made.initialise())
        rules = [f'host all "{way}" 127.0.0.1/32 {way}' for way in WAYS]
        hosts = made.data / "pg_hba.conf"
        hosts.write_text("\n".join([*rules, hosts.read_text()]))
        running.start(made)
        for way, stored in WAYS.items():
            encrypted = f"set password_encryption = '{stored}'"
            role = f"create role \"{way}\" login password '{WORD}'"
            with Connection(made.dsn) as owner:
                owner.ask(f"{encrypted}; {role}")
        yield made


def as_user(of: Server, user: str, word: str) -> str:
    return f"postgresql://{user}:{quote(word, safe='')}@127.0.0.1:{of.port}/postgres"


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_log_in_is_known(single: Server, way: str) -> None:
    with Connection(as_user(single, way, WORD)) as connection:
        assert connection.value("select current_user") == way


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_password_is_the_servers_refusal(single: Server, way: str) -> None:
    with pytest.raises(ServerError, match="password authentication failed") as refused:
        Connection(as_user(single, way, "wrong"))
    assert refused.value.state == "28P01"


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_password_is_told_and_none_is_shown(single: Server, way: str) -> None:
    with pytest.raises(EffectError, match=f"wants a password of {way}: the dsn has none"):
        Connection(as_user(single, way, ""))
    assert WORD not in str(Place.parse(as_user(single, way, WORD)))


def test_a_server_that_does_not_know_the_password_is_not_believed() -> None:
    login = Login("anybody", "word", nonce="ours")
    login.answer(b"\0\0\0\x0aSCRAM-SHA-256\0\0")
    login.answer(b"\0\0\0\x0br=ours-and-its-own,s=c2FsdA==,i=4096")
    with pytest.raises(EffectError, match="can't prove that it knows"):
        login.answer(b"\0\0\0\x0cv=bm90IHRoZSBzaWduYXR1cmU=")


def test_the_proof_is_that_of_the_rfc() -> None:
    """The example of RFC 7677, 3, but for its user name, which PostgreSQL takes from elsewhere."""
    login = Login("user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    login.answer(b"\0\0\0\x0aSCRAM-SHA-256\0\0")
    first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    answer = login.answer(b"\0\0\0\x0b" + first.encode())
    assert answer is not None
    begin = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="
    assert answer.startswith(begin)
    assert len(answer) == len(begin) + 44


def test_rows_are_text_and_null_is_none(single: Server) -> None:
    with Connection(single.dsn) as connection:
        assert connection.ask("select 1, null, 'é', ''") == [("1", None, "é", "")]
        assert connection.ask("select n from generate_series(1, 3) n") == [("1",), ("2",), ("3",)]
        assert connection.ask("set work_mem = '1MB'") == []
        assert len(connection.value("select repeat('x', 1000000)")) == 1_000_000
        with pytest.raises(EffectError, match="one value was expected"):
            connection.value("select 1, 2")


def test_a_refused_statement_leaves_the_connection_good(single: Server) -> None:
    with Connection(single.dsn) as connection:
        with pytest.raises(ServerError, match="division by zero") as refused:
            connection.ask("select 1 / 0")
        assert refused.value.state == "22012"
        assert connection.value("select 2") == "2"


def test_a_server_that_is_stopped_is_not_waited_for_longer_than_said(single: Server) -> None:
    with Connection(single.dsn, patience=0.2) as connection:
        began = time.monotonic()
        with pytest.raises(EffectError, match="timed out"):
            connection.value("select pg_sleep(30)")
        assert time.monotonic() - began < 5


def test_nobody_there_is_told_in_words() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
        port = nobody.getsockname()[1]
        with pytest.raises(EffectError, match=f"127.0.0.1:{port}: .*refused"):
            Connection(f"postgresql://postgres@127.0.0.1:{port}/x")


def test_what_speaks_another_protocol_is_told() -> None:
    with (
        ScriptedServer(usual=Answer(body=b"hello")) as web,
        pytest.raises(EffectError, match="PostgreSQL"),
    ):
        Connection(f"postgresql://u@127.0.0.1:{web.port}/x", patience=1)


@pytest.mark.parametrize(
    "dsn",
    [
        "host=127.0.0.1 dbname=x",
        "mysql://root@127.0.0.1/x",
        "postgresql:///x",
        "postgresql://a@127.0.0.1:1,127.0.0.1:2/x",
        "postgresql://a@127.0.0.1/x?target_session_attrs=read-write",
    ],
)
def test_a_dsn_names_one_server(dsn: str) -> None:
    with pytest.raises(EffectError, match="a copy's dsn"):
        Place.parse(dsn)


def test_a_dsn_leaves_out_what_is_usual() -> None:
    assert Place.parse("postgres://localhost") == Place(
        host="localhost", port=5432, user="postgres", password="", database="postgres",
        sslmode="disable",
    )  # fmt: skip


def test_encryption_is_asked_for_and_its_lack_told(single: Server) -> None:
    with pytest.raises(EffectError, match="doesn't offer encryption"):
        Connection(f"{single.dsn}?sslmode=require")


def test_the_guardian_can_import_it_in_no_time(tmp_path: Path) -> None:
    code = (
        "import sys; import sloproof.effects.replay_delay, sloproof.effects.held_connections; "
        "sys.exit(any(m in sys.modules for m in ('ssl', 'psycopg', 'asyncio', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0

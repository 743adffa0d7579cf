"""Effects on a real primary and its standby: late replay, and connections held."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sloproof.contracts import Owner, Undone
from sloproof.effects import effect_to_json
from sloproof.effects.connection_holder import free
from sloproof.effects.held_connections import HeldConnections
from sloproof.effects.postgres import Connection
from sloproof.effects.postgres_protocol import ServerError
from sloproof.effects.replay_delay import SETTING, ReplayDelay
from sloproof.effects.tagged import tagged
from sloproof.errors import EffectError
from sloproof.testing import check_effect
from tests.effects.conftest import wait_for
from tests.postgres import Pair, pair

MINE = Owner("r", 1)
HELD = "select count(*) from pg_stat_activity where application_name = 'sloproof-r-1'"


@pytest.fixture(scope="module")
def stores() -> Iterator[Pair]:
    with pair() as made:
        yield made


def late(stores: Pair, delay_ms: int = 700) -> ReplayDelay:
    return ReplayDelay(dsn=stores.standby.dsn, instance="b", delay_ms=delay_ms).bound(MINE)


def held(stores: Pair, left: int = 0) -> HeldConnections:
    return HeldConnections(dsn=stores.primary.dsn, instance="a", left=left).bound(MINE)


def said(dsn: str, statement: str) -> str:
    with Connection(dsn) as server:
        return server.value(statement)


def settings_of(stores: Pair) -> list[tuple[str | None, ...]]:
    """What ALTER SYSTEM has written."""
    written = "select name, setting from pg_file_settings where sourcefile like '%.auto.conf'"
    with Connection(stores.standby.dsn) as server:
        return sorted(server.ask(written))


# -- late replay


@pytest.mark.parametrize("before", [None, "7ms", "1s"])
def test_a_late_replay_keeps_the_laws_whatever_was_set_before(
    stores: Pair, before: str | None
) -> None:
    if before is not None:
        with Connection(stores.standby.dsn) as server:
            server.ask(f"ALTER SYSTEM SET {SETTING} = '{before}'")
    written = settings_of(stores)
    try:
        check_effect(late(stores))
        assert settings_of(stores) == written
    finally:
        with Connection(stores.standby.dsn) as server:
            server.ask(f"ALTER SYSTEM RESET {SETTING}")
            server.value("select pg_reload_conf()")


def test_changes_become_visible_so_much_later_and_no_earlier(stores: Pair) -> None:
    effect = late(stores)
    with Connection(stores.primary.dsn) as primary, Connection(stores.standby.dsn) as standby:
        primary.ask("create table if not exists seen (n int)")
        prior = effect.capture()
        effect.apply(prior)
        try:
            primary.ask("insert into seen values (1)")
            committed = time.monotonic()
            count = "select count(*) from pg_tables where tablename = 'seen'"
            wait_for(lambda: standby.value(count) == "1")
            wait_for(lambda: standby.value("select count(*) from seen") == "1")
            took = time.monotonic() - committed
        finally:
            effect.undo(prior)
    assert took >= 0.69
    assert took < 5


def test_what_somebody_else_set_meanwhile_is_left_alone(stores: Pair) -> None:
    effect = late(stores)
    prior = effect.capture()
    effect.apply(prior)
    with Connection(stores.standby.dsn) as server:
        server.ask(f"ALTER SYSTEM SET {SETTING} = '3s'")
        server.value("select pg_reload_conf()")
    assert effect.undo(prior) is Undone.FOREIGN
    assert not effect.present(prior)
    with Connection(stores.standby.dsn) as server:
        server.ask(f"ALTER SYSTEM RESET {SETTING}")
        server.value("select pg_reload_conf()")
    assert effect.undo(prior) is Undone.ABSENT


def test_a_primary_has_nothing_to_apply(stores: Pair) -> None:
    effect = ReplayDelay(dsn=stores.primary.dsn, instance="a", delay_ms=5)
    with pytest.raises(EffectError, match="a is no standby"):
        effect.capture()


def test_a_delay_that_is_there_already_is_nobodys_to_take_away(stores: Pair) -> None:
    effect = late(stores)
    prior = effect.capture()
    effect.apply(prior)
    try:
        with pytest.raises(EffectError, match=f"has {SETTING} = 700ms before the fault"):
            late(stores).capture()
    finally:
        effect.undo(prior)


# -- connections held


def test_held_connections_keep_the_laws(stores: Pair) -> None:
    check_effect(held(stores))


@pytest.mark.parametrize("left", [0, 2])
def test_ordinary_clients_can_open_so_many_more_and_the_owner_still_gets_in(
    stores: Pair, left: int
) -> None:
    effect = held(stores, left)
    prior = effect.capture()
    effect.apply(prior)
    with ExitStack() as opened:
        opened.callback(effect.undo, prior)
        for _ in range(left):
            opened.enter_context(Connection(stores.primary.client_dsn))
        with pytest.raises(ServerError) as refused:
            Connection(stores.primary.client_dsn)
        assert refused.value.state == "53300"
        assert said(stores.primary.dsn, "select 1") == "1"
    wait_for(lambda: said(stores.primary.client_dsn, "select 1") == "1")


def test_what_others_give_back_is_taken_too(stores: Pair) -> None:
    pool = [Connection(stores.primary.client_dsn) for _ in range(5)]
    effect = held(stores)
    prior = effect.capture()
    effect.apply(prior)
    try:
        with Connection(stores.primary.dsn) as owner:
            before = int(owner.value(HELD))
            for each in pool:
                each.close()
            wait_for(lambda: free(owner) <= 0 and int(owner.value(HELD)) > before + 3)
        wait_for(lambda: _refused(stores.primary.client_dsn))
    finally:
        effect.undo(prior)


def test_a_privileged_client_that_comes_and_goes_lets_nobody_in(stores: Pair) -> None:
    effect = held(stores)
    prior = effect.capture()
    effect.apply(prior)
    try:
        for _ in range(20):
            with Connection(stores.primary.dsn) as owner:
                ours = owner.value(HELD)
                wait_for(lambda: free(owner) < 0)
                assert _refused(stores.primary.client_dsn)
                assert owner.value(HELD) == ours
    finally:
        effect.undo(prior)


def test_the_holder_dies_with_whoever_started_it(stores: Pair) -> None:
    effect = held(stores)
    code = (
        "import json, os, sys; from sloproof.effects import effect_from_json; "
        "effect_from_json(json.load(sys.stdin)).apply({}); os.kill(os.getpid(), 9)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(effect_to_json(effect)),
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    wait_for(lambda: not effect.present({}))
    wait_for(lambda: said(stores.primary.client_dsn, "select 1") == "1")
    assert effect.undo({}) is Undone.ABSENT


def test_a_holder_of_a_server_that_is_not_there_says_so_and_is_gone(stores: Pair) -> None:
    nobody = HeldConnections(dsn="postgresql://p@127.0.0.1:1/x", instance="a", left=0).bound(MINE)
    with pytest.raises(EffectError, match=r"127\.0\.0\.1:1"):
        nobody.apply({})
    assert next(tagged(MINE), None) is None


def _refused(dsn: str) -> bool:
    try:
        Connection(dsn).close()
    except ServerError as error:
        return error.state == "53300"
    return False

"""Two regions: data that is written once and read near, and what becomes of it when one is lost."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.digital_human.regions import Regions
from tests.digital_human.system import eventually, http, run

STEPS = [
    *("suspected", "detected", "classified", "assessed", "alerted", "located", "contained"),
    *("repairing", "fixed", "fixed", "fixed", "fixed", "verified", "repaired", "lesson"),
]


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[Regions]:
    system = Regions(tmp_path / "state.json")
    yield system
    system.stop()


def test_what_was_said_is_remembered_and_read_from_the_standby(regions: Regions) -> None:
    session = regions.session()
    said = http("POST", f"{regions.url}/sessions/{session}/turns", {"text": "The weather?"})
    assert said.content["degraded"] == []
    assert "window" in said.content["reply"]
    turns = "select session_id from shard_0.turns union select session_id from shard_1.turns"
    eventually(lambda: (session,) in regions.ask("store-b-1", turns))
    (turn,) = http("GET", f"{regions.url}/sessions/{session}/turns").content["turns"]
    assert (turn["number"], turn["said"]) == (1, "The weather?")
    shown = eventually(
        lambda: (
            (found := http("GET", f"{regions.url}/sessions/{session}").content)["turns"] and found
        )
    )
    assert shown["id"] == session


def test_a_killed_primary_is_replaced_by_the_standby_and_follows_it(regions: Regions) -> None:
    assert regions.note("before") == 201
    eventually(lambda: "before" in regions.notes("store-b-1"))
    regions.send("store-a-1", signal.SIGKILL)
    regions.failed_over("store-b-1")
    assert regions.events("primary_lost") == STEPS
    assert eventually(lambda: regions.note("after") == 201)
    regions.whole()
    assert {"before", "after"} <= regions.notes("store-a-1")
    assert regions.ask("store-a-1", "select pg_is_in_recovery()") == [(True,)]


def test_failing_back_loses_no_write(regions: Regions) -> None:
    regions.send("store-a-1", signal.SIGKILL)
    regions.failed_over("store-b-1")
    regions.whole()
    written = {f"n{n}" for n in range(20) if regions.note(f"n{n}") == 201}
    assert len(written) == 20
    done = run("failback", "store-a-1", "--state", str(regions.path))
    assert done.returncode == 0, done.stderr
    assert regions.primary == "store-a-1"
    assert written <= regions.notes("store-a-1")
    assert regions.follows("store-b-1") or eventually(lambda: regions.follows("store-b-1"))
    assert eventually(lambda: regions.note("there") == 201)


def test_failing_back_is_verified_by_a_write_and_a_read(regions: Regions) -> None:
    done = run("failback", "store-b-1", "--state", str(regions.path))
    assert done.returncode == 0, done.stderr
    steps = ["repairing", "contained", *["fixed"] * 3, "verified", "repaired"]
    assert regions.events("failback") == steps
    beats = regions.ask("store-b-1", "select count(*) from heartbeat where name = 'verify'")
    assert beats == [(1,)]


def test_a_dialogue_that_is_not_told_goes_on_with_the_old_primary(tmp_path: Path) -> None:
    system = Regions(tmp_path / "state.json", "repointing=off")
    try:
        assert run("failback", "store-b-1", "--state", str(system.path)).returncode == 0
        assert system.note("lost") == 503
    finally:
        system.stop()


def test_a_standby_without_replication_stays_as_it_was_cloned(tmp_path: Path) -> None:
    system = Regions(tmp_path / "state.json", "replication=off")
    try:
        assert system.note("here") == 201
        assert not system.follows("store-b-1")
        assert system.notes("store-b-1") == set()
    finally:
        system.stop()


def test_the_log_is_archived_over_a_link_of_its_own(regions: Regions) -> None:
    """Without the link nothing arrives, and nothing is lost: it is sent once the link is back."""

    archived = "select archived_count > 0 from pg_stat_archiver"
    failed = "select failed_count > 0 from pg_stat_archiver"

    def link(enabled: bool) -> None:
        proxy = f"{regions.state['toxiproxy']['url']}/proxies/store-a-1-archive"
        assert http("POST", proxy, {"enabled": enabled}).status == 200

    eventually(lambda: regions.ask("store-a-1", archived) == [(True,)])
    link(enabled=False)
    assert regions.note("meanwhile") == 201
    [(piece,)] = regions.ask("store-a-1", "select pg_walfile_name(pg_switch_wal())")
    eventually(lambda: regions.ask("store-a-1", failed) == [(True,)])
    kept = Path(regions.state["data"]["folder"], "archive-b", "wal", piece)
    assert not kept.exists()
    link(enabled=True)

    def arrived() -> bool:
        regions.note("more")  # PostgreSQL tries again once there is another piece
        return kept.exists()

    eventually(arrived, within=20)


def test_backups_are_taken_on_schedule_and_old_ones_go(tmp_path: Path) -> None:
    system = Regions(tmp_path / "state.json", "backup.every=2s", "backup.retention=1s")

    def known() -> list[dict[str, Any]]:
        told = run("backups", "--state", str(system.path)).stdout
        found: list[dict[str, Any]] = json.loads(told)["backups"]
        return found

    try:
        first = eventually(known)[0]["label"]
        eventually(lambda: first not in [each["label"] for each in known()], within=40)
        assert system.events("backup").count("backup_verified") >= 2
        assert len(known()) <= 2
    finally:
        system.stop()


def test_a_backup_is_restored_though_the_primary_is_gone(tmp_path: Path) -> None:
    system = Regions(tmp_path / "state.json", "failover=off", "healer.check_interval=60s")
    try:
        assert system.note("kept") == 201
        done = run("backup", "--state", str(system.path))
        assert done.returncode == 0, done.stderr
        assert system.note("later") == 201
        [(piece,)] = system.ask("store-a-1", "select pg_walfile_name(pg_current_wal_lsn())")
        last = "select left(last_archived_wal, 24) from pg_stat_archiver"
        assert eventually(lambda: (system.ask("store-a-1", last)[0][0] or "") >= piece)
        system.send("store-a-1", signal.SIGKILL)
        told = run("restore", "--state", str(system.path))
        assert told.returncode == 0, told.stderr
        answer = json.loads(told.stdout)
        assert "could not archive its last piece of log" in answer["unflushed"]
        with psycopg.connect(answer["dsn"]) as scratch:
            rows = scratch.execute("select id from notes").fetchall()
        assert {name for (name,) in rows} == {"kept", "later"}
    finally:
        system.stop()


def test_failing_back_to_where_one_is_or_cannot_be_says_so(regions: Regions) -> None:
    for store, words in (("store-c-9", "no store"), ("store-a-1", "already")):
        done = run("failback", store, "--state", str(regions.path))
        assert words in done.stderr + done.stdout


def test_a_lost_cache_costs_no_answer_and_comes_back_warm(regions: Regions) -> None:
    session = regions.session()
    regions.send("cache-a-1", signal.SIGKILL)
    assert http("GET", f"{regions.url}/sessions/{session}").status == 200
    eventually(lambda: "lesson" in regions.events("cache_lost"))
    assert "fixed" in regions.events("cache_lost")
    assert f"session:{session}" in regions.cached("a")
    assert http("GET", f"{regions.url}/sessions/{session}").status == 200


def test_traffic_goes_to_region_b_where_a_is_gone_and_the_primary_with_it(
    regions: Regions,
) -> None:
    for name, process in regions.processes().items():
        if "-a-" in name and process["running"]:
            regions.send(name, signal.SIGKILL)
    regions.failed_over("store-b-1")
    assert eventually(lambda: regions.note("from-b") == 201)
    assert "from-b" in regions.notes("store-b-1")
    regions.whole()


def test_without_failover_nobody_takes_over(tmp_path: Path) -> None:
    system = Regions(tmp_path / "state.json", "failover=off")
    try:
        system.send("store-a-1", signal.SIGKILL)
        eventually(lambda: "failed" in system.events("primary_lost"))
        assert system.primary == "store-a-1"
        assert system.note("lost") == 503
    finally:
        system.stop()


def test_synchronous_commits_wait_for_the_standby(tmp_path: Path) -> None:
    system = Regions(tmp_path / "state.json", "synchronous=on")
    try:
        assert system.note("both") == 201
        found = system.ask(
            "store-a-1",
            "select sync_state from pg_stat_replication where application_name = 'store-b-1'",
        )  # others are of the backup that is under way
        assert found in ([("sync",)], [("quorum",)])
        system.cut("store_b_1_store_a_1")
        assert system.note("one") in (503, 504)
    finally:
        system.stop()


def test_no_data_is_left_behind(tmp_path: Path) -> None:
    system = Regions(tmp_path / "state.json")
    data = Path(system.ask("store-a-1", "show data_directory")[0][0])
    assert data.is_dir()
    system.stop()
    assert not data.exists()

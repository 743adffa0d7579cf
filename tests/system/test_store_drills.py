"""Whole runs on a real primary and its standby: fail-over, split brain, lag, no connections."""

from __future__ import annotations

import signal

import pytest

from sloproof.effects.replay_delay import IN_USE
from sloproof.record.reader import Record
from sloproof.record.schema import WriteOutcome
from tests.system.drills import HELD, Drill, ids, said, written
from tests.system.running import Ran, soon

BLIND = """\
    - name: blind
      inject: command
      with: {apply: [touch, blind], undo: [rm, blind], observe: [test, -e, blind]}
      at: 3s
      for: 2s"""
"""The healer sees nobody, so it promotes the standby beside the primary."""


def reasons(ran: Ran) -> str:
    return "\n".join(claim["reason"] for claim in ran.said["claims"])


def witnessed(stores: Drill, ran: Ran) -> tuple[bool, str, float | None]:
    [fault] = stores.verdict(ran)["measures"]["faults"]
    return fault["witnessed"], fault["witness_reason"], fault["measured"]


def test_a_killed_primary_is_replaced_and_there_are_never_two(stores: Drill) -> None:
    stores.write("""
  ledger: {name: rows, rate: 50/s}
  faults: [{name: blow, inject: primary_kill, where: {store: db}, at: 3s}]
  verify: [{failover: {store: db, within: 5s}}]
""")
    ran = stores.run()
    assert ran.outcomes() == {"failover:db": "PASS"}, reasons(ran)
    assert witnessed(stores, ran)[:2] == (True, "")
    [claim] = ran.said["claims"]
    assert "at no moment two of db-a and db-b were primaries" in claim["reason"]
    assert "db-b was the primary between" in claim["reason"]
    assert ran.status == 0, ran.words
    assert said(stores.stores.primary.dsn, "select pg_is_in_recovery()") == "t"


def test_a_primary_that_is_not_fenced_is_split_brain(stores: Drill) -> None:
    stores.write(f"""
  faults:
{BLIND}
  verify: [{{failover: db}}]
""")
    ran = stores.run()
    assert (ran.status, ran.outcomes()) == (1, {"failover:db": "FAIL"}), reasons(ran)
    [claim] = ran.said["claims"]
    assert "db-a and db-b were both primaries for" in claim["reason"]


def test_writes_that_the_wrong_primary_took_are_counted(stores: Drill) -> None:
    """The ledger's connection stays with the old one, which dies while nobody is there to see."""
    stores.write(f"""
  ledger: {{name: rows, rate: 50/s}}
  faults:
{BLIND}
    - {{name: death, inject: pod_kill, where: {{instance: db-a}}, at: 6s}}
  verify: [{{failover: db}}]
""")
    ran = stores.run()
    [claim] = ran.said["claims"]
    assert (ran.status, claim["outcome"]) == (1, "FAIL"), claim["reason"]
    record = Record(stores.folder / ran.said["record"])
    lost = written(record, WriteOutcome.ACKNOWLEDGED) - ids(stores.stores.standby.dsn)
    [two_sided] = [n["value"] for n in claim["numbers"] if n["name"] == "two-sided writes"]
    # From the take-over to the old one's death some three seconds later, at 50 a second.
    assert 50 < two_sided <= len(lost)


def test_a_late_standby_is_measured_and_catches_up(stores: Drill) -> None:
    stores.write("""
  faults:
    - {name: lag, inject: replication_lag, where: {store: db}, with: {delay: 1s}, at: 3s, for: 4s}
  verify:
    - {replication: {store: db, at_most: 500ms}, during: baseline}
    - {replication: {store: db, at_most: 500ms, within: 2s}, name: after}
    - {replication: {store: db, at_most: 500ms}, during: {fault: lag}}
""")
    ran = stores.run()
    assert ran.outcomes() == {
        "replication:db@baseline": "PASS",
        "replication:after": "PASS",
        "replication:db@lag": "FAIL",
    }, reasons(ran)
    seen, reason, measured = witnessed(stores, ran)
    assert seen, reason
    assert measured == pytest.approx(1.0, abs=0.05)
    assert said(stores.stores.standby.dsn, IN_USE) == "0"


def test_a_store_without_connections_is_seen_by_its_clients(stores: Drill) -> None:
    stores.write("""
  faults:
    - name: full
      inject: connection_exhaustion
      where: {store: db, role: primary}
      at: 3s
      for: 3s
  verify: [{failover: db}]
""")
    ran = stores.run()
    assert ran.outcomes() == {"failover:db": "PASS"}, reasons(ran)
    seen, reason, measured = witnessed(stores, ran)
    assert seen, reason
    assert measured == pytest.approx(1.0, abs=0.1)
    assert said(stores.stores.primary.client_dsn, "select 1") == "1"


def test_a_run_that_dies_amid_its_faults_leaves_nothing_of_them(stores: Drill) -> None:
    stores.write("""
  faults:
    - {name: lag, inject: replication_lag, where: {store: db}, with: {delay: 7s}, at: 3s, for: 60s}
    - name: full
      inject: connection_exhaustion
      where: {store: db, role: primary}
      at: 3s
      for: 60s
  verify: [{failover: db}]
""")
    primary, standby = stores.stores.primary, stores.stores.standby
    run = stores.start()
    try:
        soon(lambda: said(standby.dsn, IN_USE) == "7000", 40, "the delay")
        soon(lambda: int(said(primary.dsn, HELD)) > 40, 40, "the holder")
        run.send_signal(signal.SIGKILL)
        run.wait()
        soon(lambda: said(standby.dsn, IN_USE) == "0", 20, "the end of the delay")
        soon(lambda: said(primary.dsn, HELD) == "0", 20, "the end of the holder")
        assert said(primary.client_dsn, "select 1") == "1"
    finally:
        run.kill()
        run.wait()

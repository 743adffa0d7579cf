"""With fail-over or fencing switched off the drills of recovery fail, and say why."""

from __future__ import annotations

import pytest

from tests.system.running import Bench


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("experiment", "mechanism", "claims"),
    [
        ("primary-kill", "failover", {"recovery:store-recovery", "failover:conversations"}),
        # Two primaries at one time: nobody ended the old one.
        ("region-link-partition", "fencing", {"failover:conversations@between-regions"}),
        ("region-link-partition", "failover", {"failover:conversations@between-regions"}),
        ("disk-full-on-primary", "failover", {"failover:conversations@full"}),
        ("disk-full-on-primary", "shifting", {"traffic_shift:a-b"}),
        ("cache-loss", "healer", {"self_healing:cache-a-1"}),
        ("region-a-loss", "failover", {"recovery:store", "failover:conversations@loss"}),
        ("disk-full-on-backup", "backup", {"backup:restored"}),
        ("replication-lag", "replication", {"replication:conversations@baseline"}),
        ("backup-restore", "backup", {"backup:restored"}),
        ("failback", "repointing", {"recovery:to-b"}),
    ],
)
def test_without_its_mechanism_a_drill_fails(
    bench: Bench, experiment: str, mechanism: str, claims: set[str]
) -> None:
    bench.settings[mechanism] = "off"
    ran = bench.run(experiment)
    assert claims <= set(ran.failed()), ran.said
    assert ran.status == 1

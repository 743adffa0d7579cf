"""Seeded defects with the real things: engine, Locust, prober and Toxiproxy as processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.truth.defects import real as r
from tests.truth.defects.catalogue import BACK, INCONCLUSIVE, SLO, Defect

PROBER, LOAD = "sloproof.run.prober", "sloproof.run.load"

# fmt: off
REAL = (
    Defect("real load that goes another way than the faulty link", "shop", r.goes_another_way,
           SLO, INCONCLUSIVE, "felt it on its way through"),
    Defect("real toxic removed early by somebody else", "shop", r.toxics_removed,
           SLO, INCONCLUSIVE, "while it should be there"),
    Defect("real prober asking a cache", "shop", r.answers_from_a_cache,
           BACK, INCONCLUSIVE, "came from a cache"),
    Defect("real prober that stands still", "shop", r.stands_still(PROBER),
           BACK, INCONCLUSIVE, "probe entry"),
    Defect("real prober that is killed", "shop", r.dies(PROBER),
           SLO, INCONCLUSIVE, "its process died"),
    Defect("real Locust that stands still", "shop", r.stands_still(LOAD),
           SLO, INCONCLUSIVE, "late"),
    Defect("real Locust that is killed", "shop", r.dies(LOAD),
           SLO, INCONCLUSIVE, "the load generator ended"),
    Defect("real copy restarted by somebody else", "shop", r.worker_restarted,
           SLO, INCONCLUSIVE, "somebody else may have restarted it"),
    Defect("real copy dead and the rest called recovered", "shop", r.worker_killed,
           BACK, INCONCLUSIVE, "worker-1 was not brought back by the system"),
)
# fmt: on


def test_a_shop_that_is_well_passes(tmp_path: Path) -> None:
    with r.shop(tmp_path) as shop:
        said = shop.run()
    assert said["outcome"] == "PASS", shown(said)
    assert said["exit_status"] == 0


@pytest.mark.sampled(1)
@pytest.mark.parametrize("defect", REAL, ids=str)
def test_a_real_defect_does_not_pass(tmp_path: Path, defect: Defect) -> None:
    with r.shop(tmp_path) as shop:
        defect.how(shop)
        said = shop.run()
    assert said["outcome"] != "PASS", shown(said)
    assert said["exit_status"] in (3, 4), shown(said)
    [claim] = [claim for claim in said["claims"] if claim["id"] == defect.claim]
    assert claim["outcome"] == defect.outcome, shown(said)
    assert defect.words in claim["reason"], shown(said)


def shown(said: dict[str, Any]) -> str:
    """All that a run says, for a failure's message."""
    claims = [f"{each['id']}: {each['outcome']}: {each['reason']}" for each in said["claims"]]
    return "\n".join([said["sentence"], said["how"], said["reason"], *claims])

"""An SLO seen live, for stop conditions; no verdict rests on it."""

from __future__ import annotations

import numpy as np

from sloproof.record.schema import NEVER, RequestOutcome
from sloproof.run.load.live import Recent
from sloproof.spec.matching import kind_matches, status_matches
from sloproof.spec.objectives import RatioIndicator, Slo


def bad_and_total(recent: Recent, slo: Slo) -> tuple[int, int]:
    """How many of the recent requests are bad by the SLO's ratio, and how many it counts."""
    indicator = slo.indicator
    if not isinstance(indicator, RatioIndicator):
        return 0, 0
    rows, good = recent.rows, indicator.good
    counted = np.array([kind_matches(indicator.total, kind) for kind in recent.kinds], bool)
    chosen = counted[rows["kind"]] if len(counted) else np.zeros(len(recent), bool)
    statuses = {int(status): status_matches(good, int(status)) for status in set(rows["status"])}
    fine = np.array([statuses[int(status)] for status in rows["status"]], bool)
    fine &= (rows["finished"] != NEVER) & (rows["outcome"] == RequestOutcome.OK)
    if good.within is not None:
        fine &= rows["finished"] - rows["intended"] <= good.within.ns
    return int((chosen & ~fine).sum()), int(chosen.sum())

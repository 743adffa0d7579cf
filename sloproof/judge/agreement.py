"""Whether a probe and the load, which ask at one door, saw the same service.

A prober that answers from a cache, and a probe of something that no user meets, are good while
every request fails. Two paths that can't both be right show nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit

import numpy as np

from sloproof.judge.case import Case
from sloproof.judge.requests import Requests
from sloproof.judge.wording import seconds
from sloproof.model.target import TargetProbe
from sloproof.record.schema import RequestOutcome

ROW = 20
"""So many requests in a row that all failed are an outage, not bad luck."""
SAMPLES = 3
"""So many good samples wholly inside an outage contradict it."""


def contradiction(case: Case, probe: TargetProbe) -> str:
    """Why the load refutes what `probe` says, or "" where it doesn't."""
    samples = case.record.probe(probe.name)
    if samples is None or case.target is None or not same_door(case.target.entry.url, probe):
        return ""
    for begin, end, failed in outages(case.requests):
        inside = (samples.sent >= begin) & (samples.finished <= end)
        seen = int(np.count_nonzero(inside))
        if seen >= SAMPLES and bool(samples.ok[inside].all()):
            return (
                f"probe {probe.name} was good in all {seen} samples from {seconds(begin)} to "
                f"{seconds(end)} while all {failed:,} requests through the same door failed: "
                f"it does not see what users meet, or it answers from a cache"
            )
    return ""


def outages(requests: Requests) -> Iterator[tuple[int, int, int]]:
    """Each row of at least `ROW` requests that all failed: its first and last time, its length.

    Only the failed ones are sorted; the good ones, chunk by chunk, say where a row is broken.
    """
    good_sorts = np.array([sort.outcome is RequestOutcome.OK for sort in requests.sorts])
    bad = [chunk.intended[~good_sorts[chunk.sort]] for chunk in requests.chunks]
    times = np.sort(np.concatenate(bad)) if bad else np.zeros(0, dtype=np.int64)
    if len(times) < ROW:
        return
    broken = np.zeros(len(times) + 1, dtype=bool)
    broken[[0, -1]] = True
    for chunk in requests.chunks:
        broken[np.searchsorted(times, chunk.intended[good_sorts[chunk.sort]])] = True
    edges = np.flatnonzero(broken)
    for first, after in pairwise(edges.tolist()):
        if after - first >= ROW:
            yield int(times[first]), int(times[after - 1]), after - first


def same_door(entry: str, probe: TargetProbe) -> bool:
    """Whether it asks where the load goes, by HTTP: what accepts connections may be a proxy."""
    if probe.kind != "http":
        return False
    there, here = urlsplit(entry), urlsplit(str(probe.params.get("url", "")))
    return bool(there.netloc) and (there.scheme, there.netloc) == (here.scheme, here.netloc)

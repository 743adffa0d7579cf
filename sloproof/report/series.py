"""What the charts show, from a record: requests counted per time bin, states over time.

Requests are streamed and never held. Latencies go into logarithmic buckets 2.5 % wide, which is
enough to draw by and never enters a verdict. All times are seconds from the end of warm-up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sloproof.record.reader import Batch, Record
from sloproof.record.schema import NEVER, RequestOutcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

LOWEST_S = 1e-5
GROWTH = 1.025
FINITE = math.ceil(math.log(1e8) / math.log(GROWTH))
"""How many buckets hold answers from 10 µs to 1,000 s; one more holds what got no good answer."""

MOST_BINS = 400
FEWEST_BINS = 100
PER_BIN = 50
"""Requests that a bin should hold on average, so that its 99th percentile means something."""

_NICE = [m * 10**e / 1000 for e in range(7) for m in (1, 2, 5)]


@dataclass(frozen=True, slots=True)
class Axis:
    """The stretch of time that is drawn; `origin_ns` is the end of warm-up in the record's time."""

    origin_ns: int
    begin_s: float
    end_s: float

    def at(self, time_ns: int) -> float:
        """A time of the record on this axis."""
        return (time_ns - self.origin_ns) / 1e9

    def ns(self, at_s: float) -> int:
        """The reverse of `at`."""
        return self.origin_ns + round(at_s * 1e9)


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Requests per time bin: `offered`, `failed` and `latencies` by when they were due, `answered`
    by when the good answer came. `latencies` counts per bin and bucket."""

    begin_s: float
    width_s: float
    offered: Counts
    failed: Counts
    answered: Counts
    latencies: Counts

    def merged(self, most: int) -> Bins:
        """The same with at most `most` bins, neighbours put together."""
        import numpy as np

        step = math.ceil(len(self.offered) / most)
        starts = np.arange(0, len(self.offered), step)

        def put_together(counts: Counts) -> Counts:
            return np.add.reduceat(counts, starts, axis=0)

        return Bins(
            begin_s=self.begin_s,
            width_s=self.width_s * step,
            offered=put_together(self.offered),
            failed=put_together(self.failed),
            answered=put_together(self.answered),
            latencies=put_together(self.latencies),
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """What happened to the requests that were due in one window; the quantiles are approximate."""

    offered: int
    failed: int
    median_s: float
    p99_s: float
    slowest_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """All requests of a record, counted: `whole` those from the end of warm-up to the end.

    `failures` are of these, too: how, error, count; the commonest first.
    """

    bins: Bins
    whole: Stretch
    windows: tuple[Stretch, ...]
    failures: tuple[tuple[RequestOutcome, str, int], ...]


def quantile(latencies: Counts, q: float) -> NDArray[np.float64]:
    """The quantile of each row of bucket counts, in seconds: nan where empty, inf where failed."""
    import numpy as np

    total = latencies.sum(axis=-1)
    rank = np.maximum(np.ceil(q * total), 1)
    bucket = (latencies.cumsum(axis=-1) < rank[..., None]).sum(axis=-1)
    value = np.where(bucket >= FINITE, np.inf, LOWEST_S * GROWTH ** (bucket + 0.5))
    return np.where(total == 0, np.nan, value)


def slowest(latencies: Counts) -> NDArray[np.float64]:
    """The slowest good answer of each row, in seconds; nan where there was none."""
    import numpy as np

    answered = latencies[..., :FINITE] > 0
    last = FINITE - 1 - np.argmax(answered[..., ::-1], axis=-1)
    return np.where(answered.any(axis=-1), LOWEST_S * GROWTH ** (last + 0.5), np.nan)


def has_slowest(bins: Bins) -> bool:
    """Whether the slowest answer of any bin is another than its 99th percentile."""
    import numpy as np

    p99, last = quantile(bins.latencies, 0.99), slowest(bins.latencies)
    return not np.array_equal(p99, last, equal_nan=True)


def rates(bins: Bins, end_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Requests due and answered per second in each bin.

    A last bin that is cut off before its middle is too short for a rate of its own and is counted
    with the one before.
    """
    import numpy as np

    begins = bins.begin_s + np.arange(len(bins.offered)) * bins.width_s
    lengths = np.minimum(begins + bins.width_s, end_s) - begins
    due, answered = bins.offered.astype(np.float64), bins.answered.astype(np.float64)
    if len(lengths) > 1 and lengths[-1] < bins.width_s / 2:
        for amounts in (due, answered, lengths):
            amounts[-2:] = amounts[-2:].sum()
    return due / lengths, answered / lengths


def axis(record: Record) -> Axis:
    """From the beginning of the load to the end of the watched recovery."""
    phases = {
        str(event.data.get("phase")): event.t
        for event in reversed(record.events)
        if event.kind == "phase"
    }
    started = [event.t for event in record.of_kind("load.started")]
    known = [phases[name] for name in ("warmup", "baseline", "faults") if name in phases]
    begin = min([*started, *known], default=0)
    origin = next((phases[n] for n in ("baseline", "faults") if n in phases), begin)
    ends = [phases[name] for name in ("restore", "seal") if name in phases]
    end = ends[0] if ends else record.events[-1].t
    end = max(end, begin + 1_000_000)
    return Axis(origin_ns=origin, begin_s=(begin - origin) / 1e9, end_s=(end - origin) / 1e9)


def bin_width(span_s: float, requests: int) -> float:
    """A round width: fine enough to see, coarse enough that a bin holds `PER_BIN` requests."""
    wanted = min(span_s / FEWEST_BINS, span_s * PER_BIN / max(requests, 1))
    wanted = max(wanted, span_s / MOST_BINS)
    return next((width for width in _NICE if width >= wanted * 0.999), wanted)


def traffic(record: Record, on: Axis, windows: Sequence[tuple[float, float]]) -> Traffic | None:
    """The requests of a record in one pass; None where there are none."""
    rows = record.request_count
    if not rows:
        return None
    width = bin_width(on.end_s - on.begin_s, rows)
    whole = (0.0, on.end_s)
    count = _Count.empty(on, width, [*windows, whole])
    for batch in record.requests(["intended", "finished", "outcome", "error"]):
        count.add(batch)
    return Traffic(
        bins=Bins(on.begin_s, width, count.offered, count.failed, count.answered, count.latencies),
        whole=count.window(*whole),
        windows=tuple(count.window(begin, end) for begin, end in windows),
        failures=count.failures(record.request_errors),
    )


@dataclass(slots=True, eq=False)
class _Count:
    """The sums of a pass over the requests. Windows are unions of the stretches between edges."""

    axis: Axis
    width_ns: int
    edges: Counts
    offered: Counts
    failed: Counts
    answered: Counts
    latencies: Counts
    stretches: Counts
    errors: dict[tuple[int, int], int]

    @classmethod
    def empty(cls, on: Axis, width_s: float, windows: Sequence[tuple[float, float]]) -> _Count:
        import numpy as np

        bins = max(math.ceil((on.end_s - on.begin_s) / width_s - 1e-9), 1)
        edges = sorted({on.ns(edge) for window in windows for edge in window})
        return cls(
            axis=on,
            width_ns=round(width_s * 1e9),
            edges=np.array(edges, dtype=np.int64),
            offered=np.zeros(bins, dtype=np.int64),
            failed=np.zeros(bins, dtype=np.int64),
            answered=np.zeros(bins, dtype=np.int64),
            latencies=np.zeros((bins, FINITE + 1), dtype=np.int64),
            stretches=np.zeros((len(edges) + 1, FINITE + 1), dtype=np.int64),
            errors={},
        )

    def add(self, batch: Batch) -> None:
        """Count one batch."""
        import numpy as np

        due, finished, good = batch["intended"], batch["finished"], batch["outcome"] == 0
        bucket = _bucket(due, finished, good)
        stretch = np.searchsorted(self.edges, due, side="right")
        self.stretches += _count_pairs(stretch, bucket, self.stretches.shape)
        place, inside = self._bins_of(due)
        bins = len(self.offered)
        self.latencies += _count_pairs(place[inside], bucket[inside], self.latencies.shape)
        self.offered += np.bincount(place[inside], minlength=bins)
        self.failed += np.bincount(place[inside & ~good], minlength=bins)
        place, inside = self._bins_of(finished[good])
        self.answered += np.bincount(place[inside], minlength=bins)
        bad = ~good & (due >= self.axis.origin_ns) & (due < self.axis.ns(self.axis.end_s))
        pairs = batch["outcome"][bad].astype(np.int64) << 16 | batch["error"][bad]
        for pair, times in zip(*np.unique(pairs, return_counts=True), strict=True):
            key = (int(pair) >> 16, int(pair) & 0xFFFF)
            self.errors[key] = self.errors.get(key, 0) + int(times)

    def window(self, begin_s: float, end_s: float) -> Stretch:
        """What was counted between two edges."""
        import numpy as np

        first = int(np.searchsorted(self.edges, self.axis.ns(begin_s), side="right"))
        last = int(np.searchsorted(self.edges, self.axis.ns(end_s), side="right"))
        counts: Counts = self.stretches[first:last].sum(axis=0)
        return Stretch(
            offered=int(counts.sum()),
            failed=int(counts[FINITE]),
            median_s=float(quantile(counts, 0.5)),
            p99_s=float(quantile(counts, 0.99)),
            slowest_s=float(slowest(counts)),
        )

    def failures(self, words: Sequence[str]) -> tuple[tuple[RequestOutcome, str, int], ...]:
        """How requests failed after warm-up, the commonest way first."""
        found = [
            (RequestOutcome(outcome), words[error] if error < len(words) else "", times)
            for (outcome, error), times in self.errors.items()
        ]
        return tuple(sorted(found, key=lambda each: (-each[2], each[0], each[1])))

    def _bins_of(self, times: Counts) -> tuple[Counts, NDArray[np.bool_]]:
        place = (times - self.axis.ns(self.axis.begin_s)) // self.width_ns
        # The last bin may reach past the end; what came then would be taken for a higher rate.
        return place, (place >= 0) & (times < self.axis.ns(self.axis.end_s))


def _bucket(due: Counts, finished: Counts, good: NDArray[np.bool_]) -> Counts:
    import numpy as np

    good = good & (finished != NEVER)
    late = np.where(good, finished - due, 1).clip(1) / (LOWEST_S * 1e9)
    bucket = (np.log(late) * (1 / math.log(GROWTH))).astype(np.int64).clip(0, FINITE - 1)
    bucket[~good] = FINITE
    return bucket


def _count_pairs(row: Counts, column: Counts, shape: tuple[int, ...]) -> Counts:
    import numpy as np

    pairs: NDArray[Any] = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1])
    return pairs.reshape(shape)

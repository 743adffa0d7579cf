"""What was in which state over time, from a record: phases, faults, probes, breakers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sloproof.record.reader import Record, Samples
from sloproof.record.schema import Event
from sloproof.report.figures import FaultFigures
from sloproof.report.series import Axis
from sloproof.report.words import clean, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_STRETCHES = 200
PROBE_STATES = ("down", "now and then", "up")
SHOWN_PHASES = {
    "warmup": "warm-up",
    "baseline": "baseline",
    "faults": "faults",
    "recovery": "recovery",
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Something in one state from `begin_s` to `end_s`."""

    state: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Strip:
    """One thing's states over time; `kind` is `probe` or `breaker`."""

    kind: str
    name: str
    stretches: tuple[Stretch, ...]


def phases(record: Record, on: Axis) -> tuple[Stretch, ...]:
    """The phases between warm-up and the end of recovery."""
    begun = [(str(event.data.get("phase")), on.at(event.t)) for event in record.of_kind("phase")]
    ends = [at for _, at in begun[1:]] + [on.end_s]
    return tuple(
        Stretch(SHOWN_PHASES[name], begin, min(end, on.end_s))
        for (name, begin), end in zip(begun, ends, strict=False)
        if name in SHOWN_PHASES and begin < min(end, on.end_s)
    )


def faults(
    record: Record, on: Axis, measured: Sequence[FaultFigures], *, widest: bool = False
) -> tuple[Stretch, ...]:
    """Each occurrence of a fault, by its name: as witnessed, else as injected.

    From when to when it was in force for certain; `widest`: may have been.
    """
    injected = _injected(record, on)
    seen = {(each.name, each.occurrence or 0): each for each in measured}
    bands = []
    for name, occurrence in dict.fromkeys([*injected, *seen]):
        begin, end = injected.get((name, occurrence), (on.begin_s, on.end_s))
        found = seen.get((name, occurrence))
        if found is not None and found.began_s and found.began_s[1] is not None:
            ends = found.ended_s or (None, None)
            begin, until = (found.began_s[1], ends[0])
            if widest:
                begin, until = found.began_s[0] if found.began_s[0] is not None else begin, ends[1]
            end = end if until is None else until
        begin, end = max(begin, on.begin_s), min(max(end, begin), on.end_s)
        if begin <= end:
            bands.append(Stretch(name, begin, end))
    return tuple(_joined(sorted(bands, key=lambda band: (band.begin_s, band.state)), on))


def _joined(bands: Iterable[Stretch], on: Axis) -> list[Stretch]:
    """Bands of one name with too little between them to be seen apart, as one."""
    gap = (on.end_s - on.begin_s) / MOST_STRETCHES
    last: dict[str, int] = {}
    joined: list[Stretch] = []
    for band in bands:
        before = joined[last[band.state]] if band.state in last else None
        if before is not None and band.begin_s - before.end_s < gap:
            end = max(before.end_s, band.end_s)
            joined[last[band.state]] = Stretch(band.state, before.begin_s, end)
        else:
            last[band.state] = len(joined)
            joined.append(band)
    return joined


def _injected(record: Record, on: Axis) -> dict[tuple[str, int], tuple[float, float]]:
    found: dict[tuple[str, int], tuple[float, float]] = {}
    for event in record.of_kind("fault.injecting", "fault.ended"):
        occurrence = event.data.get("occurrence")
        key = (str(event.data.get("fault")), occurrence if isinstance(occurrence, int) else 0)
        begin, _ = found.get(key, (on.at(event.t), on.end_s))
        found[key] = (begin, on.end_s if event.kind == "fault.injecting" else on.at(event.t))
    return found


def probes(record: Record, on: Axis) -> tuple[Strip, ...]:
    """When each probe of the target's was up and when it was down.

    Those that witness a fault are left out: good and bad mean something else to them, and what
    they saw is drawn as the fault's own band.
    """
    strips = []
    watching = witnesses(record)
    for name in record.probe_names:
        samples = None if name in watching else record.probe(name)
        if samples is not None and len(samples):
            strips.append(Strip("probe", clean(name), _up_and_down(samples, on)))
    return tuple(strips)


def witnesses(record: Record) -> frozenset[str]:
    """The names of the probes by which the harness sees its faults and what stands beside them."""
    plans: list[object] = []
    for event in record.of_kind("effect.planned"):
        beside = event.data.get("neighbours")
        plans += [event.data.get("witness"), *(beside if isinstance(beside, list) else ())]
    lists = [
        plan.get(key) for plan in plans if isinstance(plan, Mapping) for key in ("probes", "kept")
    ]
    return frozenset(str(name) for names in lists if isinstance(names, list) for name in names)


def _up_and_down(samples: Samples, on: Axis) -> tuple[Stretch, ...]:
    import numpy as np

    at = (samples.intended - on.origin_ns) / 1e9
    inside = (at >= on.begin_s) & (at < on.end_s)
    at, share = at[inside], samples.ok[inside].astype(np.float64)
    if not len(at):
        return ()
    usual = float(np.median(np.diff(at, append=at[-1])))
    end = min(on.end_s, float(at[-1]) + usual)
    if np.count_nonzero(share[1:] != share[:-1]) > MOST_STRETCHES:
        at, share = _coarser(at, share, on)
    state = np.sign(share) + (share == 1)
    first = np.flatnonzero(np.r_[True, state[1:] != state[:-1]])
    return tuple(
        Stretch(PROBE_STATES[int(state[i])], float(at[i]), float(until))
        for i, until in zip(first, [*at[first[1:]], end], strict=True)
    )


def _coarser(at: Floats, good: Floats, on: Axis) -> tuple[Floats, Floats]:
    """One sample a place on the axis, with the share of good samples there."""
    import numpy as np

    place = ((at - on.begin_s) / (on.end_s - on.begin_s) * MOST_STRETCHES).astype(np.int64)
    first = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
    count = np.diff(first, append=len(at))
    return at[first], np.add.reduceat(good, first) / count


def breakers(record: Record, on: Axis) -> tuple[Strip, ...]:
    """The state of each breaker, from the system's own events; closed until one says otherwise."""
    changes: dict[str, list[tuple[float, str]]] = {}
    for event in record.of_kind("system"):
        if event.data.get("role") == "breaker" and (state := _state(event)):
            changes.setdefault(_breaker(event), []).append((_time(event, on), state))
    return tuple(
        Strip("breaker", name, tuple(_steps(sorted(found), on)))
        for name, found in sorted(changes.items())
    )


def _steps(changes: Iterable[tuple[float, str]], on: Axis) -> Iterable[Stretch]:
    begin, state = on.begin_s, "closed"
    for changed, following in [*changes, (on.end_s, "")]:
        at = min(max(changed, on.begin_s), on.end_s)
        if following != state and at > begin:
            yield Stretch(state, begin, at)
        if following != state:
            begin, state = at, following


def _time(event: Event, on: Axis) -> float:
    at = event.data.get("time")
    return on.at(at if isinstance(at, int) else event.t)


def _state(event: Event) -> str:
    """What a breaker's event says it is now: `closed`, `open`, `half-open`, or "" if nothing."""
    detail = event.data.get("detail")
    said = detail.get("state") if isinstance(detail, Mapping) else detail
    for word in (said, event.data.get("event")):
        words = plain(word).lower()
        for sign, state in (("half", "half-open"), ("clos", "closed"), ("open", "open")):
            if sign in words:
                return state
    return ""


def _breaker(event: Event) -> str:
    """Whose breaker it is: the instance and, where the detail tells, the breaker in it."""
    instance = clean(event.data.get("instance") or event.data.get("source") or "breaker")
    detail = event.data.get("detail")
    if isinstance(detail, Mapping):
        names = (detail.get(key) for key in ("breaker", "to", "target", "link", "name"))
        guarded = next((clean(name) for name in names if name), "")
        return f"{instance} → {guarded}" if guarded else instance
    return instance

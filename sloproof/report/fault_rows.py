"""A fault's figures in words: its size, when it was in force, whom it met, who put it back."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.report import words
from sloproof.report.figures import FaultFigures

NOTICED = 0.1
"""Doubt about a beginning that is shorter, in seconds, can't be seen in the charts."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One occurrence of a fault in words. `fidelity` is `ok`, `off` or empty where unknown."""

    fault: FaultFigures
    kind: str
    where: str
    requested: str
    measured: str
    tolerance: str
    fidelity: str
    window: str
    certainty: str
    exposure: str
    neighbours: str
    put_back: str
    by: str


def fault_row(fault: FaultFigures) -> FaultRow:
    """A fault's figures in words."""
    put_back, by = _put_back(fault)
    window, certainty = _in_force(fault)
    return FaultRow(
        fault=fault,
        kind=words.spoken(fault.kind),
        where=words.plain(fault.where),
        requested=_sized(fault.requested, fault.unit),
        measured=_sized(fault.measured, fault.unit),
        tolerance=_sized(fault.tolerance, fault.unit) if fault.tolerance else "",
        fidelity=_fidelity(fault),
        window=window,
        certainty=certainty,
        exposure=_exposure(fault),
        neighbours=words.plain(fault.neighbours),
        put_back=put_back,
        by=by,
    )


def _exposure(fault: FaultFigures) -> str:
    """Whom it met: the reason says it with the number, where there is one."""
    if fault.exposure_reason:
        return words.clean(fault.exposure_reason)
    if isinstance(fault.exposure, int):
        return f"{fault.exposure:,} requests"
    return words.plain(fault.exposure)


def _in_force(fault: FaultFigures) -> tuple[str, str]:
    """From when to when it was in force for certain, and how uncertain its beginning is."""
    begins, ends = fault.began_s or (None, None), fault.ended_s or (None, None)
    begin, end = begins[1] if begins[1] is not None else begins[0], ends[0]
    if begin is None:
        return words.NOTHING, ""
    window = words.moments(begin, max(begin, end)) if end is not None else f"from {begin:.3g} s"
    if begins[0] is None or begin - begins[0] < NOTICED:
        return window, ""
    return window, f"it began between {words.moments(begins[0], begin, 'and')}"


def _put_back(fault: FaultFigures) -> tuple[str, str]:
    """How it came to an end: how long that took, and who did it."""
    who = {"system": "by the system itself", "harness": "by the harness", "nobody": "by nobody"}
    if fault.healed_by in {"system", "nobody"}:
        begin, end = (fault.began_s or (None, None))[0], (fault.ended_s or (None, None))[1]
        known = fault.healed_by == "system" and begin is not None and end is not None
        after = f"after {words.seconds(end - begin)}" if known and begin is not None and end else ""
        return (after or words.NOTHING), who[fault.healed_by]
    if fault.time_to_revert_s is not None:
        return f"in {words.seconds(fault.time_to_revert_s)}", who["harness"]
    return words.NOTHING, who.get(fault.healed_by, "")


def _sized(value: object, unit: str) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return words.figure(value, unit)
    return words.plain(value)


def _fidelity(fault: FaultFigures) -> str:
    values = (fault.requested, fault.measured, fault.tolerance)
    asked, seen, slack = (v if isinstance(v, (int, float)) else None for v in values)
    if asked is None or seen is None or slack is None:
        return ""
    return "ok" if abs(seen - asked) <= slack else "off"

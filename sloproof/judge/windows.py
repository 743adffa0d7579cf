"""The windows of a run: phases as the events tell them, faults as their witnesses saw them."""

from __future__ import annotations

from sloproof.contracts import Window
from sloproof.record.reader import Record

PHASES = ("baseline", "faults", "recovery")


def phase_windows(record: Record) -> dict[str, Window]:
    """`run` and each of its phases that took place; half-open.

    `run` goes from the end of warm-up to the end of recovery. A phase that nothing follows ends
    with the last event: that is all that is known of a run that was cut off.
    """
    marks = [(event.t, str(event.data["phase"])) for event in record.of_kind("phase")]
    last = max(event.t for event in record.events)
    ends = [t for t, _ in marks[1:]] + [last]
    found = {
        name: Window(name, begin, max(begin, end))
        for (begin, name), end in zip(marks, ends, strict=True)
        if name in PHASES
    }
    if found:
        begin = min(window.begin for window in found.values())
        end = max(window.end for window in found.values())
    else:
        begin = end = last
    return {"run": Window("run", begin, end), **found}


def clipped(name: str, begin: int, end: int, run: Window) -> Window:
    """The part of [begin, end) that lies in `run`."""
    low = min(max(begin, run.begin), run.end)
    return Window(name, low, max(low, min(end, run.end)))

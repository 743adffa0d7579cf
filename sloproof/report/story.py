"""What was done, in words: hypothesis, load, faults, how it ended, and what was not put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sloproof.errors import BrokenRecord
from sloproof.judge.wording import listed
from sloproof.record.reader import Record
from sloproof.record.schema import Event
from sloproof.report.figures import FaultFigures, Figures, LoadFigures
from sloproof.report.series import Axis, Traffic
from sloproof.report.words import NOTHING, clean, figure, plain, seconds, spoken

MOST_FAULTS = 12
ENDINGS = {
    "stopped": "a stop condition ended it early",
    "interrupted": "it was interrupted",
    "failed": "the harness failed",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was done: what kind, and a sentence."""

    term: str
    text: str


@dataclass(frozen=True, slots=True)
class Declared:
    """What the experiment's file says about itself; empty where it says nothing."""

    hypothesis: str = ""
    target: str = ""


def declared(record: Record) -> Declared:
    """The hypothesis and the target, from the record's experiment."""
    import yaml

    try:
        text = record.experiment_text
        documents = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except (BrokenRecord, yaml.YAMLError):
        return Declared()
    for document in documents:
        for found in (document, _held(document, "experiment")):
            spec = _held(found, "spec") or found
            if isinstance(spec, Mapping) and "hypothesis" in spec:
                target = spec.get("target")
                name = _held(target, "name") or _held(_held(target, "metadata"), "name") or target
                return Declared(clean(spec["hypothesis"] or "").strip(), plain(name))
    return Declared()


def _held(holder: object, key: str) -> Any:
    return holder.get(key) if isinstance(holder, Mapping) else None


def done(record: Record, shown: Figures, on: Axis, traffic: Traffic | None) -> list[Line]:
    """What was done, in the order in which it matters."""
    lines = [_load(shown, traffic)]
    occurrences: dict[str, list[Event]] = {}
    for event in record.of_kind("fault.injecting"):
        occurrences.setdefault(str(event.data.get("fault")), []).append(event)
    for name, events in list(occurrences.items())[:MOST_FAULTS]:
        seen = [each for each in shown.faults if each.name == name]
        lines.append(Line("Fault", _fault(name, events, seen, on)))
    if len(occurrences) > MOST_FAULTS:
        lines.append(Line("Faults", f"and {len(occurrences) - MOST_FAULTS} more, listed below"))
    if not occurrences:
        lines.append(Line("Fault", "none: the system was only watched"))
    lines += [Line("End", text) for text in (_end(record),) if text]
    return lines


def _load(shown: Figures, traffic: Traffic | None) -> Line:
    if traffic is None:
        return Line("Load", "none of its own; the system was watched as it was")
    bins = traffic.bins
    begin = round(max(-bins.begin_s / bins.width_s, 0))
    most = max(bins.offered[begin:].tolist(), default=0) / bins.width_s
    text = f"{traffic.whole.offered:,} requests after warm-up"
    text += f", at most {figure(most, '/s')} (averaged over {seconds(bins.width_s)})"
    came = arrivals(shown.load) if shown.load else ""
    return Line("Load", f"{text}; {came}, counting warm-up and end" if came else text)


def arrivals(load: LoadFigures) -> str:
    """How many of the planned arrivals came; empty where that is not known.

    One at the very end may come and not be planned, or the other way round.
    """
    if load.planned is None or load.delivered is None:
        return ""
    if load.planned and load.adequate and load.delivered >= load.planned:
        return f"all {load.planned:,} planned arrivals came"
    return f"{load.delivered:,} arrivals came, {load.planned:,} were planned"


def _fault(name: str, events: list[Event], seen: list[FaultFigures], on: Axis) -> str:
    """What struck where, how often, and when: as it was seen, else as it was injected."""
    first = events[0]
    kind = spoken(str(first.data.get("inject") or (seen[0].kind if seen else "") or "fault"))
    details = _fields(first.data.get("fields"))
    places = listed(list(dict.fromkeys(plain(each.where) for each in seen if each.where)))
    text = f"{kind} “{clean(name)}”{f' on {places}' if places else ''}"
    text += f": {details};" if details else ","
    begins = [each.began_s[0] for each in seen if each.began_s and each.began_s[0] is not None]
    begin = min(begins, default=on.at(first.t))
    if len(events) > 1:
        return f"{text} {len(events)} times, first {seconds(begin)} after warm-up"
    if seen and seen[0].ended_s and seen[0].ended_s[0] is not None:
        lasted = max(seen[0].ended_s[0] - begin, 0)
        return f"{text} {seconds(begin)} after warm-up, for {seconds(lasted)}"
    return f"{text} {seconds(begin)} after warm-up"


def _fields(fields: object) -> str:
    """A fault's fields in words, without those that ask for nothing."""
    if not isinstance(fields, Mapping):
        return ""
    said = {str(key): plain(held) for key, held in fields.items()}
    return ", ".join(
        f"{spoken(key)} {'yes' if held == 'True' else held}"
        for key, held in said.items()
        if held not in {"False", "no", "None", "0s", NOTHING}
    )


def _end(record: Record) -> str:
    finished = record.of_kind("run.finished")
    if not finished:
        return "the record breaks off: the run never said that it finished"
    how = str(finished[-1].data.get("how"))
    if how == "completed":
        return ""
    reason = finished[-1].data.get("reason") or next(
        (event.data.get("condition") for event in record.of_kind("stop")), ""
    )
    text = ENDINGS.get(how, clean(how))
    return f"{text}: {plain(reason)}" if reason else text


def not_put_back(record: Record) -> list[str]:
    """What could not be reverted, with the remedy, by the last word of engine and guardian."""
    open_ends: dict[object, Event] = {}
    for event in sorted([*record.events, *record.guardian], key=lambda each: each.t):
        if event.kind == "effect.undo_failed":
            open_ends[event.data.get("number")] = event
        elif event.kind in {"effect.undone", "effect.healed"}:
            open_ends.pop(event.data.get("number"), None)
    names = {e.data.get("number"): e.data.get("effect") for e in record.of_kind("effect.planned")}
    return [
        f"{plain(names.get(number) or f'effect {number}')} could not be put back: "
        f"{plain(event.data.get('error'))}. {plain(event.data.get('remedy') or '')}".strip(" –")
        for number, event in open_ends.items()
    ]

"""Laws that every check keeps. Built-ins and extensions get the same check."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from sloproof.contracts import Check, Evidence, Finding, Outcome, Source, Window
from sloproof.contracts.check import PROBED, ROLES
from sloproof.record.reader import Record
from sloproof.testing.moved import moved_record

SURE = Fraction(95, 100)
UNITS = frozenset({"s", "ratio", "count", "/s", "B", "B/s", ""})
LATER = 3_600_000_000_000
PHASES = ("baseline", "faults", "recovery")


def evidence_of(
    record: Record,
    *objectives: Any,
    during: str = "run",
    general: bool = False,
    tolerance: Mapping[str, Any] | None = None,
) -> Evidence:
    """What a check gets to see of a record: its windows as the events of its phases tell them.

    `objectives` are the SLOs and recovery objectives that the line may name. Windows of single
    faults are the judge's to find, they are not here.
    """
    marks = [(event.t, str(event.data["phase"])) for event in record.of_kind("phase")]
    ends = [begin for begin, _ in marks[1:]] + [record.events[-1].t]
    windows = {
        name: Window(name, begin, end)
        for (begin, name), end in zip(marks, ends, strict=True)
        if name in PHASES
    }
    begins = [window.begin for window in windows.values()] or [0]
    lasts = [window.end for window in windows.values()] or [0]
    windows["run"] = Window("run", min(begins), max(lasts))
    return Evidence(
        record=record,
        window=windows[during],
        windows=windows,
        general=general,
        confidence=SURE,
        tolerance=dict(tolerance or {}),
        objectives={each.name: each for each in objectives},
    )


def check_check(check: Check, evidence: Evidence, expected: Outcome) -> None:
    """Hold a check against its laws, on a record of which it is known what it should say.

    The laws: it finds what is `expected`, in a sentence and with figures that can be; the same each
    time, also from the record read anew; without what it reads it shows nothing, and nothing that
    is missing is raised; an empty record shows nothing; when the run took place plays no part.
    Leaves the record alone. Raises `AssertionError` naming the law that is broken.
    """
    assert type(check).__doc__, "law of help: a check's docstring is its help"
    assert type(check).kind, "law of names: a check has a kind"
    assert isinstance(check.label(), str), "law of names: a label is text"
    assert check.needed(evidence.objectives) >= 1, "law of samples: at least one is needed"
    found = check.judge(evidence)
    _well_said(found)
    assert found.outcome is expected, (
        f"law of truth: {expected} was expected: {found.outcome}, {found.reason}"
    )
    anew = _bare(evidence, Record(evidence.record.folder))
    assert check.judge(evidence) == found, "law of purity: the same record, the same finding"
    assert check.judge(anew) == found, "law of purity: nothing but the record plays a part"
    with tempfile.TemporaryDirectory() as folder:
        _blind(check, evidence, Path(folder))
        _timeless(check, evidence, found, Path(folder))


def _well_said(found: Finding) -> None:
    assert isinstance(found.outcome, Outcome), "law of findings: an outcome is one of three"
    assert found.reason.strip(), "law of reasons: a finding says why"
    assert "\n" not in found.reason, "law of reasons: it does so in one sentence"
    for number in found.numbers:
        assert number.name, "law of figures: a figure has a name"
        assert number.unit in UNITS, f"law of figures: {number.unit!r} is no unit"
        given = (number.low, number.value, number.high)
        known = [value for value in given if value is not None]
        assert all(map(math.isfinite, known)), f"law of figures: a figure is finite: {number}"
        assert known == sorted(known), f"law of figures: it lies between its bounds: {number}"


def _blind(check: Check, evidence: Evidence, folder: Path) -> None:
    """Without one of its sources, and without anything, it shows nothing."""
    for number, source in enumerate(_sources(check, evidence)):
        less = _without(evidence.record, folder / str(number), [source])
        found = check.judge(_bare(evidence, less))
        _well_said(found)
        shown = found.outcome is Outcome.PASS
        assert not shown, f"law of blindness: without {source} nothing is shown: {found.reason}"
    empty = _without(evidence.record, folder / "empty", list(Source))
    found = check.judge(_bare(evidence, empty))
    _well_said(found)
    nothing = found.outcome is Outcome.INCONCLUSIVE
    assert nothing, f"law of emptiness: an empty record shows nothing: {found.reason}"


def _timeless(check: Check, evidence: Evidence, found: Finding, folder: Path) -> None:
    later = moved_record(evidence.record, folder / "later", LATER)
    windows = {name: _moved(window) for name, window in evidence.windows.items()}
    seen = check.judge(
        replace(_bare(evidence, later), window=_moved(evidence.window), windows=windows)
    )
    same = (seen.outcome, seen.numbers) == (found.outcome, found.numbers)
    assert same, f"law of time: when the run took place plays no part: {seen} is not {found}"


def _moved(window: Window) -> Window:
    return Window(window.name, window.begin + LATER, window.end + LATER)


def _bare(evidence: Evidence, record: Record) -> Evidence:
    """The evidence with another record, and nothing that was read from the first one."""
    given = {field.name: getattr(evidence, field.name) for field in fields(Evidence)}
    return Evidence(**{**given, "record": record})


def _sources(check: Check, evidence: Evidence) -> Iterable[Source]:
    reads = getattr(check, "reads", None)
    found: Iterable[Source] = reads(evidence.objectives) if reads else check.sources
    return found


def _without(record: Record, folder: Path, sources: Iterable[Source]) -> Record:
    """A copy of the record that lacks these parts, and therefore its seal."""
    shutil.copytree(record.folder, folder)
    (folder / "seal.json").unlink(missing_ok=True)
    told = Source.SYSTEM_EVENTS in sources
    for source in sources:
        if source not in PROBED:
            (folder / f"{source.value}.parquet").unlink(missing_ok=True)
        elif record.has("probes"):
            _drop_samples(folder / "probes.parquet", source is Source.ROLES)
    everything = set(sources) == set(Source)
    kinds = {event.kind for event in record.events}
    dropped = {"system", "source.read"} if told else set()
    if everything:
        dropped = kinds - {"run.started", "phase", "run.finished"}
    return moved_record(Record(folder), folder.with_name(f"{folder.name}-less"), 0, drop=dropped)


def _drop_samples(table: Path, roles: bool) -> None:
    """Take out of a copy's samples those of the stores' roles, or all the others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    samples = pq.read_table(table)
    names = samples.column("probe").to_pylist()
    kept = [str(name).startswith(ROLES) is not roles for name in names]
    pq.write_table(samples.filter(pa.array(kept, pa.bool_())), table)

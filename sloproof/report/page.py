"""The report as one HTML file that needs nothing else: no network, no script, no terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sloproof.errors import HarnessError
from sloproof.model.verdict import Verdict
from sloproof.record.reader import Record, record_around
from sloproof.record.writer import write_beside
from sloproof.report import fault_rows, sections, series, story, trust, words, writes
from sloproof.report.figures import figures
from sloproof.report.templates import render
from sloproof.report.timeline import Timeline, timeline

MOST_ROWS = 40
"""How many rows a table shows of what may repeat a thousand times; the rest is counted."""


def write_report(
    record: Record, verdict: Verdict, path: Path, *, templates: Path | None = None
) -> None:
    """Write the report on `record`, judged as `verdict`, to `path`.

    A file in `templates` stands in for the built-in template of the same name; raises
    `InvalidInput` with file and line where such a file is wrong.
    """
    put(path, render("page.html", context(record, verdict), templates))


def put(path: Path, html: str) -> None:
    """Write a page where it was asked for; raises `HarnessError` where that can't be.

    In a record it takes the place of a link; elsewhere people's links are followed.
    """
    if record_around(path) is not None:
        write_beside(path, html)
        return
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{path}: can't be written: {error.strerror}") from error


def context(record: Record, verdict: Verdict) -> dict[str, Any]:
    """What the templates are given, by name; documented in `reports/templates/README.md`."""
    shown = figures(verdict)
    on = series.axis(record)
    windows = [(window.begin_s, window.end_s) for window in shown.windows]
    traffic = series.traffic(record, on, windows)
    declared = story.declared(record)
    drawn = timeline(record, verdict, shown, on, traffic)
    stretches = traffic.windows if traffic else ()
    return {
        "verdict": verdict,
        "sentence": words.sentence(verdict),
        "figures": shown,
        "hypothesis": declared.hypothesis,
        "done": story.done(record, shown, on, traffic),
        "problems": trust.problems(record, verdict),
        "checks": trust.checks(record, shown),
        "tiles": [*sections.tiles(verdict, shown, traffic), *writes.lost_tile(shown.ledger)],
        "claims": sections.claim_rows(verdict.claims),
        "timeline": drawn,
        "drawings": drawings(drawn),
        "slowest_drawn": _draws_slowest(drawn),
        "windows": list(zip(shown.windows, stretches, strict=False))[:MOST_ROWS],
        "failures": sections.failures(traffic),
        "recoveries": [sections.waterfall(each) for each in shown.recoveries[:MOST_ROWS]],
        "ledgers": [writes.ledger_rows(each) for each in shown.ledger[:MOST_ROWS]],
        "faults": [fault_rows.fault_row(each) for each in shown.faults[:MOST_ROWS]],
        "more_faults": max(len(shown.faults) - MOST_ROWS, 0),
        "alerts": shown.alerts[:MOST_ROWS],
        "environment": sections.environment(record)[:MOST_ROWS],
        "provenance": sections.provenance(record, declared.target),
    }


def drawings(shown: Timeline) -> dict[str, str]:
    """The timeline as SVG, once for wide pages and once for phones."""
    from markupsafe import Markup

    from sloproof.report import charts

    label = _label(shown)
    forms = {"wide": charts.WIDE, "narrow": charts.NARROW}
    # Built shape by shape from a list of what is allowed, every text escaped: see `svg.py`.
    return {name: Markup(charts.draw(shown, form, label)) for name, form in forms.items()}  # noqa: S704


def _draws_slowest(shown: Timeline) -> bool:
    """Whether either drawing has a line for the slowest answers."""
    from sloproof.report import charts

    forms = (charts.WIDE, charts.NARROW)
    bins = shown.bins
    return bins is not None and any(series.has_slowest(bins.merged(form.bins)) for form in forms)


def _label(shown: Timeline) -> str:
    span = f"Timeline from {words.seconds(shown.axis.begin_s)} to {words.seconds(shown.axis.end_s)}"
    names = ", ".join(dict.fromkeys(words.clean(fault.state) for fault in shown.faults))
    faults = f" Faults: {names}." if names else " No faults."
    return f"{span} after warm-up.{faults} The table below it says the same in figures."

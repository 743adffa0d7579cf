"""What people and JUnit files are told of a run. Notes travel with reports, also from workers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from _pytest.junitxml import xml_key  # what `record_testsuite_property` itself uses

from sloproof.pytesting.answer import ERROR, LACKING, Answer, explain_unreverted, numbers

Note = dict[str, Any]
NOTES = pytest.StashKey[dict[str, Note]]()
ATTRIBUTE = "sloproof"
"""Under this name a report carries its run's note."""
UNREVERTED_KEY = "sloproof_unreverted"
UNREVERTED = 15
"""Pytest's exit status where something could not be reverted; its own are 0 to 5."""


def as_note(nodeid: str, answer: Answer) -> Note:
    """A run in values that survive the way from a worker to the terminal."""
    troubled = answer.exit_status in {2, 4, 5}
    trouble = LACKING if answer.lacking and answer.exit_status == 4 else ERROR
    return {
        "file": nodeid,
        "experiment": answer.experiment,
        "outcome": trouble if troubled else answer.outcome,
        "sentence": answer.trouble if troubled else answer.sentence,
        "report": answer.report,
        "record": answer.record,
        "numbers": list(numbers(answer)),
    }


def remember(config: pytest.Config, note: Note) -> None:
    """Keep a run for the summary, and its numbers as properties of JUnit's suite."""
    notes = config.stash.setdefault(NOTES, {})
    if note["file"] in notes:
        return
    notes[note["file"]] = note
    xml = config.stash.get(xml_key, None)
    if xml is None:
        return
    shown = [("outcome", note["outcome"]), ("report", note["report"]), *note["numbers"]]
    for name, value in shown:
        xml.add_global_property(f"{note['file']}::{name}", value)


def remember_unreverted(config: pytest.Config, nodeid: str, answer: Answer) -> None:
    """Keep a run that left something behind; a worker says it to whoever started it."""
    output = getattr(config, "workeroutput", None)
    if output is None:
        remember(config, as_note(nodeid, answer))
    else:
        output[UNREVERTED_KEY] = explain_unreverted(answer)


class Teller:
    """Hears of runs, here or on workers, and tells them when the session ends."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what came with a report."""
        note: Note | None = getattr(report, ATTRIBUTE, None)
        if note is not None:
            remember(self._config, note)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """End the session where a worker could not revert something."""
        said = getattr(node, "workeroutput", {}).get(UNREVERTED_KEY)
        if said:
            pytest.exit(said, returncode=UNREVERTED)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """A section with each experiment's verdict and report."""
        notes = self._config.stash.get(NOTES, {})
        if not notes:
            return
        terminalreporter.section("sloproof")
        for note in sorted(notes.values(), key=lambda note: str(note["file"])):
            sentence = str(note["sentence"]).partition("\n")[0]
            terminalreporter.write_line(f"{note['outcome']:<12} {note['file']}: {sentence}")
            if place := note["report"] or note["record"]:
                terminalreporter.write_line(f"{'':<12} {place}")


def progress(config: pytest.Config, name: str) -> Callable[[str], None]:
    """Something to tell progress to: one line on a terminal, all of it where nothing is captured.

    Elsewhere (logs, workers) it says nothing.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    uncaptured = config.getoption("capture", "") == "no"
    if reporter is None or not (uncaptured or reporter.isatty) or reporter.verbosity < 0:
        return _say_nothing
    capture = config.pluginmanager.get_plugin("capturemanager")

    def tell(line: str) -> None:
        with nullcontext() if capture is None else capture.global_and_fixture_disabled():
            if uncaptured:
                reporter.ensure_newline()
                reporter.write_line(f"sloproof {name}: {line}")
            else:
                reporter.rewrite(f"sloproof {name}: {line}"[: reporter._tw.fullwidth], erase=True)

    tell("starts")
    return tell


def _say_nothing(line: str) -> None:
    del line

"""Experiments as collectors, lines of `verify` as tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from sloproof.errors import SloproofError
from sloproof.pytesting import settings, telling
from sloproof.pytesting.answer import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    Answer,
    Judged,
    explain,
    explain_trouble,
    explain_unreverted,
)
from sloproof.pytesting.child import Child
from sloproof.pytesting.header import read_header

if TYPE_CHECKING:
    from sloproof.extensions import Extensions
    from sloproof.spec.experiment import Experiment

WHOLE = "verdict"
EXTENSIONS = pytest.StashKey["dict[Path, Extensions]"]()


def collect_file(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The collector of an experiment or suite that was asked for, else None."""
    header = read_header(path)
    if header is None or not settings.asked_for(parent.config, path, header):
        return None
    kind = SuiteFile if header.kind == "Suite" else ExperimentFile
    collector: pytest.Collector = kind.from_parent(parent, path=path)
    return collector


class RunFile(pytest.File):
    """A file that one child process runs, once, whatever pytest does with its tests."""

    _child: Child | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """The tests of this file."""
        yield Claim.from_parent(self, name=WHOLE, callobj=_test_of(self, WHOLE))

    def answer(self, variables: Mapping[str, object]) -> Answer:
        """What the run answered; the first to ask starts it, all others get the same answer."""
        if self._child is None:
            self._child = Child(self._command(variables))
            try:
                self._child.follow(telling.progress(self.config, self.name))
            finally:
                self._note(self._child.answer)
        answer = self._child.answer
        if answer is None:
            pytest.fail("the run of this experiment was interrupted", pytrace=False)
        return answer

    def told(self) -> dict[str, Any] | None:
        """The run in plain values that travel with a report, or None before it ended."""
        answer = None if self._child is None else self._child.answer
        return None if answer is None else telling.as_note(self.nodeid, answer)

    def _note(self, answer: Answer | None) -> None:
        if answer is None or answer.exit_status != 5:
            return
        telling.remember_unreverted(self.config, self.nodeid, answer)
        pytest.exit(explain_unreverted(answer), returncode=telling.UNREVERTED)

    def _command(self, variables: Mapping[str, object]) -> list[str]:
        runs = settings.runs_folder(self.config)
        sets = [word for each in variables.items() for word in ("--set", _assignment(*each))]
        command = settings.command(self.config)
        return [*command, "run", str(self.path), "--json", "--runs", str(runs), *sets]


class SuiteFile(RunFile):
    """A suite: a test for each claim of its experiments and each manual step, then the verdict.

    Their names are `STEP/CLAIM` and `STEP/manual`.
    """

    def collect(self) -> Iterator[pytest.Item]:
        """The claims of each step; a suite that can't be read is a collection error."""
        for step, claim in self._claims():
            name = f"{step}/{claim or 'manual'}"
            yield Claim.from_parent(self, name=name, callobj=_test_of(self, name))
        yield from super().collect()

    def _claims(self) -> list[tuple[str, str]]:
        from sloproof.spec import claims_of, project_of

        try:
            known = _extensions(self.config, project_of(self.path))
            return list(claims_of(self.path, extensions=known))
        except SloproofError as error:
            raise self.CollectError(str(error)) from None


class ExperimentFile(RunFile):
    """An experiment: a test for each line of `verify`."""

    def collect(self) -> Iterator[pytest.Item]:
        """The lines of `verify`; an invalid file is a collection error with all its problems."""
        experiment = self._load()
        self.add_marker(pytest.mark.label(**experiment.labels))
        if experiment.fixtures:
            self.add_marker(pytest.mark.usefixtures(*experiment.fixtures))
        if self.config.pluginmanager.hasplugin("xdist"):
            self.add_marker(pytest.mark.xdist_group(name=experiment.target))
        for line in experiment.verify:
            yield Claim.from_parent(self, name=line.id, callobj=_test_of(self, line.id))

    def _load(self) -> Experiment:
        from sloproof.spec import outline, project_of

        try:
            extensions = _extensions(self.config, project_of(self.path))
            return outline(self.path, extensions=extensions)
        except SloproofError as error:
            raise self.CollectError(str(error)) from None


def _extensions(config: pytest.Config, project: Path) -> Extensions:
    """What a project extends sloproof by, found once a session."""
    from sloproof.extensions import Extensions

    known = config.stash.setdefault(EXTENSIONS, {})
    if project not in known:
        known[project] = Extensions.of(project)
    return known[project]


class Claim(pytest.Function):
    """One claim of a run. What wasn't decided is an error at set-up; only FAIL is a failure."""

    parent: RunFile

    def setup(self) -> None:
        """Set the fixtures up, have the experiment run, and stop here without a decision."""
        super().setup()
        if settings.runs_nothing(self.config):
            return
        answer = self.parent.answer(_variables(self))
        failed = any(claim.outcome == FAIL for claim in answer.claims.values())
        lacking = answer.lacking and answer.exit_status == 4 and not failed
        if lacking and settings.skips_lacking(self.config):
            pytest.skip(explain_trouble(answer))
        if answer.exit_status in {2, 4}:
            pytest.fail(explain_trouble(answer), pytrace=False)
        claim = claim_of(answer, self.name)
        if claim.outcome not in {PASS, FAIL}:
            self._undecided(explain(claim, answer))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The experiment's file, rather than this one."""
        return self.path, None, self.name

    def _undecided(self, text: str) -> NoReturn:
        if settings.skips_inconclusive(self.config):
            pytest.skip(text)
        pytest.fail(text, pytrace=False)


def claim_of(answer: Answer, name: str) -> Judged:
    """The claim called `name`, or the run as a whole; INCONCLUSIVE where nothing is said of it."""
    if name in answer.claims:
        return answer.claims[name]
    outcome, reason = answer.outcome, answer.sentence
    if name != WHOLE:
        outcome, reason = INCONCLUSIVE, answer.trouble or "the run says nothing about this claim"
    return Judged(name, outcome, reason, numbers=(), notes=(), unattributed=False)


def _test_of(file: RunFile, name: str) -> Callable[..., None]:
    def test(sloproof_variables: Mapping[str, object]) -> None:
        answer = file.answer(sloproof_variables)
        claim = claim_of(answer, name)
        if claim.outcome == FAIL:
            pytest.fail(explain(claim, answer), pytrace=False)

    return test


def _variables(item: pytest.Function) -> Mapping[str, object]:
    variables = item.funcargs["sloproof_variables"]
    if not isinstance(variables, Mapping):
        pytest.fail(f"sloproof_variables: {variables!r} is not a mapping", pytrace=False)
    return variables


def _assignment(name: object, value: object) -> str:
    if not isinstance(name, str) or not isinstance(value, str | int | float):
        pytest.fail(
            f"sloproof_variables: {name!r}: {value!r} is not a name with a text or a number",
            pytrace=False,
        )
    return f"{name}={str(value).lower() if isinstance(value, bool) else value}"

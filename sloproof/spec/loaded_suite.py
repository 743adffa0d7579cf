"""Loads a suite with all its experiments: all checked, all errors at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from sloproof.errors import InvalidInput, Problem
from sloproof.extensions import Extensions
from sloproof.model.secrets import NO_SECRETS, Secrets
from sloproof.spec.envelope import single
from sloproof.spec.experiment import Scalar
from sloproof.spec.finding import EXPERIMENTS, TARGETS, project_of, yaml_files
from sloproof.spec.gates import gated_probes
from sloproof.spec.loaded import Loaded
from sloproof.spec.loading import load_experiment, outline
from sloproof.spec.places import Document, Place, Problems, field_of, suggestion, with_form
from sloproof.spec.reading import parse_file, shown
from sloproof.spec.suite import Step, Suite
from sloproof.spec.suites import draft_suite
from sloproof.spec.variables import Values, Variables, filled

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite ready to run; `experiments` has, for each of its steps, what that step runs."""

    suite: Suite
    experiments: tuple[Loaded | None, ...]
    document: Document = field(compare=False, repr=False)
    project: Path = field(compare=False)
    secrets: Secrets = field(default=NO_SECRETS, compare=False, repr=False)

    @property
    def loaded(self) -> list[Loaded]:
        """The experiments alone, in their order."""
        return [each for each in self.experiments if each is not None]


def load_suite(
    path: Path,
    *,
    variables: Mapping[str, str] = _NONE,
    target: str | None = None,
    extensions: Extensions | None = None,
) -> LoadedSuite:
    """The suite in a file with all its experiments; raises `InvalidInput` with every problem.

    `variables` is what `--set` gave for the suite's own, `target` takes the place of the file's.
    """
    root = project_of(path).resolve()
    loading = _Loading(root, extensions or Extensions.of(root))
    return loading.load(path, Values(variables, os.environ), target)


def claims_of(path: Path, *, extensions: Extensions | None = None) -> Iterator[tuple[str, str]]:
    """Each step of a suite with its claims, as far as they are known before variables are.

    Raises `InvalidInput` for what is wrong whatever the variables are.
    """
    root = project_of(path).resolve()
    known = extensions or Extensions.of(root)
    suite, problems, _ = _drafted(path, root, Values({}, os.environ, later=True))
    problems.raise_any()
    for step in suite.steps if suite else ():
        if not step.experiment:
            yield step.name, ""
            continue
        file, message = _file_of(step, root)
        if file is None:
            problems.add(("spec", "steps"), message)
            continue
        for line in outline(file, extensions=known).verify:
            yield step.name, line.id
    problems.raise_any()


def _drafted(path: Path, root: Path, values: Values) -> tuple[Suite | None, Problems, Variables]:
    document = single(parse_file(path, shown(path, root)))
    problems, variables = filled(document, root, values, late=False)
    suite = draft_suite(problems)
    problems.found[:] = with_form(problems.found, [document])
    return suite, problems, variables


def _file_of(step: Step, root: Path) -> tuple[Path | None, str]:
    """The file that a step means, or why there is none."""
    written = step.experiment
    if written.endswith((".yaml", ".yml")):
        file = root / written
        return (file, "") if file.is_file() else (None, f"there is no file {written} in {root}")
    targets = root / TARGETS
    files = [f for f in yaml_files(root / EXPERIMENTS) if not f.is_relative_to(targets)]
    known = {file.stem: file for file in reversed(files)}
    if written in known:
        return known[written], ""
    message = f'no experiment is called "{written}" in {EXPERIMENTS}'
    return None, f"{message}{suggestion(written, known)}"


@dataclass(slots=True)
class _Loading:
    """One suite being loaded, and what was wrong so far."""

    root: Path
    extensions: Extensions
    found: list[Problem] = field(default_factory=list)

    def load(self, path: Path, values: Values, target: str | None) -> LoadedSuite:
        suite, problems, variables = _drafted(path, self.root, values)
        if suite is None:
            raise InvalidInput(problems.found)
        self._check_given(problems.document, variables, values)
        steps = list(enumerate(suite.steps))
        experiments = tuple(
            self._experiment(n, step, target or suite.target, problems) for n, step in steps
        )
        _check_across(suite, experiments, problems)
        _check_gate(suite, experiments, problems)
        secrets = NO_SECRETS.and_also(variables.secrets)
        for loaded in filter(None, experiments):
            secrets = secrets.and_also(loaded.secrets.values)
        found = [replace(p, message=secrets.mask(p.message)) for p in problems.found + self.found]
        if found:
            raise InvalidInput(list(dict.fromkeys(found)))
        suite = replace(suite, target=target or suite.target)
        return LoadedSuite(suite, experiments, problems.document, self.root, secrets)

    def _experiment(
        self, n: int, step: Step, target: str | None, problems: Problems
    ) -> Loaded | None:
        if not step.experiment:
            return None
        file, message = _file_of(step, self.root)
        place: Place = ("spec", "steps", n)
        if file is None:
            problems.add((*place, "experiment"), message)
            return None
        given = {name: _text(value) for name, value in step.variables.items()}
        try:
            return load_experiment(
                file,
                project=self.root,
                variables=given,
                target=target,
                extensions=self.extensions,
            )
        except InvalidInput as error:
            for each in error.problems:
                if each.field == "--set":  # to whoever reads the suite these are its own words
                    problems.add((*place, "variables"), f"{step.name}: {each.message}")
                else:
                    self.found.append(each)
        return None

    def _check_given(self, document: Document, variables: Variables, values: Values) -> None:
        for name in values.given:
            if name not in variables.declared:
                hint = suggestion(name, variables.declared)
                message = f'the suite has no variable "{name}"{hint}'
            elif name not in variables.used:
                message = f'nothing uses the variable "{name}"'
            else:
                continue
            self.found.append(Problem(document.file, 0, "--set", message))


def _check_across(suite: Suite, experiments: Sequence[Loaded | None], problems: Problems) -> None:
    by_name = {s.name: e for s, e in zip(suite.steps, experiments, strict=True)}
    for n, line in enumerate(suite.verify):
        loaded = by_name.get(line.step)
        if loaded is None:
            continue  # no such step, or one that can't be read: said already
        known = [each.id for each in loaded.experiment.verify]
        if line.claim not in known:
            message = f'{line.step} claims no "{line.claim}"{suggestion(line.claim, known)}'
            problems.add(("spec", "verify", n, "claim"), message)


def _check_gate(suite: Suite, experiments: Sequence[Loaded | None], problems: Problems) -> None:
    for loaded in filter(None, experiments):
        has = [probe.name for probe in loaded.target.probes]
        if suite.gate.probes is None and not has:
            message = (
                f"target {loaded.target.name} has no probes by which its steady state could be "
                "seen: give it some, or say probes: [] for no gate"
            )
            problems.add(("spec", "gate"), message)
        for n, name in enumerate(gated_probes(suite.gate, loaded)):
            if name not in has:
                message = f'target {loaded.target.name} has no probe "{name}"'
                place: Place = ("spec", "gate", "probes", n)
                if field_of(place) not in {each.field for each in problems.found}:
                    problems.add(place, f"{message}{suggestion(name, has)}")


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

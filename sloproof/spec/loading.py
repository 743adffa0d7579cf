"""Loads an experiment with its target and objectives: all checked, all errors at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from sloproof.errors import InvalidInput, Problem
from sloproof.extensions import Extensions
from sloproof.model.secrets import NO_SECRETS, Secrets, undeclared
from sloproof.model.target import Target
from sloproof.spec.envelope import single
from sloproof.spec.experiment import Experiment
from sloproof.spec.experiments import (
    Draft,
    check_references,
    check_stops,
    check_surroundings,
    draft_experiment,
)
from sloproof.spec.finding import SLOS, TARGETS, project_of, target_files, yaml_files
from sloproof.spec.library import Library
from sloproof.spec.loaded import Loaded
from sloproof.spec.naming import names_in
from sloproof.spec.objectives import Objectives, RecoveryObjective, SignalIndicator
from sloproof.spec.places import Document, Place, Problems, suggestion, with_form
from sloproof.spec.reading import parse_file, read_file, readable, shown
from sloproof.spec.recorded import resolved_text
from sloproof.spec.target_file import NO_TARGET, TargetFile, read_target
from sloproof.spec.variables import Values, Variables, filled, refuse_typed

__all__ = ["Loaded", "load_experiment", "load_objectives", "outline", "resolved_text"]

_NONE: Mapping[str, str] = MappingProxyType({})


def load_experiment(
    path: Path,
    *,
    project: Path | None = None,
    variables: Mapping[str, str] = _NONE,
    target: str | None = None,
    extensions: Extensions | None = None,
) -> Loaded:
    """The experiment in a file; raises `InvalidInput` with every problem found.

    `project` is the folder of `experiments/`, `slo/` and so on (found around the file if not
    given), `variables` what `--set` gave, `target` takes the place of the file's own.
    """
    root = (project or project_of(path)).resolve()
    values = Values(variables, os.environ)
    return _Loading(root, values, extensions or Extensions.of(root)).load(path, target)


def outline(path: Path, *, extensions: Extensions | None = None) -> Experiment:
    """The experiment in a file as far as it is known before its variables have their values.

    An environment variable that isn't set is no problem yet; every other one raises
    `InvalidInput`. Faults whose fields have no value are left out.
    """
    root = project_of(path).resolve()
    known = extensions or Extensions.of(root)
    experiment = _Loading(root, Values({}, os.environ, later=True), known).outline(path)
    if experiment is None:  # its frame is what the variables say
        return load_experiment(path, extensions=known).experiment
    return experiment


def load_objectives(paths: Iterable[Path], *, project: Path | None = None) -> Objectives:
    """All objectives in these files and folders; raises `InvalidInput` with every problem found."""
    files = [file for path in paths for file in (yaml_files(path) if path.is_dir() else [path])]
    documents, problems = readable(files, parse_file, (project or Path()).resolve())
    library = Library.of(documents)
    objectives: Objectives = {}
    try:
        objectives = library.everything()
    except InvalidInput as error:
        problems += error.problems
    problems = with_form(problems, documents)
    if problems:
        raise InvalidInput(problems)
    return objectives


@dataclass(slots=True)
class _Loading:
    """One experiment being loaded: where, with which variables, and what was wrong so far."""

    project: Path
    values: Values
    extensions: Extensions
    found: list[Problem] = field(default_factory=list)
    parsed: list[Document] = field(default_factory=list)
    library: Library = field(default_factory=Library)
    objectives: Objectives = field(default_factory=dict)
    secrets: Secrets = NO_SECRETS
    declared: frozenset[str] = frozenset()

    def load(self, path: Path, target_name: str | None) -> Loaded:
        draft, own, target = self._everything(path, target_name)
        if draft is None or target.target is None or target.document is None:
            raise InvalidInput(self.found)
        loaded = Loaded(
            replace(draft.experiment, target=target.target.name),
            target.target,
            self.objectives,
            (own.document, target.document, *self.library.behind(sorted(self.objectives))),
            self.project,
            frozenset(self.declared),
        )
        masked = _maskable(loaded, self.secrets, own.document, target.document)
        return replace(loaded, secrets=masked)

    def outline(self, path: Path) -> Experiment | None:
        draft, _, _ = self._everything(path, None)
        return None if draft is None else draft.experiment

    def _everything(
        self, path: Path, target_name: str | None
    ) -> tuple[Draft | None, Problems, TargetFile]:
        """All that can be told of it; raises `InvalidInput` with all that is wrong."""
        document = single(parse_file(path, shown(path, self.project)))
        self.parsed.append(document)
        own, variables = filled(document, self.project, self.values, late=False)
        draft = self._draft(own, variables)
        name = target_name or (draft.experiment.target if draft and draft.target_known else None)
        target = self._target(name, own, variables, chosen=target_name is not None)
        self._check_given(own.document, variables, target.variables)
        self.secrets = NO_SECRETS.and_also(variables.secrets).and_also(target.variables.secrets)
        self.declared = variables.declared | target.variables.declared
        problems = Problems(own.document, places=own.places, unknown=own.unknown)
        if draft is not None:
            check_surroundings(draft, target.target, self.project, problems)
        names = self._referred(draft, problems)
        self.objectives = self._objectives(names, target.target)
        if draft is not None:
            check_stops(draft.experiment, self.objectives, problems)
        self.found = with_form([*self.found, *problems.found], self.parsed)
        if self.found:
            raise InvalidInput(_masked(self.found, self.secrets))
        return draft, own, target

    def _draft(self, own: Problems, variables: Variables) -> Draft | None:
        extensions = self.extensions
        draft = draft_experiment(own, extensions.faults, extensions.checks)
        if variables.secret and not own.found:
            refuse_typed(
                own, lambda each: draft_experiment(each, extensions.faults, extensions.checks)
            )
        self.found += own.found
        return draft

    def _target(
        self, name: str | None, own: Problems, variables: Variables, *, chosen: bool
    ) -> TargetFile:
        """The target; an experiment's variable sets the target's of the same name."""
        if name is None:
            return NO_TARGET
        file = target_files(self.project).get(name)
        if file is None:
            place: Place = () if chosen else ("spec", "target")
            known = target_files(self.project)
            inside = Problems(own.document)
            inside.add(place, f'no target is called "{name}" in {TARGETS}{suggestion(name, known)}')
            self.found += inside.found
            return NO_TARGET
        told = {**variables.plain(), **self.values.given}
        read = read_target(file, self.project, replace(self.values, given=told), self.extensions)
        self.parsed += [read.document] if read.document is not None else []
        self.found += read.found
        return read

    def _check_given(self, document: Document, *variables: Variables) -> None:
        declared = set().union(*(each.declared for each in variables))
        used = set().union(*(each.used for each in variables))
        for name in self.values.given:
            if name not in declared:
                hint = suggestion(name, declared)
                message = f'neither experiment nor target has a variable "{name}"{hint}'
            elif name not in used:
                message = f'nothing uses the variable "{name}"'
            else:
                continue
            self.found.append(Problem(document.file, 0, "--set", message))

    def _referred(self, draft: Draft | None, problems: Problems) -> set[str]:
        """The names of the objectives that are referred to; notes those that nothing defines."""
        files = yaml_files(self.project / SLOS)
        documents, broken = readable(files, read_file, self.project)
        self.library = Library.of(documents)
        if draft is None:
            return set()
        before = len(problems.found)
        names = check_references(draft.experiment, self.library.names(), problems)
        if len(problems.found) > before:
            # What isn't found may stand in a file that can't be read.
            self.found += broken + self.library.broken
        return names

    def _objectives(self, names: set[str], target: Target | None) -> Objectives:
        objectives: Objectives = {}
        self.found += [each for each in self.library.broken if each.field == "metadata.name"]
        for name in sorted(names):
            try:
                objectives[name] = self.library.objective(name)
            except InvalidInput as error:
                self.found += error.problems
        if target is not None:
            self.found += _check_measured(objectives, self.library, target)
        return objectives


def _check_measured(objectives: Objectives, library: Library, target: Target) -> Iterator[Problem]:
    """Whatever an objective measures, the target must have."""
    probes = [each.name for each in target.probes]
    signals = [each.name for each in target.signals]
    for name, each in objectives.items():
        if isinstance(each, RecoveryObjective):
            noun, wanted, known = "probe", each.probe, probes
        elif isinstance(each.indicator, SignalIndicator):
            noun, wanted, known = "signal", each.indicator.signal, signals
        else:
            continue
        if wanted not in known:
            problems = Problems(library.document(name))
            place: Place = ("spec", "probe" if noun == "probe" else "indicator")
            hint = suggestion(wanted, known)
            problems.add(place, f'target {target.name} has no {noun} "{wanted}"{hint}')
            yield from problems.found


def _maskable(loaded: Loaded, declared: Secrets, *documents: Document) -> Secrets:
    """All secrets, those included that nobody declared; raises where a mask would hide a name.

    What nobody declared and is a part of some name is masked only where it stands.
    """
    names = set(names_in(loaded))
    for name in sorted(names):
        if declared.mask(name) != name:
            message = f'"{declared.mask(name)}" is a name with a secret in it: rename one'
            raise InvalidInput([Problem(loaded.experiment.origin, 0, "", message)])
    for document in documents:
        found = undeclared(document.data.get("spec", {}))
        free = {n: v for n, v in found.items() if not any(v in name for name in names)}
        declared = declared.and_also(free)
    return declared


def _masked(found: Iterable[Problem], secrets: Secrets) -> list[Problem]:
    """Each problem once, without a secret in its message."""
    masked = (replace(each, message=secrets.mask(each.message)) for each in found)
    return list(dict.fromkeys(masked))

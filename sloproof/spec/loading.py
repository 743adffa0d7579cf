"""Loads an experiment with its target and objectives: all checked, all errors at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from sloproof.errors import InvalidInput, Problem
from sloproof.extensions import Extensions
from sloproof.model.secrets import NO_SECRETS, Secrets, undeclared
from sloproof.model.target import Target
from sloproof.spec.envelope import single
from sloproof.spec.experiments import (
    Draft,
    check_references,
    check_surroundings,
    draft_experiment,
)
from sloproof.spec.finding import project_of, yaml_files
from sloproof.spec.library import Library
from sloproof.spec.loaded import Loaded
from sloproof.spec.naming import names_in
from sloproof.spec.objectives import Objectives, RecoveryObjective, SignalIndicator
from sloproof.spec.places import Document, Place, Problems, suggestion, with_form
from sloproof.spec.reading import parse_file, read_file
from sloproof.spec.recorded import resolved_text
from sloproof.spec.targets import build_target, check_target
from sloproof.spec.variables import Variables, read_variables, substitute

__all__ = ["Loaded", "load_experiment", "load_objectives", "resolved_text"]

TARGETS = Path("experiments", "targets")
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
    return _Loading(root, variables, extensions or Extensions.of(root)).load(path, target)


def load_objectives(paths: Iterable[Path], *, project: Path | None = None) -> Objectives:
    """All objectives in these files and folders; raises `InvalidInput` with every problem found."""
    files = [file for path in paths for file in (yaml_files(path) if path.is_dir() else [path])]
    problems: list[Problem] = []
    root = (project or Path()).resolve()
    documents = _readable(files, partial(_parsed, project=root), problems)
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
    given: Mapping[str, str]
    extensions: Extensions
    found: list[Problem] = field(default_factory=list)
    parsed: list[Document] = field(default_factory=list)

    def load(self, path: Path, target_name: str | None) -> Loaded:
        document = single(self._parse(path))
        own, variables = self._substituted(document, late=False)
        draft = self._draft(own, variables)
        name = target_name or (draft.experiment.target if draft and draft.target_known else None)
        target, their, of_target = self._target(name, own, chosen=target_name is not None)
        self._check_given(own.document, variables, of_target)
        secrets = NO_SECRETS.and_also(variables.secrets).and_also(of_target.secrets)
        problems = Problems(own.document, places=own.places)
        if draft is not None:
            check_surroundings(draft, target, self.project, problems)
        names, library = self._referred(draft, problems)
        objectives = self._objectives(names, library, target, problems)
        self.found = with_form([*self.found, *problems.found], self.parsed)
        if self.found or draft is None or target is None or their is None:
            raise InvalidInput(_masked(self.found, secrets))
        loaded = Loaded(
            replace(draft.experiment, target=target.name),
            target,
            objectives,
            (own.document, their, *library.behind(sorted(names))),
            self.project,
            frozenset(variables.declared | of_target.declared),
        )
        return replace(loaded, secrets=_maskable(loaded, secrets, own.document, their))

    def _parse(self, path: Path) -> list[Document]:
        documents = _parsed(path, self.project)
        self.parsed += documents
        return documents

    def _substituted(self, document: Document, *, late: bool) -> tuple[Problems, Variables]:
        problems = Problems(document)
        variables = read_variables(problems, self.project, self.given, os.environ)
        document = substitute(problems, variables, late=late)
        return Problems(document, problems.found, problems.places), variables

    def _draft(self, own: Problems, variables: Variables) -> Draft | None:
        extensions = self.extensions
        draft = draft_experiment(own, extensions.faults, extensions.checks)
        if variables.secret and not own.found:
            masked = Problems(replace(own.document, data=own.document.shown))
            draft_experiment(masked, extensions.faults, extensions.checks)
            self._refuse_typed_secrets(own, masked)
        self.found += own.found
        return draft

    def _target(
        self, name: str | None, own: Problems, *, chosen: bool
    ) -> tuple[Target | None, Document | None, Variables]:
        if name is None:
            return None, None, Variables({})
        file = self._target_file(name)
        if file is None:
            known = [each.stem for each in yaml_files(self.project / TARGETS)]
            place: Place = () if chosen else ("spec", "target")
            inside = Problems(own.document)
            inside.add(place, f'no target is called "{name}" in {TARGETS}{suggestion(name, known)}')
            self.found += inside.found
            return None, None, Variables({})
        try:
            document = single(self._parse(file))
        except InvalidInput as error:
            self.found += error.problems
            return None, None, Variables({})
        problems, variables = self._substituted(document, late=True)
        target = build_target(problems, str(self.project))
        if target is not None:
            if target.name != name:
                message = f'is "{target.name}", but the file is called {file.name}'
                problems.add(("metadata", "name"), message)
            check_target(target, self.extensions, problems)
        if variables.secret and not problems.found:
            masked = Problems(replace(problems.document, data=problems.document.shown))
            build_target(masked, str(self.project))
            self._refuse_typed_secrets(problems, masked)
        self.found += problems.found
        return target, problems.document, variables

    def _target_file(self, name: str) -> Path | None:
        folder = self.project / TARGETS
        return next((f for f in yaml_files(folder) if f.stem == name), None)

    def _refuse_typed_secrets(self, problems: Problems, masked: Problems) -> None:
        """A secret must stand where text is expected, or its mask would break the record."""
        for place in masked.places:
            problems.add(place, "a secret can stand only where any text may stand")

    def _check_given(self, document: Document, *variables: Variables) -> None:
        declared = set().union(*(each.declared for each in variables))
        used = set().union(*(each.used for each in variables))
        for name in self.given:
            if name not in declared:
                hint = suggestion(name, declared)
                message = f'neither experiment nor target has a variable "{name}"{hint}'
            elif name not in used:
                message = f'nothing uses the variable "{name}"'
            else:
                continue
            self.found.append(Problem(document.file, 0, "--set", message))

    def _referred(self, draft: Draft | None, problems: Problems) -> tuple[set[str], Library]:
        broken: list[Problem] = []
        read = partial(_read, project=self.project)
        library = Library.of(_readable(yaml_files(self.project / "slo"), read, broken))
        if draft is None:
            return set(), library
        before = len(problems.found)
        names = check_references(draft.experiment, library.names(), problems)
        if len(problems.found) > before:
            # What isn't found may stand in a file that can't be read.
            self.found += broken + library.broken
        return names, library

    def _objectives(
        self, names: set[str], library: Library, target: Target | None, problems: Problems
    ) -> Objectives:
        objectives: Objectives = {}
        self.found += [each for each in library.broken if each.field == "metadata.name"]
        for name in sorted(names):
            try:
                objectives[name] = library.objective(name)
            except InvalidInput as error:
                self.found += error.problems
        if target is not None:
            self.found += _check_measured(objectives, library, target)
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


def _read(file: Path, project: Path) -> list[Document]:
    return read_file(file, _shown(file, project))


def _parsed(file: Path, project: Path) -> list[Document]:
    return parse_file(file, _shown(file, project))


def _shown(file: Path, project: Path) -> str:
    """A file as messages and records name it: from the project's root on, where it is inside."""
    whole = file.resolve()
    return str(whole.relative_to(project)) if whole.is_relative_to(project) else str(file)


def _readable(
    files: Iterable[Path], read: Callable[[Path], list[Document]], broken: list[Problem]
) -> list[Document]:
    """The documents of all files that can be read; what is wrong with the others is noted."""
    documents = []
    for file in files:
        try:
            documents += read(file)
        except InvalidInput as error:
            broken += error.problems
    return documents

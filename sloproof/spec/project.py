"""A project as a whole: all that stands in its folders is read, whether it is used or not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sloproof.errors import ExtensionError, InvalidInput, Problem
from sloproof.extensions import Extensions
from sloproof.model.secrets import NO_SECRETS
from sloproof.spec.finding import SLOS, TARGETS, project_of, target_files, yaml_files
from sloproof.spec.library import Library
from sloproof.spec.places import with_form
from sloproof.spec.reading import parse_file, readable, shown
from sloproof.spec.shapes import adapter
from sloproof.spec.target_file import read_target
from sloproof.spec.targets import KIND as TARGET
from sloproof.spec.variables import Values

OBJECTIVES = "objectives"


@dataclass(frozen=True, slots=True)
class Piece:
    """A file that isn't an experiment: a target, or a file with objectives, by their names.

    `file` is its path inside the project.
    """

    project: Path
    file: str
    kind: str
    names: tuple[str, ...]


def pieces_in(paths: Iterable[Path]) -> list[Path]:
    """The files among these and inside these folders that belong to `slo/` or to the targets."""
    files = (f for path in paths for f in (yaml_files(path) if path.is_dir() else [path]))
    named = list(dict.fromkeys(files))
    projects = {project_of(file) for file in named}
    read = {f for p in projects for folder in (TARGETS, SLOS) for f in yaml_files(p / folder)}
    return [file for file in named if file.resolve() in read]


def check_project(project: Path, values: Mapping[str, str]) -> dict[Path, Piece]:
    """Read a project's extensions, targets and objectives, and say which files hold what.

    Variables of targets may be without a value: only who runs on them must give it. `values` are
    what `--set` gave. Raises `InvalidInput` with everything that is wrong.
    """
    extensions = Extensions.of(project)
    problems = extension_problems(extensions)
    pieces: dict[Path, Piece] = {}
    of_targets = _targets(project, Values(values, os.environ, later=True), extensions)
    for found, wrong in (_objectives(project), of_targets):
        pieces |= found
        problems += wrong
    if problems:
        raise InvalidInput(list(dict.fromkeys(problems)))
    return pieces


def extension_problems(extensions: Extensions) -> list[Problem]:
    """What is wrong with each fault, check, probe, platform and effect that there is."""
    problems: list[Problem] = []
    for shaped in (extensions.faults, extensions.checks, extensions.probes):
        problems += _broken(shaped, adapter)  # whether their fields can be read at all
    for kinds in (extensions.platforms, extensions.effects):
        problems += _broken(kinds, lambda _: None)
    return problems


def _broken(kinds: Mapping[str, Any], try_out: Callable[[Any], object]) -> list[Problem]:
    problems: list[Problem] = []
    try:
        names = sorted(kinds)
    except ExtensionError as error:
        return error.problems
    for name in names:
        try:
            try_out(kinds[name])
        except ExtensionError as error:
            problems += error.problems
    return problems


def _objectives(project: Path) -> tuple[dict[Path, Piece], list[Problem]]:
    files = yaml_files(project / SLOS)
    documents, problems = readable(files, parse_file, project)
    library = Library.of(documents)
    try:
        library.everything()
    except InvalidInput as error:
        problems += error.problems
    named: dict[str, list[str]] = {}
    for name in library.names():
        named.setdefault(library.document(name).file, []).append(name)
    names = {file: tuple(named.get(shown(file, project), ())) for file in files}
    pieces = {f.resolve(): Piece(project, shown(f, project), OBJECTIVES, names[f]) for f in files}
    return pieces, with_form(problems, documents)


def _targets(
    project: Path, values: Values, extensions: Extensions
) -> tuple[dict[Path, Piece], list[Problem]]:
    pieces: dict[Path, Piece] = {}
    problems: list[Problem] = []
    first = target_files(project)
    for file in yaml_files(project / TARGETS):
        if (other := first[file.stem]) != file:
            message = f"a second target {file.stem} (the first: {shown(other, project)})"
            problems.append(Problem(shown(file, project), 0, "", message))
            continue
        read = read_target(file, project, values, extensions)
        wrong = with_form(read.found, [read.document] if read.document else [])
        secrets = NO_SECRETS.and_also(read.variables.secrets)
        problems += [replace(each, message=secrets.mask(each.message)) for each in wrong]
        pieces[file.resolve()] = Piece(project, shown(file, project), TARGET, (file.stem,))
    return pieces, problems

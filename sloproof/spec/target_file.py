"""A target's file read alone: its variables, its model, everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sloproof.errors import InvalidInput, Problem
from sloproof.extensions import Extensions
from sloproof.model.target import Target
from sloproof.spec.envelope import single
from sloproof.spec.places import Document
from sloproof.spec.reading import parse_file, shown
from sloproof.spec.targets import build_target, check_target
from sloproof.spec.variables import Values, Variables, filled, refuse_typed


@dataclass(frozen=True, slots=True)
class TargetFile:
    """What a target's file gave, and what was found wrong with it.

    Without a problem the target may still be None: where values are missing that may come later.
    What is wrong with the document's form is not among the problems: see `with_form`.
    """

    target: Target | None = None
    document: Document | None = None
    variables: Variables = field(default_factory=lambda: Variables({}))
    found: tuple[Problem, ...] = ()


NO_TARGET = TargetFile()


def read_target(file: Path, project: Path, values: Values, extensions: Extensions) -> TargetFile:
    """The target in a file; nothing is raised, for others want to say what is wrong with theirs."""
    try:
        document = single(parse_file(file, shown(file, project)))
    except InvalidInput as error:
        return TargetFile(found=tuple(error.problems))
    problems, variables = filled(document, project, values, late=True)
    target = build_target(problems, str(project))
    if target is not None:
        if target.name != file.stem:
            message = f'is "{target.name}", but the file is called {file.name}'
            problems.add(("metadata", "name"), message)
        check_target(target, extensions, problems)
    if variables.secret and not problems.found:
        refuse_typed(problems, lambda each: build_target(each, str(project)))
    return TargetFile(target, problems.document, variables, tuple(problems.found))

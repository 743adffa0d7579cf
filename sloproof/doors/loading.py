"""Reading what people wrote: all files before anything is touched, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sloproof.doors import outlook
from sloproof.doors.ending import DONE, Ending
from sloproof.errors import InvalidInput, Problem, UsageError

if TYPE_CHECKING:
    from sloproof.spec import Loaded, LoadedSuite
    from sloproof.spec.project import Piece

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which experiments are meant, and what is laid over what their files say."""

    files: Sequence[Path]
    variables: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def wanted(
    files: Sequence[Path], variables: Sequence[str], target: str | None, labels: Sequence[str]
) -> Wanted:
    """What the options of a command ask for; raises `UsageError` for a word without a value."""
    return Wanted(
        files=files,
        variables=_pairs(variables, "--set"),
        target=target,
        labels=_pairs(labels, "--labels"),
    )


def load(wanted: Wanted) -> list[Loaded]:
    """The experiments in the files and folders; raises `InvalidInput` with every problem."""
    _refuse_unusable(wanted.files)
    found = all_or_problems(_experiments(wanted, _paths(wanted.files)))
    return _chosen(found, wanted)


def load_all(wanted: Wanted) -> tuple[list[Loaded], list[Piece], list[LoadedSuite]]:
    """The experiments, the targets and objectives, and the suites in the files and folders.

    All that stands in their projects is read, too, whether it is used or not: the project's own
    extensions, its targets, its objectives. Raises `InvalidInput` with every problem.
    """
    from sloproof.spec import find_suites
    from sloproof.spec.project import check_project, pieces_in

    _refuse_unusable(wanted.files)
    named, drills = pieces_in(wanted.files), find_suites(wanted.files)
    paths = [path for path in _paths(wanted.files) if path not in named and path not in drills]
    found: list[Loaded] = []
    suites: list[LoadedSuite] = []
    pieces: dict[Path, Piece] = {}
    all_or_problems(
        [
            *(partial(_into, found.append, step) for step in _experiments(wanted, paths)),
            *(
                partial(_into, pieces.update, partial(check_project, each, wanted.variables))
                for each in _projects(paths, named, drills)
            ),
            *(partial(_into, suites.append, step) for step in _suites(wanted, drills)),
        ]
    )
    chosen = found if (named or drills) and not found else _chosen(found, wanted)
    return chosen, [pieces[file.resolve()] for file in named], suites


def _into(keep: Callable[[T], None], step: Callable[[], T]) -> None:
    keep(step())


def _refuse_unusable(files: Sequence[Path]) -> None:
    """Refuse files that aren't there, and records: they say what was run."""
    from sloproof.spec.finding import in_record

    problems = [
        Problem(str(file), 0, "", "there is no such file") for file in files if not file.exists()
    ]
    problems += [
        Problem(str(file), 0, "", f"is part of a record (try sloproof judge {file.parent})")
        for file in files
        if in_record(file)
    ]
    if problems:
        raise InvalidInput(problems)


def _paths(files: Sequence[Path]) -> list[Path]:
    """The files that are named, and the experiments inside the folders."""
    from sloproof.spec import find_experiments

    folders = [file for file in files if file.is_dir()]
    named = [file for file in files if not file.is_dir()]
    return list(dict.fromkeys([*named, *find_experiments(folders)]))


def _projects(*groups: Iterable[Path]) -> list[Path]:
    from sloproof.spec import project_of

    return list(dict.fromkeys(project_of(path) for paths in groups for path in paths))


def _experiments(wanted: Wanted, paths: Iterable[Path]) -> Iterator[Callable[[], Loaded]]:
    from sloproof.spec import load_experiment

    for path in paths:
        yield partial(load_experiment, path, variables=wanted.variables, target=wanted.target)


def _suites(wanted: Wanted, files: Iterable[Path]) -> Iterator[Callable[[], LoadedSuite]]:
    """What `--set` gave is for a suite that is named, not for those that happen to lie around."""
    from sloproof.spec import load_suite

    for file in files:
        given = wanted.variables if file in wanted.files else {}
        yield partial(load_suite, file, variables=given, target=wanted.target)


def _chosen(found: Sequence[Loaded], wanted: Wanted) -> list[Loaded]:
    chosen = [each for each in found if wanted.labels.items() <= each.experiment.labels.items()]
    if not chosen:
        labels = ", ".join(f"{name}={value}" for name, value in wanted.labels.items())
        suffix = f" with {labels}" if labels else ""
        raise UsageError(f"no experiment{suffix} in {', '.join(map(str, wanted.files))}")
    return chosen


def all_or_problems(steps: Iterable[Callable[[], T]]) -> list[T]:
    """What each step gives, or `InvalidInput` with the problems of all that raised it."""
    found: list[T] = []
    problems: list[Problem] = []
    for step in steps:
        try:
            found.append(step())
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise InvalidInput(list(dict.fromkeys(problems)))
    return found


def _from_here(project: Path, file: str) -> str:
    """A file of a project as it is reached from the current folder."""
    path, here = Path(project, file).resolve(), Path.cwd().resolve()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def check(wanted: Wanted) -> Ending:
    """Whether every file, and all else in its project, is valid; touches nothing."""
    found, pieces, suites = load_all(wanted)
    outlook.refuse_profiles(found)
    outlook.refuse_templates({each.project for each in found})
    valid: list[dict[str, Any]] = [
        {
            "file": _from_here(each.project, each.experiment.origin),
            "experiment": each.experiment.name,
        }
        for each in found
    ]
    lines = [f"{each['file']}: valid ({each['experiment']})" for each in valid]
    for suite in suites:
        file = _from_here(suite.project, suite.suite.origin)
        valid.append({"file": file, "suite": suite.suite.name})
        lines.append(f"{file}: valid (suite {suite.suite.name})")
    for each in pieces:
        file = _from_here(each.project, each.file)
        valid.append({"file": file, "kind": each.kind, "names": list(each.names)})
        lines.append(f"{file}: valid ({_named(each)})")
    return Ending(DONE, {"valid": valid}, "\n".join(lines))


def _named(piece: Piece) -> str:
    if piece.kind == "Target":
        return f"target {piece.names[0]}"
    return ", ".join(piece.names) or "no objective of its own"


def _pairs(given: Sequence[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {word}: expected NAME=VALUE")
        found[name] = value
    return found

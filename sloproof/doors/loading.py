"""Reading what people wrote: all files before anything is touched, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sloproof.doors import outlook
from sloproof.doors.ending import DONE, Ending
from sloproof.errors import InvalidInput, Problem, UsageError

if TYPE_CHECKING:
    from sloproof.spec import Loaded

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
    from sloproof.spec import find_experiments, load_experiment

    missing = [file for file in wanted.files if not file.exists()]
    if missing:
        raise InvalidInput([Problem(str(file), 0, "", "there is no such file") for file in missing])
    folders = [file for file in wanted.files if file.is_dir()]
    named = [file for file in wanted.files if not file.is_dir()]
    paths = list(dict.fromkeys([*named, *find_experiments(folders)]))
    found = all_or_problems(
        partial(load_experiment, path, variables=wanted.variables, target=wanted.target)
        for path in paths
    )
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


def check(wanted: Wanted) -> Ending:
    """Whether every file is valid; touches nothing."""
    found = load(wanted)
    outlook.refuse_profiles(found)
    outlook.refuse_templates({each.project for each in found})
    body = {
        "valid": [
            {"file": each.experiment.origin, "experiment": each.experiment.name} for each in found
        ]
    }
    lines = [f"{each.experiment.origin}: valid ({each.experiment.name})" for each in found]
    return Ending(DONE, body, "\n".join(lines))


def _pairs(given: Sequence[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {word}: expected NAME=VALUE")
        found[name] = value
    return found

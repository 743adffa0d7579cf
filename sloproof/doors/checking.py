"""`check`: whether files are valid, whatever of ours they are; touches nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sloproof.doors import outlook
from sloproof.doors.ending import DONE, Ending
from sloproof.doors.loading import Wanted, all_or_problems, load


@dataclass(frozen=True, slots=True)
class Valid:
    """What is in a file that is valid."""

    file: str
    what: str
    names: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        """As it stands in the JSON: an experiment, a target, or objectives by name."""
        name: Any = list(self.names) if self.what == "objectives" else self.names[0]
        return {"file": self.file, self.what: name}

    def __str__(self) -> str:
        return f"{self.file}: valid ({', '.join(self.names) or 'nothing in it'})"


def check(wanted: Wanted) -> Ending:
    """Whether every file is valid: experiments, targets, objectives, and the project's extensions.

    Of a folder all files that are ours; a file that is named is taken for an experiment if it
    doesn't say what it is.
    """
    from sloproof.spec import project_of

    files = _by_kind(wanted.files)
    outlook.refuse_extensions({project_of(file) for some in files.values() for file in some})
    found = all_or_problems(
        [
            *(partial(_experiments, wanted, each) for each in [files["Experiment"]] if each),
            *(partial(_target, file) for file in files["Target"]),
            *(partial(_objectives, file) for file in files["Objective"]),
        ]
    )
    valid = [each for some in found for each in some]
    if not valid:
        load(wanted)  # says that there is none
    return Ending(DONE, {"valid": [each.body() for each in valid]}, "\n".join(map(str, valid)))


def _by_kind(paths: Iterable[Path]) -> dict[str, list[Path]]:
    from sloproof.spec import kind_of, yaml_files

    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        for file in yaml_files(path) if path.is_dir() else [path]:
            kind = kind_of(file) or ("" if path.is_dir() else "Experiment")
            if kind and file not in found[kind]:
                found[kind].append(file)
    return found


def _experiments(wanted: Wanted, files: list[Path]) -> list[Valid]:
    found = load(replace(wanted, files=files))
    outlook.refuse_profiles(found)
    outlook.refuse_templates({each.project for each in found})
    return [Valid(each.experiment.origin, "experiment", (each.experiment.name,)) for each in found]


def _target(file: Path) -> list[Valid]:
    from sloproof.spec import load_target

    return [Valid(str(file), "target", (load_target(file).name,))]


def _objectives(file: Path) -> list[Valid]:
    from sloproof.spec import load_objectives, project_of

    found = load_objectives([file], project=project_of(file))
    return [Valid(str(file), "objectives", tuple(found))]

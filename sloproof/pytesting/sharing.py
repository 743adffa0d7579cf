"""Spreading tests over workers so that one target's experiments stay on one worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from xdist import scheduler as xdist  # type: ignore[import-untyped]  # it has no types

from sloproof.pytesting.settings import experiments_asked_for


class OneByOne(xdist.LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Each test by itself, as `--dist load` and `worksteal` have it."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid


SCHEDULERS = {
    "load": OneByOne,
    "worksteal": OneByOne,
    "loadscope": xdist.LoadScopeScheduling,
    "loadfile": xdist.LoadFileScheduling,
    # By its own means too, but these fail where node ids can't be changed (pytest 9.2).
    "loadgroup": xdist.LoadGroupScheduling,
}


def scheduler(config: pytest.Config, log: object) -> Any | None:
    """The scheduler of `--dist` that keeps targets together, or None if there are no experiments.

    `--dist each` means what it says, so it stays as it is.
    """
    kind = SCHEDULERS.get(config.getvalue("dist"))
    targets = {} if kind is None else _targets(config)
    if kind is None or not targets:
        return None
    spread = kind(config, log)
    unit_of = spread._split_scope

    def unit_with_targets(nodeid: str) -> str:
        target = targets.get(nodeid.partition("::")[0])
        return str(unit_of(nodeid)) if target is None else f"target {target}"

    spread._split_scope = unit_with_targets
    return spread


def _targets(config: pytest.Config) -> dict[str, str]:
    """The target of each experiment that was asked for, by the file as node ids begin."""
    return {
        path.relative_to(config.rootpath).as_posix(): target_of(path)
        for path in experiments_asked_for(config)
        if path.is_relative_to(config.rootpath)
    }


def target_of(path: Path) -> str:
    """The target an experiment's file names; the file's own name where it can't be read."""
    try:
        document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        return str(document["spec"]["target"])
    except (OSError, yaml.YAMLError, TypeError, KeyError):  # collecting says what is wrong with it
        return str(path)

"""What a user sets: options, ini values, and which paths experiments are collected from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from sloproof.pytesting.header import Header, read_header
from sloproof.spec.finding import in_record

ASKED = pytest.StashKey[tuple[Path, ...]]()


def add_options(parser: pytest.Parser) -> None:
    """Declare `--inconclusive`, `--lacking` and the ini values."""
    group = parser.getgroup("sloproof")
    group.addoption(
        "--inconclusive",
        choices=("error", "skip"),
        default="error",
        help="What a claim that came out INCONCLUSIVE is: an error at set-up (default) or a skip.",
    )
    group.addoption(
        "--lacking",
        choices=("error", "skip"),
        default="error",
        help=(
            "What an experiment is that this host or platform lacks something for, as root: "
            "an error at set-up (default) or a skip."
        ),
    )
    parser.addini(
        "sloproof_paths",
        "Files and folders to collect experiments from, beside those given as arguments.",
        type="paths",
        default=[],
    )
    parser.addini(
        "sloproof_command",
        "The command that runs an experiment (default: this Python's `-m sloproof`).",
        type="args",
        default=[],
    )
    parser.addini("sloproof_runs", "The folder for the records of runs.", default="runs")


def command(config: pytest.Config) -> list[str]:
    """The program that runs experiments, as an argument list."""
    found: list[str] = config.getini("sloproof_command")
    return list(found) or [sys.executable, "-m", "sloproof"]


def runs_folder(config: pytest.Config) -> Path:
    """Where records go; a relative `sloproof_runs` counts from pytest's root folder."""
    return config.rootpath / str(config.getini("sloproof_runs"))


def skips_inconclusive(config: pytest.Config) -> bool:
    """Whether INCONCLUSIVE is a skip rather than an error."""
    return bool(config.getoption("inconclusive") == "skip")


def skips_lacking(config: pytest.Config) -> bool:
    """Whether an experiment that can't be run here is a skip rather than an error."""
    return bool(config.getoption("lacking") == "skip")


def runs_nothing(config: pytest.Config) -> bool:
    """Whether pytest only shows fixtures (`--setup-only`, `--setup-plan`)."""
    return bool(config.getoption("setuponly", False) or config.getoption("setupplan", False))


def remember_asked(config: pytest.Config) -> None:
    """Note which paths were asked for; those of the ini file are also searched."""
    configured: list[Path] = config.getini("sloproof_paths")
    given = config.args_source is pytest.Config.ArgsSource.ARGS
    if not given:
        config.args += [str(path) for path in configured if not _under(path, _paths(config))]
    config.stash[ASKED] = (*configured, *(_paths(config) if given else ()))


def asked_for(config: pytest.Config, path: Path, header: Header) -> bool:
    """Whether this file may be collected: an experiment below an asked path, a suite by name.

    What a run left in its record is no experiment to be run.
    """
    asked = config.stash.get(ASKED, ())
    if header.kind == "Suite":
        return path in asked
    return header.kind == "Experiment" and _under(path, asked) and not in_record(path)


def experiments_asked_for(config: pytest.Config) -> Iterator[Path]:
    """The files below the asked paths that pytest will collect as experiments."""
    for path in config.stash.get(ASKED, ()):
        for file in _files(path, config.getini("norecursedirs")):
            header = read_header(file)
            if header is not None and asked_for(config, file, header):
                yield file


def _paths(config: pytest.Config) -> list[Path]:
    here = config.invocation_params.dir
    names = (argument.partition("::")[0] for argument in config.args)
    return [Path(os.path.normpath(here / name)) for name in names]


def _under(path: Path, folders: list[Path] | tuple[Path, ...]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)


def _files(path: Path, skipped: list[str]) -> Iterator[Path]:
    if path.is_file():
        yield path
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if not any(fnmatch(name, each) for each in skipped)]
        yield from (Path(folder, name) for name in sorted(names))

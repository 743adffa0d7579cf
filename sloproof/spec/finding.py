"""Finds experiments among other files, cheaply: nothing is parsed, nothing heavy imported."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

HEAD = 4096
_OURS = re.compile(rb"^[\"']?apiVersion[\"']?:\s*[\"']?sloproof/", re.MULTILINE)
_KIND = re.compile(
    rb"^[\"']?kind[\"']?:\s*[\"']?(Experiment|Target|RecoveryObjective)\b", re.MULTILINE
)
_OPENSLO = re.compile(rb"^(?:- )?[\"']?apiVersion[\"']?:\s*[\"']?openslo/", re.MULTILINE)
_ENDINGS = (".yaml", ".yml")
_FOLDERS = ("slo", "fault_injectors", "experiments")
_ROOTS = ("pyproject.toml", ".git")
_RECORD = "events.jsonl"


def find_experiments(paths: Iterable[Path]) -> list[Path]:
    """The experiments among these files and inside these folders, hidden ones left out.

    A file is one if its first 4 KiB have `apiVersion: sloproof/…` and `kind: Experiment`; what a
    record keeps of its experiment is none.
    """
    found = (
        file for path in paths for file in _candidates(path) if _said_kind(file) == "Experiment"
    )
    return list(dict.fromkeys(found))


def kind_of(file: Path) -> str:
    """What a file is for: `Experiment`, `Target`, `Objective`, or "" where it isn't ours.

    By its place in a project: what stands in `slo/` and in `experiments/targets/` is meant for us
    whatever it says; elsewhere by what it says.
    """
    project, whole = project_of(file), file.resolve()
    if whole.is_relative_to(project / "slo"):
        return "Objective"
    if whole.is_relative_to(project / "experiments" / "targets"):
        return "Target"
    said = _said_kind(file)
    return "Objective" if said == "RecoveryObjective" else said


def project_of(file: Path) -> Path:
    """The root of the project that a file belongs to.

    The nearest folder around it that holds `slo/`, `fault_injectors/` or `experiments/`; else the
    nearest with a `pyproject.toml` or `.git`; else the file's own folder.
    """
    folders = file.resolve().parents
    for folder in folders:
        if any((folder / name).is_dir() for name in _FOLDERS):
            return folder
    for folder in folders:
        if any((folder / name).exists() for name in _ROOTS):
            return folder
    return folders[0]


def yaml_files(folder: Path) -> list[Path]:
    """Every YAML file inside a folder, in a stable order, hidden ones left out."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix in _ENDINGS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _candidates(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from yaml_files(path)
    elif path.suffix in _ENDINGS:
        yield path


def _said_kind(file: Path) -> str:
    if file.with_name(_RECORD).exists() or not file.is_file():  # a pipe may have no end
        return ""
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError:
        return ""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode("utf-16", "ignore").encode()  # refused when it is read, not overlooked
    if _OPENSLO.search(head):
        return "Objective"
    said = _KIND.search(head)
    return said[1].decode() if said and _OURS.search(head) else ""

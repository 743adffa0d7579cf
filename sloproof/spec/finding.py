"""Finds experiments among other files, cheaply: nothing is parsed, nothing heavy imported."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

HEAD = 4096
EXPERIMENTS = Path("experiments")
TARGETS = EXPERIMENTS / "targets"
SLOS = Path("slo")
_OURS = re.compile(rb"^[\"']?apiVersion[\"']?:\s*[\"']?sloproof/", re.MULTILINE)
_KIND = re.compile(rb"^[\"']?kind[\"']?:\s*[\"']?(\w+)", re.MULTILINE)
_ENDINGS = (".yaml", ".yml")
_FOLDERS = ("slo", "fault_injectors", "experiments")
_ROOTS = ("pyproject.toml", ".git")


def find_experiments(paths: Iterable[Path]) -> list[Path]:
    """The experiments among these files and inside these folders, hidden ones left out.

    A file is one if its first 4 KiB have `apiVersion: sloproof/…` and `kind: Experiment`.
    """
    return _of_kind(b"Experiment", paths)


def find_suites(paths: Iterable[Path]) -> list[Path]:
    """The suites among these files and inside these folders, told like experiments."""
    return _of_kind(b"Suite", paths)


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


def target_files(project: Path) -> dict[str, Path]:
    """The files of a project's targets by name."""
    files = yaml_files(project / TARGETS)
    return {file.stem: file for file in reversed(files)}


def in_record(file: Path) -> bool:
    """Whether this is the experiment that a run left in its record: what was run, not to be run."""
    return file.name == "experiment.yaml" and file.with_name("events.jsonl").exists()


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
        yield from (file for file in yaml_files(path) if not in_record(file))
    elif path.suffix in _ENDINGS:
        yield path


def _of_kind(kind: bytes, paths: Iterable[Path]) -> list[Path]:
    found = (file for path in paths for file in _candidates(path) if _kind(file) == kind)
    return list(dict.fromkeys(found))


def _kind(file: Path) -> bytes:
    """What a file of ours says it is; empty for any other, and for what has no end (a pipe)."""
    if not file.is_file():
        return b""
    try:
        if not file.is_file():
            return b""  # opening a pipe would wait for whoever writes into it
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError:
        return b""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode("utf-16", "ignore").encode()  # refused when it is read, not overlooked
    kind = _KIND.search(head)
    return kind[1] if kind and _OURS.search(head) else b""

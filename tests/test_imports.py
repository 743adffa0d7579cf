"""Who may import whom: the floors by import-linter, each room's direct imports by reading it.

The table is the design's. What a room may import, it may import with all that lies below it:
`judge` may use `record`, so also `model`, on which `record` stands.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"

MAY_IMPORT: Mapping[str, frozenset[str]] = {
    room: frozenset(allowed.split())
    for room, allowed in {
        "__init__": "",  # every room imports the package first, so it may bring nothing along
        "__main__": "cli",
        "cli": "doors",
        "pytest_plugin": "pytesting",
        # What the two doors are made of.
        "doors": "report judge run platforms arming effects testing",
        "pytesting": "report spec effects",
        "report": "record judge",
        "judge": "record spec extensions",
        # The guardian undoes effects without the rest of the harness.
        "run": "spec extensions record effects",
        "spec": "extensions",
        "extensions": "contracts",
        "platforms": "contracts effects",
        "arming": "effects",
        "effects": "contracts",
        "testing": "contracts effects",
        "contracts": "model record",
        "record": "model",
        "model": "errors",
        "errors": "model",
    }.items()
}
# `from sloproof import __version__` brings no room along; `errors` is for all.
FOR_ALL = frozenset({"__init__", "model", "errors"})
STDLIB = frozenset(sys.stdlib_module_names)


@dataclass(frozen=True, slots=True)
class Import:
    """A module that a file names, at a line."""

    module: str
    line: int

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    @property
    def room(self) -> str:
        return self.module.split(".")[1] if "." in self.module else "__init__"


def imports_of(path: Path, *, package: str = "") -> list[Import]:
    """Every import in a file, also those inside functions; `package` resolves relative ones."""
    found: list[Import] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            names = [alias.name for alias in node.names] if module == "sloproof" else [""]
            found += [Import(_named(module, name), node.lineno) for name in names]
    return found


def _named(module: str, name: str) -> str:
    """`from sloproof import run` names a room; `from sloproof import __version__` does not."""
    return f"{module}.{name}" if name in MAY_IMPORT and not name.startswith("__") else module


def allowed_in(room: str) -> frozenset[str]:
    """What a room may import: itself, the table's line for it, and all that lies below."""
    allowed: set[str] = {room, *FOR_ALL}
    waiting = list(MAY_IMPORT[room])
    while waiting:
        below = waiting.pop()
        if below not in allowed:
            allowed.add(below)
            waiting += MAY_IMPORT[below]
    return frozenset(allowed if room != "__init__" else {room})


def strangers_in_package(package: Path) -> list[str]:
    """Where a file of the package at `package` imports a room that its own must not know."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        room = inside.parts[0].removesuffix(".py")
        if room not in MAY_IMPORT:
            found.append(f"{inside}: the design has no room {room!r}")
            continue
        allowed = allowed_in(room)
        here = ".".join(["sloproof", *inside.parts[:-1]])
        found += [
            f"{inside}:{each.line}: {room} imports {each.module}"
            for each in imports_of(path, package=here)
            if each.top == "sloproof" and each.room not in allowed
        ]
    return found


def strangers_in_folder(folder: Path, allowed: Iterable[str]) -> list[str]:
    """Where a file of a plug-in folder imports more than `allowed` and the standard library."""
    known = frozenset(allowed)
    return [
        f"{path.relative_to(folder)}:{each.line}: imports {each.module}"
        for path in sorted(folder.rglob("*.py"))
        for each in imports_of(path)
        if each.module not in known and each.top not in known and each.top not in STDLIB
    ]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the package in `folder`, by this repository's contracts."""
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo", "--config", ROOT / "pyproject.toml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def write_package(folder: Path, files: Mapping[str, str]) -> Path:
    package = folder / "sloproof"
    for name, text in {"__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.parent != package:
            (path.parent / "__init__.py").touch()
    return package


def test_no_import_runs_upwards() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_room_imports_only_what_the_design_gives_it() -> None:
    assert strangers_in_package(ROOT / "sloproof") == []


def test_faults_import_only_the_contracts() -> None:
    assert strangers_in_folder(ROOT / "fault_injectors", ["sloproof.contracts"]) == []


def test_load_profiles_import_only_locust() -> None:
    assert strangers_in_folder(ROOT / "load_profiles", ["locust"]) == []


@pytest.mark.parametrize(
    ("files", "broken"),
    [
        pytest.param(
            {"record/reader.py": "", "judge/quantile.py": "import sloproof.record.reader"},
            None,
            id="downwards",
        ),
        pytest.param(
            {"record/reader.py": "from sloproof import judge", "judge/quantile.py": ""},
            "no import runs upwards",
            id="upwards",
        ),
        pytest.param(
            {"judge/quantile.py": "from sloproof.run import engine", "run/engine.py": ""},
            "no import runs upwards",
            id="sideways",
        ),
        pytest.param({"utils.py": ""}, "no import runs upwards", id="unnamed room"),
        pytest.param(
            {"run/engine.py": "def f():\n    import digital_human"},
            "does not know the system",
            id="reference system",
        ),
    ],
)
def test_the_floors_are_really_checked(
    tmp_path: Path, files: Mapping[str, str], broken: str | None
) -> None:
    write_package(tmp_path, files)
    done = lint_imports(tmp_path)
    verdicts = [line for line in done.stdout.splitlines() if line.endswith(("KEPT", "BROKEN"))]
    assert len(verdicts) == 2, done.stdout + done.stderr
    assert done.returncode == (0 if broken is None else 1)
    for line in verdicts:
        expected = "BROKEN" if broken is not None and broken in line else "KEPT"
        assert line.endswith(expected), done.stdout


@pytest.mark.parametrize(
    ("name", "text", "stranger"),
    [
        ("judge/quantile.py", "from sloproof.record import Record", None),
        ("judge/quantile.py", "from sloproof.model.units import Duration", None),
        ("judge/quantile.py", "from sloproof import __version__", None),
        ("judge/quantile.py", "import numpy, sloproof.effects.toxic", "sloproof.effects.toxic"),
        ("judge/quantile.py", "def f():\n    import sloproof.run", "sloproof.run"),
        ("report/html.py", "from sloproof import run", "sloproof.run"),
        ("run/engine.py", "from ..judge import verdict", "sloproof.judge"),
        ("run/deep/engine.py", "from ..journal import Journal", None),
        ("run/deep/engine.py", "from ...report import html", "sloproof.report"),
        ("effects/toxic.py", "from . import signal", None),
        ("extensions.py", "from sloproof.platforms.local import Local", "sloproof.platforms.local"),
        ("testing/laws.py", "from sloproof.run import engine", "sloproof.run"),
        ("__init__.py", "from sloproof.model.units import Duration", "sloproof.model.units"),
        ("utils.py", "", "no room 'utils'"),
    ],
)
def test_a_stranger_in_a_room_is_found(
    tmp_path: Path, name: str, text: str, stranger: str | None
) -> None:
    found = strangers_in_package(write_package(tmp_path, {name: text}))
    if stranger is None:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0].startswith(name)
        assert found[0].endswith(stranger)


@pytest.mark.parametrize(
    ("text", "stranger"),
    [
        ("import math\nfrom sloproof.contracts import Fault", None),
        ("from sloproof.contracts.fault import Fault", "sloproof.contracts.fault"),
        ("from sloproof import contracts", None),
        ("from sloproof.effects import toxic", "sloproof.effects"),
        ("import sloproof", "sloproof"),
        ("def plan():\n    import docker", "docker"),
    ],
)
def test_a_stranger_in_a_fault_is_found(tmp_path: Path, text: str, stranger: str | None) -> None:
    (tmp_path / "latency.py").write_text(text)
    found = strangers_in_folder(tmp_path, ["sloproof.contracts"])
    lines = len(text.splitlines())
    expected = [] if stranger is None else [f"latency.py:{lines}: imports {stranger}"]
    assert found == expected

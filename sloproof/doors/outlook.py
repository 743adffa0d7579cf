"""What would go wrong only after a run had touched something, found out before it does.

Where records, state and summaries go, the load profiles, the report's own templates.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sloproof.errors import InvalidInput, Problem, UsageError

if TYPE_CHECKING:
    from sloproof.doors.running import Settings
    from sloproof.spec import Loaded

TEMPLATES = "reports/templates"
OURS = {
    "junit": re.compile(r"<\?xml [^>]*>\s*<testsuite"),
    "markdown": re.compile("### [✅❌🔶] "),
    "output": re.compile(r"\s*(<!doctype )?<?html", re.IGNORECASE),
}
"""How what is written by an option begins: only such a file, or an empty one, is written over."""
IMPORTING = 60
"""How many seconds profiles may take to import: Locust alone takes one on an idle machine."""


def refuse_unwritable(**places: Path | None) -> None:
    """Raise `InvalidInput` for each file, by the option that named it, that can't be written."""
    problems = [
        Problem(str(path), 0, _option(name), reason)
        for name, path in places.items()
        if path is not None and (reason := _why_no_file(path))
    ]
    if problems:
        raise InvalidInput(problems)


def refuse_outputs(**places: Path | None) -> None:
    """As `refuse_unwritable`, and for each file that lies in a record or is none of ours.

    A record is evidence, and a mistyped option must not cost anybody an experiment.
    """
    refuse_unwritable(**places)
    problems = [
        Problem(str(path), 0, _option(name), reason)
        for name, path in places.items()
        if path is not None and (reason := _why_not_over(path, OURS[name]))
    ]
    if problems:
        raise InvalidInput(problems)


def refuse_folder(folder: Path, option: str = "") -> None:
    """Raise `InvalidInput` for a folder in which nothing can be made."""
    reason = _why_no_folder(folder)
    if reason:
        raise InvalidInput([Problem(str(folder), 0, option, reason)])


def refuse_before_running(loaded: Sequence[Loaded], settings: Settings) -> None:
    """Raise `UsageError` for everything that would keep a run from its end."""
    from sloproof.run.state import state_dir

    refuse_folder(settings.runs, "--runs")
    refuse_folder(state_dir(), "SLOPROOF_STATE_DIR")
    refuse_outputs(junit=settings.junit, markdown=settings.markdown)
    _refuse_bind(settings.load_bind)
    _refuse_hidden(settings)
    _refuse_without_sql(loaded)
    if settings.report:
        refuse_templates({each.project for each in loaded})
    refuse_profiles(loaded)


def refuse_templates(projects: Iterable[Path]) -> None:
    """Raise `InvalidInput` for each template of a project's own that is none."""
    folders = [project / TEMPLATES for project in sorted(projects)]
    if any(folder.is_dir() for folder in folders):
        from sloproof.report.templates import template_problems

        problems = [each for folder in folders for each in template_problems(folder)]
        if problems:
            raise InvalidInput(problems)


def refuse_profiles(loaded: Sequence[Loaded]) -> None:
    """Raise `InvalidInput` for each profile that doesn't import or has nothing to do.

    They are imported as the load process does it, in a process of its own.
    """
    parts = {part: each for each in loaded for part in _parts(each)}
    if not parts:
        return
    asked = json.dumps([{"path": path, "users": users} for path, users in parts])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sloproof.run.load", "--try"],
            input=asked,
            capture_output=True,
            text=True,
            timeout=IMPORTING,
            check=False,
        )
    except subprocess.TimeoutExpired:
        files = ", ".join(path for path, _ in parts)
        raise UsageError(f"{files}: not imported within {IMPORTING} s") from None
    try:
        reasons = json.loads(done.stdout.rpartition("\n\n")[2])
    except ValueError:
        last = done.stderr.strip().rpartition("\n")[2]
        files = ", ".join(path for path, _ in parts)
        raise UsageError(f"{files}: the process that imported them ended: {last}") from None
    problems = [
        Problem(_shown(path, each), reason["line"], "", reason["message"])
        for ((path, _), each), reason in zip(parts.items(), reasons, strict=True)
        if reason is not None
    ]
    if problems:
        raise InvalidInput(problems)


def _parts(loaded: Loaded) -> Iterator[tuple[str, tuple[str, ...]]]:
    from sloproof.spec.arrivals import profiles

    load = loaded.experiment.load
    if load is None:
        return
    known = profiles(loaded.project)
    for part in load.mix:
        path = loaded.project / part.locustfile if part.locustfile else known[part.profile or ""]
        yield str(path), part.users


def _shown(path: str, loaded: Loaded) -> str:
    inside = Path(path).is_relative_to(loaded.project)
    return str(Path(path).relative_to(loaded.project)) if inside else path


def _refuse_bind(bind: str) -> None:
    host, _, port = bind.rpartition(":")
    try:
        ipaddress.ip_address(host.strip("[]"))
        good = 0 <= int(port) <= 65535
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            f'--load-bind: "{bind}" is not an address and a port of this host (try 0.0.0.0:5557)'
        )


def _refuse_without_sql(loaded: Sequence[Loaded]) -> None:
    """Whoever keeps a ledger reads it back by SQL."""
    from sloproof.run.sql import WITHOUT_PSYCOPG

    if any(each.experiment.ledger for each in loaded) and find_spec("psycopg") is None:
        raise UsageError(f"ledger: {WITHOUT_PSYCOPG}")


def _refuse_hidden(settings: Settings) -> None:
    """Port 0 is whichever is free: workers elsewhere would never learn of it."""
    if settings.remote_workers and int(settings.load_bind.rpartition(":")[2]) == 0:
        raise UsageError(
            "--remote-workers: they have to know where to join: name an address and a port by "
            "--load-bind (try 0.0.0.0:5557)"
        )


def _option(name: str) -> str:
    return name if name.isupper() else f"--{name}"


def _why_no_file(path: Path) -> str:
    """Why a file can't be written, or ""; makes nothing."""
    if path.is_dir():
        return "is a folder, but a file is to be written"
    if path.exists():
        return "" if os.access(path, os.W_OK) else "may not be written"
    reason = _why_no_folder(path.parent)
    return f"can't be made: {path.parent} {reason}" if reason else ""


def _why_not_over(path: Path, ours: re.Pattern[str]) -> str:
    from sloproof.record.reader import record_around

    record = record_around(path) or record_around(path.resolve())
    if record is not None:
        return f"lies in the record {record.name}, which is evidence: write it elsewhere"
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        begins = file.read(300).decode("utf-8", "replace")
    if not begins or ours.match(begins):
        return ""
    return "is there already, and is nothing that this option wrote: remove it or name another"


def _why_no_folder(path: Path) -> str:
    """Why nothing can be written into a folder that is made if it isn't there, or ""."""
    nearest = path.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    what = "" if nearest == path.absolute() else f"can't be made in {nearest}, which "
    if not nearest.is_dir():
        return f"{what}is not a folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{what}may not be written"
    try:
        with tempfile.TemporaryFile(dir=nearest):  # /proc allows everything and makes nothing
            return ""
    except OSError as error:
        return f"{what}takes no files: {error.strerror}"

"""The record of a suite: a folder with the records of its experiments inside, sealed as a whole.

`suite.yaml` (as it was resolved), `suite.json` (what it ran on and with), `suite.jsonl` (a chain of
`EVENTS`), `guardian.jsonl` where the guardian had to act, `records/RUN/` (a record each), and
`seal.json`: the hashes of these files, and of the seal of each record. Outside of the seal stand
the verdict, the report, and `review.jsonl`: what people decide afterwards, a chain of its own that
begins with the hash of the seal.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from sloproof.errors import BrokenRecord, UsageError
from sloproof.model.secrets import NO_SECRETS, Secrets
from sloproof.record.chain import ChainWriter, read_chain
from sloproof.record.reader import digest
from sloproof.record.schema import Event

FILES = ("suite.yaml", "suite.json", "suite.jsonl", "guardian.jsonl")
CHAIN = "suite.jsonl"
RECORDS = "records"
SEAL = "seal.json"
REVIEW = "review.jsonl"

EVENTS = {
    "suite.started": "run, suite, wall_ns, monotonic_ns, boot_id, version",
    "step.begun": "step, number, repetition; a run of an experiment",
    "step.ended": "step, number, repetition, how, reason, run, outcome",
    "step.skipped": "step, number, reason",
    "gate.begun": "before: the step that waits for it, or empty at the end",
    "gate.ended": "before, run, outcome, reason",
    "manual.asked": "step, number, do, by, within_ns",
    "manual.confirmed": "step, number, by, note, failed, wall_ns: when it was said",
    "manual.missed": "step, number, by",
    "target.held": "target; from here on it stays up from run to run",
    "target.released": "target, left: what could not be reverted",
    "deviation": "step, what",
    "harness.error": "error",
    "suite.finished": "how: completed stopped interrupted failed; reason",
}
REVIEWS = {
    "action": "claim, action, owner, retest; what is done about a claim, in place of what the "
    "suite's file says",
    "signed": "by, role, note",
}


class SuiteWriter:
    """A suite's record in the making, by one process. No text in it holds a secret."""

    def __init__(self, folder: Path, secrets: Secrets = NO_SECRETS) -> None:
        folder.mkdir(parents=True)
        (folder / RECORDS).mkdir()
        self.folder = folder
        self._secrets = secrets
        self._chain = ChainWriter(folder / CHAIN)
        self._count = 0

    def event(self, t: int, kind: str, **data: Any) -> None:
        """Append one event at `t` nanoseconds from the suite's origin."""
        plain = self._secrets.masked(data)
        self._chain.append({"n": self._count, "t": t, "kind": kind, **plain})
        self._count += 1

    def text(self, name: str, content: str) -> None:
        """Write a whole text file of the record."""
        (self.folder / name).write_text(content, encoding="utf-8")

    def json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a whole JSON file of the record."""
        self.text(name, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def close(self) -> None:
        """Close the chain without sealing: the record stays a readable prefix."""
        self._chain.close()

    def seal(self) -> None:
        """Hash every file and every record's seal; a record without one is noted as such."""
        self.close()
        body = {
            "algorithm": "sha256",
            "files": {
                name: digest(self.folder / name) for name in FILES if (self.folder / name).is_file()
            },
            "records": {folder.name: _sealed(folder) for folder in _records(self.folder)},
        }
        partial = self.folder / f"{SEAL}.partial"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(body, file, indent=2, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.folder / SEAL)


class SuiteRecord:
    """A suite's folder, read. Opening it checks its seal, its chain, and its records' seals.

    Raises `BrokenRecord` where anything differs from what was sealed. Without a seal the readable
    prefix is what there is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not is_suite_record(folder):
            raise BrokenRecord(f"{folder}: not a suite's record (there is no {CHAIN} in it)")
        self.sealed = (folder / SEAL).is_file()
        self.seals: dict[str, str] = self._check_seal() if self.sealed else {}
        chain = read_chain(folder / CHAIN)
        self.events = tuple(_event(folder / CHAIN, line) for line in chain.lines)
        if not self.events or self.events[0].kind != "suite.started":
            raise BrokenRecord(f"{folder}: its events do not begin with suite.started")

    @property
    def run(self) -> str:
        """The suite's run id."""
        return str(self.events[0].data["run"])

    @property
    def records(self) -> list[Path]:
        """The folders of the records inside, in the order in which they were made."""
        return _records(self.folder)

    @cached_property
    def suite_text(self) -> str:
        """The suite's file, resolved; raises `BrokenRecord` where it can't be read."""
        return self._text("suite.yaml")

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, host and commit."""
        try:
            found = json.loads(self._text("suite.json"))
        except ValueError as error:
            raise BrokenRecord(f"{self.folder}/suite.json: is not JSON: {error}") from None
        return found if isinstance(found, dict) else {}

    @cached_property
    def reviews(self) -> tuple[Event, ...]:
        """What people decided afterwards; raises `BrokenRecord` where that was changed or cut.

        Nothing protects the last line but whoever kept the hash of it.
        """
        path = self.folder / REVIEW
        if path.is_symlink():
            raise BrokenRecord(f"{path}: is a link, not a file of this record")
        if not self.sealed or not path.exists():
            return ()
        chain = read_chain(path)
        if chain.torn or not chain.lines:
            what = "its last line is cut off" if chain.torn else "is empty"
            raise BrokenRecord(f"{path}: {what}; restore it, or move it away and sign anew")
        first, *others = [_event(path, line) for line in chain.lines]
        if first.data.get("seal") != digest(self.folder / SEAL):
            raise BrokenRecord(f"{path}: is about another record than this one")
        return tuple(others)

    @property
    def review_head(self) -> str:
        """The hash of the review's last line, which stands for all before it; empty without one."""
        path = self.folder / REVIEW
        return read_chain(path).head if self.reviews else ""

    def _text(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BrokenRecord(f"{self.folder}/{name}: can't be read: {error}") from None

    def _check_seal(self) -> dict[str, str]:
        try:
            body = json.loads((self.folder / SEAL).read_bytes())
            files, records = dict(body["files"]), dict(body["records"])
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenRecord(f"{self.folder}/{SEAL}: is no seal of a suite: {error}") from None
        present = {name for name in FILES if (self.folder / name).is_file()}
        inside = {folder.name: folder for folder in _records(self.folder)}
        for name in sorted((present ^ set(files)) | (set(inside) ^ set(records))):
            there = name in present or name in inside
            fate = "was added after" if there else "is missing since"
            raise BrokenRecord(f"{self.folder}/{name}: this {fate} the suite was sealed")
        for name, expected in files.items():
            if digest(self.folder / name) != expected:
                raise BrokenRecord(f"{self.folder}/{name}: differs from what was sealed")
        for name, expected in records.items():
            if _sealed(inside[name]) != expected:
                raise BrokenRecord(f"{inside[name]}: is another record than that which was sealed")
        return {str(name): str(seal) for name, seal in records.items()}


def is_suite_record(folder: Path) -> bool:
    """Whether a folder is the record of a suite."""
    return (folder / CHAIN).is_file()


def review(folder: Path, wall_ns: int, kind: str, **data: str) -> None:
    """Add what people decided about a sealed suite.

    Raises `UsageError` for one without a seal and for the same signature twice, `BrokenRecord`
    where what was decided before was changed or cut.
    """
    record = SuiteRecord(folder)
    if not record.sealed:
        raise UsageError(f"{folder}: has no seal, so there is nothing to be reviewed")
    path = folder / REVIEW
    with _alone(folder):
        before = SuiteRecord(folder).reviews  # by now another may have written
        said = {"kind": kind, **data}
        if kind == "signed" and any(said.items() <= _plain(each).items() for each in before):
            raise UsageError(f"{folder}: {data.get('by')} has signed it with these very words")
        fresh = not path.exists()
        writer = ChainWriter(path, after=() if fresh else path.read_bytes().splitlines())
        if fresh:
            seal = digest(folder / SEAL)
            writer.append({"n": 0, "t": 0, "kind": "review", "run": record.run, "seal": seal})
        n = len(before) + 1
        writer.append({"n": n, "t": 0, "kind": kind, "wall_ns": wall_ns, **data})
        writer.close()


def _plain(event: Event) -> dict[str, Any]:
    return {"kind": event.kind, **event.data}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One reviewer after the other."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _records(folder: Path) -> list[Path]:
    inside = folder / RECORDS
    return sorted(each for each in inside.iterdir() if each.is_dir()) if inside.is_dir() else []


def _sealed(record: Path) -> str:
    """The hash of a record's seal; empty where it has none."""
    seal = record / SEAL
    return digest(seal) if seal.is_file() else ""


def _event(path: Path, line: dict[str, Any]) -> Event:
    try:
        return Event(n=line.pop("n"), t=line.pop("t"), kind=line.pop("kind"), data=line)
    except KeyError as error:
        raise BrokenRecord(f"{path}: an event has no {error.args[0]}") from None

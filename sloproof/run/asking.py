"""What a suite asks of people and what they answer, through its folder in the state folder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sloproof.errors import HarnessError, UsageError
from sloproof.run.control import Status, statuses
from sloproof.run.state import run_folder

ANSWER = "answer.json"
TAKEN = "taken.json"
"""The last answer that was taken: whoever comes after it learns that it is too late."""
TAKEN_WITHIN = 10.0
"""Seconds within which a suite that waits takes an answer: it looks every few milliseconds."""
POLL = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody says of a manual step. `wall_ns` is when, since the epoch."""

    step: str
    by: str
    note: str = ""
    failed: bool = False
    wall_ns: int = 0


class Desk:
    """The suite's end: take the answer to what was asked."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ANSWER

    def take(self, step: str) -> Answer | None:
        """The answer about this step, if one has come; one about another step is removed."""
        try:
            answer = Answer(**json.loads(self._file.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            answer = None
        if answer is None or answer.step != step:
            self._file.unlink(missing_ok=True)
            return None
        self._file.replace(self._file.with_name(TAKEN))
        return answer


def confirm(state: Path, run: str, answer: Answer) -> Status:
    """Answer what a living suite waits for; gives what it waited for, once it took the answer.

    An empty `answer.step` means whatever it waits for. Raises `UsageError` where no such suite
    lives or where it waits for nothing, `HarnessError` where it doesn't take the answer.
    """
    waiting = _waiting(state, run, answer.step)
    folder, own = run_folder(state, waiting.run), replace(answer, step=waiting.step)
    _put(folder, own)
    deadline = time.monotonic() + TAKEN_WITHIN
    while (folder / ANSWER).exists():
        if time.monotonic() > deadline:
            with contextlib.suppress(FileNotFoundError):
                (folder / ANSWER).unlink()
                raise HarnessError(f"{waiting.run} did not take the answer: is it stopped?")
        time.sleep(POLL)
    return waiting


def _put(folder: Path, answer: Answer) -> None:
    """Lay an answer down; raises `UsageError` where another about this step was there before."""
    partial = folder / f"{ANSWER}.{os.getpid()}"
    try:
        partial.write_text(json.dumps(asdict(answer)), encoding="utf-8")
        try:
            os.link(partial, folder / ANSWER)  # unlike a rename it takes nobody's place
        finally:
            partial.unlink(missing_ok=True)
    except FileExistsError:
        raise UsageError(f"{answer.step}: somebody else answers it at this moment") from None
    except OSError as error:
        raise HarnessError(f"can't answer in {folder}: {error.strerror}") from error
    taken = _taken(folder)
    if taken is not None and taken.step == answer.step and taken != answer:
        (folder / ANSWER).unlink(missing_ok=True)
        raise UsageError(f"{answer.step}: was answered before, by {taken.by}")


def _taken(folder: Path) -> Answer | None:
    try:
        return Answer(**json.loads((folder / TAKEN).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _waiting(state: Path, run: str, step: str) -> Status:
    living = [each for each in statuses(state) if each.suite]
    suites = [each for each in living if not run or run in _names(each)]
    if not living:
        wish = f"no suite {run!r} lives: " if run else ""
        raise UsageError(f"{wish}no suite is running, so nobody waits for an answer")
    if len(suites) != 1:
        names = ", ".join(each.suite for each in living)
        wish = f"name one of the suites {run!r}" if suites and run else f"no suite {run!r} lives"
        wish = wish if run else "name one suite"
        raise UsageError(f"{wish}; running now: {names}")
    (found,) = suites
    if not found.waits_for:
        raise UsageError(f"{found.suite} waits for nobody: it is at {found.step or found.phase}")
    if step and step != found.step:
        raise UsageError(f"{found.suite} waits for {found.step}, not for {step}")
    return found


def _names(status: Status) -> set[str]:
    """What a suite is called: its run, what is run for it, and its name within its run's."""
    name = re.fullmatch(r"\d{8}-\d{6}-(.+)-[0-9a-f]{4}", status.suite)
    return {status.suite, status.run, *([name[1]] if name else [])}

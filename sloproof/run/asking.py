"""What a suite asks of people and what they answer, through its folder in the state folder."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sloproof.errors import HarnessError, UsageError
from sloproof.run.control import Status, statuses
from sloproof.run.state import run_folder

ANSWER = "answer.json"
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
        self._file.unlink(missing_ok=True)
        return answer if answer is not None and answer.step == step else None


def confirm(state: Path, run: str, answer: Answer) -> Status:
    """Answer what a living suite waits for; gives what it waited for, once it took the answer.

    An empty `answer.step` means whatever it waits for. Raises `UsageError` where no such suite
    lives or where it waits for nothing, `HarnessError` where it doesn't take the answer.
    """
    waiting = _waiting(state, run, answer.step)
    folder = run_folder(state, waiting.run)
    partial = folder / f"{ANSWER}.{os.getpid()}"
    try:
        partial.write_text(json.dumps({**asdict(answer), "step": waiting.step}), encoding="utf-8")
        partial.rename(folder / ANSWER)
    except OSError as error:
        raise HarnessError(f"can't answer in {folder}: {error.strerror}") from error
    deadline = time.monotonic() + TAKEN_WITHIN
    while (folder / ANSWER).exists():
        if time.monotonic() > deadline:
            with contextlib.suppress(FileNotFoundError):
                (folder / ANSWER).unlink()
                raise HarnessError(f"{waiting.run} did not take the answer: is it stopped?")
        time.sleep(POLL)
    return waiting


def _waiting(state: Path, run: str, step: str) -> Status:
    suites = [each for each in statuses(state) if each.suite and run in ("", each.suite, each.run)]
    if len(suites) != 1:
        names = ", ".join(each.suite for each in suites) or "none"
        wish = f"no suite {run!r} lives" if run else "name one suite"
        raise UsageError(f"{wish}; running now: {names}")
    (found,) = suites
    if not found.waits_for:
        raise UsageError(f"{found.suite} waits for nobody: it is at {found.step or found.phase}")
    if step and step != found.step:
        raise UsageError(f"{found.suite} waits for {found.step}, not for {step}")
    return found

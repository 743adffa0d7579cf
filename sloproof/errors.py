"""Every error sloproof raises on purpose, in one tree.

```
SloproofError                   exit status 4 unless said otherwise
├── UsageError             2    nothing was touched
│   ├── InvalidInput       2    files or options that can't be accepted, all problems at once
│   │   └── ExtensionError 2    a fault, probe, check or platform that doesn't load
│   ├── NoVerdictPossible  2    the load or the sources can't reach a verdict
│   └── BrokenRecord       2    a record that was changed, cut or mixed up
├── HarnessError           4    the harness or the target's platform failed
│   ├── PlatformError      4    the platform refused or can't do what was asked
│   │   └── Lacking        4    a capability this platform or host doesn't have
│   ├── EffectError        4    a change to the world failed
│   │   └── Unreachable    4    a control interface gave no answer in time
│   ├── LoadError          4    the load generator failed
│   ├── ProberError        4    the prober failed
│   └── LedgerError        4    the ledger failed
├── Interrupted            3    a signal came before anything was begun
└── NotReverted            5    something could not be put back
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class SloproofError(Exception):
    """The root of the tree; its `exit_status` is what the command line ends with."""

    exit_status: ClassVar[int] = 4


class UsageError(SloproofError):
    """The request itself is wrong; nothing was touched."""

    exit_status = 2


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with one place: where, what, and what would be right.

    `line` counts from 1; 0 means the file as a whole. `field` is the path inside the document,
    such as `spec.faults[0].with.delay`.
    """

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = ": ".join(part for part in (place, self.field, self.message) if part)
        return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    """What was quoted from a file must break no line and steer no terminal."""
    return character.encode("unicode_escape").decode("ascii")


class InvalidInput(UsageError):
    """Files or options that can't be accepted; carries every problem found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ExtensionError(InvalidInput):
    """A fault, effect, probe, check, platform or profile that doesn't load: one problem.

    `file` and `line` are of the extension, where it is a file.
    """

    def __init__(self, message: str, file: str = "", line: int = 0) -> None:
        super().__init__([Problem(file, line, "", message)])


class NoVerdictPossible(UsageError):
    """The experiment can't reach a verdict with the load and sources it has."""


class BrokenRecord(UsageError):
    """A record that was changed, cut or mixed with another."""


class HarnessError(SloproofError):
    """The harness or the target's platform failed; what was injected is reverted."""


class PlatformError(HarnessError):
    """The platform refused or can't do what was asked."""


class Lacking(PlatformError):
    """A capability that this platform or host doesn't have, with the reason and the remedy."""


class EffectError(HarnessError):
    """A change to the world failed."""


class Unreachable(EffectError):
    """A control interface gave no answer in time."""


class LoadError(HarnessError):
    """The load generator failed."""


class ProberError(HarnessError):
    """The prober failed."""


class LedgerError(HarnessError):
    """The ledger failed."""


class Interrupted(SloproofError):
    """A signal came before anything was begun."""

    exit_status = 3


class NotReverted(SloproofError):
    """Something could not be put back; the message says what and how to do it by hand."""

    exit_status = 5


def said(error: BaseException) -> str:
    """An error in words; one that is not ours has its name too: its words may be as few as "0"."""
    words = str(error)
    if isinstance(error, SloproofError):
        return words
    return ": ".join(filter(None, [type(error).__name__, words]))

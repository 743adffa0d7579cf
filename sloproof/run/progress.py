"""Progress for people: one live line on a terminal, plain lines elsewhere; on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from sloproof.run.control import Status

REDRAW = 0.25
PLAIN = 5.0


class Progress(Protocol):
    """Hears of the run's state often, and says as much of it as is good."""

    def show(self, status: Status) -> None:
        """The state now."""
        ...

    def say(self, line: str) -> None:
        """Something that happened and stays on the screen."""
        ...

    def close(self) -> None:
        """No more will come."""
        ...


class Silent:
    """Says nothing."""

    def show(self, status: Status) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Plain:
    """A line at each change of phase or faults, and one every five seconds."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._last: tuple[str, tuple[str, ...]] = ("", ())
        self._next = 0.0

    def show(self, status: Status) -> None:
        """A line if something changed or five seconds went by."""
        key: tuple[str, tuple[str, ...]] = (status.phase, status.faults)
        now = self._clock()
        if key != self._last or now >= self._next:
            self._last, self._next = key, now + PLAIN
            self.say(status_line(status))

    def say(self, line: str) -> None:
        """One line."""
        _put(self._out, f"sloproof: {line}\n")

    def close(self) -> None:
        """Nothing to clear."""


class Terminal:
    """One line that is redrawn in place, and lines that stay above it."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._next = 0.0
        self._width = 0

    def show(self, status: Status) -> None:
        """Redraw the line, at most four times a second."""
        now = self._clock()
        if now >= self._next:
            self._next = now + REDRAW
            self._draw(status_line(status))

    def say(self, line: str) -> None:
        """Put a line above the live one."""
        self._clear()
        _put(self._out, f"  {line}\n")
        self._next = 0.0

    def close(self) -> None:
        """Clear the live line."""
        self._clear()

    def _draw(self, line: str) -> None:
        columns = _columns()
        text = line if len(line) < columns else line[: columns - 2] + "…"
        self._clear()
        _put(self._out, text)
        self._width = len(text)

    def _clear(self) -> None:
        if self._width:
            _put(self._out, "\r\x1b[2K")
            self._width = 0


def _put(out: TextIO, text: str) -> None:
    """Show it; where nobody looks any more the run goes on all the same."""
    with contextlib.suppress(OSError, ValueError):
        out.write(text)
        out.flush()


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def status_line(status: Status) -> str:
    """The state in one line: phase, time left, live figures, faults in force."""
    left = f" {status.remaining_s:4.0f}s left" if status.remaining_s else ""
    faults = f"  ▲ {', '.join(status.faults)}" if status.faults else ""
    return f"[{status.phase}]{left}  {status.line}{faults}".rstrip()


def progress_to(out: TextIO | None = None) -> Progress:
    """What fits where it goes: a live line on a terminal, plain lines elsewhere."""
    stream = out or sys.stderr
    return Terminal(stream) if stream.isatty() else Plain(stream)

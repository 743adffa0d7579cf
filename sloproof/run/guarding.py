"""The engine's end of the guardian: start it, beat, hear it, dismiss it."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sloproof.effects.incarnation import Incarnation, self_incarnation
from sloproof.errors import HarnessError
from sloproof.run.guardian import BEAT, SILENCE

START = 5.0


class Guard(Protocol):
    """Somebody who undoes when the engine can't."""

    def start(self, journal: Path, record: Path, keep: Sequence[int]) -> None:
        """Begin to watch; raises `HarnessError` where it can't."""
        ...

    @property
    def incarnation(self) -> Incarnation | None:
        """Its process, where it has one that lives."""
        ...

    def beat(self, due: int) -> None:
        """A sign of life; `due` is when the last fault in force must have ended, or 0."""
        ...

    def dismiss(self) -> None:
        """Nothing is left to watch over."""
        ...


class GuardianProcess:
    """The guardian as a process of its own session. Raises `HarnessError` once it is lost."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sent = 0.0
        self._due = 0
        self._heard = 0.0

    def start(self, journal: Path, record: Path, keep: Sequence[int]) -> None:
        """Start it and wait for its first sign; `keep` are descriptors it holds as well."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # the guardian outlives us: no death signal
                [
                    sys.executable,
                    "-m",
                    "sloproof.run.guardian",
                    str(journal),
                    str(record),
                    str(theirs.fileno()),
                    str(self_incarnation()),
                ],
                pass_fds=[theirs.fileno(), *keep],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._line = ours
        ours.settimeout(START)
        try:
            if ours.recv(1) != b"!":
                raise HarnessError("the guardian ended at its start; nothing was touched")
        except OSError:
            self._end()
            raise HarnessError(f"the guardian didn't start within {START:g} s") from None
        ours.setblocking(False)
        self._heard = time.monotonic()

    def beat(self, due: int) -> None:
        """Send a heartbeat when it is time, or at once when `due` changed; hear the guardian's."""
        now = time.monotonic()
        if due != self._due or now - self._sent >= BEAT:
            self._say({"due": due})
            self._sent, self._due = now, due
        self._listen(now)

    def dismiss(self) -> None:
        """Tell it goodbye and await its end."""
        if self._line is None or self._process is None:
            return
        with contextlib.suppress(OSError, HarnessError):  # a dead guardian needs no goodbye
            self._say({"bye": True})
        try:
            self._process.wait(2 * SILENCE)
        except subprocess.TimeoutExpired:  # a stopped one would keep the target's lock
            self._end()
        self._line.close()
        self._line = None

    @property
    def incarnation(self) -> Incarnation | None:
        """Its process's life; None before it was started and after it died."""
        return Incarnation.of(self._process.pid) if self._process else None

    def _end(self) -> None:
        """A guardian that doesn't answer must not wake up later and act on its own."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _say(self, message: dict[str, object]) -> None:
        if self._line is None:
            return
        try:
            self._line.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise HarnessError(f"the guardian is lost: {error}") from error

    def _listen(self, now: float) -> None:
        if self._line is None:
            return
        readable, _, _ = select.select([self._line], [], [], 0)
        if readable:
            try:
                said = self._line.recv(4096)
            except OSError:  # it died with words of ours unread
                said = b""
            if not said:
                raise HarnessError("the guardian died; everything is reverted")
            self._heard = now
        elif now - self._heard > 2 * SILENCE:
            self._end()
            raise HarnessError(f"the guardian gave no sign for {2 * SILENCE:g} s; it was ended")

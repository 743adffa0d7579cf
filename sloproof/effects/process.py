"""A process that the harness starts: target, load, prober. It dies with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sloproof.contracts.effect import Effect, Json, Undone
from sloproof.effects.incarnation import Incarnation
from sloproof.effects.running import run
from sloproof.effects.tagged import OWNER, end, tagged
from sloproof.effects.tether import PR_SET_PDEATHSIG
from sloproof.errors import EffectError
from sloproof.model.units import Duration

_children: list[subprocess.Popen[bytes]] = []  # the kernel keeps the dead until a parent asks


def reap() -> None:
    """Ask after the children of this process, so that dead ones don't stay as zombies."""
    for child in [each for each in _children if each.poll() is not None]:
        _children.remove(child)
        if child.stdin is not None:
            child.stdin.close()


def adopt(child: subprocess.Popen[bytes]) -> None:
    """Ask after this child, too, and keep its standard input open as long as it lives."""
    _children.append(child)


@dataclass(frozen=True, kw_only=True)
class Process(Effect):
    """A started process with all that it starts, found again by its owner's tag.

    `stop` is a command that ends it in good order, in `stop_within` seconds; what is left after
    `grace_ns` is killed.
    `target` says that this is the system under test, and no helper of the harness.
    """

    kind: ClassVar[str] = "process"
    foundation: ClassVar[bool] = True
    deadline: ClassVar[Duration] = Duration(20_000_000_000)

    argv: tuple[str, ...]
    words: str
    log: str
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    stop: tuple[str, ...] = ()
    stop_within: float = 10.0
    grace_ns: int = 3_000_000_000
    target: bool = False

    def capture(self) -> Json:
        """Nothing is there before."""
        return {}

    def apply(self, prior: Json) -> None:
        """Start it in a session of its own, its output in the log file."""
        if self.present(prior):
            return
        environment = {**os.environ, **self.environment, OWNER: str(self.owner)}
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        parent = os.getpid()

        def die_with_parent() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        try:
            with Path(self.log).open("ab") as log:
                child = subprocess.Popen(
                    self.argv,
                    cwd=self.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=die_with_parent,  # noqa: PLW1509 - the engine spawns from one thread
                )
        except OSError as error:
            raise EffectError(f"can't start {self.words}: {error}") from error
        adopt(child)

    def undo(self, prior: Json) -> Undone:
        """Stop it in good order, then end whatever still carries the tag.

        A `stop` command is run even where nothing carries the tag: what it starts may have left
        this process's reach (a container, a service), and it tidies up after what died.
        """
        there = self.present(prior)
        if self.stop:
            self._signal(signal.SIGCONT)
            self._run_stop()
        elif there:
            self._signal(signal.SIGTERM)
        if there and not self._gone_within(self.grace_ns / 1e9):
            end(self._lives, within=5)
        return Undone.REVERTED if there else Undone.ABSENT

    def present(self, prior: Json) -> bool:
        """Whether a process with the tag lives; looked for twice, for one may be just forking."""
        reap()
        return any(next(self._lives(), None) is not None for _ in range(2))

    def patience(self) -> Duration:
        """As long as the stop command may take, and what comes after it."""
        return Duration.of(self.stop_within if self.stop else 0) + self.deadline

    def carries(self) -> bool:
        """The system under test dies with this process."""
        return self.target

    def _lives(self) -> Iterator[Incarnation]:
        return tagged(self.owner)

    def _signal(self, number: signal.Signals) -> None:
        for life in self._lives():
            life.send(number)
            life.send(signal.SIGCONT)  # one that is stopped would never hear it

    def _run_stop(self) -> None:
        """Run the stop command; where it fails or hangs, the kill that follows does its work."""
        try:
            run(self.stop, timeout=self.stop_within, folder=self.folder)
        except EffectError:
            self._signal(signal.SIGTERM)

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.present({}):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def remedy(self) -> str:
        """How to find and end what is left."""
        return f"end the processes whose environment has {OWNER}={self.owner}"

    def __str__(self) -> str:
        return f"start {self.words}"

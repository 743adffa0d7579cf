"""sloproof's command line, which dies or is struck by a signal at one chosen step.

`python -m tests.truth.dying STEP SIGNAL VICTIM WITNESS ARGUMENTS…`: STEP is `KIND:DEED:MOMENT`,
such as `toxic:apply:after`; VICTIM is `engine`, `guardian`, `both` or the id of a process. Once the
step is reached its name goes to the file WITNESS, and the signal to the victim. Deeds are
`capture`, `apply` and `undo` of an effect, and its lines in the journal: `intended`, `applied`,
`undone`. Moments are `before`, `after`, and `sent`: asked of a server, not yet answered.
"""

from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sloproof.cli import main
from sloproof.contracts import Effect
from sloproof.effects.command import Command
from sloproof.effects.kill import Kill
from sloproof.effects.open_files import OpenFiles
from sloproof.effects.packet_delay import PacketDelay
from sloproof.effects.packet_loss import PacketLoss
from sloproof.effects.pause import Pause
from sloproof.effects.process import Process
from sloproof.effects.proxy_down import ProxyDown
from sloproof.effects.switch import Switch
from sloproof.effects.toxic import Toxic
from sloproof.run.guarding import GuardianProcess
from sloproof.run.journal import Journal

KINDS: tuple[type[Effect], ...] = (
    Toxic, ProxyDown, Pause, Switch, Command, Kill, Process, PacketLoss, PacketDelay,
    OpenFiles,
)  # fmt: skip
ASKING = ("POST", "PUT", "DELETE")


class Fate:
    """Waits for the step, then strikes once."""

    def __init__(self, step: str, number: signal.Signals, victim: str, witness: Path) -> None:
        self.step = step
        self.number = number
        self.victim = victim
        self.witness = witness
        self.guardian = 0
        self.doing = threading.local()
        self.kinds: dict[int, str] = {}

    def reached(self, step: str) -> None:
        if step != self.step:
            return
        self.step = ""
        self.witness.write_text(step)
        if self.victim.isdigit():
            os.kill(int(self.victim), self.number)
        if self.victim in ("guardian", "both"):
            os.kill(self.guardian, self.number)
        if self.victim in ("engine", "both"):
            os.kill(os.getpid(), self.number)

    def around(self, owner: type, name: str, label: Callable[..., str]) -> None:
        """Tell of a method's beginning and end."""
        method = getattr(owner, name)

        def told(this: Any, *args: Any, **kwargs: Any) -> Any:
            step = label(this, *args)
            self.doing.step = step
            self.reached(f"{step}:before")
            answer = method(this, *args, **kwargs)
            self.reached(f"{step}:after")
            return answer

        setattr(owner, name, told)

    def watch(self) -> None:
        for kind in KINDS:
            for deed in ("capture", "apply", "undo"):
                self.around(kind, deed, lambda this, *_, deed=deed: f"{this.kind}:{deed}")
        self.around(Journal, "intend", self._intended)
        self.around(Journal, "mark", lambda _, number, stage: f"{self.kinds[number]}:{stage}")
        self._watch_requests()
        start = GuardianProcess.start

        def started(this: GuardianProcess, *args: Any) -> None:
            start(this, *args)
            life = this.incarnation
            self.guardian = life.pid if life else 0

        setattr(GuardianProcess, "start", started)  # noqa: B010 - mypy knows no other way

    def _intended(self, _: Journal, effect: Effect, *__: object) -> str:
        number = effect.owner.number if effect.owner else 0
        self.kinds[number] = effect.kind
        return f"{effect.kind}:intended"

    def _watch_requests(self) -> None:
        request = http.client.HTTPConnection.request

        def sent(this: http.client.HTTPConnection, method: str, *args: Any, **kwargs: Any) -> None:
            request(this, method, *args, **kwargs)
            if method in ASKING:
                self.reached(f"{getattr(self.doing, 'step', '')}:sent")

        setattr(http.client.HTTPConnection, "request", sent)  # noqa: B010 - likewise


if __name__ == "__main__":
    step, number, victim, witness, *arguments = sys.argv[1:]
    Fate(step, signal.Signals[number], victim, Path(witness)).watch()
    sys.argv = ["sloproof", *arguments]
    main()

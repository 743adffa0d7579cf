"""The conductor of a suite: one step after the other, a gate before each experiment.

What ends it early (a failed step, a gate that stays shut, a signal) leaves what went before; the
target is ended, and everything is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from sloproof.errors import NotReverted, SloproofError
from sloproof.model.clock import Clock
from sloproof.record.suite import SuiteWriter
from sloproof.run.asking import Answer, Desk
from sloproof.run.control import Bulletin, Status
from sloproof.run.progress import Progress
from sloproof.run.watch import Signals
from sloproof.spec.gates import gate_experiment, gated_probes
from sloproof.spec.loaded import Loaded
from sloproof.spec.loaded_suite import LoadedSuite
from sloproof.spec.suite import Manual, Step

PAUSE = 100_000_000
POST = 1_000_000_000


class Held(Protocol):
    """A target that stays up while it is held."""

    step: str

    @property
    def left(self) -> tuple[str, ...]:
        """After it ended: what could not be put back, and how to do it by hand."""
        ...

    @property
    def lost(self) -> str:
        """Why nobody watches over it any more, or ""."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What one run came to. `outcome` is that of its verdict, "" where it has none.

    `broke` is why the harness or the platform failed, or "".
    """

    run: str
    how: str
    reason: str
    outcome: str
    broke: str = ""
    unreverted: tuple[str, ...] = ()


Perform = Callable[[Loaded, int | None, Held], Performed]
"""Runs an experiment with a seed (its own if None) on a held target, and judges it."""


@dataclass(frozen=True, slots=True)
class Crew:
    """What a suite works with: who performs its runs, who holds its targets, who answers."""

    clock: Clock
    perform: Perform
    hold: Callable[[Loaded], AbstractContextManager[Held]]
    desk: Desk
    bulletin: Bulletin
    signals: Signals
    progress: Progress


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """How a suite ended (`completed`, `stopped`, `interrupted`, `failed`) and why."""

    how: str
    reason: str = ""
    unreverted: tuple[str, ...] = ()


class Over(Exception):
    """The suite ends here."""

    def __init__(self, how: str, reason: str) -> None:
        super().__init__(reason)
        self.how = how
        self.reason = reason


@dataclass(slots=True)
class Conductor:
    """One suite from begin to seal. `seed` takes the place of the experiments' own."""

    loaded: LoadedSuite
    crew: Crew
    record: SuiteWriter
    card: Status
    origin: int
    seed: int | None = None
    _done: int = 0
    _posted: int = 0
    _left: list[str] = field(default_factory=list)

    def run(self) -> SuiteResult:
        """All steps; never raises for what happens in them."""
        how, reason = "completed", ""
        try:
            for stretch in self._stretches():
                self._held(stretch)
        except Over as over:
            how, reason = over.how, over.reason
        except NotReverted as error:
            how, reason = "failed", str(error)
            self._left.append(str(error))
        except (SloproofError, OSError) as error:
            how, reason = "failed", str(error)
            self._tell("harness.error", error=reason)
        if self._left:
            how = "failed"
        for number, step in list(enumerate(self.loaded.suite.steps))[self._done :]:
            self._tell("step.skipped", step=step.name, number=number, reason=reason)
        self._tell("suite.finished", how=how, reason=reason)
        self.record.seal()
        return SuiteResult(how, reason, tuple(self._left))

    # -- steps

    def _stretches(self) -> Iterator[list[int]]:
        """The steps by number, those together in which one target stays up."""
        stretch: list[int] = []
        last: Loaded | None = None
        for number, loaded in enumerate(self.loaded.experiments):
            if loaded is not None and last is not None and not self._stays(last, loaded):
                yield stretch
                stretch = []
            last = loaded or last
            stretch.append(number)
        yield stretch

    def _stays(self, before: Loaded, after: Loaded) -> bool:
        return self.loaded.suite.keep_target and before.target == after.target

    def _held(self, stretch: Sequence[int]) -> None:
        """The steps of a stretch on its target, which is ended afterwards whatever happened."""
        experiments = [e for n in stretch if (e := self.loaded.experiments[n]) is not None]
        first, held = experiments[0], None
        name = first.target.name
        try:
            with self.crew.hold(first) as held:
                self._tell("target.held", target=name)
                for number in stretch:
                    self._take(number, held)
                self._gate("", experiments[-1], held)
        finally:
            if held is not None:
                self._tell("target.released", target=name, left=list(held.left))
                self._left += [each for each in held.left if each not in self._left]

    def _take(self, number: int, held: Held) -> None:
        step = self.loaded.suite.steps[number]
        loaded = self.loaded.experiments[number]
        held.step = step.name
        self.crew.progress.say(f"step {number + 1}: {step.name}")
        if loaded is None and step.manual is not None:
            self._done = number + 1
            failed = self._manual(number, step, step.manual, held)
        else:
            failed = loaded is not None and self._experiment(number, step, loaded, held)
        if failed and self.loaded.suite.on_failure == "stop":
            raise Over("stopped", f"{step.name} failed")

    def _experiment(self, number: int, step: Step, loaded: Loaded, held: Held) -> bool:
        """Whether one of its runs failed, all of which are made."""
        failed = False
        for repetition in range(step.times):
            self._gate(step.name, loaded, held)
            self._done = number + 1
            held.step = step.name
            seed = self._seed(loaded, repetition, step.name)
            facts = {"step": step.name, "number": number, "repetition": repetition}
            self._raise_if_over(held)
            self._tell("step.begun", **facts)
            performed = self.crew.perform(loaded, seed, held)
            told = {"run": performed.run, "how": performed.how, "outcome": performed.outcome}
            self._tell("step.ended", reason=performed.reason, **facts, **told)
            self._stop_for(performed)
            failed = failed or performed.outcome == "FAIL" or bool(performed.broke)
        return failed

    def _seed(self, loaded: Loaded, repetition: int, step: str) -> int | None:
        """The seed of a repetition: the runs of one step must not all be the same."""
        own = loaded.experiment.seed
        seed = (own if self.seed is None else self.seed) + repetition
        if self.seed is not None and self.seed != own and not repetition:
            self._deviate(step, f"seed {self.seed} instead of the experiment's own {own}")
        return seed

    def _stop_for(self, performed: Performed) -> None:
        if performed.unreverted:
            raise Over("failed", f"{performed.run} left something that could not be reverted")
        if performed.how == "interrupted" or self.crew.signals.received:
            raise Over("interrupted", self.crew.signals.received or performed.reason)

    # -- gates

    def _gate(self, before: str, loaded: Loaded, held: Held) -> None:
        """Wait for the steady state; raises `Over` where it doesn't come."""
        gate = self.loaded.suite.gate
        if not gated_probes(gate, loaded):
            return
        self._raise_if_over(held)
        held.step = f"gate before {before}" if before else "gate at the end"
        self._tell("gate.begun", before=before)
        watched = gate_experiment(gate, loaded, f"gate-{before}"[:63] if before else "gate-at-end")
        performed = self.crew.perform(watched, None, held)
        reason = performed.broke or performed.reason
        told = {"run": performed.run, "outcome": performed.outcome, "reason": reason}
        self._tell("gate.ended", before=before, **told)
        self._stop_for(performed)
        if performed.outcome != "PASS":
            what = f"before {before}" if before else "at the end"
            why = f": {reason}" if reason else ""
            raise Over("stopped", f"the target was not in its steady state {what}{why}")

    # -- what people do

    def _manual(self, number: int, step: Step, manual: Manual, held: Held) -> bool:
        """Whether it is said to have failed; one that nobody confirms is missed."""
        now = self.crew.clock.now()
        facts = {"step": step.name, "number": number}
        asked = {"do": manual.do, "by": manual.by, "within_ns": manual.within.ns}
        self._tell("manual.asked", **facts, **asked)
        words = f"{manual.by}: {manual.do}"
        self.crew.progress.say(
            f"waiting for {words} (sloproof confirm {self.card.run} {step.name} --by NAME, "
            f"within {manual.within})"
        )
        answer = self._answer(step, now + manual.within.ns, words, held)
        if answer is None:
            self._tell("manual.missed", **facts, by=manual.by)
            self._deviate(step.name, f"nobody confirmed it within {manual.within}")
            return False
        said = {"by": answer.by, "note": answer.note, "failed": answer.failed}
        self._tell("manual.confirmed", **facts, **said, wall_ns=answer.wall_ns)
        fate = f"failed, says {answer.by}" if answer.failed else f"confirmed by {answer.by}"
        self.crew.progress.say(f"{step.name}: {fate}")
        return answer.failed

    def _answer(self, step: Step, until: int, words: str, held: Held) -> Answer | None:
        self._posted = 0
        while (now := self.crew.clock.now()) < until:
            self._raise_if_over(held)
            if now >= self._posted:
                self._posted = now + POST
                left = round((until - now) / 1e9, 1)
                self.crew.bulletin.post(self._status(step.name, words, left))
            if (answer := self.crew.desk.take(step.name)) is not None:
                return answer
            self.crew.clock.sleep(PAUSE)
        return None

    def _status(self, step: str, words: str, left: float) -> Status:
        return replace(self.card, phase="manual", step=step, waits_for=words, remaining_s=left)

    def _raise_if_over(self, held: Held) -> None:
        if held.lost:
            raise Over("failed", held.lost)
        if self.crew.signals.received:
            raise Over("interrupted", self.crew.signals.received)
        if self.crew.bulletin.stop_wanted():
            raise Over("interrupted", "sloproof stop")

    # -- small things

    def _deviate(self, step: str, what: str) -> None:
        self._tell("deviation", step=step, what=what)

    def _tell(self, kind: str, /, **data: object) -> None:
        self.record.event(self.crew.clock.now() - self.origin, kind, **data)

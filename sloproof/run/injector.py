"""Bringing faults about and taking them back: every effect journalled before it is applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sloproof.contracts import Duration, Effect, Json, Owner, Undone, Where
from sloproof.errors import EffectError, HarnessError, PlatformError
from sloproof.model.clock import boot_id
from sloproof.run.crew import Crew
from sloproof.run.holding import Entries
from sloproof.run.journal import Entry, Stage
from sloproof.run.planner import Meanwhile, Planner
from sloproof.run.reversal import Reverted, longest, revert
from sloproof.run.timeline import Occurrence

HOLD = 100_000_000
WITNESSES = 5_000_000_000
HEAL_CHECK = 200_000_000

LOOK = 1_000_000_000
SELDOM = Duration(200_000_000)

Tell = Callable[..., None]
Aside = Callable[[Callable[[], Any], Meanwhile], Any]


@dataclass(slots=True)
class InForce:
    """The effects of one occurrence: those applied, and when to look for new ones to hold."""

    occurrence: Occurrence
    struck: Where = field(default_factory=Where)
    applied: list[tuple[Effect, Json]] = field(default_factory=list)
    holds: bool = False
    next_look: int = 0


class Injector:
    """Plans faults on the platform, journals and applies their effects, reverts them."""

    def __init__(self, crew: Crew, run: str, seed: int, journal: Entries, tell: Tell) -> None:
        self._crew = crew
        self._run = run
        self.planner = Planner(crew, seed)
        self._journal = journal
        self._tell = tell
        self._count = journal.last()
        self._in_force: dict[tuple[str, int], InForce] = {}
        self._unhealed: dict[int, Entry] = {}
        self._mooted: set[int] = set()
        self._started: list[Effect] = []
        self._struck = False
        self._next_look = 0
        self._next_heal_check = 0

    # -- injecting

    def inject(
        self, occurrence: Occurrence, now: int, meanwhile: Meanwhile, waiting: Meanwhile
    ) -> None:
        """Bring the occurrence about; raises `EffectError` or `PlatformError` where it can't.

        `waiting` is called before anything is changed and may raise to call it off.
        """
        plan = occurrence.plan
        planned = self.planner.plan(plan, occurrence.index, meanwhile)
        state = InForce(occurrence, planned.where, holds=planned.holds, next_look=now + HOLD)
        numbered = [self._numbered(effect) for effect in planned.effects]
        self._tell(
            "fault.injecting",
            fault=plan.name,
            occurrence=occurrence.index,
            inject=plan.fault.kind,
            fields=plan.fault.fields(),
            where=sorted(planned.where.names),
            effects=[effect.owner.number for effect in numbered if effect.owner],
        )
        self._await_witnesses(numbered, waiting)
        self._in_force[occurrence.id] = state
        for effect in numbered:
            described = self.planner.described(effect, occurrence, planned.where, meanwhile)
            self._tell("effect.planned", **described)
            state.applied.append((effect, self.apply(effect, meanwhile)))

    def hold(self, now: int, meanwhile: Meanwhile) -> None:
        """Let faults that hold keep their size, and also strike what came since."""
        for state in list(self._in_force.values()):
            if state.holds and now >= state.next_look:
                state.next_look = now + HOLD
                self._keep(state, meanwhile)
                self._strike_again(state, meanwhile)

    def _keep(self, state: InForce, meanwhile: Meanwhile) -> None:
        for effect, prior in state.applied:
            with suppress(EffectError):  # what can't be kept is seen absent by its witness
                self._crew.aside(partial(effect.keep, prior), meanwhile)

    def _strike_again(self, state: InForce, meanwhile: Meanwhile) -> None:
        occurrence = state.occurrence
        try:
            planned = self.planner.again(occurrence.plan, occurrence.index, state.struck, meanwhile)
        except PlatformError:
            return  # nothing lives now that could be struck
        nobody = Owner(self._run, 0)
        struck = [effect.bound(nobody) for effect, _ in state.applied]
        for effect in planned.effects:
            if effect.bound(nobody) in struck:
                continue
            numbered = self._numbered(effect)
            described = self.planner.described(numbered, occurrence, planned.where, meanwhile)
            self._tell("effect.planned", **described, again=True)
            try:
                prior = self._intend(numbered, meanwhile)
            except EffectError:
                continue  # it went while it was looked at; the next round sees what came instead
            state.applied.append((numbered, self._carry_out(numbered, prior, meanwhile)))
            self._watch_struck_again(numbered)

    def apply(self, effect: Effect, meanwhile: Meanwhile) -> Json:
        """Capture, journal, apply, journal; gives what was captured."""
        return self._carry_out(effect, self._intend(effect, meanwhile), meanwhile)

    def _intend(self, effect: Effect, meanwhile: Meanwhile) -> Json:
        """Capture and journal; gives what was captured."""

        def intend() -> Json:
            prior = effect.capture()
            self._journal.intend(effect, prior, boot_id())
            return prior

        captured: Json = self._aside(effect)(intend, meanwhile)
        return captured

    def _carry_out(self, effect: Effect, prior: Json, meanwhile: Meanwhile) -> Json:
        """Apply what is journalled, and journal how that went."""
        number = effect.owner.number if effect.owner else 0

        def carry_out() -> None:
            try:
                effect.apply(prior)
            except EffectError as error:
                self._journal.mark(number, Stage.REFUSED, error=str(error))
                raise
            self._journal.mark(number, Stage.APPLIED)

        self._tell("effect.applying", number=number)
        try:
            self._aside(effect)(carry_out, meanwhile)
        except EffectError as error:
            self._tell("effect.failed", number=number, error=str(error))
            raise
        self._tell("effect.applied", number=number)
        if effect.lasting:
            self._unhealed[number] = self._journal.view().entries[number]
            self._struck = True
        return prior

    def _aside(self, effect: Effect) -> Aside:
        """What starts a process does so from this thread, with which the process dies."""
        return (lambda work, _: work()) if effect.foundation else self._crew.aside

    def found(self, effect: Effect, meanwhile: Meanwhile) -> None:
        """Apply an effect that isn't a fault's: a process the harness starts."""
        numbered = self._numbered(effect)
        self.apply(numbered, meanwhile)
        self._started.append(numbered)

    def forget_ended(self) -> None:
        """A start command that has ended by now started something that lives elsewhere."""
        self._started = [effect for effect in self._started if effect.present({})]

    def watch_started(self, now: int, meanwhile: Meanwhile) -> None:
        """Raises `HarnessError` where something that was started has ended by itself.

        Not where a fault struck the target: the fault may have been its end.
        """
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        for effect in self._started:
            if effect.carries() and self._struck:
                continue
            if not self._crew.aside(partial(effect.present, {}), meanwhile):
                what = str(effect).removeprefix("start ")
                raise HarnessError(f"{what} ended by itself: its process died")

    # -- ending

    def patience(self, occurrence: Occurrence) -> int:
        """How long taking the occurrence back may take at the most, in nanoseconds."""
        state = self._in_force.get(occurrence.id)
        return sum(round(longest(effect) * 1e9) for effect, _ in state.applied) if state else 0

    def end(self, occurrence: Occurrence, meanwhile: Meanwhile) -> list[Reverted]:
        """Take back what the occurrence did; lasting effects stay. Gives what failed."""
        state = self._in_force.pop(occurrence.id, InForce(occurrence))
        numbers = {effect.owner.number for effect, _ in state.applied if effect.owner}
        entries = self._journal.view().entries
        failed = self._revert([entries[n] for n in numbers if n not in self._unhealed], meanwhile)
        self._tell("fault.ended", fault=occurrence.plan.name, occurrence=occurrence.index)
        return failed

    def settle(self, occurrence: Occurrence) -> None:
        """A single blow is over as soon as it is struck."""
        self._in_force.pop(occurrence.id, None)
        self._tell("fault.ended", fault=occurrence.plan.name, occurrence=occurrence.index)

    def watch_healing(self, now: int, meanwhile: Meanwhile) -> bool:
        """Whether the system has healed all that can't be undone; notes what it sees healed."""
        if now >= self._next_heal_check:
            self._next_heal_check = now + HEAL_CHECK
            healed, moot = self._crew.aside(self._look_for_healed, meanwhile)
            for number in healed:
                self._unhealed.pop(number, None)
            self._mooted |= set(moot)
            for number in healed + moot:
                self._tell("effect.healed", number=number)
        return not self._unhealed

    def _look_for_healed(self) -> tuple[list[int], list[int]]:
        """The numbers of lasting effects that are over, and of those whose subject was replaced."""
        unhealed = list(self._unhealed.items())
        healed = [number for number, one in unhealed if not one.load().present(one.before())]
        in_force = [one for state in self._in_force.values() for one in state.applied]
        numbers = [(e.owner.number if e.owner else 0, e, prior) for e, prior in in_force]
        moot = [n for n, e, prior in numbers if n not in self._mooted and e.moot(prior)]
        return healed, moot

    def restore(self, meanwhile: Meanwhile) -> list[Reverted]:
        """Take back all but the processes that were started; gives what failed."""
        left = self._journal.view().open_entries
        return self._revert([one for one in left if not one.load().foundation], meanwhile)

    def restore_all(self, meanwhile: Meanwhile) -> list[Reverted]:
        """Take back everything that is left; gives what failed."""
        return self._revert(self._journal.view().open_entries, meanwhile)

    def _revert(self, entries: Sequence[Entry], meanwhile: Meanwhile) -> list[Reverted]:
        for entry in entries:
            self._tell("effect.undoing", number=entry.number, by="engine")

        def done(result: Reverted) -> None:
            number = result.number
            if result.outcome is None:
                facts = {"error": result.error, "remedy": result.remedy}
                self._tell("effect.undo_failed", number=number, effect=result.effect, **facts)
                return
            self._unhealed.pop(number, None)
            facts = {"outcome": result.outcome, "by": "engine"}
            self._crew.aside(lambda: self._journal.mark(number, Stage.UNDONE, **facts), meanwhile)
            self._tell("effect.undone", number=number, **facts)
            if result.outcome is Undone.FOREIGN:
                self._tell("effect.foreign", number=number, effect=result.effect)

        return revert(entries, done=done, meanwhile=meanwhile)

    # -- witnesses

    def _await_witnesses(self, effects: list[Effect], waiting: Meanwhile) -> None:
        """See that each effect's witness has looked at least once before it is applied."""
        names: list[str] = []
        for effect in effects:
            witness = effect.witness()
            for probe in witness.probes if witness else ():
                names.append(probe.name)
                if not self._crew.prober.sampled(probe.name):
                    self._crew.prober.add(probe)
        deadline = self._crew.clock.now() + WITNESSES
        while not all(map(self._crew.prober.sampled, names)):
            if self._crew.clock.now() > deadline:
                return  # the judge will say that it was not seen absent before
            waiting()

    def _watch_struck_again(self, effect: Effect) -> None:
        """Let a blow be seen that could not wait to be seen absent; many may come, so seldom."""
        witness = effect.witness()
        for probe in witness.probes if witness else ():
            self._crew.prober.add(replace(probe, every=SELDOM))

    def _numbered(self, effect: Effect) -> Effect:
        self._count += 1
        return effect.bound(Owner(self._run, self._count))

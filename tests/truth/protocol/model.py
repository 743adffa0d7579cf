"""The protocol by which nothing is left behind, as a model small enough to try everything.

One effect on one service. The engine captures, journals, asks the service, awaits its answer,
journals, holds, and takes it back. The service serves what it accepted when it likes, in any order,
also after whoever asked has died. The guardian acts once the engine is silent or dead: it kills,
waits for the lock, and undoes; `recover` does the same once both are dead. Anybody may be killed at
any moment, the engine also stopped and continued. Not promised: that an engine which stands still
is reverted after its guardian was killed. It holds the lock, so it is for a person to end it.

`Rules` name what the real code does; a rule switched off is a mutant, which must be found out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

# What the engine does, in this order. `asked` and `withdrawn` mean that the request is on its way.
ENGINE = (
    "capture",
    "intend",
    "ask",
    "await",
    "applied",
    "hold",
    "withdraw",
    "gone",
    "undone",
    "close",
)
ALIVE, STOPPED, DYING, DEAD = "alive", "stopped", "dying", "dead"
"""One that is dying was killed and is still at its last system call."""
UNDOER = ("watch", "kill", "lock", "withdraw", "observe", "close", "done")
"""What the guardian does; `recover` begins at `lock`."""


class Rules(NamedTuple):
    """What keeps the promise; each is one sentence of the design."""

    journal_first: bool = True
    """The intent is in the journal before the service is asked."""
    kills_first: bool = True
    """The guardian kills the engine before it undoes."""
    awaits_death: bool = True
    """It waits for the lock, which only a dead or finished engine lets go."""
    settles: bool = True
    """It calls an effect gone only once no accepted request can still be served."""
    recovers: bool = True
    """When both are dead, somebody runs `recover`."""
    closes_last: bool = True
    """The journal is closed after the undo, not before."""


class State(NamedTuple):
    """Everything that matters about the world at one moment."""

    step: int = 0
    engine: str = ALIVE
    guardian: str = ALIVE
    guarding: str = "watch"
    recovery: str = ""
    """What `recover` does, "" before it was begun."""
    journal: str = ""
    """"" (nothing yet), `open`, or `closed`."""
    present: bool = False
    asked: int = 0
    """Requests to apply that the service has accepted and not served."""
    revoked: int = 0
    """Requests to undo that it has accepted and not served."""
    beside: bool = False
    """Somebody undid while the engine could still act: what must never be."""

    @property
    def does(self) -> str:
        """What the engine is about to do; "" once it has done all."""
        return ENGINE[self.step] if self.step < len(ENGINE) else ""

    @property
    def over(self) -> bool:
        """Whether the engine can do nothing any more."""
        return self.engine == DEAD or not self.does


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that may happen: who does what, and the state after it."""

    name: str
    after: State


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """Everything that may happen next."""
    yield from _service(state)
    yield from _engine(state, rules)
    yield from _guardian(state, rules)
    yield from _recover(state, rules)


def _service(state: State) -> Iterator[Move]:
    if state.asked:
        yield Move("service applies", state._replace(asked=state.asked - 1, present=True))
    if state.revoked:
        yield Move("service undoes", state._replace(revoked=state.revoked - 1, present=False))


def _engine(state: State, rules: Rules) -> Iterator[Move]:
    if state.engine == DEAD:
        return
    if state.engine == DYING:
        yield Move("engine dies", state._replace(engine=DEAD))
    elif not state.over:
        yield Move("engine is killed", state._replace(engine=DYING))
    if state.engine == STOPPED:
        yield Move("engine continues", state._replace(engine=ALIVE))
        return
    if state.does:
        if state.engine == ALIVE:
            yield Move("engine is stopped", state._replace(engine=STOPPED))
        after = _step(state, rules)
        if after is not None:
            yield Move(f"engine: {state.does}", after)


def _step(state: State, rules: Rules) -> State | None:  # noqa: PLR0911 - one line a step
    """The engine's next step; None where it has to wait for the service's answer."""
    on = state._replace(step=state.step + 1)
    match state.does:
        case "intend":
            return on._replace(journal="open") if rules.journal_first else on
        case "ask":
            return on._replace(asked=state.asked + 1)
        case "await":
            if state.asked:
                return None
            return on if rules.journal_first else on._replace(journal="open")
        case "hold" if not rules.closes_last:
            return on._replace(journal="closed")
        case "withdraw":
            return on._replace(revoked=state.revoked + 1)
        case "gone":
            return None if state.revoked else on
        case "close":
            return on._replace(journal="closed")
    return on


def _guardian(state: State, rules: Rules) -> Iterator[Move]:
    if state.guardian == DEAD or state.guarding == "done":
        return
    yield Move("guardian is killed", state._replace(guardian=DEAD))
    if state.guarding == "watch":
        if state.engine == ALIVE and not state.does:
            yield Move("guardian is dismissed", state._replace(guarding="done"))
        elif state.engine != ALIVE:
            first = "kill" if rules.kills_first else "lock"
            yield Move("guardian acts", state._replace(guarding=first))
    elif state.guarding == "kill":
        dying = DEAD if state.engine == DEAD else DYING
        yield Move("guardian kills", state._replace(engine=dying, guarding="lock"))
    else:
        for after, on in _undoing(state, state.guarding, rules):
            yield Move(f"guardian: {state.guarding}", after._replace(guarding=on))


def _recover(state: State, rules: Rules) -> Iterator[Move]:
    nobody = state.engine == DEAD and state.guardian == DEAD
    if not rules.recovers or not nobody or state.journal != "open":
        return
    doing = state.recovery or "lock"
    for after, on in _undoing(state, doing, rules):
        yield Move(f"recover: {doing}", after._replace(recovery=on))


def _undoing(state: State, doing: str, rules: Rules) -> Iterator[tuple[State, str]]:
    """What guardian and `recover` have in common, from the lock on."""
    held = state.engine != DEAD and bool(state.does)
    if doing == "lock":
        if held and rules.awaits_death:
            return
        yield state, "withdraw" if state.journal == "open" else "done"
    elif doing == "withdraw":
        yield state._replace(revoked=state.revoked + 1, beside=state.beside or held), "observe"
    elif doing == "observe":
        if state.revoked:
            return
        if state.present:
            yield state, "withdraw"
        elif not rules.settles or not state.asked:
            yield state, "close"
    elif doing == "close":
        yield state._replace(journal="closed"), "done"


def mutants() -> dict[str, Rules]:
    """Each rule switched off on its own."""
    everything = Rules()
    return {name: replace_rule(everything, name) for name in Rules._fields}


def replace_rule(rules: Rules, name: str) -> Rules:
    """The same rules without this one."""
    return Rules(**{**rules._asdict(), name: False})

"""Every state that can come about, and whether each keeps the promise."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tests.truth.protocol.model import DEAD, STOPPED, Move, Rules, State, moves

MOST = 200_000
"""More states than the model has: a bound, so that a mistake in it can't run for ever."""


@dataclass(slots=True)
class Explored:
    """All states with the way that led to each; `broken` are those in which a promise is broken."""

    ways: dict[State, tuple[State, str] | None] = field(default_factory=dict)
    ends: list[State] = field(default_factory=list)

    def way_to(self, state: State) -> list[str]:
        """What has to happen for this state to come about."""
        names: list[str] = []
        link = self.ways[state]
        while link is not None:
            before, name = link
            names.append(name)
            link = self.ways[before]
        return names[::-1]

    def broken(self) -> dict[str, State]:
        """A state for each kind of promise that is broken somewhere, the first that was found."""
        found: dict[str, State] = {}
        for state in self.ways:
            if state.beside:
                found.setdefault("undone beside a living engine", state)
        for state in self.ends:
            if state.engine == STOPPED and state.guardian == DEAD:
                continue  # not promised, see the model
            if state.present:
                found.setdefault("left in the world", state)
            if state.journal == "open":
                found.setdefault("left in the journal", state)
        return found


def explore(rules: Rules) -> Explored:
    """Try everything, breadth first."""
    begin = State()
    found = Explored({begin: None})
    waiting = deque([begin])
    while waiting:
        state = waiting.popleft()
        after = [move for move in moves(state, rules) if move.after != state]
        if not any(_is_sure(move) for move in after):
            found.ends.append(state)
        for move in after:
            if move.after not in found.ways:
                found.ways[move.after] = (state, move.name)
                waiting.append(move.after)
        assert len(found.ways) <= MOST, "the model has more states than it should"
    return found


def _is_sure(move: Move) -> bool:
    """Whether it happens by itself, and not only if somebody sends a signal."""
    return not move.name.startswith("engine is") and not move.name.endswith(("killed", "continues"))


def endless(found: Explored, rules: Rules) -> list[State]:
    """States from which no end can be reached: something would wait there for ever."""
    before: dict[State, list[State]] = {}
    for state in found.ways:
        for move in moves(state, rules):
            before.setdefault(move.after, []).append(state)
    reached = set(found.ends)
    waiting = deque(found.ends)
    while waiting:
        for state in before.get(waiting.popleft(), []):
            if state not in reached:
                reached.add(state)
                waiting.append(state)
    return [state for state in found.ways if state not in reached and state.engine != DEAD]

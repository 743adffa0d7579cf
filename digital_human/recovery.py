"""Recovery: a known problem is located, repaired and verified, and every step is an event."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Protocol

from digital_human.events import Events, Kind, Subject


@dataclass(frozen=True, slots=True)
class Context:
    """What is known when a problem is found."""

    instance: str
    detail: str
    impact: str = ""


class RepairFailed(Exception):
    """A repair could not be carried out."""


class GaveUp(RepairFailed):
    """A repair was carried out too often to be tried again."""


class Action(Protocol):
    """What to do about one kind of problem; `deed` is the event of having done it."""

    deed: ClassVar[Kind]

    async def locate(self, context: Context) -> str:
        """The root cause, in words, as far as it can be told."""

    async def contain(self, context: Context) -> str | None:
        """See to it that it gets no worse and say how; `None` if nothing had to be done.

        Raises `RepairFailed` where that is not certain: no repair may be tried then.
        """

    async def repair(self, context: Context) -> str | None:
        """Carry the repair out and say what was done; `None` if nothing had to be done any more.

        Raises `RepairFailed`, or `GaveUp` if it will not be tried again.
        """

    async def verify(self, context: Context) -> bool:
        """Whether the problem is gone, from the system's own answer."""


class Recovery(Enum):
    """How the handling of a problem ended."""

    REPAIRED = "repaired"
    FAILED = "failed"
    GAVE_UP = "gave_up"
    UNKNOWN = "unknown"


class AutoRecovery:
    """Handles problems by the actions registered for them."""

    def __init__(self, events: Events, clock: Callable[[], float] = time.monotonic) -> None:
        self._events = events
        self._clock = clock
        self._actions: dict[str, Action] = {}

    def register_action(self, problem: str, action: Action) -> None:
        """Name what to do about a problem; a second action for it replaces the first."""
        self._actions[problem] = action

    async def handle_problem(self, problem: str, context: Context) -> Recovery:
        """Recognise, locate, repair and verify, in this order, with an event for each step."""
        began = self._clock()
        subject = Subject(problem, context.instance)
        self._events.emit(Kind.DETECTED, subject, context.detail)
        action = self._actions.get(problem)
        if action is None:
            self._events.emit(Kind.FAILED, subject, "nothing is registered for this problem")
            return Recovery.UNKNOWN
        self._events.emit(Kind.CLASSIFIED, subject, f"known, handled by {type(action).__name__}")
        if context.impact:
            self._events.emit(Kind.ASSESSED, subject, context.impact)
            self._events.emit(Kind.ALERTED, subject, f"{problem} of {context.instance}")
        cause = await action.locate(context)
        self._events.emit(Kind.LOCATED, subject, context.detail, cause)
        recovery = await self._repair(action, subject, context, cause)
        took = f"{recovery.value} after {self._clock() - began:.2f} s"
        self._events.emit(Kind.LESSON, subject, f"{cause}: {took}", cause)
        return recovery

    async def _repair(
        self, action: Action, subject: Subject, context: Context, cause: str
    ) -> Recovery:
        try:
            contained = await action.contain(context)
            if contained is not None:
                self._events.emit(Kind.CONTAINED, subject, contained, cause)
            self._events.emit(Kind.REPAIRING, subject, "repair begins", cause)
            done = await action.repair(context)
        except GaveUp as error:
            self._events.emit(Kind.GAVE_UP, subject, str(error), cause)
            return Recovery.GAVE_UP
        except RepairFailed as error:
            self._events.emit(Kind.FAILED, subject, str(error), cause)
            return Recovery.FAILED
        if done is not None:
            self._events.emit(action.deed, subject, done, cause)
        if not await action.verify(context):
            self._events.emit(Kind.FAILED, subject, "still not healthy after the repair", cause)
            return Recovery.FAILED
        self._events.emit(Kind.VERIFIED, subject, "it works again, and was tried", cause)
        self._events.emit(Kind.REPAIRED, subject, done or "well again by itself", cause)
        return Recovery.REPAIRED

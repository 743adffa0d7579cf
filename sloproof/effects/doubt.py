"""Undoing an effect of which nobody knows whether it was applied, or whether it still comes."""

from __future__ import annotations

import time

from sloproof.contracts.effect import Effect, Json, Undone

POLL = 0.02


def undo_in_doubt(effect: Effect, prior: Json) -> Undone:
    """Undo it until its absence was seen throughout its `settle`; gives what was done last.

    What looks for it is answered by the service itself, so that the last answer came later than
    whatever the service had accepted before.
    """
    effect.interrupt()
    outcome = effect.undo(prior)
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < effect.settle.seconds:
        time.sleep(POLL)
        if effect.present(prior):
            outcome = effect.undo(prior)
            quiet_since = time.monotonic()
    return outcome
